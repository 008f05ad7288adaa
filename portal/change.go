package portal

import (
	"context"
	"maps"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
)

// change is an event that changes a room's name or members. Each login in a shared room has a copy of it, and comes with that
// when it can; what the room shows already, or something later than that, is left out.
type change struct {
	simplevent.ChatInfoChange
	at     int64 // µs
	failed func(context.Context) bool
}

// GetChatInfoChange implements bridgev2.RemoteChatInfoChange.
func (c *change) GetChatInfoChange(_ context.Context, room *bridgev2.Portal) (*bridgev2.ChatInfoChange, error) {
	latest, left := &ids.PortalMeta(room).Latest, *c.ChatInfoChange.ChatInfoChange
	if left.ChatInfo != nil && c.at <= latest.Of(ids.TheName) {
		left.ChatInfo = nil
	}
	if left.MemberChanges != nil {
		members := *left.MemberChanges
		members.MemberMap = maps.Clone(members.MemberMap)
		maps.DeleteFunc(members.MemberMap, func(who networkid.UserID, _ bridgev2.ChatMember) bool { return c.at <= latest.Of(who) })
		if left.MemberChanges = &members; len(members.MemberMap) == 0 {
			left.MemberChanges = nil
		}
	}
	if left.ChatInfo == nil && left.MemberChanges == nil {
		return nil, nil
	}
	return &left, nil
}

// PostHandle implements bridgev2.RemotePostHandler.
func (c *change) PostHandle(ctx context.Context, room *bridgev2.Portal) {
	var what []networkid.UserID
	info := c.ChatInfoChange.ChatInfoChange
	if info.ChatInfo != nil {
		what = append(what, ids.TheName)
	}
	if list := info.MemberChanges; list != nil {
		for who := range list.MemberMap {
			what = append(what, who)
		}
	}
	if !c.failed(ctx) {
		noteLatest(ctx, room, c.at, what...)
	}
}

// noteLatest notes that a room shows an event. It runs where bridgev2 handles events of the room.
func noteLatest(ctx context.Context, room *bridgev2.Portal, at int64, what ...networkid.UserID) {
	if !ids.PortalMeta(room).Latest.Note(at, what...) {
		return
	}
	if err := room.Save(ctx); err != nil {
		room.Log.Err(err).Msg("Failed to note what the room shows")
	}
}
