package portal

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"
)

// CapabilitiesVersion has to grow when a capability changes, so that all rooms hear of it.
const CapabilitiesVersion = 2

const capabilitiesID = "hangouts_bridge.capabilities.2026_11_23.2"

// What rooms offer. There is one value for each kind of room, never one per call:
// bridgev2 compares their ids.
var (
	groupCapabilities  = makeCapabilities("")
	directCapabilities = makeCapabilities("+dm")
)

func makeCapabilities(kind string) *event.RoomFeatures {
	full, part := event.CapLevelFullySupported, event.CapLevelPartialSupport
	return &event.RoomFeatures{
		ID: capabilitiesID + kind,
		Formatting: event.FormattingFeatureMap{
			event.FmtBold: full, event.FmtItalic: full, event.FmtUnderline: full, event.FmtStrikethrough: full,
			event.FmtInlineLink: full, event.FmtInlineCode: part, event.FmtCodeBlock: part, event.FmtBlockquote: part,
			event.FmtUnorderedList: part, event.FmtOrderedList: part, event.FmtHeaders: part, event.FmtUserLink: part,
			event.FmtListStart: part, event.FmtTable: part, event.FmtDetailsSummary: part, event.FmtHorizontalLine: part,
		},
		LocationMessage: event.CapLevelRejected,
		Reply:           event.CapLevelDropped,
		Thread:          event.CapLevelDropped,
		Edit:            event.CapLevelRejected,
		Delete:          event.CapLevelRejected,
		Reaction:        event.CapLevelRejected,
		Poll:            event.CapLevelRejected,
	}
}

// GetCapabilities says what works in a room.
func (h *Handler) GetCapabilities(_ context.Context, portal *bridgev2.Portal) *event.RoomFeatures {
	if portal.RoomType == database.RoomTypeDM {
		return directCapabilities
	}
	return groupCapabilities
}
