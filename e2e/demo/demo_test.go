// Package demo_test runs the command `hangouts-bridge demo` as a person would: both halves of it, and the IRC half alone.
package demo_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// patience bounds the start with a homeserver: machines are slow and shared.
const patience = 3 * time.Minute

// demo is a running demo and what it has printed.
type demo struct {
	t        *testing.T
	proc     *proc.Process
	temp     string // where it makes its folder
	irc      string
	password string // for IRC
	matrix   string // address of the homeserver, "" without
}

var (
	ircLine    = regexp.MustCompile(`(?m)^IRC +(\S+), no TLS, nick and user demo, password (\S+)$`)
	matrixLine = regexp.MustCompile(`(?m)^Matrix +(http://\S+), user @demo:demo\.localhost, password demo$`)
	lastLine   = "Ctrl-C stops everything and removes the folder."
)

// start runs the demo with a Python, on ports that nobody uses, until it has said how to use it.
func start(t *testing.T, python string) *demo {
	t.Helper()
	d := &demo{t: t, temp: t.TempDir(), irc: fmt.Sprintf("127.0.0.1:%d", proc.FreePort(t))}
	d.proc = proc.Start(t, proc.Options{
		Name: "demo", Path: proc.Bridge(t), Dir: t.TempDir(), Env: []string{"TMPDIR=" + d.temp},
		Args: []string{"demo", "-irc", d.irc, "-matrix-port", fmt.Sprint(proc.FreePort(t)), "-synapse-python", python},
	})
	t.Cleanup(d.killParts)
	require.Eventually(t, func() bool { return !d.proc.Running() || strings.Contains(d.proc.Log(), lastLine) }, patience, 50*time.Millisecond)
	require.True(t, d.proc.Running(), "the demo ended:\n%s", d.proc.Log())
	said := ircLine.FindStringSubmatch(d.proc.Log())
	require.NotNil(t, said, d.proc.Log())
	require.Equal(t, d.irc, said[1])
	d.password = said[2]
	if said = matrixLine.FindStringSubmatch(d.proc.Log()); said != nil {
		d.matrix = said[1]
	}
	return d
}

// parts are the processes that were started with a file of the demo's folder, by their numbers.
func (d *demo) parts() (found map[int]string) {
	found = map[int]string{}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(d.t, err)
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte(d.temp)) {
			continue
		}
		var pid int
		if _, err = fmt.Sscanf(file, "/proc/%d/cmdline", &pid); err == nil && pid != d.proc.PID() {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// killParts leaves nothing behind when a test has failed.
func (d *demo) killParts() {
	for pid := range d.parts() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// chat talks with dave, who repeats everything, and carol, who answers, over IRC.
func (d *demo) chat(about string) {
	d.t.Helper()
	c := ircclient.Dial(d.t, d.irc)
	c.Register(ircclient.Login{Nick: "demo", Password: d.password})
	c.Await("JOIN", "#Picnic")
	c.Send("PRIVMSG #Picnic :%s", about)
	c.AwaitFunc("an answer of the group", func(l ircclient.Line) bool { return l.Is("PRIVMSG", "#Picnic") })
	c.Send("LIST")
	c.Await("322", "demo", "#Team")
	c.Send("PRIVMSG Dave_Angstrom :%s to you", about)
	answer := c.AwaitFunc("an answer of dave", func(l ircclient.Line) bool { return l.Is("PRIVMSG", "demo") })
	require.Equal(d.t, "Dave_Angstrom", answer.Nick())
	require.Contains(d.t, answer.Last(), about+" to you")
	c.Close()
}

// end is Ctrl-C, or a terminal that is closed: everything ends in order and nothing stays.
func (d *demo) end(sig syscall.Signal, parts int) {
	d.t.Helper()
	require.Len(d.t, d.parts(), parts)
	folder, err := filepath.Glob(filepath.Join(d.temp, "*"))
	require.NoError(d.t, err)
	require.Len(d.t, folder, 1)
	d.proc.Signal(sig)
	require.Zero(d.t, d.proc.WaitExit(time.Minute))
	require.Empty(d.t, d.parts(), "processes are left")
	folder, err = filepath.Glob(filepath.Join(d.temp, "*"))
	require.NoError(d.t, err)
	require.Empty(d.t, folder, "files are left")
	for _, addr := range []string{d.irc, strings.TrimPrefix(d.matrix, "http://")} {
		if addr != "" {
			_, err = net.DialTimeout("tcp", addr, time.Second)
			require.Error(d.t, err, "%s is still open", addr)
		}
	}
}

// homeserver is the demo's, as its user sees it.
type homeserver struct{ url string }

func (h homeserver) URL() string        { return h.url }
func (homeserver) ServerName() string   { return "demo.localhost" }
func (homeserver) SharedSecret() string { return "" }

func TestDemo(t *testing.T) {
	need.Part(t, "synapse")
	d := start(t, need.Python(t, "synapse-venv"))
	require.NotEmpty(t, d.matrix, d.proc.Log())
	d.chat("cake")

	me := mxclient.Login(t, homeserver{d.matrix}, "demo", "demo")
	rooms := map[string]id.RoomID{}
	for _, name := range []string{"Picnic", "Team", "Carol Čapek (Hangouts)", "Dave Ångström (Hangouts)", "Grace Hopper (Hangouts)"} {
		rooms[name] = me.WaitRoom(name)
	}
	me.WaitText(rooms["Picnic"], "Who brings the cake?")
	require.Equal(t, me.UserID(), me.WaitText(rooms["Dave Ångström (Hangouts)"], "cake to you").Sender, "what was typed on IRC")
	me.SendText(rooms["Dave Ångström (Hangouts)"], "lemonade")
	me.WaitFor("dave's answer", func() bool {
		for _, text := range me.Texts(rooms["Dave Ångström (Hangouts)"]) {
			if who, said, _ := strings.Cut(text, ": "); who != "demo" && strings.Contains(said, "lemonade") {
				return true
			}
		}
		return false
	})
	d.end(syscall.SIGHUP, 2)
}

// Without Synapse there is the IRC half, and the demo says so.
func TestDemoWithoutPython(t *testing.T) {
	d := start(t, filepath.Join(t.TempDir(), "no", "python"))
	require.Contains(t, d.proc.Log(), "No Synapse here")
	require.Empty(t, d.matrix, d.proc.Log())
	d.chat("cake")
	d.end(syscall.SIGINT, 1)
}

// A part that ends by itself ends the demo, which shows the last lines of its log.
func TestDemoEndsWithItsParts(t *testing.T) {
	d := start(t, filepath.Join(t.TempDir(), "no", "python"))
	require.Len(t, d.parts(), 1)
	d.killParts()
	require.Eventually(t, func() bool { return !d.proc.Running() }, patience, 50*time.Millisecond)
	require.Regexp(t, `(?m)^The last that the bridge said:$`, d.proc.Log())
	require.Regexp(t, `(?m)^\S+ INF .*IRC gateway listens`, d.proc.Log(), "whole lines")
	require.Regexp(t, `(?m)^hangouts-bridge: the bridge ended by itself$`, d.proc.Log())
	left, err := filepath.Glob(filepath.Join(d.temp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// An address that is taken is said at once, and nothing is started.
func TestDemoPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	temp := t.TempDir()
	p := proc.Start(t, proc.Options{Name: "demo", Path: proc.Bridge(t), Dir: temp, Env: []string{"TMPDIR=" + temp}, Quiet: true,
		Args: []string{"demo", "-irc", taken.Addr().String(), "-synapse-python", "none"}})
	require.Equal(t, 1, p.WaitExit(proc.Patience))
	require.Contains(t, p.Log(), "another program listens on "+taken.Addr().String()+"; choose another address with -irc")
	folder, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, folder)
}

// The README's command builds what it runs.
func TestMakeDemo(t *testing.T) {
	program, err := exec.LookPath("make")
	if err != nil {
		need.Missing(t, "make is not installed")
	}
	root, err := need.Root()
	require.NoError(t, err)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(readme), "\n    make demo ")
	cmd := exec.Command(program, "-n", "demo") // shows the commands; nothing of this target runs
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `(?s)go build [^\n]*-o bin/hangouts-bridge [^\n]*\./cmd/hangouts-bridge\n.*\./bin/hangouts-bridge demo`, string(out))
}
