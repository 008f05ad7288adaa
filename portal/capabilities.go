package portal

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"
)

// CapabilitiesVersion has to grow when a capability changes, so that all rooms hear of it.
const CapabilitiesVersion = 3

const capabilitiesID = "hangouts_bridge.capabilities.2026_11_29.3"

// capabilityKey is what the offers of a room depend on.
type capabilityKey struct{ direct, edits bool }

// capabilities has one value for each key, never one per call: bridgev2 compares their ids.
var capabilities = func() map[capabilityKey]*event.RoomFeatures {
	all := map[capabilityKey]*event.RoomFeatures{}
	for _, direct := range []bool{false, true} {
		for _, edits := range []bool{false, true} {
			key := capabilityKey{direct, edits}
			all[key] = makeCapabilities(key)
		}
	}
	return all
}()

func makeCapabilities(key capabilityKey) *event.RoomFeatures {
	full, part := event.CapLevelFullySupported, event.CapLevelPartialSupport
	features := &event.RoomFeatures{
		ID: capabilitiesID,
		Formatting: event.FormattingFeatureMap{
			event.FmtBold: full, event.FmtItalic: full, event.FmtUnderline: full, event.FmtStrikethrough: full,
			event.FmtInlineLink: full, event.FmtInlineCode: part, event.FmtCodeBlock: part, event.FmtSyntaxHighlighting: part,
			event.FmtBlockquote: part, event.FmtUnorderedList: part, event.FmtOrderedList: part, event.FmtHeaders: part,
			event.FmtUserLink: part, event.FmtRoomLink: part, event.FmtEventLink: part, event.FmtListStart: part,
			event.FmtTable: part, event.FmtDetailsSummary: part, event.FmtHorizontalLine: part, event.FmtSuperscript: part,
			event.FmtSubscript: part, event.FmtSpoiler: part, event.FmtSpoilerReason: part, event.FmtCustomEmoji: part,
		},
		LocationMessage: event.CapLevelRejected,
		Reply:           event.CapLevelPartialSupport,
		Thread:          event.CapLevelDropped,
		Edit:            event.CapLevelRejected,
		Delete:          event.CapLevelRejected,
		Reaction:        event.CapLevelRejected,
		Poll:            event.CapLevelRejected,
	}
	if key.direct {
		features.ID += "+dm"
	}
	if key.edits {
		features.ID += "+edit"
		features.Edit = event.CapLevelPartialSupport
	}
	return features
}

// GetCapabilities says what works in a room.
func (h *Handler) GetCapabilities(_ context.Context, portal *bridgev2.Portal) *event.RoomFeatures {
	return capabilities[capabilityKey{portal.RoomType == database.RoomTypeDM, h.options.EditsAsMessages}]
}
