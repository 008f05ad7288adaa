// Package light has the end-to-end tests of the whole: the bridge's program between a real
// Synapse, the hangups client against the Hangouts-compatible server, and irssi.
//
// Alice is bridged: she uses Matrix and IRC. Bob and Carol use hangups.
package light

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// world is everything that a test runs.
type world struct {
	t        *testing.T
	ctx      context.Context
	dir      string
	hangouts *hangoutstest.Server
	ca       string
	hs       *synapse.Server
	bridge   *proc.Process
	alice    *mxclient.Client
	ircAddr  string
	bot      id.UserID
}

func scenario() *hangoutstest.Scenario {
	person := func(key, name string) hangoutstest.ScenarioPerson {
		first, _, _ := strings.Cut(name, " ")
		return hangoutstest.ScenarioPerson{Key: key, Name: name, FirstName: first, Email: key + "@example.com", Account: true}
	}
	return &hangoutstest.Scenario{
		People: []hangoutstest.ScenarioPerson{person("alice", "Alice Archer"), person("bob", "Bob Baker"), person("carol", "Carol Čapek")},
		Conversations: []hangoutstest.ScenarioConversation{
			{Key: "bob", Type: "one_to_one", Members: []string{"alice", "bob"}, History: []hangoutstest.ScenarioEvent{
				{From: "bob", Text: "long ago", Ago: "72h"}, {From: "alice", Text: "not so long ago", Ago: "5h"}, {From: "bob", Text: "just now", Ago: "10m"}}},
			{Key: "trio", Type: "group", Name: "Trio", Members: []string{"alice", "bob", "carol"}, History: []hangoutstest.ScenarioEvent{
				{From: "carol", Text: "welcome <b>all</b>", Ago: "3h"}}},
		},
	}
}

// newWorld starts the Hangouts server, Synapse and the bridge. changes are keys of the
// bridge's config.
func newWorld(t *testing.T, changes map[string]any) *world {
	t.Helper()
	hangups.Python(t) // skips before anything is started
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, dir: t.TempDir()}
	w.ca = filepath.Join(w.dir, "ca.pem")
	var err error
	w.hangouts, err = hangoutstest.Start(hangoutstest.Options{Scenario: scenario(), ProxyListen: "127.0.0.1:0", CAFile: w.ca,
		Configure: func(s *hangoutstest.Settings) { s.Dedup = false }})
	require.NoError(t, err)
	t.Cleanup(w.hangouts.Close)
	w.startHomeserverAndBridge(changes)
	w.alice = mxclient.New(t, w.hs, "alice")
	w.alice.AutoJoin()
	return w
}

func (w *world) configFile() string { return filepath.Join(w.dir, "config.yaml") }

// startHomeserverAndBridge goes the way of an operator: example config, edit,
// registration, homeserver, bridge.
func (w *world) startHomeserverAndBridge(changes map[string]any) {
	w.t.Helper()
	program := proc.Bridge(w.t)
	w.command(program, "-e", "-c", w.configFile())
	const server = "test.localhost"
	double, token := synapse.DoublePuppet(w.t, server)
	registration := filepath.Join(w.dir, "registration.yaml")
	port, ircPort, hsPort := proc.FreePort(w.t), proc.FreePort(w.t), proc.FreePort(w.t)
	w.ircAddr = fmt.Sprintf("127.0.0.1:%d", ircPort)
	edits := map[string]any{
		"homeserver.address":        fmt.Sprintf("http://127.0.0.1:%d", hsPort),
		"homeserver.domain":         server,
		"appservice.address":        fmt.Sprintf("http://127.0.0.1:%d", port),
		"appservice.hostname":       "127.0.0.1",
		"appservice.port":           port,
		"database.uri":              "file:" + filepath.Join(w.dir, "bridge.db") + "?_txlock=immediate&_stmt_cache_size=200",
		"bridge.permissions":        map[string]string{server: "user"},
		"double_puppet.secrets":     map[string]string{server: "as_token:" + token},
		"network.hangouts.base_url": w.hangouts.URL,
		"network.irc.listen":        []string{w.ircAddr},
		"logging.writers":           []map[string]string{{"type": "stdout", "format": "pretty"}},
		"logging.min_level":         "debug",
	}
	for key, value := range changes {
		edits[key] = value
	}
	text, err := os.ReadFile(w.configFile())
	require.NoError(w.t, err)
	edited, err := config.Change(string(text), edits)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.configFile(), []byte(edited), 0o600))
	w.command(program, "-g", "-c", w.configFile(), "-r", registration)
	w.hs = synapse.Start(w.t, synapse.Options{ServerName: server, Port: hsPort, Registrations: []string{registration, double}, NoPresence: true})
	w.bridge = proc.Start(w.t, proc.Options{Name: "bridge", Path: program, Args: []string{"-n", "-c", w.configFile()}, Dir: w.dir})
	w.bridge.WaitLine("Bridge started")
	w.bot = id.NewUserID("hangoutsbot", server)
}

// command runs the bridge's program to its end and returns its output.
func (w *world) command(program string, args ...string) string {
	w.t.Helper()
	p := proc.Start(w.t, proc.Options{Path: program, Args: args, Dir: w.dir})
	require.Zero(w.t, p.WaitExit(time.Minute), p.Log())
	return p.Log()
}

// loginAlice logs Alice in through the bot.
func (w *world) loginAlice() {
	w.t.Helper()
	room := w.alice.CreateDM(w.bot)
	w.alice.WaitFor("the bot joins", func() bool { return w.alice.Members(room)[w.bot] == "join" })
	w.alice.SendText(room, "login token")
	w.alice.WaitText(room, "refresh token")
	secret := w.alice.SendText(room, w.hangouts.Person("alice").RefreshToken())
	w.alice.WaitText(room, "Logged in as Alice Archer")
	w.alice.WaitFor("the token is removed from the room", func() bool {
		for _, e := range w.alice.History(room) {
			if e.ID == secret && strings.Contains(string(e.Content.VeryRaw), "body") {
				return false
			}
		}
		return true
	})
}

// ircPassword gives Alice's account to the IRC user alice, from the terminal and with
// cookies from a file, and returns a password.
func (w *world) ircPassword() string {
	w.t.Helper()
	cookies, err := json.Marshal(w.hangouts.Person("alice").Cookies())
	require.NoError(w.t, err)
	file := filepath.Join(w.dir, "cookies.json")
	require.NoError(w.t, os.WriteFile(file, cookies, 0o600))
	program := proc.Bridge(w.t)
	w.command(program, "login", "-c", w.configFile(), "-cookies", file, "-irc-user", "alice")
	return strings.TrimSpace(w.command(program, "irc-password", "-c", w.configFile(), "alice"))
}

// hangups starts a hangups client for somebody.
func (w *world) hangups(key string) *hangups.Driver {
	w.t.Helper()
	d := hangups.Start(w.t, w.hangouts.ProxyURL, w.ca)
	require.NoError(w.t, d.Login(w.ctx, hangups.LoginOptions{RefreshToken: w.hangouts.Person(key).RefreshToken(), BackoffBase: 0.1, Resume: true}))
	require.NoError(w.t, w.hangouts.Person(key).WaitSubscribed(w.ctx, 1))
	return d
}

// irssi starts irssi for Alice.
func (w *world) irssi(password string) *ircclient.Irssi {
	w.t.Helper()
	i := ircclient.StartIrssi(w.t, ircclient.Server{Addr: w.ircAddr, Nick: "alice", User: "alice", Password: password})
	i.WaitScreen("MOTD")
	return i
}

func (w *world) conversation(key string) string {
	w.t.Helper()
	c, ok := w.hangouts.Conversation(key)
	require.True(w.t, ok)
	return c.ID
}

// ghost is the localpart of somebody's puppet.
func (w *world) ghost(key string) string { return "hangouts_" + w.hangouts.Person(key).GaiaID() }

// room waits for the room of a conversation.
func (w *world) room(name string) id.RoomID {
	w.t.Helper()
	return w.alice.WaitRoom(name)
}

// texts renders what the homeserver has of a room as "who: body", oldest first, with the
// names of puppets replaced by their keys.
func (w *world) texts(room id.RoomID) []string {
	w.t.Helper()
	var out []string
	for _, line := range mxclient.Texts(w.alice.History(room)) {
		for _, key := range []string{"alice", "bob", "carol"} {
			line = strings.Replace(line, w.ghost(key)+":", key+"'s puppet:", 1)
		}
		out = append(out, line)
	}
	return out
}

// eventually waits for a condition that no client reports.
func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	wait.Until(w.t, what, cond)
}
