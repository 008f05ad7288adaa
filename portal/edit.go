package portal

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

var (
	errNoEdits  = fmt.Errorf("%w: edits", chat.ErrUnsupported)
	errNotYours = fmt.Errorf("%w: a change of somebody else's message", chat.ErrForbidden)
	errNotHere  = fmt.Errorf("%w: a change of what is in another room", chat.ErrInvalidRequest)
	errRelayed  = fmt.Errorf("%w: a change by somebody who is relayed", chat.ErrForbidden)
	errInPieces = errors.New("a message that became several cannot be edited")
	errTooOld   = errors.New("the message is not known any more")
)

// HandleMatrixEdit gives a message its new text, on the network or, where that has no edits and the
// configuration says so, as a message of its own.
func (h *Handler) HandleMatrixEdit(ctx context.Context, edit *bridgev2.MatrixEdit) error {
	if h.session == nil {
		return statusOf(puppet.ErrNoAccount)
	}
	c, err := h.open(ctx, edit.Portal)
	if err != nil {
		return statusOf(err)
	}
	edits := h.session.Features(c).Edits
	switch {
	case !edits && !h.options.EditsAsMessages:
		return statusOf(errNoEdits)
	case edit.EditTarget.Room != edit.Portal.PortalKey:
		return statusOf(errNotHere)
	case edit.EditTarget.SenderMXID != edit.Event.Sender:
		return statusOf(errNotYours)
	}
	text := format.FromContent(edit.Content, h.names(ctx, edit.Portal, c))
	if !edits {
		return h.correct(ctx, edit, c, text)
	}
	message, err := h.edited(ctx, edit.Portal, edit.EditTarget, edit.Content)
	if err != nil {
		return statusOf(err)
	}
	if text.Empty() && len(message.Attachments) == 0 {
		return statusOf(errEmpty)
	}
	message.Text, message.Emote = text, edit.Content.MsgType == event.MsgEmote
	_, target, err := ids.ParseMessageID(edit.EditTarget.ID)
	if err != nil {
		return statusOf(err)
	}
	e, err := h.Do(ctx, edit.Portal, edit.Event.ID, chat.Request{Edit: &chat.Edit{Target: target, Message: message}})
	if err != nil {
		return statusOf(err)
	}
	edit.EditTarget.Metadata = &ids.MessageMetadata{Edited: e.Time, Edit: e.ID}
	return nil
}

// correct sends the new text of a message as a message of its own.
func (h *Handler) correct(ctx context.Context, edit *bridgev2.MatrixEdit, c chat.Conversation, text chat.Text) error {
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

// edited is a message that is going to be edited, with what stays: its files, and what it answers. The
// text of one that is several messages here or there would go to one of them only.
func (h *Handler) edited(ctx context.Context, portal *bridgev2.Portal, row *database.Message, content *event.MessageEventContent) (chat.Message, error) {
	several, err := h.session.Submitted(ctx, ids.MakeOrigin(row.MXID, 1))
	switch {
	case err != nil:
		return chat.Message{}, err
	case several, row.PartID != "":
		return chat.Message{}, errInPieces
	}
	if e, known := h.answered(ctx, row); known {
		if len(convert(e, nil, false).parts)-len(e.Message.Attachments) > 1 {
			err = errInPieces
		}
		return *e.Message, err
	}
	rows, err := portal.Bridge.DB.Message.GetAllPartsByID(ctx, portal.Receiver, row.ID)
	if err != nil {
		return chat.Message{}, fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
	}
	if len(rows) != 1 || content.MsgType.IsMedia() {
		err = errTooOld // the edit would take its files away
	}
	return chat.Message{}, err
}
