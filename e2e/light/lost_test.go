package light

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

const (
	streamLength = 200
	streamPause  = 50 * time.Millisecond // 20 messages a second
)

// chance returns the random choices of a test; its seed is printed and can be given in
// the environment variable SEED.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func numbered(who string) (texts []string) {
	for i := range streamLength {
		texts = append(texts, fmt.Sprintf("%s %03d", who, i))
	}
	return texts
}

// streams sends both people's numbered messages in the group at the same time.
type streams struct {
	wg   sync.WaitGroup
	errs [2]error
}

// start begins Bob's stream and, with a room, Alice's.
func (s *streams) start(w *world, bob *hangups.Driver, room id.RoomID) {
	s.wg.Go(func() {
		_, s.errs[0] = bob.SendMany(w.ctx, w.conversation("trio"), numbered("bob"), streamPause)
	})
	if room == "" {
		return
	}
	s.wg.Go(func() {
		next := time.NewTicker(streamPause)
		defer next.Stop()
		for i, text := range numbered("alice") {
			if _, err := w.alice.SendTextRetry(w.ctx, room, text, fmt.Sprintf("stream-%d", i)); err != nil {
				s.errs[1] = err
				return
			}
			<-next.C
		}
	})
}

func (s *streams) wait(t *testing.T) {
	t.Helper()
	s.wg.Wait()
	require.NoError(t, s.errs[0], "Bob's stream")
	require.NoError(t, s.errs[1], "Alice's stream")
}

// only keeps the messages of one stream, given as they begin ("alice ", "bob's puppet:
// bob "), and returns their numbers.
func only(begin string, texts []string) (numbers []int) {
	for _, text := range texts {
		if rest, ok := strings.CutPrefix(text, begin); ok {
			if n, err := strconv.Atoi(rest); err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	return numbers
}

// exact checks that a whole stream is there, each message once and in order.
func exact(t *testing.T, numbers []int, where string) {
	t.Helper()
	seen := map[int]int{}
	var lost, doubled, early []int
	for i, n := range numbers {
		if seen[n]++; seen[n] == 2 {
			doubled = append(doubled, n)
		}
		if i > 0 && n < numbers[i-1] {
			early = append(early, numbers[i-1])
		}
	}
	for n := range streamLength {
		if seen[n] == 0 {
			lost = append(lost, n)
		}
	}
	require.Empty(t, lost, "lost %s", where)
	require.Empty(t, doubled, "twice %s", where)
	require.Empty(t, early, "out of order %s", where)
}

// hangupsTexts are the messages of the group that a hangups client has received.
func (w *world) hangupsTexts(d *hangups.Driver) (out []string) {
	for _, m := range d.Messages() {
		if m.ConversationID == w.conversation("trio") {
			out = append(out, m.Text)
		}
	}
	return out
}

// arrived waits until both streams are complete at the other end and checks that each
// message came exactly once and in order.
func (w *world) arrived(room id.RoomID, bob *hangups.Driver, alice bool) {
	w.t.Helper()
	w.eventually("Bob's last message is in the room", func() bool { return slices.Contains(w.alice.Texts(room), w.ghost("bob")+": "+last("bob")) })
	if alice {
		w.eventually("Alice's last message is at Bob", func() bool { return slices.Contains(w.hangupsTexts(bob), last("alice")) })
		exact(w.t, only("alice ", w.hangupsTexts(bob)), "from Alice at Bob")
		exact(w.t, only("alice: alice ", w.texts(room)), "from Alice in the room")
	}
	exact(w.t, only("bob's puppet: bob ", w.texts(room)), "from Bob in the room")
	sent := map[string]uint64{}
	for _, e := range w.hangouts.Events("trio") {
		sent[e.Text] = e.TimestampUS / 1000
	}
	for _, e := range w.alice.History(room) {
		if body := e.Content.AsMessage().Body; strings.HasPrefix(body, "bob ") {
			require.EqualValues(w.t, sent[body], e.Timestamp, "the original time of %q", body)
		}
	}
}

func last(who string) string { return fmt.Sprintf("%s %03d", who, streamLength-1) }

// The bridge is killed three times at random moments while both write.
func TestNothingLostWhenTheBridgeIsKilled(t *testing.T) {
	w := newWorld(t, nil)
	random := chance(t)
	bob := w.hangups("bob")
	w.loginAlice()
	room := w.room("Trio")
	w.alice.WaitText(room, "welcome")
	var s streams
	s.start(w, bob, room)
	for range 3 {
		time.Sleep(time.Duration(500+random.IntN(3000)) * time.Millisecond)
		w.bridge.Kill9()
		w.bridge.StartAgain()
	}
	s.wait(t)
	w.arrived(room, bob, true)
}

// The bridge's channel is cut ten times in different ways while both write.
func TestNothingLostWhenTheChannelIsCut(t *testing.T) {
	w := newWorld(t, nil)
	random := chance(t)
	bob := w.hangups("bob")
	w.loginAlice()
	room := w.room("Trio")
	w.alice.WaitText(room, "welcome")
	ways := []hangoutstest.DropHow{hangoutstest.DropEnd, hangoutstest.DropTruncate, hangoutstest.DropCut, hangoutstest.DropReset, hangoutstest.DropUnknownSID}
	var s streams
	s.start(w, bob, room)
	for i := range 10 {
		time.Sleep(time.Duration(200+random.IntN(1000)) * time.Millisecond)
		_, err := w.hangouts.Drop("alice", ways[i%len(ways)])
		require.NoError(t, err)
	}
	s.wait(t)
	w.arrived(room, bob, true)
}

// Synapse is dead for half a minute and the bridge is restarted meanwhile, with no retries
// in the HTTP client; IRC goes on before and right after that restart.
func TestNothingLostWhenTheHomeserverIsDown(t *testing.T) {
	w := newWorld(t, map[string]any{"homeserver.retry_limit": 0})
	random := chance(t)
	bob := w.hangups("bob")
	w.loginAlice()
	room := w.room("Trio")
	w.alice.WaitText(room, "welcome")
	password := w.ircPassword()
	login := ircclient.Login{Nick: "alice", User: "alice", Password: password}
	irc := ircclient.Dial(t, w.ircAddr)
	irc.Register(login)
	var s streams
	s.start(w, bob, "")
	time.Sleep(time.Duration(500+random.IntN(2000)) * time.Millisecond)
	w.hs.Kill9()
	down := time.Now()
	irc.Await("PRIVMSG", "#Trio", "bob 150")
	w.bridge.Kill9()
	w.bridge.StartAgain()
	w.bridge.WaitPort(w.ircAddr)
	again := ircclient.Dial(t, w.ircAddr)
	again.Register(login)
	again.Send("PRIVMSG #Trio :while the homeserver is down")
	_, err := bob.WaitMessage(w.ctx, "while the homeserver is down")
	require.NoError(t, err)
	s.wait(t)
	again.Await("PRIVMSG", "#Trio", last("bob"))
	time.Sleep(time.Until(down.Add(30 * time.Second))) // how long it is down is what is tested
	w.hs.StartAgain()
	w.arrived(room, bob, false)
	w.alice.WaitText(room, "while the homeserver is down")
}
