package bridge_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// What somebody wrote who has left the room since is changed there all the same.
func TestChangesByWhoHasLeftTheRoom(t *testing.T) {
	w, alice, _, room := able(t)
	first, target := w.mxidOf(room, "first"), w.idOf("first")
	alice.SendText(room, "misprint")
	alice.SendText(room, "mine")
	react(alice, room, first, "👍")
	w.eventually("alice's reaction", func() bool { return len(w.did(chat.RequestReaction)) == 1 })
	w.waitReactions(room, first, "alice: 👍")
	w.passed(room)
	alice.Do("leave", func(ctx context.Context) error {
		_, err := alice.Matrix.LeaveRoom(ctx, room)
		return err
	})
	w.eventually("alice to be out", func() bool {
		portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), room)
		return err == nil && ids.PortalMeta(portal).Absences.All()[ids.MakeLoginID(anna)] != ""
	})
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "👍"}, Removed: true}})
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: w.idOf("mine")}})
	w.network.Post(editOf(anna, w.idOf("misprint"), "print"))
	w.passed(room)
	require.False(t, w.shown(room, "mine"))
	require.Empty(t, w.reactions(room, first))
	require.Contains(t, w.lines(room), line{ghost(anna), "* print"})
	require.Equal(t, "leave", w.hs.Membership(room, alice.UserID()))
}

// A change of a message of another room is none.
func TestChangesOfAnotherRoomsMessages(t *testing.T) {
	w, alice, _, room := able(t)
	w.network.Say(bert, direct, "elsewhere")
	other := w.room("elsewhere")
	alice.WaitText(other, "elsewhere")
	there := w.mxidOf(other, "elsewhere")
	mine := alice.SendText(other, "mine, elsewhere")
	w.waitTexts(direct, "elsewhere", "mine, elsewhere")
	react(alice, room, there, "👍")
	alice.Send(room, event.EventMessage, edit(mine, "changed"))
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "aside", RelatesTo: &event.RelatesTo{Type: event.RelThread, EventID: there}})
	w.waitTexts(group, "first", "aside")
	for _, r := range slices.Concat(w.did(chat.RequestReaction), w.did(chat.RequestEdit)) {
		t.Errorf("%+v", r)
	}
	for _, e := range w.network.Events(group) {
		if e.Message != nil {
			require.Empty(t, e.Message.Thread)
		}
	}
}
