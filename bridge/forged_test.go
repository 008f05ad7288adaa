package bridge_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

const marker = "com.github.hangouts-bridge.id" // of what the bridge sends

// markerOf is the marker of a message in a room, which everybody can compute who knows the message.
func markerOf(room id.RoomID, e chat.Event) string {
	sum := sha256.Sum256([]byte(string(room) + "\x00" + string(ids.MakeMessageID(e.Conversation, e.ID)) + "\x00"))
	return "hg" + hex.EncodeToString(sum[:16])
}

// A forged copy of the bridge's own messages does not keep a message out of a room.
func TestForgedMarkerHidesNothing(t *testing.T) {
	for name, puppet := range map[string]any{"plain": nil, "as a double puppet": "hangouts"} {
		t.Run(name, func(t *testing.T) {
			w, alice, room := talk(t)
			mallory := w.user("mallory")
			w.roomsMade(anna) // a later look at the members would take Mallory out
			w.invite(room, mallory)
			if puppet != nil {
				puppet = w.main.Matrix.AS.DoublePuppetValue
			}
			w.stop()
			e := w.network.Say(carl, direct, "while it was down")
			content := map[string]any{"msgtype": "m.text", "body": "forged", marker: markerOf(room, e)}
			if puppet != nil {
				content[appservice.DoublePuppetKey] = puppet
			}
			mallory.Send(room, event.EventMessage, content)
			w.start()
			w.network.Say(carl, direct, "after")
			alice.WaitText(room, "after")
			w.waitLines(room, line{ghost(carl), "first"}, line{mallory.UserID(), "forged"}, line{ghost(carl), "while it was down"}, line{ghost(carl), "after"})
		})
	}
}

// A message that a user forwards with the original's marker is their own, after a restore, too.
func TestForwardedMessageAfterARestore(t *testing.T) {
	w, alice, room := talk(t)
	copied := w.backup()
	original := w.network.Say(carl, direct, "from carl")
	seen := alice.WaitText(room, "from carl")
	require.Equal(t, markerOf(room, original), seen.Content.Raw[marker])
	forwarded := alice.Send(room, event.EventMessage, seen.Content.Raw)
	w.waitTexts(direct, "first", "from carl", "from carl")
	w.hasRow(forwarded)
	w.restore(copied)
	w.start()
	w.network.Say(carl, direct, "after")
	alice.WaitText(room, "after")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "from carl"}, line{alice.UserID(), "from carl"}, line{ghost(carl), "after"})
	w.waitTexts(direct, "first", "from carl", "from carl", "after")
	w.hasRow(forwarded)
}
