package account

import (
	"context"
	"errors"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// answered settles a request that the network has taken: from here on it cannot fail, however
// long the database takes. The answer is not logged. The push of the event is, or what a
// catch-up brings if the push is late.
func (o *outbox) answered(row *database.OutboxRow, event chat.Event) error {
	for {
		err := o.done(o.s.ctx, row, event)
		if err == nil {
			o.s.expect(event)
			return nil
		}
		if o.s.ctx.Err() != nil {
			return o.s.ctx.Err()
		}
		o.s.zlog.Err(err).Msg("Failed to note a request's event, trying again")
		sleep(o.s.ctx, o.s.m.options.BackoffMin)
	}
}

// done notes that a request has made an event.
func (o *outbox) done(ctx context.Context, row *database.OutboxRow, event chat.Event) error {
	settle(row, event, o.s.m.now())
	if err := o.s.m.db.Outbox().Put(ctx, row); err != nil && !errors.Is(err, database.ErrFinal) {
		return err
	}
	o.settle(row.Request.Origin)
	return nil
}

// settle makes a request one that has made an event.
func settle(row *database.OutboxRow, event chat.Event, now time.Time) {
	row.State, row.EventID, row.EventTime, row.Error, row.Closed = database.OutboxDone, event.ID, event.Time, "", now.UnixMicro()
}

// expect has a catch-up look for an event whose push is late.
func (s *session) expect(event chat.Event) {
	if s.recent.has(event.Conversation, event.ID) {
		return
	}
	time.AfterFunc(s.m.options.PushWait, func() {
		s.spawn(func() {
			if s.recent.has(event.Conversation, event.ID) {
				return
			}
			if _, known, err := s.m.log.Find(s.ctx, s.id, event.Conversation, event.ID); !known || err != nil {
				s.link.post(ask{})
			}
		})
	})
}
