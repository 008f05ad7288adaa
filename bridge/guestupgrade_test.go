package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A guest with all power in a room neither moves its conversation into a room of their own nor
// takes the room from it.
func TestAGuestReplacesNoRoom(t *testing.T) {
	w := newMallorys(t)
	own := w.roomWith(w.mallory, &mautrix.ReqCreateRoom{RoomVersion: id.RoomV11, PowerLevelOverride: &event.PowerLevelsEventContent{
		Users: map[id.UserID]int{bot: 100, w.mallory.UserID(): 50},
	}})
	for _, room := range []id.RoomID{w.direct, w.group} {
		_, err := w.main.Matrix.Bot.SetPowerLevel(t.Context(), room, w.mallory.UserID(), 100)
		require.NoError(t, err)
	}
	before := w.alices()
	for _, replacement := range []id.RoomID{own, ""} {
		for _, room := range []id.RoomID{w.direct, w.group} {
			heard := len(w.notices(room))
			w.mallory.SetState(room, event.StateTombstone, "", &event.TombstoneEventContent{Body: "moved", ReplacementRoom: replacement})
			w.eventually("the refusal", func() bool { return len(w.notices(room)) > heard })
			require.Contains(t, w.notices(room)[heard], "I do not follow")
			require.Equal(t, before, w.alices())
		}
	}
	w.network.Say(carl, direct, "still here")
	w.alice.WaitText(w.direct, "still here")
}

// A room of somebody else's conversation is no replacement of one's own.
func TestNoUpgradeIntoAnothersRoom(t *testing.T) {
	w, mallory, room := plumbed(t)
	alice := w.user("alice")
	w.login(alice, bert)
	w.network.AddConversation("UgxAlices", "", bert, carl)
	w.network.Say(carl, "UgxAlices", "to alice")
	alices := w.room("to alice")
	alice.WaitText(alices, "to alice")
	w.roomsMade(bert) // a later look at the members would take Mallory out
	w.invite(alices, mallory)
	w.stop()
	w.start()
	mallory.SetState(room, event.StateTombstone, "", &event.TombstoneEventContent{Body: "moved", ReplacementRoom: alices})
	w.waitNotice(room, "I do not follow")
	w.network.Say(carl, group, "second")
	mallory.WaitText(room, "second")
	w.network.Say(carl, "UgxAlices", "again")
	alice.WaitText(alices, "again")
}
