package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A user who was removed and has logged out does not block others' room: they are out before the
// next login's messages are brought into it, those of the time between included.
func TestLoggedOutReadsNothingMore(t *testing.T) {
	for name, removedFirst := range map[string]bool{"removed, then logged out": true, "logged out, then removed": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice, bob := w.user("alice"), w.user("bob")
			w.login(bob, bert)
			w.network.Say(carl, group, "first")
			room := w.room("first")
			bob.WaitText(room, "first")
			remove := chat.Event{Conversation: group, Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{bert}}}
			if removedFirst {
				w.network.Post(remove)
				w.waitNotice(room, "You were removed from this conversation")
			}
			bob.SendText(w.managementRoom(bob), "logout "+string(bert))
			w.waitNotice(w.managementRoom(bob), "Logged out")
			if !removedFirst {
				w.network.Post(remove)
			}
			w.network.Say(carl, group, "between")
			w.login(alice, anna)
			w.network.Say(carl, group, "later")
			alice.WaitText(room, "later")
			in, read := false, []string{}
			for _, e := range w.hs.Events(room) {
				if e.Type == event.StateMember && e.GetStateKey() == string(bob.UserID()) {
					in = e.Content.AsMember().Membership == event.MembershipJoin
				} else if in && e.Type == event.EventMessage && e.Sender == ghost(carl) {
					read = append(read, e.Content.AsMessage().Body)
				}
			}
			require.Equal(t, []string{"first"}, read)
			w.waitTexts(group, "first", "between", "later")
		})
	}
}
