package account

import (
	"context"
	"slices"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// restart drops the stored history of the conversation that options.restart names; its log starts after the current head.
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

// blankDeleted takes the content off what events delete, in log and store, and off the edits of that,
// whether they came before or come after.
func (s *session) blankDeleted(ctx context.Context, events []chat.Event) error {
	for _, e := range events {
		blank := []chat.EventID{}
		switch {
		case e.Deletion != nil:
			logged, err := s.m.log.EditsOf(ctx, s.id, e.Conversation, e.Deletion.Target)
			if err != nil {
				return err
			}
			stored, err := s.m.history.EditsOf(ctx, s.id, e.Conversation, e.Deletion.Target)
			if err != nil {
				return err
			}
			blank = slices.Concat([]chat.EventID{e.Deletion.Target}, logged, stored)
		case e.Edit != nil:
			deleted, err := s.m.history.Blanked(ctx, s.id, e.Conversation, e.Edit.Target)
			if err != nil {
				return err
			} else if deleted {
				blank = append(blank, e.ID)
			}
		}
		for _, id := range blank {
			if err := s.m.log.Blank(ctx, s.id, e.Conversation, id); err != nil {
				return err
			}
			if err := s.m.history.Blank(ctx, s.id, e.Conversation, id); err != nil {
				return err
			}
		}
	}
	return nil
}
