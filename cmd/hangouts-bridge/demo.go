package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

const demoUsage = `hangouts-bridge demo [flags]

Runs everything on this machine in a temporary folder: a Hangouts-compatible server with
contacts who answer, the bridge, its IRC server and, where Synapse can be run, a Matrix
homeserver. Ctrl-C stops all of it and removes the folder.`

// Names of the demo.
const (
	demoUser   = "demo"
	demoServer = "demo.localhost"
)

// demo is a running demo.
type demo struct {
	dir       string // temporary, removed at the end
	ircAddr   string
	python    string // of Synapse's environment; "" = no Matrix
	matrix    int    // port
	hangouts  *hangoutstest.Server
	synapse   *child
	bridge    *child
	ircSecret string
}

func runDemo(ctx context.Context, args []string) int {
	d := &demo{}
	set := flag.NewFlagSet("hangouts-bridge demo", flag.ContinueOnError)
	set.StringVar(&d.ircAddr, "irc", "127.0.0.1:6667", "`address` of the IRC server")
	set.IntVar(&d.matrix, "matrix-port", 8008, "`port` of the Matrix homeserver; another one is taken if it is in use")
	set.StringVar(&d.python, "synapse-python", filepath.Join(".cache", "synapse-venv", "bin", "python"),
		"Python `program` of an environment with Synapse; without it there is no Matrix half")
	set.Usage = func() {
		fmt.Fprintln(set.Output(), demoUsage)
		set.PrintDefaults()
	}
	if code, done := parse(set, args); done {
		return code
	}
	if set.NArg() > 0 {
		set.Usage()
		return exitUsage
	}
	err := d.start(ctx)
	if err == nil {
		err = d.watch(ctx)
	}
	d.stop()
	if err != nil {
		return complain(err)
	}
	return exitOK
}

// start begins all parts and says how to use them.
func (d *demo) start(ctx context.Context) (err error) {
	if err = portFree(d.ircAddr); err != nil {
		return fmt.Errorf("the IRC server cannot listen: %w; choose another address with -irc", err)
	}
	if d.dir, err = os.MkdirTemp("", "hangouts-bridge-demo-"); err != nil {
		return err
	}
	if d.hangouts, err = hangoutstest.Start(hangoutstest.Options{Scenario: hangoutstest.DemoScenario()}); err != nil {
		return err
	}
	if _, err = os.Stat(d.python); err != nil {
		fmt.Println("No Synapse here (see -synapse-python): the demo runs without its Matrix half.")
		d.python = ""
	} else if d.python, err = filepath.Abs(d.python); err != nil {
		return err
	}
	if err = d.writeConfig(); err != nil {
		return err
	}
	if err = d.enroll(ctx); err != nil {
		return err
	}
	if d.python != "" {
		if err = d.startSynapse(ctx); err != nil {
			return err
		}
	}
	if err = d.startBridge(ctx); err != nil {
		return err
	}
	d.explain()
	return nil
}

// configFile is the bridge's config.
func (d *demo) configFile() string { return filepath.Join(d.dir, "config.yaml") }

// enroll logs the sample account in for the users of both sides.
func (d *demo) enroll(ctx context.Context) error {
	var s settings
	db, err := open(ctx, d.configFile(), &s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	users := []account.User{{Side: chat.OriginIRC, ID: demoUser}}
	if d.python != "" {
		users = append(users, account.User{Side: chat.OriginMatrix, ID: "@" + demoUser + ":" + demoServer})
	}
	manager := account.NewManager(db, classic.New(s.hangouts.Hangouts()), s.accounts.Options(), quietLog())
	for _, user := range users {
		if _, err = manager.Enroll(ctx, chat.Credentials{RefreshToken: d.hangouts.Account(0).RefreshToken()}, user); err != nil {
			return err
		}
	}
	d.ircSecret, err = irc.IssueNamedPassword(ctx, db.IRCTokens(), demoUser, "demo")
	return err
}

// writeConfig writes the bridge's config, with the registration if there is a homeserver.
func (d *demo) writeConfig() error {
	changes := map[string]any{
		"network.hangouts.base_url":  d.hangouts.URL,
		"network.irc.listen":         []string{d.ircAddr},
		"database.uri":               "file:" + filepath.Join(d.dir, "bridge.db") + "?_txlock=immediate&_stmt_cache_size=200",
		"homeserver.address":         "",
		"logging.writers":            []map[string]string{{"type": "stdout", "format": "pretty"}},
		"bridge.permissions":         map[string]string{demoServer: "admin"},
		"network.initial_chat_sync":  25,
		"network.accounts.send_wait": "1m",
	}
	if d.python != "" {
		if err := d.matrixConfig(changes); err != nil {
			return err
		}
	}
	var s settings
	text, err := config.Change(bridge.ExampleConfig(s.sections()...), changes)
	if err != nil {
		return err
	}
	if err = os.WriteFile(d.configFile(), []byte(text), 0o600); err != nil {
		return err
	}
	if d.python == "" {
		return nil
	}
	main := bridge.NewMain(bridge.Options{Name: "hangouts-bridge", Sections: s.sections()})
	if err = main.LoadConfigFile(d.configFile(), false); err != nil {
		return err
	}
	return main.WriteRegistration(d.configFile(), d.registration())
}

func (d *demo) startBridge(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	d.bridge, err = startChild(filepath.Join(d.dir, "bridge.log"), d.dir, program, "run", "-n", "-c", d.configFile())
	if err != nil {
		return err
	}
	return d.bridge.await(ctx, "the bridge", func() bool {
		conn, err := net.DialTimeout("tcp", d.ircAddr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// explain prints what to connect where.
func (d *demo) explain() {
	var b strings.Builder
	host, port, _ := net.SplitHostPort(d.ircAddr)
	fmt.Fprintf(&b, "\nHangouts   %s (sample account %s; its contacts answer)\n", d.hangouts.URL, d.hangouts.Account(0).Email())
	fmt.Fprintf(&b, "IRC        %s, no TLS, nick and user %s, password %s\n", d.ircAddr, demoUser, d.ircSecret)
	fmt.Fprintf(&b, "           irssi -c %s -p %s -n %s -w %s:%s\n", host, port, demoUser, demoUser, d.ircSecret)
	if d.python != "" {
		fmt.Fprintf(&b, "Matrix     http://127.0.0.1:%d, user @%s:%s, password %s\n", d.matrix, demoUser, demoServer, demoPassword)
		fmt.Fprintf(&b, "           any client; the rooms of the conversations appear by themselves\n")
	}
	fmt.Fprintf(&b, "Logs       %s\n\nCtrl-C stops everything and removes the folder.\n", d.dir)
	fmt.Print(b.String())
}

// errDied means that a part of the demo ended by itself.
var errDied = errors.New("ended by itself")

// watch waits for the end: of the person's patience, or of a part.
func (d *demo) watch(ctx context.Context) error {
	var synapseEnded <-chan struct{}
	if d.synapse != nil {
		synapseEnded = d.synapse.ended
	}
	select {
	case <-ctx.Done():
		fmt.Println("\nStopping")
		return nil
	case <-d.bridge.ended:
		return d.bridge.died("the bridge")
	case <-synapseEnded:
		return d.synapse.died("the homeserver")
	}
}

func (d *demo) stop() {
	if d.bridge != nil {
		d.bridge.stop()
	}
	if d.synapse != nil {
		d.synapse.stop()
	}
	if d.hangouts != nil {
		d.hangouts.Close()
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
}

func portFree(addr string) error {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s", addr)
	} else if err != nil {
		return err
	}
	return l.Close()
}
