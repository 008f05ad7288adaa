package portal

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"
)

// CapabilitiesVersion has to grow when a capability changes, so that all rooms hear of it.
const CapabilitiesVersion = 4

const capabilitiesID = "hangouts_bridge.capabilities.2026_11_29.4"

// capabilityKey is what the offers of a room depend on.
type capabilityKey struct{ direct, edits, links bool }

// capabilities has one value for each key, never one per call: bridgev2 compares their ids.
var capabilities = func() map[capabilityKey]*event.RoomFeatures {
	all := map[capabilityKey]*event.RoomFeatures{}
	for _, direct := range []bool{false, true} {
		for _, edits := range []bool{false, true} {
			for _, links := range []bool{false, true} {
				key := capabilityKey{direct, edits, links}
				all[key] = makeCapabilities(key)
			}
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
		File:            fileFeatures(key.links),
		LocationMessage: event.CapLevelPartialSupport,
		Reply:           event.CapLevelPartialSupport,
		Thread:          event.CapLevelDropped,
		Edit:            event.CapLevelRejected,
		Delete:          event.CapLevelRejected,
		Reaction:        event.CapLevelRejected,
		Poll:            event.CapLevelRejected,
	}
	if key.links {
		features.ID += "+links"
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

// fileFeatures: pictures go as they are; other files only where a link to them can be made.
func fileFeatures(links bool) event.FileFeatureMap {
	full, part := event.CapLevelFullySupported, event.CapLevelPartialSupport
	pictures := map[string]event.CapabilitySupportLevel{"image/*": full}
	others := pictures
	files := event.FileFeatureMap{}
	if links {
		others = map[string]event.CapabilitySupportLevel{"*/*": part}
		for _, kind := range []event.MessageType{event.MsgVideo, event.MsgAudio, event.CapMsgVoice, event.CapMsgGIF} {
			files[kind] = &event.FileFeatures{MimeTypes: others, Caption: full}
		}
	}
	files[event.MsgFile] = &event.FileFeatures{MimeTypes: others, Caption: full}
	for _, kind := range []event.MessageType{event.MsgImage, event.CapMsgSticker} {
		files[kind] = &event.FileFeatures{MimeTypes: pictures, Caption: full}
		if links { // also for what is too large, or no picture
			files[kind].MimeTypes = map[string]event.CapabilitySupportLevel{"image/*": full, "*/*": part}
		}
	}
	return files
}

// GetCapabilities says what works in a room.
func (h *Handler) GetCapabilities(_ context.Context, portal *bridgev2.Portal) *event.RoomFeatures {
	return capabilities[capabilityKey{portal.RoomType == database.RoomTypeDM, h.options.EditsAsMessages, h.options.Files != nil && h.options.Files.HasLinks()}]
}
