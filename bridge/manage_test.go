package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// managed is a world in which alice is in the room of the group, and dora is somebody else.
func managed(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	w = newWorld(t)
	w.network.AddPerson(dora, "Dora Dahl")
	w.start()
	alice = w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, group, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	return w, alice, room
}

// did are the requests of a kind that the network has carried out.
func (w *world) did(kind chat.RequestKind) (requests []chat.Request) {
	for _, sent := range w.network.Sends() {
		if sent.Request.Kind() == kind {
			requests = append(requests, sent.Request)
		}
	}
	return requests
}

// fail makes the network fail all requests of a kind.
func (w *world) fail(kind chat.RequestKind, fault accounttest.Fault) {
	w.network.OnSend(func(_ chat.PersonID, r chat.Request) accounttest.Fault {
		if r.Kind() == kind {
			return fault
		}
		return accounttest.Fault{}
	})
}

func TestRenameFromMatrix(t *testing.T) {
	w, alice, room := managed(t)
	alice.SetState(room, event.StateRoomName, "", &event.RoomNameEventContent{Name: "The Clan"})
	w.eventually("the new name", func() bool { return len(w.did(chat.RequestRename)) == 1 })
	require.Equal(t, "The Clan", w.did(chat.RequestRename)[0].Rename.New)
	w.fail(chat.RequestRename, accounttest.Fault{Err: chat.ErrRefused})
	alice.SetState(room, event.StateRoomName, "", &event.RoomNameEventContent{Name: "Not this"})
	w.waitNotice(room, "Hangouts refused it")
	w.eventually("the name to come back", func() bool { return w.state(room, "m.room.name") == "The Clan" })
	require.Len(t, w.did(chat.RequestRename), 1)
}

// The answer to a request is lost: it is found in what the network has, and not made again.
func TestRenameWithoutAnswer(t *testing.T) {
	w, alice, room := managed(t)
	w.fail(chat.RequestRename, accounttest.Fault{Err: account.ErrAmbiguous, Accept: true})
	alice.SetState(room, event.StateRoomName, "", &event.RoomNameEventContent{Name: "The Clan"})
	w.eventually("the new name", func() bool { return len(w.did(chat.RequestRename)) == 1 })
	w.network.OnSend(nil)
	alice.SendText(room, "after it")
	w.eventually("the text", func() bool { return slices.Contains(w.texts(group), "after it") })
	require.Len(t, w.did(chat.RequestRename), 1)
	require.Equal(t, "The Clan", w.state(room, "m.room.name"))
}

func TestPeopleFromMatrix(t *testing.T) {
	w, alice, room := managed(t)
	alice.SetState(room, event.StateMember, string(ghost(dora)), &event.MemberEventContent{Membership: event.MembershipInvite})
	w.eventually("dora to be there", func() bool { return w.hs.Membership(room, ghost(dora)) == "join" })
	require.Equal(t, []chat.PersonID{dora}, w.did(chat.RequestAddPeople)[0].AddPeople)
	alice.SetState(room, event.StateMember, string(ghost(dora)), &event.MemberEventContent{Membership: event.MembershipLeave})
	w.eventually("dora to be removed", func() bool { return len(w.did(chat.RequestRemovePeople)) == 1 })

	w.fail(chat.RequestAddPeople, accounttest.Fault{Err: chat.ErrRefused})
	w.eventually("the removal", func() bool { return w.hs.Membership(room, ghost(dora)) == "leave" })
	alice.SetState(room, event.StateMember, string(ghost(dora)), &event.MemberEventContent{Membership: event.MembershipInvite})
	w.waitNotice(room, "Hangouts refused it")
	w.eventually("dora not to be there", func() bool { return w.hs.Membership(room, ghost(dora)) == "leave" })

	w.fail(chat.RequestRemovePeople, accounttest.Fault{Err: chat.ErrRefused})
	alice.SetState(room, event.StateMember, string(ghost(carl)), &event.MemberEventContent{Membership: event.MembershipLeave})
	w.eventually("carl to be back", func() bool {
		return len(w.did(chat.RequestRemovePeople)) == 1 && w.hs.Membership(room, ghost(carl)) == "join"
	})
}

func TestCommandsOfAConversation(t *testing.T) {
	w, alice, room := managed(t)
	w.network.ShareLink(group, "https://example.com/group/x", false)
	yes, no := ptr.Ptr(true), ptr.Ptr(false)
	for n, c := range []struct {
		text, says string
		request    *chat.Request // nil: nothing is asked of the network
	}{
		{"history", "History is on.", nil},
		{"history off", "History is off now.", &chat.Request{HistoryMode: &chat.HistoryMode{Off: true}}},
		{"history off", "History is off already.", nil},
		{"history on", "History is on now.", &chat.Request{HistoryMode: &chat.HistoryMode{}}},
		{"history perhaps", "Usage: `!hangouts history on`", nil},
		{"link", "Joining by link is off.", nil},
		{"link on", "Joining by link is on now.", &chat.Request{LinkSharing: &chat.LinkSharing{On: true}}},
		{"link", "Anyone can join with this link: https://example.com/group/x", nil},
		{"link off", "Joining by link is off now.", &chat.Request{LinkSharing: &chat.LinkSharing{}}},
		{"mute", "This conversation is muted.", &chat.Request{Muted: yes}},
		{"unmute", "not muted any more", &chat.Request{Muted: no}},
		{"archive", "This conversation is archived.", &chat.Request{Archived: yes}},
		{"unarchive", "not archived any more", &chat.Request{Archived: no}},
		{"rename The Clan", "has its new name", &chat.Request{Rename: &chat.Rename{New: "The Clan"}}},
		{"add " + string(dora), "They are added.", &chat.Request{AddPeople: []chat.PersonID{dora}}},
		{"remove " + string(ghost(dora)), "They are removed.", &chat.Request{RemovePeople: []chat.PersonID{dora}}},
		{"add nobody", "I know no person", nil},
		{"easter-egg", "There are these animations: `ponies`, `bikeshed`", nil},
		{"easter-egg dragons", "There are these animations", nil},
		{"easter-egg Ponies", "Sent.", &chat.Request{EasterEgg: "ponies"}},
		{"accept", "Hangouts refused it", nil},
		{"leave", "You have left this conversation.", &chat.Request{Leave: true}},
	} {
		before := len(w.network.Sends())
		heard := len(w.notices(room))
		alice.SendText(room, "!hangouts "+c.text)
		w.eventually(fmt.Sprint(n, " an answer to ", c.text), func() bool {
			return slices.ContainsFunc(w.notices(room)[heard:], func(notice string) bool { return strings.Contains(notice, c.says) })
		})
		if c.request == nil {
			require.Len(t, w.network.Sends(), before, c.text)
			continue
		}
		require.Len(t, w.network.Sends(), before+1, c.text)
		got := w.network.Sends()[before].Request
		require.Equal(t, wantedOf(got, *c.request), got, c.text)
	}
	w.waitNotice(room, "You left this conversation.")
	require.True(t, slices.ContainsFunc(w.hs.Messages(room), func(e *event.Event) bool { return strings.Contains(e.Content.AsMessage().Body, "sent ponies") }), "the animation is a line")
}

// In a room that two accounts share, a command is its writer's; who has no account, or is relayed, changes nothing.
func TestCommandsInASharedRoom(t *testing.T) {
	w := newWorld(t)
	w.network.AddPerson(dora, "Dora Dahl")
	w.change = func(c *bridgeconfig.Config) {
		c.Bridge.Relay.Enabled = true
		c.Bridge.Permissions["@eve:"+domain] = &bridgeconfig.PermissionLevelUser
		c.Bridge.Permissions["@rick:"+domain] = &bridgeconfig.PermissionLevelRelay
	}
	w.start()
	alice, bob, eve, rick := w.user("alice"), w.user("bob"), w.user("eve"), w.user("rick")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "first")
	room := w.room("first")
	bob.WaitText(room, "first")
	w.ask(alice, room, "set-relay", "will now be relayed")
	w.invite(room, eve)
	w.invite(room, rick)
	commands := []string{"mute", "archive", "unarchive", "history off", "history 5", "link on", "link", "easter-egg ponies", "rename X",
		"add " + string(dora), "remove " + string(dora), "delete-chat", "accept", "decline", "join", "leave"}
	for _, text := range commands {
		rick.SendText(room, "!hangouts "+text)
		w.ask(eve, room, text, "requires you to be logged in")
	}
	require.Empty(t, w.network.Sends())
	asked := 0
	for _, text := range commands {
		heard := len(w.notices(room))
		bob.SendText(room, "!hangouts "+text)
		w.eventually("an answer to "+text, func() bool { return len(w.notices(room)) > heard })
	}
	for _, sent := range w.network.Sends() {
		require.Equal(t, bert, sent.Account, sent.Request.Kind())
		asked++
	}
	require.Equal(t, len(commands)-5, asked, "all but history 5, link, accept, decline and join")
}

// wantedOf is the wanted request with what every request has of its own.
func wantedOf(got, wanted chat.Request) chat.Request {
	wanted.V, wanted.Conversation, wanted.Origin = chat.Version, group, got.Origin
	return wanted
}

// The topic says what is special about a conversation while it is.
func TestHintsInTheTopic(t *testing.T) {
	w, alice, room := managed(t)
	w.ask(alice, room, "history off", "History is off now")
	w.eventually("the hint", func() bool {
		return w.state(room, "m.room.topic") == "History is off: messages disappear after a while."
	})
	w.ask(alice, room, "history on", "History is on now")
	w.eventually("no hint", func() bool { return w.state(room, "m.room.topic") == "" })
}

func TestInvitationIsAnswered(t *testing.T) {
	t.Run("accept", func(t *testing.T) {
		s := newInvited(t, false)
		s.bob.Join(s.room)
		s.bob.SendText(s.room, "!hangouts accept")
		s.waitNotice(s.room, "You have accepted the invitation.")
		s.eventually("bob to take part", func() bool { return s.absence() == "" })
		s.bob.SendText(s.room, "now I may")
		s.eventually("bob's text", func() bool { return slices.Contains(s.texts(group), "now I may") })
	})
	t.Run("nothing before", func(t *testing.T) {
		s := newInvited(t, false)
		s.bob.Join(s.room)
		for _, command := range []string{"rename X", "history off", "link on", "add " + string(dora), "remove " + string(carl), "easter-egg ponies"} {
			s.ask(s.bob, s.room, command, "You are only invited to this conversation.")
		}
		require.Empty(t, s.network.Sends())
		s.ask(s.bob, s.room, "mute", "is muted")
	})
	t.Run("decline", func(t *testing.T) {
		s := newInvited(t, false)
		s.bob.Join(s.room)
		s.bob.SendText(s.room, "!hangouts decline")
		s.waitNotice(s.room, "You have declined the invitation.")
		require.Len(t, s.did(chat.RequestDecline), 1)
		s.bob.SendText(s.room, "may I?")
		s.waitNotice(s.room, "You are not in this conversation any more.")
	})
}

// Mutes and tags of rooms are account data, which have no ids; each of them counts.
func TestAccountDataOfARoom(t *testing.T) {
	w, _, room := managed(t)
	portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), room)
	require.NoError(t, err)
	client := w.main.Bridge.GetCachedUserLoginByID(networkid.UserLoginID(anna)).Client
	for n, until := range []int64{-1, 0, -1} {
		mute := &bridgev2.MatrixMute{}
		mute.Portal, mute.Event, mute.Content = portal, &event.Event{RoomID: room}, &event.BeeperMuteEventContent{MutedUntil: until}
		require.NoError(t, client.(bridgev2.MuteHandlingNetworkAPI).HandleMute(t.Context(), mute))
		require.Len(t, w.did(chat.RequestMuted), n+1)
		require.Equal(t, until != 0, *w.did(chat.RequestMuted)[n].Muted)
	}
}
