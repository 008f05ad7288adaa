package bridge_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// watched waits until the bridge holds its request that ends with the homeserver, and has asked once for what is missing.
func (w *world) watched(polls int) {
	w.t.Helper()
	w.eventually("the watch", func() bool { return w.hs.Polls() >= polls })
	w.eventually("a first look", func() bool {
		token, err := w.main.SyncToken(w.t.Context())
		return err == nil && token != ""
	})
}

// missedWorld is talk with a bridge that watches the homeserver, long after its start.
func missedWorld(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.options.UnsettledTime = time.Nanosecond
	alice, room = w.talk()
	w.watched(2) // alice's client and the watch
	return w, alice, room
}

// A homeserver that is restarted forgets what waits for the bridge. It is handled in its
// place in spite of that.
func TestEventsForgottenByTheHomeserver(t *testing.T) {
	w, alice, room := missedWorld(t)
	w.hs.PausePush("hangouts")
	want := []string{"first"}
	for n := range 5 {
		want = append(want, fmt.Sprintf("m%d", n))
		alice.SendText(room, want[n+1])
	}
	require.NoError(t, w.hs.Restart())
	want = append(want, "after")
	alice.SendText(room, "after")
	w.waitTexts(direct, want...)
	w.network.Say(carl, direct, "the end")
	w.eventually("the end", func() bool { l := w.lines(room); return l[len(l)-1].Body == "the end" })
	require.Equal(t, append(want, "the end"), w.texts(direct), "nothing twice")
}

// The events after the restart are pushed before /sync answers: they wait for their turn.
func TestPushedEventsWaitForForgottenOnes(t *testing.T) {
	w, alice, room := missedWorld(t)
	w.hs.PausePush("hangouts")
	alice.SendText(room, "1")
	alice.SendText(room, "2")
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Status: 502})
	require.NoError(t, w.hs.Restart())
	alice.SendText(room, "3")
	w.eventually("the push", func() bool {
		for _, txn := range w.hs.Transactions() {
			if txn.Status == http.StatusOK && strings.Contains(string(txn.Body), `"body":"3"`) {
				return true
			}
		}
		return false
	})
	require.Equal(t, []string{"first"}, w.texts(direct))
	stop()
	w.waitTexts(direct, "first", "1", "2", "3")
}

// More is missing than one answer of /sync holds.
func TestManyForgottenEvents(t *testing.T) {
	w, alice, room := missedWorld(t)
	w.hs.PausePush("hangouts")
	want := []string{"first"}
	for n := range 230 {
		want = append(want, fmt.Sprintf("m%03d", n))
		alice.SendText(room, want[n+1])
	}
	require.NoError(t, w.hs.Restart())
	w.waitTexts(direct, want...)
}

// The bridge is restarted together with the homeserver, and again while it looks.
func TestForgottenWhileTheBridgeIsDown(t *testing.T) {
	w, alice, room := missedWorld(t)
	w.hs.PausePush("hangouts")
	alice.SendText(room, "1")
	w.stop()
	require.NoError(t, w.hs.Restart())
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Status: 502})
	w.start()
	alice.SendText(room, "2")
	w.eventually("the push", w.hs.Idle)
	w.stop()
	stop()
	w.start()
	w.waitTexts(direct, "first", "1", "2")
}

// Also without a restart what was not pushed is looked for, every so often, whether or not order is trusted.
func TestLooksEverySoOften(t *testing.T) {
	for name, unsettled := range map[string]time.Duration{"settled": time.Nanosecond, "unsettled": time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.options.ReconcileEvery, w.options.UnsettledTime = 300*time.Millisecond, unsettled
			alice, room := w.talk()
			if name == "settled" {
				w.eventually("the end of that time", w.main.Settled)
			}
			w.hs.PausePush("hangouts")
			alice.SendText(room, "never pushed")
			w.waitTexts(direct, "first", "never pushed")
			w.hs.ResumePush("hangouts")
			alice.SendText(room, "pushed")
			w.waitTexts(direct, "first", "never pushed", "pushed")
		})
	}
}

// recovered is talk with a bridge that was down when "1" was written, and got it.
func recovered(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	t.Helper()
	w, alice, room = talk(t)
	w.stop()
	alice.SendText(room, "1")
	w.start()
	w.waitTexts(direct, "first", "1")
	w.eventually("the end of the recovery", w.hs.Idle)
	return w, alice, room
}

// layAside has alice write what the homeserver does not push.
func (w *world) layAside(alice *mxclient.Client, room id.RoomID, text string) {
	w.t.Helper()
	w.hs.LayAside("hangouts")
	alice.SendText(room, text)
	require.False(w.t, w.hs.Idle(), "laid aside")
}

// After we were down the homeserver may lay an event aside while it goes over to pushing
// directly. It is handled in its place.
func TestEventLaidAsideAfterAnOutage(t *testing.T) {
	w, alice, room := recovered(t)
	w.layAside(alice, room, "2")
	alice.SendText(room, "3")
	alice.SendText(room, "4")
	w.waitTexts(direct, "first", "1", "2", "3", "4")
}

// Nothing comes after the event that could tell of it.
func TestLastEventLaidAside(t *testing.T) {
	w, alice, room := recovered(t)
	w.layAside(alice, room, "2")
	w.waitTexts(direct, "first", "1", "2")
}

// The event comes after a look has begun, so that the look does not know it.
func TestEventLaidAsideWhileLooking(t *testing.T) {
	w, alice, room := recovered(t)
	w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Delay: time.Second, After: true})
	alice.SendText(room, "2")
	looked := len(w.hs.Requests(nil))
	w.eventually("the look", func() bool {
		for _, r := range w.hs.Requests(nil)[looked:] {
			if strings.HasSuffix(r.Path, "/sync") && r.User == bot {
				return true
			}
		}
		return false
	})
	w.layAside(alice, room, "3")
	alice.SendText(room, "4")
	w.waitTexts(direct, "first", "1", "2", "3", "4")
}

// That the homeserver did not reach us for a while is known from the age of what it pushes.
func TestEventLaidAsideUnnoticed(t *testing.T) {
	w := newWorld(t)
	w.options.UnsettledTime = 4 * time.Second
	alice, room := w.talk()
	w.eventually("the end of that time", w.main.Settled)
	w.hs.Unreachable("hangouts", true)
	w.hs.Older(time.Minute)
	alice.SendText(room, "1")
	w.hs.Unreachable("hangouts", false)
	w.waitTexts(direct, "first", "1")
	w.hs.Older(0)
	w.eventually("the end of the recovery", w.hs.Idle)
	w.layAside(alice, room, "2")
	alice.SendText(room, "3")
	w.waitTexts(direct, "first", "1", "2", "3")
}

// Looks without end while people write change nothing.
func TestLooksWhilePeopleWrite(t *testing.T) {
	w := newWorld(t)
	w.options.ReconcileEvery, w.options.ReconcilePause = time.Millisecond, time.Millisecond
	alice, room := w.talk()
	want := []string{"first"}
	for n := range 300 {
		want = append(want, fmt.Sprintf("m%03d", n))
		alice.SendText(room, want[n+1])
	}
	w.waitTexts(direct, want...)
}

// While order is not trusted there is one look for all that comes in a while, and messages do not
// wake the user who watches.
func TestLooksAreFew(t *testing.T) {
	w := newWorld(t)
	w.options.ReconcilePause, w.options.UnsettledTime = 500*time.Millisecond, time.Hour
	began := time.Now()
	alice, room := w.talk()
	want := []string{"first"}
	for n := range 100 {
		want = append(want, fmt.Sprintf("m%03d", n))
		alice.SendText(room, want[n+1])
		w.eventually("the push", w.hs.Idle)
	}
	w.waitTexts(direct, want...)
	syncs := func(user id.UserID) int {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return strings.HasSuffix(r.Path, "/sync") && r.User == user }))
	}
	took := time.Since(began)
	require.LessOrEqual(t, syncs(bot), 1+int(took/w.options.ReconcilePause))
	watcher := id.NewUserID("hangouts_watch", domain)
	require.LessOrEqual(t, syncs(watcher), 1+int(took/(30*time.Second)))
	for _, room := range w.hs.Rooms() {
		require.Equal(t, "leave", w.hs.Membership(room, watcher))
	}
}

// An invitation of the bot is among what the homeserver forgets.
func TestForgottenInvitation(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	w.eventually("the bot", func() bool { return w.hs.UserExists(bot) })
	w.watched(2)
	w.hs.PausePush("hangouts")
	room := alice.CreateDM(bot)
	require.NoError(t, w.hs.Restart())
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	alice.SendText(room, "login token "+string(anna))
	w.waitNotice(room, "Logged in as Anna Ahrens")
}

// A homeserver whose /sync fails all the time does not hold up what it pushes for ever.
func TestHomeserverWithBrokenSync(t *testing.T) {
	w := newWorld(t)
	w.options.ReconcilePatience = time.Second
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Status: 504})
	alice, room := w.talk()
	alice.SendText(room, "1")
	alice.SendText(room, "2")
	w.waitTexts(direct, "first", "1", "2")
	stop()
	alice.SendText(room, "3")
	w.waitTexts(direct, "first", "1", "2", "3")
}

// A homeserver without /sync for us loses no more than it did.
func TestHomeserverWithoutSync(t *testing.T) {
	w := newWorld(t)
	w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Status: 404, Code: "M_UNRECOGNIZED"})
	alice, room := w.talk()
	alice.SendText(room, "hello")
	w.waitTexts(direct, "first", "hello")
}

// proxy stands between the bridge and the homeserver, as in many installations.
func proxy(t *testing.T, target string) (address string, cut func()) {
	to, err := url.Parse(target)
	require.NoError(t, err)
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(to), ConnState: func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		conns[c] = state != http.StateClosed
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), func() {
		mu.Lock()
		defer mu.Unlock()
		for c, open := range conns {
			if open {
				_ = c.Close()
			}
		}
	}
}

// A cut connection is no restart, but is taken for one without harm.
func TestCutConnectionsDoNoHarm(t *testing.T) {
	w := newWorld(t)
	address, cut := proxy(t, w.hs.URL())
	w.change = func(c *bridgeconfig.Config) { c.Homeserver.Address = address }
	alice, room := w.talk()
	want := []string{"first"}
	for n := range 20 {
		cut()
		want = append(want, fmt.Sprintf("m%02d", n))
		alice.SendText(room, want[n+1])
	}
	w.waitTexts(direct, want...)
}

// What we sent ourselves does not count among the events that may be missing: a message before
// thousands of ours is found.
func TestForgottenBehindManyOfOurs(t *testing.T) {
	w, alice, room := talk(t)
	w.stop()
	alice.SendText(room, "1")
	var senders sync.WaitGroup
	for part := range 8 {
		senders.Go(func() {
			for n := range 650 {
				url := fmt.Sprintf("%s/_matrix/client/v3/rooms/%s/send/m.room.message/flood-%d-%d?user_id=%s", w.hs.URL(), room, part, n, url.QueryEscape(string(ghost(carl))))
				req, _ := http.NewRequest(http.MethodPut, url, strings.NewReader(`{"msgtype":"m.text","body":"flood"}`))
				req.Header.Set("Authorization", "Bearer "+w.tokens.AppToken)
				resp, err := http.DefaultClient.Do(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("send: %v %v", err, resp)
					return
				}
				_ = resp.Body.Close()
			}
		})
	}
	senders.Wait()
	require.NoError(t, w.hs.Restart())
	w.start()
	w.waitTexts(direct, "first", "1")
}
