package portal

import (
	"context"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
)

// quoteWait bounds how long a reply waits for what it answers, which may be older than the log.
const quoteWait = 3 * time.Second

// relation is what a message answers, and the head of its thread, where the network has replies and
// threads; else the line that quotes what it answers, or nil if that is not known any more. Its text is
// the network's: what a client puts into a reply may say anything.
func (h *Handler) relation(ctx context.Context, msg *bridgev2.MatrixMessage, c chat.Conversation) (answer *chat.Quote, thread chat.EventID, quote chat.Text) {
	features, target := h.session.Features(c), msg.ReplyTo
	if msg.ThreadRoot != nil && msg.ThreadRoot.Room == msg.Portal.PortalKey && features.Threads != chat.NoThreads {
		root := msg.ThreadRoot.ThreadRoot
		if root == "" {
			root = msg.ThreadRoot.ID
		}
		_, thread, _ = ids.ParseMessageID(root)
	} else if root := msg.Content.RelatesTo.GetThreadParent(); target == nil && root != "" {
		target, _ = msg.Portal.Bridge.DB.Message.GetPartByMXID(ctx, root)
	}
	if target == nil || target.Room != msg.Portal.PortalKey {
		return nil, thread, nil
	}
	_, id, err := ids.ParseMessageID(target.ID)
	if err != nil {
		return nil, thread, nil
	}
	if features.Replies {
		return &chat.Quote{Target: id, Time: target.Timestamp.UnixMicro(), Author: chat.PersonID(target.SenderID)}, thread, nil
	}
	return nil, thread, h.quote(ctx, target)
}

func (h *Handler) quote(ctx context.Context, target *database.Message) chat.Text {
	e, ok := h.answered(ctx, target)
	if !ok {
		return nil
	}
	people, err := h.people.People(ctx, e.Author)
	if err != nil {
		return nil
	}
	return format.Quote(people[e.Author].DisplayName(), e.Message)
}

// answered is the message of a row, as it is after the edit that the room shows.
func (h *Handler) answered(ctx context.Context, row *database.Message) (chat.Event, bool) {
	conversation, eventID, err := ids.ParseMessageID(row.ID)
	if err != nil {
		return chat.Event{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, quoteWait)
	defer cancel()
	e, known := h.eventAt(ctx, conversation, row.Timestamp.UnixMicro(), eventID)
	if !known || e.Message == nil {
		return chat.Event{}, false
	}
	if shows, _ := row.Metadata.(*ids.MessageMetadata); shows != nil && shows.Edit != "" {
		edit, known := h.eventAt(ctx, conversation, shows.Edited, shows.Edit)
		if !known || edit.Edit == nil {
			return chat.Event{}, false
		}
		e.Message = &edit.Edit.Message
	}
	return e, e.Expires == 0 || e.Expires > time.Now().UnixMicro()
}

// eventAt is the event of a conversation with a time (µs) and an id.
func (h *Handler) eventAt(ctx context.Context, conversation chat.ConversationID, at int64, id chat.EventID) (chat.Event, bool) {
	events, err := h.session.History(ctx, account.HistoryQuery{Conversation: conversation, Before: at + 1, Limit: 1})
	if err != nil || len(events) != 1 || events[0].ID != id {
		return chat.Event{}, false
	}
	return events[0], true
}

// withoutCopy is the content of a message. Formatting a relayed one puts its author's name before the copy of the
// message that it answers, which is then not recognised: so it is formatted again without the copy.
// mautrix: handleMatrixMessage in bridgev2/portal.go, until it removes the copy first.
func withoutCopy(msg *bridgev2.MatrixMessage) (*event.MessageEventContent, error) {
	original, ok := msg.Event.Content.Parsed.(*event.MessageEventContent)
	if msg.OrigSender == nil || !ok || original.RelatesTo.GetReplyTo() == "" {
		return msg.Content, nil
	}
	without := *original
	without.Body, without.FormattedBody = format.WithoutFallback(original)
	return msg.Portal.Bridge.Config.Relay.FormatMessage(&without, msg.OrigSender)
}
