package account

import (
	"context"
	"errors"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// answerPatience is how long an answered request may wait behind a catch-up before it
// is logged out of turn.
const answerPatience = 30 * time.Second

// seeLogged brings the event of an answered request into the log. The network has it: from
// here on the request cannot fail, however long the database or a catch-up takes.
func (o *outbox) seeLogged(row *database.OutboxRow, w *outboxWorker, event ReceivedEvent, settled <-chan struct{}) error {
	late := !o.s.intake.awaitPush(o.s.ctx, event, settled)
	if isClosed(settled) {
		return nil
	}
	o.noteAnswer(row, w, event)
	if late {
		o.catchUp(settled)
	}
	if isClosed(settled) {
		return nil
	}
	err := o.s.intake.answer(o.s.ctx, event)
	for {
		patience := answerPatience
		if err != nil {
			o.s.zlog.Err(err).Msg("Failed to log an answer, trying again")
			patience = o.s.m.options.BackoffMin
		}
		timer := time.NewTimer(patience)
		select {
		case <-settled:
			timer.Stop()
			return nil
		case <-o.s.ctx.Done():
			timer.Stop()
			return o.s.ctx.Err()
		case <-timer.C:
		}
		err = o.s.m.commit(o.s.ctx, o.s, Update{Events: []ReceivedEvent{event}}, commitOptions{})
		if err == nil && o.refreshed(row) {
			return nil
		}
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// noteAnswer notes which event a request has made. From then on every account's copy of it
// is known as ours: none has to wait for another.
func (o *outbox) noteAnswer(row *database.OutboxRow, w *outboxWorker, event ReceivedEvent) {
	row.EventID = event.ID
	if err := o.s.m.db.Outbox().Put(o.s.ctx, row); err == nil {
		o.setUnanswered(w, false)
	} else if !errors.Is(err, database.ErrFinal) && o.s.ctx.Err() == nil {
		o.s.zlog.Err(err).Msg("Failed to note a request's event")
	}
}

// answerCatchup bounds how long a catch-up may take to bring what a late push would.
const answerCatchup = 10 * time.Second

// catchUp brings an event of which the push is late, and all that came before it, in the
// network's order. Requests of many conversations share one catch-up.
func (o *outbox) catchUp(settled <-chan struct{}) {
	ctx, cancel := context.WithTimeout(o.s.ctx, answerCatchup)
	defer cancel()
	for {
		select {
		case err := <-o.s.catchup.ask():
			if err == nil {
				return
			}
		case <-settled:
			return
		case <-ctx.Done():
			return
		}
		if !sleep(ctx, o.s.m.options.BackoffMin) {
			return
		}
	}
}
