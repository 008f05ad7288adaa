package bridge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

func splitPath(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// shared is a world in which alice uses anna's account, bob bert's, and both have the room
// of the group with carl.
func shared(t *testing.T) (w *world, alice, bob *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	alice, bob, room = w.share()
	return w, alice, bob, room
}

func (w *world) share() (alice, bob *mxclient.Client, room id.RoomID) {
	w.t.Helper()
	w.start()
	alice, bob = w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	bob.WaitText(room, "first")
	return alice, bob, room
}

// early is a world in which alice has the room of the group, and bob, who is in it too, has
// not logged in yet.
func early(t *testing.T, text string) (w *world, alice, bob *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.start()
	alice, bob = w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.network.Say(carl, group, text)
	room = w.room(text)
	alice.WaitText(room, text)
	return w, alice, bob, room
}

// A login that comes to a room while another one's delivery stands still does not show what
// is new before what is older.
func TestNewLoginWaitsForAStalledOne(t *testing.T) {
	w, alice, bob, room := early(t, "0")
	// Only the delivery of anna's account stands still: her own message cannot be sent.
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(alice.UserID()), Status: 502})
	w.network.Say(anna, group, "1")
	w.network.Say(carl, group, "2")
	w.eventually("an attempt", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	w.login(bob, bert)
	session, ok := w.manager.Get(bert)
	require.True(t, ok)
	w.eventually("bob's side", func() bool {
		attached, err := session.Attached(t.Context(), account.ConsumerID{Side: chat.OriginMatrix})
		return err == nil && attached
	})
	w.network.Say(carl, group, "3")
	w.network.Say(carl, direct, "elsewhere")
	w.room("elsewhere") // other rooms go on
	require.Equal(t, []line{{ghost(carl), "0"}}, w.lines(room))
	stop()
	w.waitLines(room, line{ghost(carl), "0"}, line{alice.UserID(), "1"}, line{ghost(carl), "2"}, line{ghost(carl), "3"})
}

// A message of alice in the room is not shown again, though bob's account has it while her request
// has no answer, and hers does not hear of it. What her phone wrote is.
func TestOpenRequestInASharedRoom(t *testing.T) {
	w, alice, bob, room := shared(t)
	w.network.Deafen(anna)
	answer := make(chan struct{})
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Until: answer} })
	alice.SendText(room, "written")
	w.waitTexts(group, "first", "written")
	w.network.Say(anna, group, "from the phone")
	w.network.Say(carl, group, "after")
	w.network.Say(carl, direct, "elsewhere") // bob is not in it
	key := database.ConsumerKey{Account: bert, Side: chat.OriginMatrix}
	w.eventually("bob's account to wait for the answer", func() bool {
		standings, err := w.main.Store().Consumers().Standings(t.Context(), key)
		require.NoError(t, err)
		return len(standings) == 1 && standings[0].Head-standings[0].Seq == 3
	})
	require.Equal(t, []line{{ghost(carl), "first"}, {alice.UserID(), "written"}}, w.lines(room))
	close(answer)
	bob.WaitText(room, "after")
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "written"}, line{alice.UserID(), "from the phone"}, line{ghost(carl), "after"})
}

// The author is right whichever account's copy of an event arrives first.
func TestAuthorsInASharedRoom(t *testing.T) {
	for name, silent := range map[string]chat.PersonID{"anna's copy late": anna, "bert's copy late": bert} {
		t.Run(name, func(t *testing.T) {
			w, alice, bob, room := shared(t)
			w.network.Deafen(silent) // hears nothing more, so the other account's copies come first
			w.network.Say(anna, group, "anna's phone")
			w.network.Say(bert, group, "bert's phone")
			w.network.Say(carl, group, "carl")
			w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "anna's phone"}, line{bob.UserID(), "bert's phone"}, line{ghost(carl), "carl"})
		})
	}
}

// One who leaves the group or logs out leaves the other undisturbed.
func TestOneLeavesTheOtherStays(t *testing.T) {
	for name, leave := range map[string]func(*world, *mxclient.Client, id.RoomID){
		"logs out": func(w *world, bob *mxclient.Client, management id.RoomID) {
			bob.SendText(management, "logout "+string(bert))
			w.waitNotice(management, "Logged out")
		},
		"leaves the group": func(w *world, _ *mxclient.Client, _ id.RoomID) {
			w.network.Post(chat.Event{Conversation: group, Author: bert, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{bert}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice, bob := w.user("alice"), w.user("bob")
			w.login(alice, anna)
			management := w.login(bob, bert)
			w.network.Say(carl, group, "first")
			room := w.room("first")
			bob.WaitText(room, "first")
			leave(w, bob, management)
			w.network.Say(carl, group, "second")
			alice.WaitText(room, "second")
			alice.SendText(room, "still here")
			w.eventually("alice's text", func() bool { all := w.texts(group); return all[len(all)-1] == "still here" })
			require.Equal(t, "join", w.hs.Membership(room, alice.UserID()))
			w.network.Say(carl, group, "third")
			alice.WaitText(room, "third")
			count := 0
			for _, l := range w.lines(room) {
				if l.Body == "second" || l.Body == "third" || l.Body == "still here" {
					count++
				}
			}
			require.Equal(t, 3, count, "each once")
		})
	}
}

// A new login's user is in the rooms that other logins have made at once, and again after
// having logged out.
func TestNewLoginEntersRoomsThatAreThere(t *testing.T) {
	w, _, bob, room := early(t, "first")
	isIn := func() bool { return w.hs.Membership(room, bob.UserID()) == "join" }
	management := w.login(bob, bert)
	w.eventually("bob in the room", isIn)
	bob.SendText(management, "logout "+string(bert))
	w.waitNotice(management, "Logged out")
	w.eventually("bob out of the room", func() bool { return !isIn() })
	w.eventually("the bridge to know", func() bool { return !w.main.Matrix.StateStore.IsInRoom(t.Context(), room, bob.UserID()) })
	bob.SendText(management, "login token "+string(bert))
	w.eventually("bob in the room again", isIn)
	require.Equal(t, []line{{ghost(carl), "first"}}, w.lines(room))
	require.Len(t, w.roomsMadeBy(bot, string(group)), 1)
}

// Two accounts of one Matrix user: what is written in a room goes out through the account
// that the room belongs to.
func TestTwoAccountsOfOneUserDoNotMix(t *testing.T) {
	w := newWorld(t)
	w.network.AddConversation("UgxBert", "", bert, carl)
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	alice.SendText(management, "login token "+string(bert))
	w.waitNotice(management, "Logged in as Bert Blum")
	w.network.Say(carl, direct, "to anna")
	w.network.Say(carl, "UgxBert", "to bert")
	annas, berts := w.room("to anna"), w.room("to bert")
	require.NotEqual(t, annas, berts)
	alice.WaitText(annas, "to anna")
	alice.WaitText(berts, "to bert")
	alice.SendText(annas, "from anna")
	alice.SendText(berts, "from bert")
	w.waitTexts(direct, "to anna", "from anna")
	w.waitTexts("UgxBert", "to bert", "from bert")
	last := func(conversation chat.ConversationID) chat.PersonID {
		events := w.network.Events(conversation)
		return events[len(events)-1].Author
	}
	require.Equal(t, anna, last(direct))
	require.Equal(t, bert, last("UgxBert"))
	w.waitLines(annas, line{ghost(carl), "to anna"}, line{alice.UserID(), "from anna"})
	w.waitLines(berts, line{ghost(carl), "to bert"}, line{alice.UserID(), "from bert"})
	for _, person := range []chat.PersonID{anna, bert} {
		require.NotNil(t, w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(person)))
	}
}

// Reading shows once in a shared room, as the person's own Matrix user, and is not told to
// Hangouts again.
func TestReadingInASharedRoom(t *testing.T) {
	w, alice, bob, room := shared(t)
	e := w.network.Say(carl, group, "second")
	target := alice.WaitText(room, "second").ID
	bob.WaitText(room, "second")
	w.network.Read(bert, group, e.Time)
	w.eventually("bob's receipt", func() bool { return w.hs.Receipt(room, bob.UserID()) == target })
	alice.MarkRead(room, target)
	w.eventually("the watermark", func() bool { return len(w.network.Marks()) == 1 })
	w.noEcho(carl, group, room, "third")
	require.Len(t, w.network.Marks(), 1)
	require.Equal(t, anna, w.network.Marks()[0].Person)
	require.Equal(t, e.Time, w.network.Marks()[0].Time)
}
