package bridge_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// newInvited is the scene in which carl has invited bert to the group. bob accepts no
// invitation by himself.

func newInvited(t *testing.T, withAlice bool) *scene {
	s := &scene{world: newWorld(t)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("bob in the room: ", s.moves("@bob:"+domain), s.room)
		}
	})
	s.network.AddPerson(dora, "Dora Dahl")
	s.network.Invite(bert, group, carl)
	s.start()
	if withAlice {
		s.alice = s.user("alice")
		s.login(s.alice, anna)
	}
	s.network.Say(carl, group, "first")
	s.bob = mxclient.New(t, s.hs, "bob")
	s.management = s.login(s.bob, bert)
	s.eventually("the invitation", func() bool {
		s.room = ""
		for _, room := range s.roomsMadeBy(bot, string(group)) {
			s.room = room
		}
		return s.room != "" && s.isBob("invite")
	})
	s.waitNotice(s.room, "Carl Conrad invites you")
	s.settled()
	return s
}

func (w *world) state(room id.RoomID, kind string) string {
	e := w.hs.State(room, kind, "")
	if e == nil {
		return ""
	}
	text, _ := e.Content.Raw[map[string]string{"m.room.name": "name", "m.room.topic": "topic"}[kind]].(string)
	return text
}

// A conversation that the account is only invited to is an invitation in Matrix, too; one
// cannot write in it. With the acceptance on Hangouts it becomes a room like others.
func TestInvitation(t *testing.T) {
	for name, withAlice := range companies {
		t.Run(name, func(t *testing.T) {
			s := newInvited(t, withAlice)
			if withAlice {
				require.Equal(t, "Family", s.state(s.room, "m.room.name"))
			} else {
				require.Equal(t, "Invitation: Family", s.state(s.room, "m.room.name"))
				require.Contains(t, s.state(s.room, "m.room.topic"), "Carl Conrad invites you")
			}
			s.stays(t, false)
			require.True(t, s.isBob("invite"))

			s.bob.Join(s.room)
			s.stays(t, false)
			s.bob.SendText(s.room, "may I?")
			s.waitNotice(s.room, "only invited to this conversation")
			require.NotContains(t, s.texts(group), "may I?")

			s.network.Invite(bert, group, "")
			s.eventually("the absence to end", func() bool { return s.absence() == "" })
			s.eventually("the name", func() bool { return s.state(s.room, "m.room.topic") == "" })
			require.NotContains(t, s.state(s.room, "m.room.name"), "Invitation")
			s.bob.SendText(s.room, "now I may")
			s.eventually("bob's text", func() bool { return slices.Contains(s.texts(group), "now I may") })
			require.Len(t, s.roomsMadeBy(bot, string(group)), 1)
		})
	}
}

// Refusing the room of an invitation is leaving it; only a new invitation brings it back.
func TestRefusedInvitationStaysAway(t *testing.T) {
	s := newInvited(t, false)
	s.bob.Leave(s.room)
	s.eventually("the refusal to be noted", func() bool { return s.absence() == ids.Declined })
	s.stays(t, false)
	s.network.Invite(bert, group, "")
	s.eventually("the acceptance to be noted", func() bool { return s.absence() == ids.Hidden })
	s.change(carl, false, bert)
	s.eventually("the removal to be noted", func() bool { return s.absence() == ids.Removed })
	require.True(t, s.isBob("leave"))
	s.network.Invite(bert, group, carl)
	s.eventually("the new invitation", func() bool { return s.isBob("invite") })
}

// The acceptance of an invitation is enough to be in the room.
func TestAcceptedInvitationIsARoom(t *testing.T) {
	s := newInvited(t, false)
	s.bob.AutoJoin()
	s.network.Invite(bert, group, "")
	s.eventually("bob in the room", func() bool { return s.isBob("join") && s.absence() == "" })
	s.network.Say(bert, group, "from the phone")
	s.eventually("his text", func() bool { return s.lastLine() == line{s.bob.UserID(), "from the phone"} })
}

// The room of a one-to-one conversation is called after the person again once it is no
// invitation any more.
func TestDirectInvitation(t *testing.T) {
	w := newWorld(t)
	w.network.Invite(anna, direct, carl)
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := func() id.RoomID {
		for _, room := range w.roomsMadeBy(bot, string(direct)) {
			return room
		}
		return ""
	}
	w.eventually("the name", func() bool { return room() != "" && w.state(room(), "m.room.name") == "Invitation: Carl Conrad" })
	w.network.Invite(anna, direct, "")
	w.eventually("the name", func() bool { return w.state(room(), "m.room.name") == "Carl Conrad (Hangouts)" })
	alice.SendText(room(), "hello")
	w.waitTexts(direct, "hello")
	w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("hi")}})
	alice.WaitText(room(), "hi")
}
