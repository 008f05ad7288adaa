package bridge_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// trip is a room of alice's called "Trip" with the bot and the ghosts of carl and dora.
func (w *world) trip(alice *mxclient.Client, others ...id.UserID) id.RoomID {
	w.t.Helper()
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{dora}}})
	w.eventually("dora's ghost", func() bool { return w.hs.UserExists(ghost(dora)) })
	room := alice.CreateRoom(&mautrix.ReqCreateRoom{Name: "Trip", Invite: append(others, bot, ghost(carl), ghost(dora))})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	return room
}

func (w *world) groupsMade() (made []chat.NewConversation) {
	for _, r := range w.did(chat.RequestCreate) {
		made = append(made, *r.Create)
	}
	return made
}

func TestGroupOfARoom(t *testing.T) {
	w, alice, _ := managed(t)
	bob, frank := w.user("bob"), mxclient.New(t, w.hs, "frank")
	w.login(bob, bert)
	w.network.AddPerson(aaron, "Aaron Abt")
	w.eventually("frank's login", func() bool {
		_, err := w.manager.Login(t.Context(), chat.Credentials{RefreshToken: string(aaron)}, account.User{Side: chat.OriginMatrix, ID: string(frank.UserID())})
		return err == nil && w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(aaron)) != nil
	})
	room := w.trip(alice, bob.UserID(), frank.UserID()) // frank is only invited: which account is his is not told
	bob.Join(room)
	w.ask(alice, room, "create-group", "The group is made")
	require.Equal(t, []chat.NewConversation{{Kind: chat.Group, Name: "Trip", People: []chat.PersonID{bert, carl, dora}}}, w.groupsMade())
	require.Len(t, w.network.Created(), 1)
	id := w.network.Created()[0]
	w.network.Say(dora, id, "where to?")
	made := w.room("where to?")
	require.NotEqual(t, room, made)
	alice.SendText(made, "south")
	w.waitTexts(id, "where to?", "south")
	bob.WaitText(made, "south")
	w.ask(alice, made, "create-group", "a conversation already")

	// One person is refused: nothing is made, that is said, and another attempt is another one.
	w.fail(chat.RequestCreate, accounttest.Fault{Err: chat.ErrRefused})
	w.ask(alice, room, "create-group", "Hangouts refused it")
	require.Len(t, w.groupsMade(), 1)
	w.network.OnSend(nil)
	w.ask(alice, room, "create-group", "The group is made")
	require.Len(t, w.groupsMade(), 2)
}

// Of somebody with several accounts one is in the group, and the others are not told.
func TestGroupOfSeveralAccounts(t *testing.T) {
	w, alice, _ := managed(t)
	bob := w.user("bob")
	w.login(bob, bert)
	w.network.AddPerson("200000000000000000000", "Bert's other account")
	_, err := w.manager.Login(t.Context(), chat.Credentials{RefreshToken: "200000000000000000000"}, account.User{Side: chat.OriginMatrix, ID: string(bob.UserID())})
	require.NoError(t, err)
	w.eventually("the second login", func() bool {
		return w.main.Bridge.GetCachedUserLoginByID("200000000000000000000") != nil
	})
	room := w.trip(alice, bob.UserID())
	bob.Join(room)
	w.ask(alice, room, "create-group", "The group is made")
	require.Equal(t, []chat.PersonID{bert, carl, dora}, w.groupsMade()[0].People)
}

// A secret in the name of a room that had it before the bot came is not the name of a group.
func TestGroupOfASecretName(t *testing.T) {
	w, alice, _ := managed(t)
	w.trip(alice)
	room := alice.CreateRoom(&mautrix.ReqCreateRoom{Name: "my " + aSecret, Invite: []id.UserID{bot, ghost(carl), ghost(dora)}})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	w.ask(alice, room, "create-group", "give the room another name")
	require.Empty(t, w.groupsMade())
	alice.SetName(room, "Trip")
	w.ask(alice, room, "create-group", "The group is made")
	require.Equal(t, "Trip", w.groupsMade()[0].Name)
}

func TestGroupOfNamedPeople(t *testing.T) {
	w, alice, _ := managed(t)
	w.network.AddContact(dora, "dora@example.com", "+15551230000")
	management := w.managementRoom(alice)
	w.ask(alice, management, "create-group", "nobody here")
	w.ask(alice, management, "create-group "+string(carl)+" nobody@example.com", "`nobody@example.com`: Nobody was found.")
	w.ask(alice, management, "create-group "+string(carl)+" a@b@c", "no e-mail address")
	require.Empty(t, w.groupsMade())
	w.ask(alice, management, "create-group "+string(ghost(carl))+", dora@example.com "+string(carl)+" "+string(anna), "The group is made")
	require.Equal(t, []chat.NewConversation{{Kind: chat.Group, People: []chat.PersonID{carl, dora}}}, w.groupsMade())
}

// The network takes the request and says nothing, or nothing at all comes of it.
func TestGroupWithoutAnAnswer(t *testing.T) {
	w, alice, _ := managed(t)
	room := w.trip(alice)
	first := true
	w.network.OnSend(func(_ chat.PersonID, r chat.Request) (f accounttest.Fault) {
		if r.Create != nil && first {
			f, first = accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}, false
		}
		return f
	})
	w.ask(alice, room, "create-group", "The group is made")
	require.Len(t, w.groupsMade(), 1)
	alice.SetName(room, "Trip two")
	first = true
	w.network.OnSend(func(_ chat.PersonID, r chat.Request) (f accounttest.Fault) {
		if r.Create != nil && first {
			f, first = accounttest.Fault{Err: account.ErrAmbiguous}, false
		}
		return f
	})
	alice.SendText(room, "!hangouts create-group")
	w.eventually("the second group", func() bool { return len(w.groupsMade()) == 2 })
}

// The bridge is killed while the network has a request for a group, before or after it makes the group:
// there is one group in the end, and it gets its room.
func TestKilledWhileAGroupIsMade(t *testing.T) {
	w := newWorld(t)
	w.network.AddPerson(dora, "Dora Dahl")
	c := w.startChild()
	alice := w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, group, "start")
	alice.WaitText(w.room("start"), "start")
	room := w.trip(alice)
	for n, made := range []bool{true, false, true} {
		asked, killed := make(chan struct{}), make(chan struct{})
		var once sync.Once
		w.network.OnSend(func(_ chat.PersonID, r chat.Request) (f accounttest.Fault) {
			once.Do(func() {
				close(asked)
				f = accounttest.Fault{Err: account.ErrAmbiguous, Accept: made, Until: killed}
			})
			return f
		})
		alice.SetName(room, fmt.Sprint("Trip ", n))
		alice.SendText(room, "!hangouts create-group")
		<-asked
		c.kill()
		close(killed)
		c.start()
		w.eventually("the group", func() bool { return len(w.network.Created()) > n })
		text := fmt.Sprint("in group ", n)
		w.network.Say(dora, w.network.Created()[n], text)
		alice.WaitText(w.room(text), text)
	}
	require.Len(t, w.groupsMade(), 3, "each command has made one group")
}

func TestJoinByLink(t *testing.T) {
	const link = "https://example.com/group/token"
	w := newWorld(t)
	w.network.AddConversation("UgxLinked", "Linked", bert, carl)
	w.network.ShareLink("UgxLinked", link, true)
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	w.ask(alice, management, "join", "Usage")
	w.ask(alice, management, "join not-a-link", "This is no link of a group.")
	w.ask(alice, management, "join "+link+"wrong", "does not accept this link")
	w.network.ShareLink("UgxLinked", link, false)
	w.ask(alice, management, "join "+link, "joining by link is off")
	require.Empty(t, w.did(chat.RequestJoinLink))
	w.network.ShareLink("UgxLinked", link, true)
	w.ask(alice, management, "join <"+link+">", "You are in the group")
	w.network.Say(carl, "UgxLinked", "welcome")
	room := w.room("welcome")
	alice.SendText(room, "thanks")
	w.waitTexts("UgxLinked", "welcome", "thanks")
	w.ask(alice, management, "join "+link, "You are in the group")
	require.Len(t, slices.DeleteFunc(w.network.Events("UgxLinked"), func(e chat.Event) bool { return e.Membership == nil }), 1, "one joins once")

	w.network.LimitFeatures(func(chat.Conversation) chat.Features { return chat.Features{} })
	w.ask(alice, management, "join "+link, "Hangouts has no such thing.")
}

func TestDeleteChat(t *testing.T) {
	w := newWorld(t)
	alice, room := w.talk()
	last := w.network.Say(carl, direct, "second")
	alice.WaitText(room, "second")
	w.ask(alice, room, "delete-chat", "Your history of this conversation is deleted")
	done := w.did(chat.RequestClear)
	require.Len(t, done, 1)
	require.Equal(t, last.Time, done[0].Clear.UpTo)
	require.Equal(t, "join", string(w.hs.Membership(room, alice.UserID())))
	w.network.Say(carl, direct, "third")
	alice.WaitText(room, "third")
	w.network.LimitFeatures(func(c chat.Conversation) chat.Features {
		f := accounttest.EveryFeature(c)
		f.Clear = false
		return f
	})
	w.ask(alice, room, "delete-chat", "Hangouts has no such thing.")
	require.Len(t, w.did(chat.RequestClear), 1)
}

func TestDoNotDisturb(t *testing.T) {
	w, alice, _ := managed(t)
	management := w.managementRoom(alice)
	for _, bad := range []string{"", " 0", " -1", " 1000", " soon"} {
		w.ask(alice, management, "dnd"+bad, "Usage")
	}
	_, set := w.network.DoNotDisturb(anna)
	require.False(t, set)
	w.ask(alice, management, "do-not-disturb 8", "quiet for 8 hours")
	lasting, _ := w.network.DoNotDisturb(anna)
	require.Equal(t, 8*time.Hour, lasting)
	w.ask(alice, management, "dnd off", "may make noise again")
	lasting, _ = w.network.DoNotDisturb(anna)
	require.Zero(t, lasting)
	w.network.Refuse(anna, true)
	w.ask(alice, management, "dnd 1", "does not accept your login")
}

// Somebody without a login makes nothing.
func TestCommandsWithoutALogin(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) { c.Bridge.Permissions["@eve:"+domain] = &bridgeconfig.PermissionLevelUser }
	w.start()
	eve := w.user("eve")
	room := eve.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	for _, command := range []string{"create-group " + string(carl), "join https://example.com/group/x", "dnd 1", "search carl", "start-chat " + string(carl)} {
		w.ask(eve, room, command, "logged in")
	}
	require.Empty(t, w.network.Sends())
	require.Empty(t, w.network.Queries())
}
