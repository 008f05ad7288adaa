package portal

import (
	"context"
	"sync"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// CapabilitiesVersion has to grow when a capability changes, so that all rooms hear of it.
const CapabilitiesVersion = 4

const capabilitiesID = "hangouts_bridge.capabilities.2026_11_29.4"

// offers are what of a conversation and of the settings decides what its room offers.
type offers struct {
	direct, editsAsMessages, links                bool
	edits, deletions, reactions, replies, threads bool
}

// capabilities has one value for all rooms with the same offers, never one per call: bridgev2
// compares their ids.
var capabilities sync.Map // offers -> *event.RoomFeatures

func capabilitiesOf(o offers) *event.RoomFeatures {
	if known, ok := capabilities.Load(o); ok {
		return known.(*event.RoomFeatures)
	}
	made, _ := capabilities.LoadOrStore(o, makeCapabilities(o))
	return made.(*event.RoomFeatures)
}

func makeCapabilities(key offers) *event.RoomFeatures {
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
	if key.editsAsMessages {
		features.ID += "+edit"
		features.Edit = event.CapLevelPartialSupport
	}
	for _, kind := range []struct {
		offered bool
		name    string
		level   *event.CapabilitySupportLevel
	}{
		{key.edits, "edits", &features.Edit}, {key.deletions, "deletions", &features.Delete}, {key.reactions, "reactions", &features.Reaction},
		{key.replies, "replies", &features.Reply}, {key.threads, "threads", &features.Thread},
	} {
		if kind.offered {
			features.ID += "+" + kind.name
			*kind.level = full
		}
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
func (h *Handler) GetCapabilities(ctx context.Context, portal *bridgev2.Portal) *event.RoomFeatures {
	o := offers{
		direct: portal.RoomType == database.RoomTypeDM, editsAsMessages: h.options.EditsAsMessages,
		links: h.options.Files != nil && h.options.Files.HasLinks(),
	}
	if c, err := h.conversation(ctx, portal); err == nil {
		f := h.session.Features(c)
		o.edits, o.deletions, o.reactions, o.replies, o.threads = f.Edits, f.Deletions, f.Reactions, f.Replies, f.Threads != chat.NoThreads
		o.editsAsMessages = o.editsAsMessages && !o.edits
	}
	return capabilitiesOf(o)
}
