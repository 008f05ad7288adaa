package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// childEnv carries the settings of a bridge that runs in a process of its own.
const childEnv = "BRIDGE_TEST_CHILD"

type childSettings struct {
	Dir, Homeserver, Network string
	Port                     int
	Tokens                   *appservice.Registration
	Timing                   account.Options
}

func TestMain(m *testing.M) {
	if settings := os.Getenv(childEnv); settings != "" {
		runChild(settings)
	}
	os.Exit(m.Run())
}

// runChild is the whole life of a bridge that will be killed.
func runChild(encoded string) {
	var s childSettings
	if err := json.Unmarshal([]byte(encoded), &s); err != nil {
		panic(err)
	}
	t := &childTB{}
	main := makeMain(t, s.Dir, s.Homeserver, s.Port, s.Tokens, func(ctx context.Context, env bridge.Env) (account.Accounts, error) {
		manager := account.NewManager(env.DB, &remoteNetwork{s.Network}, s.Timing, env.Log)
		return manager, manager.Start(ctx)
	}, nil, nil, bridge.Options{})
	if err := main.Setup(); err != nil {
		panic(err)
	}
	main.StartMatrix(func(err error) { panic(err) })
	select {}
}

// childTB fails a child by ending it.
type childTB struct{ testing.TB }

func (*childTB) Helper()                   {}
func (*childTB) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (*childTB) FailNow()                  { panic("failed") }

// child is a bridge in a process of its own.
type child struct {
	t        *testing.T
	settings string
	cmd      *exec.Cmd
}

func (c *child) start() {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0], "-test.run=^$")
	c.cmd.Env = append(os.Environ(), childEnv+"="+c.settings)
	if os.Getenv("BRIDGE_TEST_LOG") != "" {
		c.cmd.Stderr = os.Stderr
	}
	require.NoError(c.t, c.cmd.Start())
}

// kill ends it with SIGKILL.
func (c *child) kill() {
	if c.cmd != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		c.cmd = nil
	}
}

// startChild runs the bridge of a world as a child, which is killed when the test ends.
func (w *world) startChild() *child {
	w.t.Helper()
	settings, err := json.Marshal(childSettings{w.dir, w.hs.URL(), serveNetwork(w.t, w.network), w.port, w.tokens, w.timing})
	require.NoError(w.t, err)
	c := &child{t: w.t, settings: string(settings)}
	c.start()
	w.t.Cleanup(c.kill)
	return c
}

// talkToChild is startChild with alice in the room of a conversation, where carl has said a text.
func (w *world) talkToChild(conversation chat.ConversationID, text string) (c *child, alice *mxclient.Client, room id.RoomID) {
	w.t.Helper()
	c, alice = w.startChild(), w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, conversation, text)
	room = w.room(text)
	alice.WaitText(room, text)
	return c, alice, room
}

// seed is BRIDGE_TEST_SEED or new; it is printed, so that a failure can be repeated.
func seed(t *testing.T) *rand.Rand {
	n := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("BRIDGE_TEST_SEED"), 10, 64); err == nil {
		n = given
	}
	t.Logf("BRIDGE_TEST_SEED=%d", n)
	return rand.New(rand.NewPCG(n, n))
}

// The bridge is killed again and again while both sides write: every message arrives at
// the other end once, in order. The network never recognises a repeated request.
func TestKilledBridgeLosesAndDoublesNothing(t *testing.T) {
	const messages, kills = 400, 8
	random := seed(t)
	w := newWorld(t)
	c, alice, room := w.talkToChild(direct, "start")

	done := make(chan struct{}, 2)
	pause := func() time.Duration { return time.Duration(random.IntN(6)) * time.Millisecond }
	pauses := make([]time.Duration, 2*messages)
	for n := range pauses {
		pauses[n] = pause()
	}
	go func() {
		for n := range messages {
			w.network.Say(carl, direct, fmt.Sprintf("h%04d", n))
			time.Sleep(pauses[n])
		}
		done <- struct{}{}
	}()
	go func() {
		for n := range messages {
			say(t, alice, room, fmt.Sprintf("m%04d", n))
			time.Sleep(pauses[messages+n])
		}
		done <- struct{}{}
	}()
	for range kills {
		time.Sleep(time.Duration(100+random.IntN(300)) * time.Millisecond)
		c.kill()
		c.start()
	}
	<-done
	<-done
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) && (len(w.texts(direct)) < 2*messages+1 || len(w.lines(room)) < 2*messages+1) {
		time.Sleep(20 * time.Millisecond)
	}
	for from, sender := range map[string]id.UserID{"h": ghost(carl), "m": alice.UserID()} {
		require.Equal(t, expected(from, messages), withPrefix(from, w.texts(direct)), "on Hangouts")
		var inMatrix []string
		for _, l := range w.lines(room) {
			if l.Sender == sender {
				inMatrix = append(inMatrix, l.Body)
			}
		}
		require.Equal(t, expected(from, messages), withPrefix(from, inMatrix), "in Matrix")
	}
	require.Len(t, w.roomsMadeBy(bot, string(direct)), 1)
}

// say sends a text until the homeserver has it.
func say(t *testing.T, user *mxclient.Client, room id.RoomID, text string) {
	if _, err := user.SendTextRetry(t.Context(), room, text, "txn-"+text); err != nil {
		t.Errorf("send %s: %v", text, err)
	}
}

func expected(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("%s%04d", prefix, i))
	}
	return out
}

func withPrefix(prefix string, texts []string) (out []string) {
	for _, text := range texts {
		if len(text) == 5 && text[:1] == prefix {
			out = append(out, text)
		}
	}
	return out
}

// The bridge is killed while it makes rooms: each conversation has one in the end, with
// its whole history in order.
func TestKilledWhileMakingRooms(t *testing.T) {
	const rooms, messages, kills = 12, 5, 6
	random := seed(t)
	w := newWorld(t)
	want := map[string][]string{}
	for r := range rooms {
		conversation := chat.ConversationID(fmt.Sprintf("UgxMany%02d", r))
		w.network.AddConversation(conversation, fmt.Sprintf("Room %02d", r), anna, bert, carl)
		for n := range messages {
			text := fmt.Sprintf("r%02dn%d", r, n)
			w.network.Say(carl, conversation, text)
			want[string(conversation)] = append(want[string(conversation)], text)
		}
	}
	c := w.startChild()
	alice := w.user("alice")
	w.login(alice, anna)
	for range kills {
		time.Sleep(time.Duration(30+random.IntN(120)) * time.Millisecond)
		c.kill()
		c.start()
	}
	for conversation, texts := range want {
		w.network.Say(carl, chat.ConversationID(conversation), "end")
		texts = append(texts, "end")
		w.eventually("the end of "+conversation, func() bool {
			made := w.roomsMadeBy(bot, conversation)
			return len(made) > 0 && len(w.lines(made[0])) >= len(texts)
		})
		made := w.roomsMadeBy(bot, conversation)
		require.Len(t, made, 1, "no orphans")
		var got []string
		for _, l := range w.lines(made[0]) {
			got = append(got, l.Body)
		}
		require.Equal(t, texts, got)
		w.eventually("alice in the room of "+conversation, func() bool { return w.hs.Membership(made[0], alice.UserID()) == "join" })
	}
}

// The bridge is killed when a new room has a part of its history: the next life completes it
// without any message that would make it look there.
func TestRoomHalfFilledAtACrashIsCompleted(t *testing.T) {
	w := newWorld(t)
	want := []line{}
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		w.network.Say(carl, direct, text)
		want = append(want, line{ghost(carl), text})
	}
	w.timing.Overlap = time.Nanosecond // catch-ups bring nothing of the history
	c := w.startChild()
	alice := w.user("alice")
	// Two of the history pass, all after them fail.
	send := nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl))}
	passing, failing := send, send
	passing.Times, passing.Delay = 2, time.Millisecond
	failing.Status = http.StatusBadGateway
	w.hs.Inject(passing)
	stop := w.hs.Inject(failing)
	w.login(alice, anna)
	w.eventually("the beginning of the history", func() bool {
		made := w.roomsMadeBy(bot, string(direct))
		return len(made) == 1 && len(w.lines(made[0])) == 2
	})
	room := w.roomsMadeBy(bot, string(direct))[0]
	w.eventually("an attempt that fails", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	c.kill()
	stop()
	c.start()
	w.waitLines(room, want...)
	w.eventually("alice in the room", func() bool { return w.hs.Membership(room, alice.UserID()) == "join" })
	w.network.Say(carl, direct, "6")
	w.waitLines(room, append(want, line{ghost(carl), "6"})...)
	require.Equal(t, []id.RoomID{room}, w.roomsMadeBy(bot, string(direct)))
}
