package portal

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

var errNoDeletions = fmt.Errorf("%w: deletions", chat.ErrUnsupported)

// HandleMatrixMessageRemove deletes a message on the network, whole, also one that became several
// there. Only who wrote it may.
func (h *Handler) HandleMatrixMessageRemove(ctx context.Context, msg *bridgev2.MatrixMessageRemove) error {
	if h.session == nil {
		return statusOf(puppet.ErrNoAccount)
	}
	c, err := h.conversation(ctx, msg.Portal)
	row := msg.TargetMessage
	own := row.SenderMXID == msg.Event.Sender || msg.OrigSender == nil && row.SenderID == ids.MakeUserID(h.self)
	switch {
	case err != nil:
		return statusOf(err)
	case row.Room != msg.Portal.PortalKey:
		return statusOf(errNotHere)
	case !h.session.Features(c).Deletions:
		return statusOf(errNoDeletions)
	case !own:
		return statusOf(errNotYours)
	}
	messages, err := h.pieces(ctx, row.ID, ids.MakeOrigin(row.MXID, 0))
	if err != nil {
		return statusOf(err)
	}
	requests := make([]chat.Request, len(messages))
	for n, message := range messages {
		_, target, err := ids.ParseMessageID(message)
		if err != nil {
			return statusOf(err)
		}
		requests[n] = chat.Request{V: chat.Version, Conversation: c.ID, Origin: ids.MakeOrigin(msg.Event.ID, n),
			Deletion: &chat.Deletion{Target: target}}
	}
	if _, err = h.send(ctx, msg.Portal, msg.Event, requests); err != nil {
		return err
	}
	for _, message := range messages[1:] { // the framework deletes the row of the first
		if err = msg.Portal.Bridge.DB.Message.DeleteAllParts(ctx, msg.Portal.Receiver, message); err != nil {
			return fmt.Errorf("%w: delete message: %w", bridgev2.ErrDatabaseError, err)
		}
	}
	return nil
}

// pieces are the messages of the network that a Matrix event became: first, and as far as the outbox
// knows them the others.
func (h *Handler) pieces(ctx context.Context, first networkid.MessageID, origin chat.Origin) ([]networkid.MessageID, error) {
	all := []networkid.MessageID{first}
	from, _, ok := ids.ParseOrigin(origin)
	for n := 1; ok && n < MaxParts; n++ {
		e, err := h.session.Await(ctx, ids.MakeOrigin(from, n))
		switch {
		case errors.Is(err, account.ErrNotSubmitted):
			return all, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			all = append(all, ids.MakeMessageID(e.Conversation, e.ID))
		}
	}
	return all, nil
}
