package account

import (
	"context"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// restart begins the history of a conversation anew if options say so.
func (c *commitment) restart(ctx context.Context) error {
	if c.options.restart == "" {
		return nil
	}
	row, err := c.row(ctx, c.options.restart)
	if err != nil || row == nil {
		return err
	}
	head, err := c.m.log.Head(ctx, c.s.id, row.ID)
	if err != nil {
		return err
	}
	return c.startAfter(ctx, row, head)
}

// startAfter makes what the log has up to a seq no part of the history any more: the network is asked
// again for what came before the events after it.
func (c *commitment) startAfter(ctx context.Context, row *database.ConversationRow, seq int64) error {
	row.Start = max(row.Start, seq)
	c.s.past.void(row.ID)
	return c.m.history.Drop(ctx, c.s.id, row.ID)
}

// returned reports whether an account comes into a conversation of which it may have missed events.
func returned(was, is chat.Standing) bool { return was != chat.Active && was != is && is != chat.Left }

// blankDeleted takes the content off what events delete, in log and store.
func (s *session) blankDeleted(ctx context.Context, events []chat.Event) error {
	for _, e := range events {
		if e.Deletion == nil {
			continue
		}
		if err := s.m.log.Blank(ctx, s.id, e.Conversation, e.Deletion.Target); err != nil {
			return err
		}
		if err := s.m.history.Blank(ctx, s.id, e.Conversation, e.Deletion.Target); err != nil {
			return err
		}
	}
	return nil
}
