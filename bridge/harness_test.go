package bridge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/zeroconfig"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// People and conversations of the tests. Anna and Bert have accounts of ours.
const (
	anna = chat.PersonID("100000000000000000001")
	bert = chat.PersonID("100000000000000000002")
	carl = chat.PersonID("100000000000000000003")

	direct = chat.ConversationID("UgxDirect")
	group  = chat.ConversationID("UgxGroup")
)

const (
	domain = "test.localhost"
	bot    = id.UserID("@hangoutsbot:" + domain)
)

// world is a chat network, a homeserver and the bridge between them.
type world struct {
	t       *testing.T
	dir     string
	network *accounttest.Network
	hs      *nullhs.Server
	tokens  *appservice.Registration // the bridge's registration
	puppets *appservice.Registration // the one for double puppets
	port    int
	change  func(*bridgeconfig.Config) // of the framework's settings
	prepare func(*bridge.Main)         // of ours
	backend account.Backend            // the network, or something around it
	timing  account.Options            // quick, unless a test says otherwise
	options bridge.Options             // what a test changes of them

	main    *bridge.Main
	manager *account.Manager
	failed  chan error
}

// newWorld makes the world without starting the bridge.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), network: accounttest.New(), port: proc.FreePort(t), timing: quick, options: bridge.Options{Timing: homeserver.Timing{ReconcilePause: 50 * time.Millisecond}}, change: func(*bridgeconfig.Config) {}, prepare: func(*bridge.Main) {}}
	w.backend = w.network
	w.network.LimitFeatures(asHangouts)
	w.network.AddPerson(anna, "Anna Ahrens")
	w.network.AddPerson(bert, "Bert Blum")
	w.network.AddPerson(carl, "Carl Conrad")
	w.network.AddConversation(direct, "", anna, carl)
	w.network.AddConversation(group, "Family", anna, bert, carl)
	w.tokens = w.newMain("http://127.0.0.1:1").Registration()
	w.puppets = &appservice.Registration{
		ID: "doublepuppet", AppToken: "puppet-as-token", ServerToken: "puppet-hs-token", SenderLocalpart: "doublepuppet",
		Namespaces: appservice.Namespaces{UserIDs: appservice.NamespaceList{{Regex: "@.*:" + domain}}},
	}
	w.hs = nullhs.Start(t, nullhs.Options{ServerName: domain, Registrations: []*appservice.Registration{w.tokens, w.puppets}})
	return w
}

// asHangouts is what classic Hangouts has of what concerns single messages: none of it.
func asHangouts(c chat.Conversation) chat.Features {
	f := accounttest.EveryFeature(c)
	f.Edits, f.Deletions, f.Reactions, f.Replies, f.Threads, f.CustomEmoji = false, false, false, false, chat.NoThreads, false
	return f
}

// newMain makes a bridge with the shipped defaults, changed only where it has to fit the
// test.
func (w *world) newMain(homeserver string) *bridge.Main {
	main := makeMain(w.t, w.dir, homeserver, w.port, w.tokens, func(ctx context.Context, env bridge.Env) (account.Accounts, error) {
		w.manager = account.NewManager(env.DB, w.backend, w.timing, env.Log)
		return w.manager, w.manager.Start(ctx)
	}, func() {
		if w.manager != nil {
			w.manager.Stop()
		}
	}, w.change, w.options)
	w.prepare(main)
	return main
}

// addr is where the bridge listens for the homeserver.
func (w *world) addr() string { return fmt.Sprintf("127.0.0.1:%d", w.port) }

// quick are timings that do not keep tests waiting.
var quick = account.Options{
	DoubtDelay: 50 * time.Millisecond, BackoffMin: 20 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
	RefreshEvery: 200 * time.Millisecond,
}

func makeMain(t testing.TB, dir, homeserver string, port int, tokens *appservice.Registration,
	start func(context.Context, bridge.Env) (account.Accounts, error), stop func(), change func(*bridgeconfig.Config), options bridge.Options,
) *bridge.Main {
	options.Name, options.Version, options.Start, options.Stop = "hangouts-bridge", "0.1", start, stop
	main := bridge.NewMain(options)
	path := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(bridge.ExampleConfig()), 0o600))
	require.NoError(t, main.LoadConfigFile(path, false))
	cfg := main.Config
	cfg.Homeserver.Address, cfg.Homeserver.Domain = homeserver, domain
	cfg.AppService.Address = fmt.Sprintf("http://127.0.0.1:%d", port)
	cfg.AppService.Hostname, cfg.AppService.Port = "127.0.0.1", uint16(port)
	cfg.Database.URI = fmt.Sprintf("file:%s?_txlock=immediate&_stmt_cache_size=200", filepath.Join(dir, "bridge.db"))
	cfg.Bridge.Permissions = bridgeconfig.PermissionConfig{domain: &bridgeconfig.PermissionLevelAdmin}
	cfg.Bridge.PersonalFilteringSpaces = false
	cfg.DoublePuppet.Secrets = map[string]string{domain: "as_token:puppet-as-token"}
	level := zerolog.WarnLevel
	if os.Getenv("BRIDGE_TEST_LOG") != "" {
		level = zerolog.TraceLevel
	}
	cfg.Logging.MinLevel = &level
	cfg.Logging.Writers = []zeroconfig.WriterConfig{{Type: zeroconfig.WriterTypeStderr, Format: zeroconfig.LogFormatPretty}}
	if tokens != nil {
		cfg.AppService.ASToken, cfg.AppService.HSToken = tokens.AppToken, tokens.ServerToken
	}
	if change != nil {
		change(cfg)
	}
	return main
}

// start runs the bridge until the test ends.
func (w *world) start() {
	w.t.Helper()
	w.failed = make(chan error, 1)
	w.main = w.newMain(w.hs.URL())
	require.NoError(w.t, w.main.Setup())
	main := w.main
	w.t.Cleanup(func() {
		if w.main == main {
			main.Shutdown()
		}
	})
	main.StartMatrix(func(err error) { w.failed <- err })
	w.eventually("the bridge to run", func() bool { return main.Running() })
}

// stop ends the bridge cleanly.
func (w *world) stop() {
	w.main.Shutdown()
	w.main = nil
}

// eventually waits for a condition.
func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	eventually(w.t, what, cond)
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	wait.Until(t, what, cond)
}

// user is a Matrix user who accepts every invitation.
func (w *world) user(name string) *mxclient.Client {
	w.t.Helper()
	client := mxclient.New(w.t, w.hs, name)
	client.AutoJoin()
	return client
}

// roomsMade waits until the rooms due at the first login of an account are made.
func (w *world) roomsMade(person chat.PersonID) {
	w.t.Helper()
	w.eventually("the rooms of "+string(person), func() bool {
		return w.main.Bridge.DB.KV.Get(w.t.Context(), bridge.KeyRoomsMade(w.main, person)) != ""
	})
}

// login logs a Matrix user's account in through the bot and returns the management room.
func (w *world) login(user *mxclient.Client, person chat.PersonID) id.RoomID {
	w.t.Helper()
	w.eventually("the bot", func() bool { return w.hs.UserExists(bot) })
	room := user.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	user.SendText(room, "login token "+string(person))
	w.eventually("the login of "+string(person), func() bool {
		for _, e := range w.hs.Messages(room) {
			if e.Sender == bot && strings.Contains(e.Content.AsMessage().Body, "Logged in as") {
				return true
			}
		}
		return false
	})
	return room
}

// room waits for the room of a conversation, found by what somebody wrote there first.
func (w *world) room(text string) (found id.RoomID) {
	w.t.Helper()
	w.eventually("a room with "+text, func() bool {
		for _, room := range w.hs.Rooms() {
			for _, e := range w.hs.Messages(room) {
				if e.Content.AsMessage().Body == text {
					found = room
					return true
				}
			}
		}
		return false
	})
	return found
}

// line is a message as a test compares it.
type line struct {
	Sender id.UserID
	Body   string
}

// lines are the messages of a room, notices of the bot left out.
func (w *world) lines(room id.RoomID) (out []line) {
	for _, e := range w.hs.Messages(room) {
		if e.Sender != bot {
			out = append(out, line{e.Sender, e.Content.AsMessage().Body})
		}
	}
	return out
}

// waitLines waits until a room has exactly these messages.
func (w *world) waitLines(room id.RoomID, want ...line) {
	w.t.Helper()
	wait.Holds(wait.Patience, func() bool { return fmt.Sprint(w.lines(room)) == fmt.Sprint(want) })
	require.Equal(w.t, want, w.lines(room))
}

func ghost(person chat.PersonID) id.UserID {
	return id.NewUserID("hangouts_"+string(person), domain)
}

// texts are the texts of a conversation on the network, in order.
func (w *world) texts(conversation chat.ConversationID) (out []string) {
	for _, e := range w.network.Events(conversation) {
		if e.Message != nil {
			out = append(out, e.Message.Text.String())
		}
	}
	return out
}

func (w *world) waitTexts(conversation chat.ConversationID, want ...string) {
	w.t.Helper()
	wait.Holds(wait.Patience, func() bool { return fmt.Sprint(w.texts(conversation)) == fmt.Sprint(want) })
	require.Equal(w.t, want, w.texts(conversation))
}

// notices are what the bot wrote in a room.
func (w *world) notices(room id.RoomID) (out []string) {
	for _, e := range w.hs.Messages(room) {
		if e.Sender == bot && e.Content.AsMessage().MsgType == event.MsgNotice {
			out = append(out, e.Content.AsMessage().Body)
		}
	}
	return out
}
