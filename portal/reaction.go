package portal

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"go.mau.fi/util/variationselector"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

var (
	errNoReactions   = fmt.Errorf("%w: reactions", chat.ErrUnsupported)
	errNoCustomEmoji = fmt.Errorf("%w: a reaction that is no emoji", chat.ErrUnsupported)
)

// maxEmoji is the longest emoji in bytes: a family of four with skin tones has 41.
const maxEmoji = 64

// PreHandleMatrixReaction says who reacts, and with what.
func (h *Handler) PreHandleMatrixReaction(ctx context.Context, msg *bridgev2.MatrixReaction) (bridgev2.MatrixReactionPreResponse, error) {
	var none bridgev2.MatrixReactionPreResponse
	if h.session == nil {
		return none, statusOf(puppet.ErrNoAccount)
	}
	c, err := h.open(ctx, msg.Portal)
	if err != nil {
		return none, statusOf(err)
	}
	features := h.session.Features(c)
	emoji := variationselector.Remove(msg.Content.RelatesTo.Key)
	switch {
	case msg.TargetMessage.Room != msg.Portal.PortalKey:
		return none, statusOf(errNotHere)
	case !features.Reactions:
		return none, statusOf(errNoReactions)
	case !isEmoji(emoji):
		return none, statusOf(errNoCustomEmoji)
	}
	return bridgev2.MatrixReactionPreResponse{SenderID: ids.MakeUserID(h.self), EmojiID: networkid.EmojiID(emoji), Emoji: emoji, MaxReactions: features.ReactionsMax}, nil
}

// isEmoji reports whether a reaction may be a Unicode emoji: not words, an address of a picture, or nothing.
func isEmoji(key string) bool {
	return key != "" && len(key) <= maxEmoji && !strings.ContainsFunc(key, func(r rune) bool {
		return unicode.IsLetter(r) && r != 'ℹ' || unicode.IsSpace(r) || unicode.IsControl(r)
	})
}

// HandleMatrixReaction puts a reaction under a message.
func (h *Handler) HandleMatrixReaction(ctx context.Context, msg *bridgev2.MatrixReaction) (*database.Reaction, error) {
	_, target, err := ids.ParseMessageID(msg.TargetMessage.ID)
	if err == nil {
		_, err = h.Do(ctx, msg.Portal, msg.Event.ID, chat.Request{Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: msg.PreHandleResp.Emoji}}})
	}
	return nil, quietly(err)
}

// HandleMatrixReactionRemove takes one's own reaction away.
func (h *Handler) HandleMatrixReactionRemove(ctx context.Context, msg *bridgev2.MatrixReactionRemove) error {
	row := msg.TargetReaction
	if row.Room != msg.Portal.PortalKey {
		return statusOf(errNotHere)
	}
	if row.SenderMXID != msg.Event.Sender && (msg.OrigSender != nil || row.SenderID != ids.MakeUserID(h.self)) {
		return statusOf(errNotYours)
	}
	_, target, err := ids.ParseMessageID(row.MessageID)
	if err == nil {
		_, err = h.doAs(ctx, msg.OrigSender, msg.Portal, msg.Event.ID,
			chat.Request{Reaction: &chat.Reaction{Target: target, Emoji: emojiOf(row.EmojiID), Removed: true}})
	}
	return quietly(err)
}

// customEmoji is the prefix that distinguishes the ids of a network's own emoji from Unicode emoji.
const customEmoji = "custom:"

func emojiID(e chat.Emoji) networkid.EmojiID {
	if e.Ref != "" {
		return networkid.EmojiID(customEmoji + e.Ref)
	}
	return networkid.EmojiID(variationselector.Remove(e.Text))
}

func emojiOf(id networkid.EmojiID) chat.Emoji {
	if ref, custom := strings.CutPrefix(string(id), customEmoji); custom {
		return chat.Emoji{Ref: ref}
	}
	return chat.Emoji{Text: string(id)}
}

// emojiText is what shows an emoji.
func emojiText(e chat.Emoji) string {
	if e.Text != "" {
		return chat.CleanLine(variationselector.Remove(e.Text), maxEmoji)
	}
	return ":" + chat.CleanLine(e.Name, maxEmoji) + ":"
}
