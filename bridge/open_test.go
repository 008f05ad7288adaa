package bridge_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// A conversation in which nothing was said gets its room by its id or name, also with the
// framework's command.
func TestOpenMakesARoom(t *testing.T) {
	for _, command := range []string{"open UgxQuiet", "open quiet GROUP", "create-portal UgxQuiet", "create-portal " + string(anna) + " UgxQuiet"} {
		t.Run(command, func(t *testing.T) {
			w := newWorld(t)
			w.prepare = func(m *bridge.Main) { m.Network().InitialChatSync = 0 }
			w.network.AddConversation("UgxQuiet", "Quiet Group", anna, bert, carl)
			w.network.AddConversation("UgxBert", "Bert's own", bert, carl)
			w.start()
			alice := w.user("alice")
			management := w.login(alice, anna)
			alice.SendText(management, "open")
			w.waitNotice(management, "Quiet Group")
			alice.SendText(management, command)
			w.waitNotice(management, "Opened")
			rooms := w.roomsMadeBy(bot, "UgxQuiet")
			require.Len(t, rooms, 1)
			w.eventually("alice in the room", func() bool { return w.hs.Membership(rooms[0], alice.UserID()) == "join" })
			alice.SendText(rooms[0], "hello")
			w.waitTexts("UgxQuiet", "hello")
			for _, other := range []string{"open UgxBert", "create-portal " + string(bert) + " UgxQuiet", "open Bert's own"} {
				before := len(w.notices(management))
				alice.SendText(management, other)
				w.waitNotices(management, before+1)
				require.Contains(t, w.notices(management)[before], "no such conversation")
			}
		})
	}
}

// Names that several conversations have need the id; a conversation that the account has
// left cannot be opened.
func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	w.network.AddConversation("UgxOne", "Same", anna, bert, carl)
	w.network.AddConversation("UgxTwo", "Same", anna, bert, carl)
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	alice.SendText(management, "open same")
	w.waitNotice(management, "UgxTwo")
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{anna}}})
	session, _ := w.manager.Get(anna)
	w.eventually("the removal", func() bool {
		c, err := session.Conversation(t.Context(), group)
		return err == nil && c.Standing == chat.Left
	})
	alice.SendText(management, "open Family")
	w.waitNotice(management, "not in this conversation any more")
}

// A gap whose filling is cut short, again and again and by a restart, is filled once.
func TestInterruptedGap(t *testing.T) {
	s := newScene(t, false)
	s.logout()
	for range 40 {
		s.say(carl)
	}
	for n := range 4 { // each attempt gets a few lines further
		send := nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl))}
		pass, fail := send, send
		pass.Times, pass.Delay = 7, time.Millisecond
		fail.Times, fail.Status, fail.After = 1, 502, n%2 == 0
		s.hs.Inject(pass)
		s.hs.Inject(fail)
	}
	s.relogin()
	s.eventually("a part of the gap", func() bool { return len(s.lines(s.room)) > 10 })
	s.stop()
	s.start()
	s.network.Say(carl, group, "live")
	s.bob.WaitText(s.room, "live")
	s.settled()
	s.requireAll(t)
	require.Zero(t, s.gap())
}

func (s *scene) gap() int64 {
	room, err := s.main.Bridge.GetPortalByMXID(s.t.Context(), s.room)
	require.NoError(s.t, err)
	return ids.PortalMeta(room).GapAfter
}

// A room that its user left alone lacks nothing when it is opened from within another one.
func TestOpenInAPortal(t *testing.T) {
	s := newScene(t, true)
	s.bob.Leave(s.room)
	s.eventually("the leave to be noted", func() bool { return s.absence() == ids.Hidden })
	s.bob.SendText(s.management, "open")
	s.eventually("the list", func() bool {
		return slices.ContainsFunc(s.notices(s.management), func(text string) bool { return strings.Contains(text, string(group)) })
	})
	s.alice.Invite(s.room, s.bob.UserID()) // is as good as open
	s.eventually("bob to be back", func() bool { return s.isBob("join") && s.absence() == "" })
	s.network.Say(bert, group, "mine")
	s.eventually("bob's line", func() bool { return s.lastLine().Body == "mine" })
	require.Equal(t, s.bob.UserID(), s.lastLine().Sender)
}
