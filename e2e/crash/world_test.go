package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
)

func TestMain(m *testing.M) {
	proc.Child(map[string]func() int{nullhs.Role: nullhs.Main})
	os.Exit(m.Run())
}

// homeserver is one that can be killed.
type homeserver interface {
	mxclient.Homeserver
	Kill9()
	StartAgain()
}

// conversations are the keys of the scenario, with the names of their rooms and what IRC calls them.
var conversations = []struct{ key, room, irc string }{
	{"direct", "Bob Baker (Hangouts)", "Bob_Baker"},
	{"trio", "Trio", "#Trio"},
	{"team", "Team", "#Team"},
}

// world is everything that a run needs.
type world struct {
	*stage.Stage
	t        *testing.T
	ctx      context.Context
	seed     uint64
	hangouts *stage.Hangouts
	home     homeserver
	null     *nullhs.Process // home, when it is not Synapse
	links    map[string]*stage.Link
	carol    *mxclient.Client // shares the groups with Alice: a second account of the bridge
	bob      *hangups.Driver
	irc      *stage.IRC
	gaia     map[string]string    // by key of a person
	nicks    map[string]string    // on IRC, by key of a person
	ids      map[string]string    // Hangouts id by key of a conversation
	rooms    map[string]id.RoomID // by key of a conversation

	fullSync bool                     // every transaction of the bridge is synced
	accounts map[string]stage.Account // Alice's and Carol's
	pens     map[string]*sync.RWMutex // by source: it writes while it holds one shared

	backup   string // of the database, "" if the next restore needs a new one
	backups  int
	unsynced int      // messages acknowledged to the homeserver that power failures took from the database
	forgot   []int64  // when (ms) the bridge's database was set back
	absences []period // when Alice or Carol was logged out

	progress atomic.Int64 // messages that IRC has got
	faulted  atomic.Bool  // all faults are done
	ending   atomic.Bool  // watermarks stay where they are
	counts   map[string]int

	rates    rates
	photosMu sync.Mutex
	photos   map[string]string              // digests of what the Hangouts server has, by id
	media    map[id.ContentURIString]string // digests of what the homeserver has

	mu       sync.Mutex
	pictures map[string]string // names by digest
	done     map[deed]int
	channels channels                        // what IRC shows
	said     map[string]map[string][]Message // by source and conversation, in order
	ended    []Problem
	marks    map[string][]Mark // observations by end
	ircMarks []Mark
	diary    *os.File
}

// seed is that of the environment, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	if text := os.Getenv("SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "SEED")
		return n
	}
	return rand.Uint64N(1_000_000)
}

// number is a setting from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// scenario has, beside those of stage.Scenario, people who come and go.
func scenario() *hangoutstest.Scenario {
	s := stage.Scenario()
	for _, name := range []string{"Erin Evans", "Frank Fuller", "Gina Grant"} {
		first, _, _ := strings.Cut(name, " ")
		key := strings.ToLower(first)
		s.People = append(s.People, hangoutstest.ScenarioPerson{Key: key, Name: name, FirstName: first, Email: key + "@example.com"})
	}
	return s
}

// newWorld starts everything and waits until all conversations are at all ends.
func newWorld(t *testing.T, seed uint64, realHomeserver, fullSync bool, limit time.Duration) *world {
	t.Helper()
	hangups.Python(t) // skips before anything is started
	dir, err := os.MkdirTemp("", "hangouts-crash-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() || os.Getenv("CRASH_KEEP") != "" {
			t.Logf("logs, state and database are kept in %s", dir)
		} else {
			_ = os.RemoveAll(dir)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, seed: seed, counts: map[string]int{}, said: map[string]map[string][]Message{}, marks: map[string][]Mark{},
		gaia: map[string]string{}, nicks: map[string]string{}, ids: map[string]string{}, rooms: map[string]id.RoomID{}, links: map[string]*stage.Link{},
		rates:  rates{number(t, "CRASH_PICTURES", 10), number(t, "CRASH_CHANGES", 50)},
		photos: map[string]string{}, media: map[id.ContentURIString]string{}, pictures: map[string]string{}, done: map[deed]int{}, channels: newChannels(),
		fullSync: fullSync, accounts: map[string]stage.Account{}, pens: map[string]*sync.RWMutex{}}
	for _, src := range sources {
		w.pens[src.name] = &sync.RWMutex{}
	}
	w.diary, err = os.Create(filepath.Join(dir, "diary.log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.diary.Close() })
	w.Stage = stage.New(t, dir, "")
	w.hangouts = stage.StartHangouts(t, w.Program, dir, scenario())
	var people []hangoutstest.PersonInfo
	require.NoError(t, w.hangouts.Control(ctx, "people", nil, &people))
	for _, p := range people {
		w.gaia[p.Key], w.nicks[p.Key] = p.GaiaID, strings.ReplaceAll(p.Name, " ", "_")
	}
	list, err := w.hangouts.Conversations(ctx)
	require.NoError(t, err)
	for _, c := range list {
		w.ids[c.Key] = c.ID
	}
	hsAddr := stage.FreeAddr(t)
	w.links["hangouts"] = stage.NewLink(t, w.hangouts.Addr)
	w.links["homeserver"] = stage.NewLink(t, hsAddr)
	w.links["appservice"] = stage.NewLink(t, w.ASAddr)
	w.links["irc"] = stage.NewLink(t, w.IRCAddr)
	w.Set("network.hangouts.base_url", w.links["hangouts"].URL())
	if fullSync {
		w.Set("database.type", "sqlite3-fk-wal-fullsync")
	}
	w.KeepSynced()
	registrations := w.Registrations(w.links["homeserver"].URL(), w.links["appservice"].URL())
	if realHomeserver {
		_, port, _ := strings.Cut(hsAddr, ":")
		n, _ := strconv.Atoi(port)
		w.home = synapse.Start(t, synapse.Options{ServerName: stage.Domain, Port: n, Registrations: registrations, NoPresence: true})
	} else {
		w.null = nullhs.StartProcess(t, nullhs.Options{ServerName: stage.Domain, Listen: hsAddr, LayAside: true,
			StateFile: filepath.Join(dir, "homeserver.state"), RegistrationFiles: registrations})
		w.home = w.null
	}
	w.Run()
	w.enter()
	return w
}

// enter brings Alice, Carol and Bob in.
func (w *world) enter() {
	w.t.Helper()
	bob := w.hangouts.Account("bob@example.com")
	for _, key := range []string{"alice", "carol"} {
		a := w.hangouts.Account(key + "@example.com")
		w.accounts[key] = stage.Account{RefreshToken: a.RefreshToken, GaiaID: a.GaiaID}
	}
	who := w.accounts["alice"]
	w.Login(w.home, who)
	for _, c := range conversations {
		w.rooms[c.key] = w.Alice.WaitRoom(c.room)
		w.Alice.WaitText(w.rooms[c.key], "welcome")
	}
	w.carol = w.LoginAs(w.home, "carol", w.accounts["carol"])
	for _, key := range []string{"trio", "team"} {
		w.carol.WaitFor("her room "+key, func() bool { return w.Alice.Members(w.rooms[key])[w.carol.UserID()] == "join" })
	}
	w.irc = stage.StartIRC(w.links["irc"].Addr, "alice", w.IRCPassword(who), w.heard)
	w.t.Cleanup(w.irc.Close)
	w.Eventually(time.Minute, "the IRC client to be welcomed", w.irc.Connected)
	w.bob = hangups.Start(w.t, w.hangouts.ProxyURL, w.hangouts.CAFile)
	require.NoError(w.t, w.bob.Login(w.ctx, hangups.LoginOptions{RefreshToken: bob.RefreshToken, BackoffBase: 0.1, Resume: true}))
	for _, person := range []string{"alice", "bob", "carol"} {
		require.NoError(w.t, w.hangouts.Control(w.ctx, "wait-subscribed", map[string]any{"account": person, "count": 1}, nil))
	}
}

// heard takes each line of IRC.
func (w *world) heard(l ircclient.Line) {
	w.mu.Lock()
	w.channels.heard(l)
	w.mu.Unlock()
	switch l.Command {
	case "PRIVMSG":
		w.progress.Add(1)
	case "MARKREAD":
		w.note("irc: told %s", l.Raw)
		at, err := time.Parse("timestamp="+ircTime, l.Param(1))
		for _, c := range conversations {
			if err == nil && c.irc == l.Param(0) {
				w.mu.Lock()
				w.ircMarks = append(w.ircMarks, Mark{c.key, at.UnixMilli()})
				w.mu.Unlock()
			}
		}
	}
}

// note writes into the diary of the run.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.diary, "%s %s\n", time.Now().UTC().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// history is what the homeserver has of a room, oldest first.
func (w *world) history(room id.RoomID) []*event.Event {
	if w.null != nil {
		return w.null.Events(room)
	}
	return w.Alice.History(room)
}

// timeline is what the homeserver has of a room's messages, oldest first.
func (w *world) timeline(room id.RoomID) []*event.Event {
	return slices.DeleteFunc(w.history(room), func(e *event.Event) bool { return e.Type != event.EventMessage })
}
