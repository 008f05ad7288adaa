package bridge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// A room that the homeserver answers slowly about delays no other.
func TestSlowRoomDelaysNoOther(t *testing.T) {
	w, alice, slow := talk(t)
	w.network.Say(carl, group, "hello all")
	quick := w.room("hello all")
	alice.WaitText(quick, "hello all")
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/rooms/" + string(slow) + "/send/", Delay: 10 * time.Second})
	defer stop()
	w.network.Say(carl, direct, "slow")
	w.eventually("the attempt", func() bool { return len(w.texts(direct)) == 2 })
	want := []line{{ghost(carl), "hello all"}}
	for n := range 10 {
		text := fmt.Sprintf("q%d", n)
		w.network.Say(carl, group, text)
		want = append(want, line{ghost(carl), text})
	}
	w.waitLines(quick, want...)
	alice.SendText(quick, "out")
	w.eventually("the way out", func() bool { all := w.texts(group); return all[len(all)-1] == "out" })
	require.Equal(t, []line{{ghost(carl), "first"}}, w.lines(slow), "still on its way")
	w.waitLines(slow, line{ghost(carl), "first"}, line{ghost(carl), "slow"})
}

// A homeserver that says when to come again is not asked before.
func TestHomeserverSaysWhenToComeAgain(t *testing.T) {
	w, _, room := talk(t)
	const pause = 2 * time.Second
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Status: 429, RetryAfter: pause, Times: 1})
	w.network.Say(carl, direct, "1")
	w.network.Say(carl, direct, "2")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "1"}, line{ghost(carl), "2"})
	tries := w.hs.Requests(func(r nullhs.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.Path, "/send/m.room.message/hg")
	})
	tries = tries[len(tries)-3:]
	require.Equal(t, http.StatusTooManyRequests, tries[0].Status)
	require.GreaterOrEqual(t, tries[1].Began.Sub(tries[0].Began), pause)
	require.Equal(t, tries[0].Path, tries[1].Path, "the same message again")
}

// Everything but messages fails for a while: names, members, state. Messages arrive in
// order, and the rest follows.
func TestSomeRequestsFail(t *testing.T) {
	for name, fault := range map[string]nullhs.Fault{
		"profiles":      {Method: http.MethodPut, Path: "/profile/", Status: 502},
		"state":         {Method: http.MethodPut, Path: "/state/", Status: 502},
		"registrations": {Method: http.MethodPost, Path: "/register", Status: 502},
		"devices":       {Method: http.MethodPut, Path: "/devices/", Status: 502},
		"joins":         {Method: http.MethodPost, Path: "/join", Status: 502},
		"look-ups":      {Method: http.MethodGet, Path: "/rooms/", Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice := w.user("alice")
			w.login(alice, anna)
			dora := chat.PersonID("100000000000000000004")
			w.network.AddPerson(dora, "Dora Dahl")
			w.network.AddConversation("UgxDora", "", anna, dora)
			fault.Times = 3
			w.hs.Inject(fault)
			w.network.Say(dora, "UgxDora", "1")
			w.network.Say(dora, "UgxDora", "2")
			w.network.Say(anna, "UgxDora", "3")
			room := w.room("1")
			w.waitLines(room, line{ghost(dora), "1"}, line{ghost(dora), "2"}, line{alice.UserID(), "3"})
			require.Len(t, w.roomsMadeBy(bot, "UgxDora"), 1)
			w.eventually("alice in the room", func() bool { return w.hs.Membership(room, alice.UserID()) == "join" })
		})
	}
}

// One part of a long message is refused for a while: the parts before it are not repeated,
// what comes after waits.
func TestPartOfAMessageFails(t *testing.T) {
	w, _, room := talk(t)
	long := strings.Repeat("0123456789abcde\n", 10_000) // several parts
	w.network.Say(carl, direct, "0")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "0"})
	sent := func() int { return w.hs.Sends() }
	before := sent()
	// The first part passes, the second is refused twice.
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Times: 1, Delay: time.Millisecond})
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Times: 2, Status: 502})
	w.network.Say(carl, direct, long)
	w.network.Say(carl, direct, "after")
	w.eventually("the end", func() bool {
		return slices.ContainsFunc(w.lines(room), func(l line) bool { return l.Body == "after" })
	})
	var all strings.Builder
	lines := w.lines(room)
	for _, l := range lines[2 : len(lines)-1] {
		all.WriteString(l.Body + "\n")
	}
	require.Equal(t, strings.TrimRight(long, "\n"), strings.TrimRight(all.String(), "\n"), "each part once, in order")
	require.Equal(t, len(lines)-2, sent()-before, "no part is sent again that was taken")
}

// The making of a room breaks off at any point: one room comes of it, with everything.
func TestRoomMakingBreaksOff(t *testing.T) {
	for name, fault := range map[string]nullhs.Fault{
		"after the room":      {Method: http.MethodGet, Path: "/state", Drop: true},
		"at the first invite": {Method: http.MethodPut, Path: "/state/m.room.member/", Status: 504},
		"at the history":      {Method: http.MethodPut, Path: "/send/", Drop: true, After: true},
		"refused at first":    {Method: http.MethodPost, Path: "/createRoom", Status: 403, Code: "M_FORBIDDEN"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.network.Say(carl, direct, "1")
			w.network.Say(anna, direct, "2")
			fault.Times = 2
			w.start()
			alice := w.user("alice")
			w.eventually("the bot", func() bool { return w.hs.UserExists(bot) })
			management := alice.CreateDM(bot)
			w.eventually("the bot to join", func() bool { return w.hs.Membership(management, bot) == "join" })
			w.hs.Inject(fault)
			alice.SendText(management, "login token "+string(anna))
			w.waitNotice(management, "Logged in as")
			w.network.Say(carl, direct, "3")
			var room id.RoomID
			w.eventually("the room", func() bool {
				made := w.roomsMadeBy(bot, string(direct))
				if len(made) == 1 {
					room = made[0]
				}
				return room != ""
			})
			w.waitLines(room, line{ghost(carl), "1"}, line{alice.UserID(), "2"}, line{ghost(carl), "3"})
			w.eventually("alice in the room", func() bool { return w.hs.Membership(room, alice.UserID()) == "join" })
			require.Len(t, w.roomsMadeBy(bot, string(direct)), 1)
		})
	}
}

// The homeserver is away for longer than any retry of a request: nothing is lost either way.
func TestHomeserverAway(t *testing.T) {
	w, alice, room := talk(t)
	w.hs.Stop()
	want := []line{{ghost(carl), "first"}}
	for n := range 40 {
		text := fmt.Sprintf("h%02d", n)
		w.network.Say(carl, direct, text)
		want = append(want, line{ghost(carl), text})
	}
	time.Sleep(3 * time.Second) // how long it is away is what is tested
	require.NoError(t, w.hs.Resume())
	w.waitLines(room, want...)
	alice.SendText(room, "back")
	w.eventually("the way out", func() bool { all := w.texts(direct); return all[len(all)-1] == "back" })
}

// What goes wrong with one room, however, delays no other, and nothing of it is lost or out
// of order when it is over.
func TestTroubleOfOneRoomDelaysNoOther(t *testing.T) {
	for name, fault := range map[string]nullhs.Fault{
		"slow":           {Delay: 10 * time.Second},
		"429":            {Status: 429, RetryAfter: 3 * time.Second},
		"502":            {Status: 502},
		"connection cut": {Drop: true},
		"answer lost":    {Drop: true, After: true},
		"401":            {Status: 401, Code: "M_UNKNOWN_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			w, alice, stuck := talk(t)
			w.network.Say(carl, group, "hello all")
			other := w.room("hello all")
			alice.WaitText(other, "hello all")
			fault.Method, fault.Path = http.MethodPut, "/rooms/"+string(stuck)+"/send/m.room.message/"
			stop := w.hs.Inject(fault)
			defer stop()
			tries := func() int {
				return len(w.hs.Requests(func(r nullhs.Request) bool { return strings.Contains(r.Path, fault.Path+"hg") }))
			}
			before := tries()
			want, elsewhere := []line{{ghost(carl), "first"}}, []line{{ghost(carl), "hello all"}}
			for n := range 5 {
				text := fmt.Sprint(n)
				w.network.Say(carl, direct, text)
				w.network.Say(carl, group, text)
				want, elsewhere = append(want, line{ghost(carl), text}), append(elsewhere, line{ghost(carl), text})
			}
			w.waitLines(other, elsewhere...)
			alice.SendText(other, "out")
			w.eventually("the way out", func() bool { all := w.texts(group); return all[len(all)-1] == "out" })
			if fault.Delay == 0 {
				w.eventually("an attempt", func() bool { return tries() > before })
			}
			require.LessOrEqual(t, len(w.lines(stuck)), 2, "in order, so at most one has arrived")
			stop()
			w.waitLines(stuck, want...)
		})
	}
}

// One part of a message is refused for good: it is given up, said once, and what comes after
// follows.
func TestRefusedPartInTheMiddle(t *testing.T) {
	w, alice, room := talk(t)
	w.network.Say(carl, group, "hello all")
	other := w.room("hello all")
	alice.WaitText(other, "hello all")
	send := nullhs.Fault{Method: http.MethodPut, Path: "/rooms/" + string(room) + "/send/m.room.message/", User: string(ghost(carl))}
	passing, refusing := send, send
	passing.Times, passing.Delay = 1, time.Millisecond
	refusing.Times, refusing.Status, refusing.Code = 3, 400, "M_BAD_JSON"
	w.hs.Inject(passing)
	w.hs.Inject(refusing)
	w.network.Say(carl, direct, strings.Repeat("0123456789abcde\n", 10_000)) // several parts
	w.network.Say(carl, direct, "after")
	w.network.Say(carl, group, "elsewhere")
	w.waitLines(other, line{ghost(carl), "hello all"}, line{ghost(carl), "elsewhere"})
	alice.WaitText(room, "after")
	lines := w.lines(room)
	require.Len(t, lines, 3, "the first part, once, and none of those after the refused one")
	require.True(t, strings.HasPrefix(lines[1].Body, "0123456789abcde"))
	require.Equal(t, "after", lines[2].Body)
	require.Len(t, w.notices(room), 1)
	require.Contains(t, w.notices(room)[0], "could not be shown")
	w.noSends()
}

// After an outage rooms that wait go on when one gets something, not each when its pause ends.
func TestWaitingRoomsGoOnTogether(t *testing.T) {
	w := newWorld(t)
	w.timing.BackoffMin, w.timing.BackoffMax = time.Hour, time.Hour
	alice, room := w.talk()
	w.network.Say(carl, group, "second room")
	other := w.room("second room")
	alice.WaitText(other, "second room")
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: http.StatusBadGateway})
	w.network.Say(carl, group, "waits")
	w.eventually("an attempt", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	stop()
	w.network.Say(carl, direct, "comes")
	alice.WaitText(room, "comes")
	alice.WaitText(other, "waits")
}
