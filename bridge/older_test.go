package bridge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// past is a room that shows the last 3 of 10 messages of its conversation.
func past(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	w = newWorld(t)
	w.timing.Overlap = time.Nanosecond // catch-ups bring nothing of the history
	w.change = func(c *bridgeconfig.Config) { c.Bridge.Backfill.MaxInitialMessages = 3 }
	for n := range 10 {
		author := carl
		if n%2 == 1 {
			author = anna
		}
		w.network.Say(author, direct, fmt.Sprint("m", n))
	}
	w.start()
	alice = w.user("alice")
	w.login(alice, anna)
	room = w.room("m9")
	alice.WaitText(room, "m9")
	return w, alice, room
}

// waitSaid waits until a room of a world of past has exactly these messages of the network, in this order.
func (w *world) waitSaid(alice *mxclient.Client, room id.RoomID, numbers ...int) {
	w.t.Helper()
	var want []line
	for _, n := range numbers {
		author := ghost(carl)
		if n%2 == 1 {
			author = alice.UserID()
		}
		want = append(want, line{author, fmt.Sprint("m", n)})
	}
	said := func() []line {
		return slices.DeleteFunc(w.lines(room), func(l line) bool { return !strings.HasPrefix(l.Body, "m") })
	}
	wait.Holds(wait.Patience, func() bool { return fmt.Sprint(said()) == fmt.Sprint(want) })
	require.Equal(w.t, want, said())
}

func TestOlderHistoryByCommand(t *testing.T) {
	w, alice, room := past(t)
	said := func(numbers ...int) { w.waitSaid(alice, room, numbers...) }
	said(7, 8, 9)
	alice.SendText(room, "!hangouts history 4")
	w.waitNotice(room, "4 older messages")
	said(7, 8, 9, 3, 4, 5, 6)
	alice.SendText(room, "!hangouts history 4")
	w.waitNotice(room, "3 older messages")
	said(7, 8, 9, 3, 4, 5, 6, 0, 1, 2)
	alice.SendText(room, "!hangouts history 4")
	w.waitNotice(room, "nothing older")
	alice.SendText(room, "!hangouts history 0")
	w.waitNotice(room, "Usage")
	said(7, 8, 9, 3, 4, 5, 6, 0, 1, 2)
	times := map[string]int64{} // ms
	for _, e := range w.network.Events(direct) {
		times[e.Message.Text.String()] = time.UnixMicro(e.Time).UnixMilli()
	}
	for _, e := range w.hs.Messages(room) {
		if at, ok := times[e.Content.AsMessage().Body]; ok {
			require.Equal(t, at, e.Timestamp, e.Content.AsMessage().Body)
		}
	}
}

// cutShort makes the homeserver take one more message of carl's, until stop is called.
func (w *world) cutShort() (stop func()) {
	passing := nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl))}
	failing := passing
	passing.Times, passing.Delay = 1, time.Millisecond
	failing.Status = http.StatusBadGateway
	w.hs.Inject(passing)
	return w.hs.Inject(failing)
}

// A command that is cut short is finished at the next start; nothing comes twice.
func TestOlderHistoryIsCutShort(t *testing.T) {
	w, alice, room := past(t)
	stop := w.cutShort()
	alice.SendText(room, "!hangouts history 6")
	w.eventually("an attempt that fails", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	w.stop()
	stop()
	w.start()
	w.waitSaid(alice, room, 7, 8, 9, 1, 2, 3, 4, 5, 6)
	w.network.Say(carl, direct, "new")
	alice.WaitText(room, "new")
	w.waitSaid(alice, room, 7, 8, 9, 1, 2, 3, 4, 5, 6)
}

// A command that is cut short is finished by the next one, before that brings what is older still.
func TestOlderHistoryIsCutShortAndAskedForAgain(t *testing.T) {
	w, alice, room := past(t)
	stop := w.cutShort()
	alice.SendText(room, "!hangouts history 6")
	w.waitNotice(room, "This has failed")
	stop()
	alice.SendText(room, "!hangouts history 4")
	w.waitNotice(room, "One older message is above")
	w.waitSaid(alice, room, 7, 8, 9, 1, 2, 3, 4, 5, 6, 0)
}

// A command is cut short and the account logs out: at the next login both the older messages and those that came
// meanwhile are brought.
func TestOlderHistoryIsCutShortByALogout(t *testing.T) {
	w, alice, room := past(t)
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: http.StatusBadGateway})
	alice.SendText(room, "!hangouts history 6")
	w.eventually("an attempt that fails", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	w.waitNotice(room, "This has failed")
	management := w.managementRoom(alice)
	alice.SendText(management, "logout "+string(anna))
	w.waitNotice(management, "Logged out")
	w.network.Say(carl, direct, "m10")
	stop()
	alice.SendText(management, "login token "+string(anna))
	w.waitSaid(alice, room, 7, 8, 9, 1, 2, 3, 4, 5, 6, 10)
}
