package portal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
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
	rows, err := h.send(ctx, msg.Portal, msg.Event, requests)
	if err != nil {
		return nil, err
	}
	h.keepParts(ctx, msg.Portal, rows[1:])
	return &bridgev2.MatrixMessageResponse{DB: rows[0]}, nil
}

// send submits the requests of a Matrix event and returns the rows of the messages that they became.
func (h *Handler) send(ctx context.Context, portal *bridgev2.Portal, from *event.Event, requests []chat.Request) ([]*database.Message, error) {
	for _, request := range requests {
		if err := h.session.Submit(ctx, request); err != nil {
			return nil, statusOf(fmt.Errorf("submit message: %w", err))
		}
	}
	waitCtx, cancel := h.waiting(ctx)
	defer cancel()
	var rows []*database.Message
	for n, request := range requests {
		e, err := h.session.Await(waitCtx, request.Origin)
		if err != nil {
			h.keepParts(ctx, portal, rows)
			if errors.Is(waitCtx.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
				err = fmt.Errorf("%w: %w", errStillWaiting, err)
			}
			return nil, statusOf(partError(err, n, len(requests)))
		}
		rows = append(rows, h.Row(portal, from.ID, from.Sender, n, e))
	}
	return rows, nil
}

// requests makes the requests of a Matrix message, or says why there can be none.
func (h *Handler) requests(ctx context.Context, msg *bridgev2.MatrixMessage) ([]chat.Request, error) {
	if h.session == nil {
		return nil, puppet.ErrNoAccount
	}
	if !carried(msg.Content.MsgType) {
		return nil, errUnknownType
	}
	c, err := h.open(ctx, msg.Portal)
	if err != nil {
		return nil, err
	}
	content, err := withoutCopy(msg)
	if err != nil {
		return nil, err
	}
	text := format.FromContent(content, h.names(ctx, msg.Portal, c))
	text, attachment, err := h.carry(ctx, c, msg, content, text)
	if err != nil {
		return nil, err
	}
	if text.Empty() && attachment == nil {
		return nil, errEmpty
	}
	// The formats of relayed messages say "* Eve waves" already.
	emote := content.MsgType == event.MsgEmote && msg.OrigSender == nil
	answer, thread, quote := h.relation(ctx, msg, c)
	if len(quote) > 0 && emote {
		text = append(append(text, chat.Segment{Kind: chat.SegmentBreak}), quote...)
	} else if len(quote) > 0 {
		text = append(append(quote, chat.Segment{Kind: chat.SegmentBreak}), text...)
	}
	requests, err := h.split(c, text, msg.Event.ID, emote)
	if err != nil {
		return nil, err
	}
	requests[0].Message.Reply = answer
	for _, r := range requests {
		r.Message.Thread = thread
	}
	if attachment != nil {
		requests[0].Message.Attachments = []chat.Attachment{*attachment}
	}
	return requests, nil
}

// open returns a portal's conversation if messages can be sent there.
func (h *Handler) open(ctx context.Context, portal *bridgev2.Portal) (chat.Conversation, error) {
	c, err := h.conversation(ctx, portal)
	switch {
	case err != nil:
		return c, err
	case c.Standing == chat.Left:
		return c, errLeft
	case c.Standing == chat.Invited:
		return c, chat.ErrInvited
	}
	return c, nil
}

func byteLen(s string) int { return len(s) }

// split makes the requests of a text that a Matrix event becomes.
func (h *Handler) split(c chat.Conversation, text chat.Text, from id.EventID, emote bool) ([]chat.Request, error) {
	pieces := format.Split(text, h.session.Features(c).MaxText, byteLen)
	if len(pieces) == 0 {
		pieces = []chat.Text{nil} // only a file
	}
	if len(pieces) > MaxParts {
		return nil, fmt.Errorf("%w: it would become %d messages", chat.ErrTooLarge, len(pieces))
	}
	requests := make([]chat.Request, len(pieces))
	for n, piece := range pieces {
		requests[n] = chat.Request{
			V: chat.Version, Conversation: c.ID, Origin: ids.MakeOrigin(from, n),
			Message: &chat.Message{Text: piece, Emote: emote},
		}
	}
	return requests, nil
}

// Part finds the message of the network among those that a Matrix event becomes: its number, and
// whether it is the last. It is used where the request that made the message is not known.
func (h *Handler) Part(ctx context.Context, room *bridgev2.Portal, content *event.MessageEventContent, m *chat.Message) (n int, last, ok bool) {
	c, err := h.conversation(ctx, room)
	if err != nil {
		return 0, false, false
	}
	if content.NewContent != nil {
		content = content.NewContent
	}
	text := format.FromContent(content, h.names(ctx, room, c))
	said := m.Text.String()
	for _, text := range []chat.Text{text, corrected(text)} {
		pieces := format.Split(text, h.session.Features(c).MaxText, byteLen)
		for n, piece := range pieces {
			own := piece.String()
			if said == own || strings.HasPrefix(said, "> ") && strings.HasSuffix(said, "\n"+own) || strings.HasPrefix(said, own+"\n> ") {
				return n, n == len(pieces)-1, true
			}
		}
	}
	return 0, false, false
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
	if e.Message != nil && e.Message.Thread != "" {
		row.ThreadRoot = ids.MakeMessageID(e.Conversation, e.Message.Thread)
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
	errStillWaiting = errors.New("no answer yet")
)
