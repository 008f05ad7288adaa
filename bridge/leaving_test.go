package bridge_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

func leaving(c *config.Config) { c.OnRoomLeft = config.Leave }

// newLeaving is a scene with a setting in which the rooms of the first login are made: bringing one up to
// date could bring bob back who leaves just then.
func newLeaving(t *testing.T, withAlice bool, change func(*config.Config)) *scene {
	s := newSceneWith(t, withAlice, change)
	s.roomsMade(bert)
	if withAlice {
		s.roomsMade(anna)
	}
	s.settled()
	return s
}

// hears waits until the bot has said something in a room, as a notice or not.
func (w *world) hears(room id.RoomID, text string) {
	w.t.Helper()
	w.eventually("the bot to say "+text, func() bool {
		for _, e := range w.hs.Messages(room) {
			if e.Sender == bot && strings.Contains(e.Content.AsMessage().Body, text) {
				return true
			}
		}
		return false
	})
}

func TestLeavingARoomLeavesTheConversation(t *testing.T) {
	for name, withAlice := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			s := newLeaving(t, withAlice, leaving)
			s.bob.Leave(s.room)
			s.eventually("the leaving", func() bool { return len(s.did(chat.RequestLeave)) == 1 })
			s.eventually("the absence", func() bool { return s.absence() == ids.Removed })
			s.settled()
			require.False(t, s.isBob("join"))
			s.network.Say(carl, group, "after")
			s.settled()
			require.Len(t, s.did(chat.RequestLeave), 1)
		})
	}
	t.Run("hidden by default", func(t *testing.T) {
		s := newLeaving(t, false, func(*config.Config) {})
		s.bob.Leave(s.room)
		s.eventually("the absence", func() bool { return s.absence() == ids.Hidden })
		require.Empty(t, s.did(chat.RequestLeave))
	})
	t.Run("one of two is hidden only", func(t *testing.T) {
		w := newLeaving(t, false, leaving)
		w.network.AddConversation("UgxTwo", "", bert, carl)
		w.network.Say(carl, "UgxTwo", "hello Bert")
		room := w.world.room("hello Bert")
		w.bob.WaitText(room, "hello Bert")
		w.bob.Leave(room)
		w.room = room
		w.eventually("the absence", func() bool { return w.absence() == ids.Hidden })
		w.settled()
		require.Empty(t, w.did(chat.RequestLeave))
	})
	t.Run("answer lost", func(t *testing.T) {
		s := newLeaving(t, false, leaving)
		s.fail(chat.RequestLeave, accounttest.Fault{Err: account.ErrAmbiguous, Accept: true})
		s.bob.Leave(s.room)
		s.eventually("the absence", func() bool { return s.absence() == ids.Removed })
		require.Len(t, s.did(chat.RequestLeave), 1)
	})
	t.Run("refused", func(t *testing.T) {
		s := newLeaving(t, false, leaving)
		s.fail(chat.RequestLeave, accounttest.Fault{Err: chat.ErrRefused})
		s.bob.Leave(s.room)
		s.hears(s.management, "You have left the room of Family, but not the conversation on Hangouts: Hangouts refused it.")
		require.Equal(t, ids.Hidden, s.absence())
	})
	t.Run("taken out by somebody else", func(t *testing.T) {
		s := newLeaving(t, true, leaving)
		_, err := s.main.Matrix.Bot.SetPowerLevel(t.Context(), s.room, s.alice.UserID(), 99)
		require.NoError(t, err)
		s.alice.Kick(s.room, s.bob.UserID())
		s.eventually("the absence", func() bool { return s.absence() == ids.Hidden })
		require.Empty(t, s.did(chat.RequestLeave))
	})
	t.Run("logged out", func(t *testing.T) {
		s := newLeaving(t, true, leaving)
		s.bob.SendText(s.management, "logout "+string(bert))
		s.eventually("bob to be out", func() bool { return !s.isBob("join") })
		s.network.Say(carl, group, "after")
		s.alice.WaitText(s.room, "after")
		require.Empty(t, s.did(chat.RequestLeave))
	})
}

// Who refuses the invitation to a room has not been in it, and does not leave the conversation.
func TestRefusingARoomLeavesNoConversation(t *testing.T) {
	s := &scene{world: newWorld(t)}
	s.prepare = func(m *bridge.Main) { leaving(m.Network()) }
	s.world.change = func(c *bridgeconfig.Config) { c.DoublePuppet.Secrets = nil }
	s.start()
	s.bob = mxclient.New(t, s.hs, "bob")
	s.management = s.login(s.bob, bert)
	s.network.Say(carl, group, "first")
	s.room = s.world.room("first")
	s.eventually("the invitation", func() bool { return s.isBob("invite") })
	s.settled()
	s.bob.Leave(s.room)
	s.eventually("the absence", func() bool { return s.absence() != "" })
	s.settled()
	require.Empty(t, s.did(chat.RequestLeave))
	require.Equal(t, ids.Hidden, s.absence())
}

func TestLeavingAConversationLeavesTheRoom(t *testing.T) {
	s := newLeaving(t, false, func(c *config.Config) { c.OnConversationLeft = config.Leave })
	s.bob.SendText(s.room, "!hangouts leave")
	s.eventually("bob to be out", func() bool { return s.isBob("leave") })
	s.eventually("the absence", func() bool { return s.absence() == ids.Removed })
	require.Len(t, s.did(chat.RequestLeave), 1)
	require.False(t, slices.ContainsFunc(s.notices(s.room), func(n string) bool { return strings.Contains(n, "stay readable") }))
}

func TestRemovedKeepsTheRoomToRead(t *testing.T) {
	s := newLeaving(t, false, func(c *config.Config) { c.OnConversationLeft = config.Leave })
	s.change(carl, false, bert) // by somebody else
	s.waitNotice(s.room, "You were removed from this conversation.")
	require.True(t, s.isBob("join"))
}
