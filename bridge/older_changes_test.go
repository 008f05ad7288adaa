package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// changed is a room that shows the last message of a conversation, whose first was changed after others.
func changed(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	w = newWorld(t)
	w.network.LimitFeatures(nil)
	w.timing.Overlap = 1 // catch-ups bring nothing of the history
	w.change = func(c *bridgeconfig.Config) { c.Bridge.Backfill.MaxInitialMessages = 1 }
	w.network.Say(carl, group, "wrogn")
	w.network.Say(carl, group, "between")
	w.network.Post(editOf(carl, w.idOf("wrogn"), "wrong"))
	for _, emoji := range []string{"👍", "🎉"} {
		w.network.Post(chat.Event{Conversation: group, Author: bert, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: w.idOf("wrogn"), Emoji: chat.Emoji{Text: emoji}}})
	}
	w.network.Say(carl, group, "last")
	w.start()
	alice = w.user("alice")
	w.login(alice, anna)
	return w, alice, w.room("last")
}

// Changes that came before what they change is shown are not lost.
func TestOlderHistoryHasItsChanges(t *testing.T) {
	w, alice, room := changed(t)
	alice.SendText(room, "!hangouts history 1")
	w.mxidOf(room, "between")
	w.waitNotice(room, "One older message")
	alice.SendText(room, "!hangouts history 1")
	w.waitReactions(room, w.mxidOf(room, "wrong"), ghost(bert).Localpart()+": 👍", ghost(bert).Localpart()+": 🎉")
	require.NotContains(t, w.lines(room), line{ghost(carl), "wrogn"})
}

// What shows nothing does not end the way back.
func TestOlderHistoryBehindChanges(t *testing.T) {
	w, alice, room := changed(t)
	alice.SendText(room, "!hangouts history 2")
	w.mxidOf(room, "between")
}
