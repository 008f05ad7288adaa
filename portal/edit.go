package portal

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// HandleMatrixEdit sends the new text of a message as a message of its own, since the network has no edits.
func (h *Handler) HandleMatrixEdit(ctx context.Context, edit *bridgev2.MatrixEdit) error {
	if h.session == nil {
		return statusOf(puppet.ErrNoAccount)
	}
	if !h.options.EditsAsMessages {
		return statusOf(errNoEdits)
	}
	if edit.EditTarget.SenderMXID != edit.Event.Sender {
		return statusOf(errNotYours)
	}
	c, err := h.open(ctx, edit.Portal)
	if err != nil {
		return statusOf(err)
	}
	text := format.FromContent(edit.Content, h.names(ctx, edit.Portal, c))
	if text.Empty() {
		return statusOf(errEmpty)
	}
	requests, err := h.split(c, corrected(text), edit.Event.ID, false)
	if err != nil {
		return statusOf(err)
	}
	_, err = h.send(ctx, edit.Portal, edit.Event, requests) // their own copies bring their rows
	return err
}

// corrected marks a text as the better one, as people do in chats.
func corrected(text chat.Text) chat.Text {
	return append(chat.Text{{Kind: chat.SegmentText, Text: "* "}}, text...)
}
