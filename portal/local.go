package portal

import (
	"strings"

	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// localOf is how the account's own view of a conversation shows in Matrix, for its user only.
func localOf(c chat.Conversation) (local string) {
	if c.Quiet() {
		local = "muted "
	}
	if c.Archived {
		local += "archived"
	}
	return local
}

// local is what of the account's own view has changed since the room was brought up to date: what
// the user does with mute and tags in Matrix stays otherwise.
func (h *Handler) local(portal *bridgev2.Portal, c chat.Conversation) *bridgev2.UserLocalPortalInfo {
	was, now := "", localOf(c)
	if portal != nil {
		was = ids.PortalMeta(portal).Locals[ids.MakeLoginID(h.self)]
	}
	info := &bridgev2.UserLocalPortalInfo{}
	if c.Quiet() != strings.Contains(was, "muted") {
		info.MutedUntil = &bridgev2.Unmuted
		if c.Quiet() {
			info.MutedUntil = &event.MutedForever
		}
	}
	if c.Archived != strings.Contains(was, "archived") {
		info.Tag = ptr.Ptr(event.RoomTag(""))
		if c.Archived {
			info.Tag = ptr.Ptr(event.RoomTagLowPriority)
		}
	}
	if was == now {
		return nil
	}
	return info
}

// hints say in a room's topic what is special about its conversation. What concerns one login
// only is left out of a shared room.
func hints(portal *bridgev2.Portal, c chat.Conversation) string {
	var parts []string
	if c.Topic != "" {
		parts = append(parts, c.Topic)
	}
	if c.HistoryOff {
		parts = append(parts, "History is off: messages disappear after a while.")
	}
	if portal == nil || portal.Receiver != "" {
		if c.Medium.SMS {
			parts = append(parts, "Messages travel as SMS.")
		}
		if c.Archived {
			parts = append(parts, "This conversation is archived on Hangouts; a new message brings it back.")
		}
	}
	return strings.Join(parts, " ")
}
