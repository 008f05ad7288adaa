// Package stage sets up everything around the bridge's program for tests under load: Hangouts-compatible server,
// homeserver, and links between them and the bridge that can be cut.
//
// Alice is bridged and uses Matrix and IRC. Bob, Carol and Dave are on Hangouts.
package stage

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "go.mau.fi/util/dbutil/litestream" // the driver "sqlite3-fk-wal"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// Domain is the homeserver's name.
const Domain = "test.localhost"

// Bot is the bridge's bot.
var Bot = id.NewUserID("hangoutsbot", Domain)

// Account is what logging in needs to know of somebody.
type Account struct {
	RefreshToken string
	GaiaID       string
}

// Stage is the bridge and where it runs.
type Stage struct {
	MaxUpload int64 // bytes, of NullHomeserver; 0: its default
	T         testing.TB
	Dir       string
	Program   string
	Bridge    *proc.Process
	Alice     *mxclient.Client // nil without a homeserver
	IRCAddr   string           // where the bridge listens for IRC
	ASAddr    string           // where the bridge listens for the homeserver
	Env       []string         // of the bridge, "KEY=value"

	edits      map[string]any
	management map[id.UserID]id.RoomID // rooms with the bot
}

// programVariable names a program that is tested instead of the one built from this tree.
const programVariable = "BRIDGE_PROGRAM"

func program(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(programVariable); path != "" {
		return path
	}
	return proc.Bridge(t)
}

// New makes a folder with a config file of its own, for a bridge without Matrix. The program is copied there, so that a
// long run uses one and the same.
func New(t testing.TB, dir, hangoutsURL string) *Stage {
	t.Helper()
	s := &Stage{T: t, Dir: dir, Program: filepath.Join(dir, "hangouts-bridge"), management: map[id.UserID]id.RoomID{}}
	s.must(copyFile(program(t), s.Program))
	s.IRCAddr, s.ASAddr = FreeAddr(t), FreeAddr(t)
	s.edits = map[string]any{
		"homeserver.address":        "",
		"homeserver.domain":         Domain,
		"database.uri":              "file:" + s.Database() + "?_txlock=immediate&_stmt_cache_size=200",
		"bridge.permissions":        map[string]string{Domain: "user"},
		"network.hangouts.base_url": hangoutsURL,
		"network.irc.listen":        []string{s.IRCAddr},
		"logging.min_level":         "debug",
		"logging.writers":           []map[string]any{{"type": "file", "format": "json", "filename": s.LogFile(), "max_size": 2000}},
	}
	s.Command("-e", "-c", s.Config())
	return s
}

// FreeAddr returns an address of the loopback interface with a port of proc.FreePort.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", proc.FreePort(t))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func (s *Stage) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// Config is the path of the config file.
func (s *Stage) Config() string { return filepath.Join(s.Dir, "config.yaml") }

// Database is the path of the bridge's database.
func (s *Stage) Database() string { return filepath.Join(s.Dir, "bridge.db") }

// LogFile is the path of the bridge's log.
func (s *Stage) LogFile() string { return filepath.Join(s.Dir, "bridge.log") }

// Set changes a key of the config, before Write.
func (s *Stage) Set(key string, value any) { s.edits[key] = value }

// Write writes the config.
func (s *Stage) Write() {
	s.T.Helper()
	text, err := os.ReadFile(s.Config())
	s.must(err)
	edited, err := config.Change(string(text), s.edits)
	s.must(err)
	s.must(os.WriteFile(s.Config(), []byte(edited), 0o600))
}

// Registrations sets the config up for Matrix and makes the bridge's registration and one for double puppets: the files
// that the homeserver must be started with. The bridge reaches the homeserver, and the homeserver the bridge, at the given addresses.
func (s *Stage) Registrations(homeserverURL, bridgeURL string) []string {
	s.T.Helper()
	double, token := synapse.DoublePuppet(s.T, Domain)
	s.Set("homeserver.address", homeserverURL)
	s.Set("appservice.address", bridgeURL)
	host, port, _ := strings.Cut(s.ASAddr, ":")
	s.Set("appservice.hostname", host)
	number, err := strconv.Atoi(port)
	s.must(err)
	s.Set("appservice.port", number)
	s.Set("double_puppet.secrets", map[string]string{Domain: "as_token:" + token})
	s.Write()
	registration := filepath.Join(s.Dir, "registration.yaml")
	s.Command("-g", "-c", s.Config(), "-r", registration)
	return []string{registration, double}
}

// Command runs the bridge's program to its end and returns what it said.
func (s *Stage) Command(args ...string) string {
	s.T.Helper()
	return s.command(args...).Log()
}

func (s *Stage) command(args ...string) *proc.Process {
	s.T.Helper()
	p := proc.Start(s.T, proc.Options{Path: s.Program, Args: args, Dir: s.Dir, Env: s.Env, Quiet: true})
	if code := p.WaitExit(time.Minute); code != 0 {
		s.T.Fatalf("%s ended with %d:\n%s", strings.Join(args, " "), code, p.Log())
	}
	return p
}

// Run starts the bridge and waits until IRC can connect.
func (s *Stage) Run() {
	s.T.Helper()
	s.Bridge = proc.Start(s.T, proc.Options{Name: "bridge", Path: s.Program, Args: []string{"-n", "-c", s.Config()}, Dir: s.Dir, Env: s.Env})
	s.Bridge.WaitPort(s.IRCAddr)
}

// Column reads a column of the bridge's database as text.
func (s *Stage) Column(query string) (out []string, err error) {
	return column("file:"+s.Database()+"?mode=ro", query)
}

// Eventually waits for a condition and fails the test after limit.
func (s *Stage) Eventually(limit time.Duration, what string, cond func() bool) {
	s.T.Helper()
	wait.Within(s.T, limit, what, cond)
}

// Scenario is the people and three conversations of the tests, with keys "direct", "trio" and "team".
func Scenario() *hangoutstest.Scenario {
	person := func(key, name string) hangoutstest.ScenarioPerson {
		first, _, _ := strings.Cut(name, " ")
		return hangoutstest.ScenarioPerson{Key: key, Name: name, FirstName: first, Email: key + "@example.com", Account: true}
	}
	welcome := func(who string) []hangoutstest.ScenarioEvent {
		return []hangoutstest.ScenarioEvent{{From: who, Text: "welcome", Ago: "10m"}}
	}
	return &hangoutstest.Scenario{
		People: []hangoutstest.ScenarioPerson{person("alice", "Alice Archer"), person("bob", "Bob Baker"), person("carol", "Carol Cooper"), person("dave", "Dave Dyer")},
		Conversations: []hangoutstest.ScenarioConversation{
			{Key: "direct", Type: "one_to_one", Members: []string{"alice", "bob"}, History: welcome("bob")},
			{Key: "trio", Type: "group", Name: "Trio", Members: []string{"alice", "bob", "carol"}, History: welcome("carol")},
			{Key: "team", Type: "group", Name: "Team", Members: []string{"alice", "bob", "carol", "dave"}, History: welcome("dave")},
		},
	}
}

// NullHomeserver runs a homeserver for tests in this process until the test ends.
func (s *Stage) NullHomeserver(listen string, registrations []string) *nullhs.Server {
	s.T.Helper()
	return nullhs.Start(s.T, nullhs.Options{ServerName: Domain, Listen: listen, RegistrationFiles: registrations, MaxUpload: s.MaxUpload})
}
