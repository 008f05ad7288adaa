package portal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// MaxParts bounds how many messages one Matrix event may become.
const MaxParts = 20

// HandleMatrixMessage carries a message from Matrix out. A text that is too long for one
// message becomes several, all committed to the outbox before the first is awaited, so
// that a crash in between loses none. Run again for the same event it sends nothing twice.
func (h *Handler) HandleMatrixMessage(ctx context.Context, msg *bridgev2.MatrixMessage) (*bridgev2.MatrixMessageResponse, error) {
	requests, err := h.requests(ctx, msg)
	if err != nil {
		return nil, statusOf(err)
	}
	for _, request := range requests {
		if err = h.session.Submit(ctx, request); err != nil {
			return nil, statusOf(fmt.Errorf("submit message: %w", err))
		}
	}
	waitCtx, cancel := context.WithTimeout(ctx, h.options.SendWait)
	defer cancel()
	var rows []*database.Message
	for n, request := range requests {
		e, err := h.session.Await(waitCtx, request.Origin)
		if err != nil {
			h.keepParts(ctx, msg.Portal, rows)
			if waitCtx.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("%w: %w", errStillWaiting, err)
			}
			return nil, statusOf(partError(err, n, len(requests)))
		}
		rows = append(rows, h.Row(msg.Portal, msg.Event.ID, msg.Event.Sender, n, e))
	}
	h.keepParts(ctx, msg.Portal, rows[1:])
	return &bridgev2.MatrixMessageResponse{DB: rows[0]}, nil
}

// requests makes the requests of a Matrix message, or says why there can be none.
func (h *Handler) requests(ctx context.Context, msg *bridgev2.MatrixMessage) ([]chat.Request, error) {
	if h.session == nil {
		return nil, puppet.ErrNoAccount
	}
	switch msg.Content.MsgType {
	case event.MsgText, event.MsgNotice, event.MsgEmote:
	default:
		return nil, bridgev2.ErrUnsupportedMessageType
	}
	c, err := h.conversation(ctx, msg.Portal)
	if err != nil {
		return nil, err
	}
	switch c.Standing {
	case chat.Left:
		return nil, errLeft
	case chat.Invited:
		return nil, errInvited
	}
	text := fromContent(msg.Content)
	if text.Empty() {
		return nil, errEmpty
	}
	features := h.session.Features(c)
	pieces := splitText(text, features.MaxText, func(s string) int { return len(s) })
	if len(pieces) > MaxParts {
		return nil, fmt.Errorf("%w: it would become %d messages", chat.ErrTooLarge, len(pieces))
	}
	requests := make([]chat.Request, len(pieces))
	for n, piece := range pieces {
		requests[n] = chat.Request{
			V: chat.Version, Conversation: c.ID, Origin: ids.MakeOrigin(msg.Event.ID, n),
			Message: &chat.Message{Text: piece, Emote: msg.Content.MsgType == event.MsgEmote},
		}
	}
	return requests, nil
}

// Texts are the texts of the messages that a Matrix message becomes.
func (h *Handler) Texts(conversation chat.ConversationID, content *event.MessageEventContent) (texts []string) {
	features := h.session.Features(chat.Conversation{ID: conversation})
	for _, piece := range splitText(fromContent(content), features.MaxText, func(s string) int { return len(s) }) {
		texts = append(texts, piece.String())
	}
	return texts
}

// Row is the row of the n-th message that a Matrix event became. The first has the
// event's id; bridgev2 knows the others by ids that are no events.
func (h *Handler) Row(portal *bridgev2.Portal, eventID id.EventID, sender id.UserID, n int, e chat.Event) *database.Message {
	row := &database.Message{
		ID:         ids.MakeMessageID(e.Conversation, e.ID),
		MXID:       eventID,
		Room:       portal.PortalKey,
		SenderID:   ids.MakeUserID(e.Author),
		SenderMXID: sender,
		Timestamp:  time.UnixMicro(e.Time),
	}
	if n > 0 {
		row.SetFakeMXID()
	}
	return row
}

// keepParts writes the rows of messages that are certainly sent.
func (h *Handler) keepParts(ctx context.Context, portal *bridgev2.Portal, rows []*database.Message) {
	for _, row := range rows {
		if err := KeepRow(ctx, portal, row); err != nil {
			portal.Log.Err(err).Str("message", string(row.ID)).Msg("Failed to save the row of a sent message")
		}
	}
}

// ErrTaken: a Matrix event is another message of the network already.
var ErrTaken = errors.New("the Matrix event is another message already")

// KeepRow writes the row of a message unless it is there. [ErrTaken] is returned for the
// second of two messages that name the same Matrix event.
func KeepRow(ctx context.Context, portal *bridgev2.Portal, row *database.Message) error {
	messages := portal.Bridge.DB.Message
	existing, err := messages.GetPartByID(ctx, row.Room.Receiver, row.ID, row.PartID)
	if err != nil || existing != nil {
		return err
	}
	// The row refers to the author's ghost, which therefore has to exist.
	if _, err = portal.Bridge.GetGhostByID(ctx, row.SenderID); err != nil {
		return err
	}
	if err = messages.Insert(ctx, row); err == nil {
		return nil
	}
	if existing, lookErr := messages.GetPartByID(ctx, row.Room.Receiver, row.ID, row.PartID); lookErr == nil && existing != nil {
		return nil
	}
	if other, lookErr := messages.GetPartByMXID(ctx, row.MXID); lookErr == nil && other != nil {
		return ErrTaken
	}
	return err
}

func partError(err error, n, of int) error {
	if of == 1 {
		return err
	}
	return &partsError{err: err, sent: n, of: of}
}

// partsError says that only the first messages of several were sent.
type partsError struct {
	err      error
	sent, of int
}

func (e *partsError) Error() string {
	return fmt.Sprintf("message %d of %d: %v", e.sent+1, e.of, e.err)
}
func (e *partsError) Unwrap() error { return e.err }

var (
	errEmpty        = errors.New("the message has no text")
	errLeft         = errors.New("not in the conversation any more")
	errInvited      = errors.New("only invited to the conversation")
	errStillWaiting = errors.New("no answer yet")
)
