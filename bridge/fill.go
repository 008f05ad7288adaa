package bridge

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// fill brings the initial history into a room whose making was cut short. What is there
// already is left out.
func (c *consumer) fill(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) error {
	var events []chat.Event
	if backfill := c.connector.bridge.Config.Backfill; backfill.Enabled && backfill.MaxInitialMessages > 0 {
		var err error
		events, err = c.History(ctx, conversation.ID, backfill.MaxInitialMessages)
		if mayHelp(err) {
			return err
		} else if err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("conversation", string(conversation.ID)).Msg("The room stays without history")
		}
	}
	if err := c.showPast(ctx, room, conversation, events, false); err != nil {
		return err
	}
	portal.MarkFilled(ctx, room)
	return nil
}

// showPast shows past events that have no message yet. In a room that was there when they
// happened, what was written in Matrix is already there.
func (c *consumer) showPast(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation, events []chat.Event, wasThere bool) error {
	for _, e := range chat.Fold(events) {
		if err := c.showPastEvent(ctx, room, conversation, e, wasThere); err != nil {
			return err
		}
	}
	return nil
}

func (c *consumer) showPastEvent(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation, e chat.Event, wasThere bool) error {
	message := ids.MakeMessageID(e.Conversation, e.ID)
	e, err := c.madeBy(ctx, room.PortalKey, e)
	if err != nil {
		return err
	}
	if e.Origin.Side == chat.OriginMatrix {
		if wasThere {
			return c.settleOwn(ctx, e, room.PortalKey)
		}
		row, err := c.connector.bridge.DB.Message.GetFirstPartByID(ctx, room.Receiver, message)
		if err != nil {
			return fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
		} else if row != nil {
			c.d.hs.Sent(room.MXID, message)
			return nil
		}
	}
	if here, err := c.keepWritten(ctx, room, e); err != nil || here {
		return err
	}
	try := homeserver.NewAttempt(ctx, message)
	remote, err := c.HistoryEvent(ctx, e, conversation, try.Mutate)
	if err != nil || remote == nil {
		return err
	}
	if err = c.Load(ctx, room, remote); err != nil {
		return err
	}
	if err = c.queueMessage(ctx, try, remote, e.Author); err != nil {
		return err
	}
	if err = c.expire(ctx, room, e); err != nil {
		return err
	}
	c.d.hs.Sent(room.MXID, message)
	return nil
}
