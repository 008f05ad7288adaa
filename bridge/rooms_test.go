package bridge_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// portalRooms are the rooms that the bridge made for conversations.
func (w *world) portalRooms() (rooms []id.RoomID) {
	for _, room := range w.hs.Rooms() {
		if w.hs.State(room, "m.bridge", "test.localhost/hangouts") != nil {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

func TestRoomsAtFirstLogin(t *testing.T) {
	w := newWorld(t)
	before := w.network.Say(carl, direct, "old 1")
	w.network.Say(anna, direct, "old 2")
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{carl}}})
	w.network.Say(bert, group, "old 3")
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("old 1")
	w.waitLines(room, line{ghost(carl), "old 1"}, line{alice.UserID(), "old 2"})
	require.Equal(t, before.Time/1000, w.hs.Messages(room)[0].Timestamp, "history has its true times")
	family := w.room("old 3")
	w.waitLines(family, line{alice.UserID(), "Anna Ahrens added Carl Conrad."}, line{ghost(bert), "old 3"})
	w.eventually("alice in both rooms", func() bool {
		return w.hs.Membership(room, alice.UserID()) == "join" && w.hs.Membership(family, alice.UserID()) == "join"
	})
	require.ElementsMatch(t, []id.UserID{alice.UserID(), ghost(bert), ghost(carl), bot}, w.hs.Members(family, "join"))
	require.Equal(t, "Family", alice.RoomName(family))
	require.Len(t, w.portalRooms(), 2)

	// A restart makes nothing anew.
	w.stop()
	w.start()
	w.network.Say(carl, direct, "live")
	w.waitLines(room, line{ghost(carl), "old 1"}, line{alice.UserID(), "old 2"}, line{ghost(carl), "live"})
	require.Len(t, w.portalRooms(), 2)
}

func TestOnlySoManyRoomsAtFirstLogin(t *testing.T) {
	w := newWorld(t)
	w.network.Say(carl, group, "older")
	w.network.Say(carl, direct, "newer")
	w.prepare = func(m *bridge.Main) { m.Network().InitialChatSync = 1 }
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("newer")
	w.waitLines(room, line{ghost(carl), "newer"})
	w.network.Say(carl, direct, "and on")
	w.room("and on")
	require.Len(t, w.portalRooms(), 1)
	w.network.Say(carl, group, "now it gets one")
	w.waitLines(w.room("now it gets one"), line{ghost(carl), "older"}, line{ghost(carl), "now it gets one"})
}

// The homeserver makes the room, but its answer is lost: the next attempt finds it.
func TestRoomIsMadeOnce(t *testing.T) {
	for name, fault := range map[string]nullhs.Fault{
		"answer lost":  {Drop: true, After: true},
		"never served": {Drop: true},
		"busy":         {Status: 502, After: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice := w.user("alice")
			w.login(alice, anna)
			fault.Method, fault.Path, fault.Times = http.MethodPost, "/createRoom", 1
			w.hs.Inject(fault)
			w.network.Say(carl, direct, "hello")
			room := w.room("hello")
			alice.WaitText(room, "hello")
			require.Equal(t, []id.RoomID{room}, w.roomsMadeBy(bot, "UgxDirect"))
			w.waitLines(room, line{ghost(carl), "hello"})
		})
	}
}

// roomsMadeBy are the rooms that were made for a conversation, with a portal or not.
func (w *world) roomsMadeBy(who id.UserID, conversation string) (rooms []id.RoomID) {
	for _, room := range w.hs.Rooms() {
		info := w.hs.State(room, "m.bridge", "test.localhost/hangouts")
		if info != nil && info.Sender == who && strings.Contains(string(info.Content.VeryRaw), conversation) {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// A room that is cut short while it is filled gets the rest of its history, in order, and
// only then what is new.
func TestHalfFilledRoomIsCompleted(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		w.network.Say(carl, direct, text)
	}
	w.start()
	alice := w.user("alice")
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: 502})
	w.login(alice, anna)
	w.eventually("the room", func() bool { return len(w.roomsMadeBy(bot, "UgxDirect")) == 1 })
	room := w.roomsMadeBy(bot, "UgxDirect")[0]
	w.network.Say(carl, direct, "6")
	require.Empty(t, w.lines(room))
	stop()
	want := []line{}
	for _, text := range []string{"1", "2", "3", "4", "5", "6"} {
		want = append(want, line{ghost(carl), text})
	}
	w.waitLines(room, want...)
}

func TestMembersAndNamesFollow(t *testing.T) {
	w := newWorld(t)
	w.network.AddConversation("UgxOpen", "", anna, bert, carl)
	dora := chat.PersonID("100000000000000000004")
	w.network.AddPerson(dora, "Dora Dahl")
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, "UgxOpen", "hello")
	room := w.room("hello")
	name := func(want string) {
		t.Helper()
		w.eventually("the name "+want, func() bool {
			state := w.hs.State(room, "m.room.name", "")
			return state != nil && state.Content.AsRoomName().Name == want
		})
	}
	name("Bert, Carl")
	w.network.Post(chat.Event{Conversation: "UgxOpen", Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{dora}}})
	w.eventually("dora to come", func() bool { return w.hs.Membership(room, ghost(dora)) == "join" })
	name("Bert, Carl, Dora")
	w.network.Post(chat.Event{Conversation: "UgxOpen", Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{bert}}})
	w.eventually("bert to go", func() bool { return w.hs.Membership(room, ghost(bert)) == "leave" })
	name("Carl, Dora")
	w.network.Post(chat.Event{Conversation: "UgxOpen", Author: carl, Kind: chat.KindRename, Rename: &chat.Rename{New: "Plans"}})
	name("Plans")
	w.network.Post(chat.Event{Conversation: "UgxOpen", Author: carl, Kind: chat.KindRename, Rename: &chat.Rename{Old: "Plans"}})
	name("Carl, Dora")

	w.network.Post(chat.Event{Conversation: "UgxOpen", Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{anna}}})
	w.room("You were removed from this conversation. Its messages stay readable.")
	require.Equal(t, "join", w.hs.Membership(room, alice.UserID()), "the room stays readable")
	alice.SendText(room, "anybody here?")
	w.eventually("the refusal", func() bool {
		all := w.notices(room)
		return len(all) > 0 && strings.Contains(all[len(all)-1], "not in this conversation any more")
	})
}

func TestOtherKindsAreLines(t *testing.T) {
	w, _, room := talk(t)
	w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: chat.KindHistoryMode, HistoryMode: &chat.HistoryMode{Off: true}})
	w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: "poll"})
	w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: chat.KindNotice, Notice: &chat.Notice{Text: "woof"}})
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "History is off: new messages are not kept."}, line{ghost(carl), "woof"})
}

func TestDeletedPortalGetsANewRoom(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "!hangouts delete-portal")
	w.eventually("the portal to go", func() bool { return w.hs.Membership(room, alice.UserID()) == "leave" })
	w.network.Say(carl, direct, "again")
	var next id.RoomID
	w.eventually("a new room", func() bool {
		for _, r := range w.roomsMadeBy(bot, "UgxDirect") {
			if r != room {
				next = r
			}
		}
		return next != ""
	})
	w.waitLines(next, line{ghost(carl), "first"}, line{ghost(carl), "again"})
}

func (w *world) noSends() {
	w.t.Helper()
	w.eventually("no sends to remain", func() bool { return w.main.OpenSends() == 0 })
}

// What is noted of a send is forgotten when its message has its row, at once.
func TestSendsAreForgotten(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("0123456789abcde\n", 5000) // several parts
	w.network.Say(carl, direct, "old 1")
	w.network.Say(anna, direct, long)
	w.network.Say(carl, direct, "old 3")
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("old 3")
	w.noSends() // of a new room's history

	w.network.Say(carl, direct, "live")
	w.network.Say(anna, direct, long)
	w.network.Say(carl, direct, "end")
	alice.WaitText(room, "end")
	w.noSends() // of live delivery

	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: 400, Code: "M_BAD_JSON", Times: 3})
	w.network.Say(carl, direct, "poison")
	w.network.Say(carl, direct, "fine")
	alice.WaitText(room, "fine")
	w.noSends() // of what was given up
}

// The filling of a room that is cut short leaves none either.
func TestSendsOfAHalfFilledRoomAreForgotten(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "from Matrix")
	w.waitTexts(direct, "first", "from Matrix")
	w.network.Say(carl, direct, "third")
	alice.WaitText(room, "third")
	w.noSends()
	alice.SendText(room, "!hangouts delete-portal")
	w.eventually("the portal to go", func() bool { return w.hs.Membership(room, alice.UserID()) == "leave" })
	// The first two of the history pass, the others fail at first.
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Times: 2, Delay: time.Millisecond})
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Times: 2, Status: 502})
	w.network.Say(carl, direct, "fourth")
	w.waitLines(w.room("fourth"), line{ghost(carl), "first"}, line{alice.UserID(), "from Matrix"}, line{ghost(carl), "third"}, line{ghost(carl), "fourth"})
	w.noSends()
}

func TestTypingAndReadingArrive(t *testing.T) {
	w, alice, room := talk(t)
	w.network.Type(carl, direct, chat.TypingStarted)
	w.eventually("carl to type", func() bool { return len(alice.Typing(room)) == 1 })
	w.network.Say(carl, direct, "typed")
	w.eventually("typing to end", func() bool { return len(alice.Typing(room)) == 0 })
	sent := alice.SendText(room, "read me")
	w.waitTexts(direct, "first", "typed", "read me")
	events := w.network.Events(direct)
	w.network.Read(carl, direct, events[len(events)-1].Time)
	w.eventually("carl's receipt", func() bool { return w.hs.Receipt(room, ghost(carl)) == sent })
	w.network.Read(carl, direct, time.Now().Add(-24*time.Hour).UnixMicro())
	require.Equal(t, sent, w.hs.Receipt(room, ghost(carl)))
}

// A room that has our alias is adopted only if our bot made it and no portal has it: nobody
// can put a room of their own in the place of one of ours.
func TestForeignRoomsAreNotAdopted(t *testing.T) {
	w, alice, room := talk(t)
	mallory := w.user("mallory")
	foreign := mallory.CreateRoom(&mautrix.ReqCreateRoom{Preset: "public_chat"})
	asBot := mautrixClient(t, w)
	_, err := asBot.JoinRoomByID(t.Context(), foreign)
	require.NoError(t, err)
	for n, taken := range []id.RoomID{foreign, room} {
		conversation := chat.ConversationID("UgxTaken" + string(rune('0'+n)))
		w.network.AddConversation(conversation, "Taken", anna, carl)
		alias := w.main.Alias(ids.MakePortalKey(conversation, chat.Group, anna, false))
		_, err = asBot.CreateAlias(t.Context(), alias, taken)
		require.NoError(t, err)
		w.network.Say(carl, conversation, "hello "+string(conversation))
		made := w.room("hello " + string(conversation))
		require.NotEqual(t, taken, made)
		alice.WaitText(made, "hello "+string(conversation))
	}
	require.Empty(t, w.lines(foreign))
	w.waitLines(room, line{ghost(carl), "first"})
}

// mautrixClient acts as the bridge's bot.
func mautrixClient(t *testing.T, w *world) *mautrix.Client {
	t.Helper()
	client, err := mautrix.NewClient(w.hs.URL(), bot, w.tokens.AppToken)
	require.NoError(t, err)
	return client
}
