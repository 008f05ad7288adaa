package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// plumbed is a world in which mallory has made her own room the one of the group, and may replace it.
func plumbed(t *testing.T) (w *world, mallory *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.change = func(c *bridgeconfig.Config) { c.Bridge.Permissions[domain] = &bridgeconfig.PermissionLevelUser }
	w.start()
	mallory = w.user("mallory")
	w.login(mallory, anna)
	w.network.Say(carl, group, "first")
	made := w.room("first")
	mallory.WaitText(made, "first")
	w.eventually("quiet", w.hs.Idle) // what still brings the room up to date would make another
	portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), made)
	require.NoError(t, err)
	room = w.roomWith(mallory, &mautrix.ReqCreateRoom{RoomVersion: id.RoomV11, PowerLevelOverride: &event.PowerLevelsEventContent{
		Users: map[id.UserID]int{bot: 100, mallory.UserID(): 50}, Events: map[string]int{event.StateTombstone.Type: 50},
	}})
	require.NoError(t, portal.RemoveMXID(t.Context()))
	mallory.SendText(room, "!hangouts bridge --ignore-permissions "+string(group))
	w.waitNotice(room, "Successfully plumbed")
	return w, mallory, room
}

// roomWith makes a room to which the bot has come.
func (w *world) roomWith(user *mxclient.Client, req *mautrix.ReqCreateRoom) id.RoomID {
	w.t.Helper()
	req.Invite = []id.UserID{bot}
	room := user.CreateRoom(req)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	return room
}

// A conversation moves into no room from which the bot could not take somebody out again, and moves into others.
func TestUpgradeOnlyWhereTheBotHasMorePower(t *testing.T) {
	w, mallory, room := plumbed(t)
	users := map[id.UserID]int{bot: 100, mallory.UserID(): 100}
	unfit := w.roomWith(mallory, &mautrix.ReqCreateRoom{RoomVersion: id.RoomV11, PowerLevelOverride: &event.PowerLevelsEventContent{Users: users}})
	mallory.SetState(room, event.StateTombstone, "", &event.TombstoneEventContent{Body: "moved", ReplacementRoom: unfit})
	w.waitNotice(room, "I do not follow")
	w.network.Say(carl, group, "second")
	mallory.WaitText(room, "second")
	users[mallory.UserID()] = 50
	fit := w.roomWith(mallory, &mautrix.ReqCreateRoom{RoomVersion: id.RoomV11, PowerLevelOverride: &event.PowerLevelsEventContent{Users: users}})
	mallory.SetState(room, event.StateTombstone, "", &event.TombstoneEventContent{Body: "moved", ReplacementRoom: fit})
	w.eventually("the bridge to follow", func() bool {
		portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), fit)
		return err == nil && portal != nil
	})
	w.network.Say(carl, group, "third")
	mallory.WaitText(fit, "third")
}
