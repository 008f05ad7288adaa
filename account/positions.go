package account

import (
	"context"
	"maps"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Confirm implements Attachment. What is confirmed while positions are being stored is stored
// together, next.
func (a *attachment) Confirm(positions map[chat.ConversationID]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, seq := range positions {
		if seq > a.confirmed[id] {
			a.confirmed[id], a.unstored[id] = seq, seq
		}
	}
	if !a.storing && !a.over && len(a.unstored) > 0 {
		a.storing = true
		a.storers.Go(a.store)
	}
}

// store writes positions until all are in the database. What the consumer has confirmed counts
// also when it is being detached, so it does not end with the attachment's context; then it tries once.
func (a *attachment) store() {
	ctx := context.WithoutCancel(a.ctx)
	for {
		a.mu.Lock()
		positions := a.unstored
		if a.unstored = make(map[chat.ConversationID]int64); len(positions) == 0 {
			a.storing = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		last := a.ctx.Err() != nil
		err := a.s.m.db.Write(ctx, func(ctx context.Context) error {
			for id, seq := range positions {
				if err := a.s.m.db.Consumers().Acknowledge(ctx, a.key, id, seq); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			continue
		}
		a.s.zlog.Err(err).Str("consumer", a.id.Side).Msg("Failed to store positions")
		if last {
			continue
		}
		a.mu.Lock()
		maps.Copy(positions, a.unstored)
		a.unstored = positions
		a.mu.Unlock()
		sleep(a.ctx, a.s.m.options.BackoffMin)
	}
}

// Rewind implements Attachment.
func (a *attachment) Rewind(between func()) {
	a.turns.Lock()
	a.mu.Lock()
	again := a.at
	a.at = make(map[chat.ConversationID]int64)
	a.mu.Unlock()
	between()
	a.turns.Unlock()
	for id, seq := range again {
		a.notify(id, seq)
	}
	a.Kick()
}
