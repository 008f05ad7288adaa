package homeserver

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// This file has the inbox keep events back until the watch has looked at /sync.

// hold keeps events that come from now on from being handled, until release. What came
// before goes on.
func (b *inbox) hold(ctx context.Context) {
	b.storing.Lock()
	defer b.storing.Unlock()
	if err := b.holdNow(ctx); err != nil && ctx.Err() == nil {
		b.log.Err(err).Msg("Failed to note that events are held")
	}
}

// holdNow holds events even if that cannot be noted for the next life; storing is held.
func (b *inbox) holdNow(ctx context.Context) error {
	b.mu.Lock()
	if !b.held {
		b.held, b.heldFrom = true, b.last
	}
	from := b.heldFrom
	b.mu.Unlock()
	if b.noted {
		return nil
	}
	err := b.store.Hold(ctx, from)
	b.noted = err == nil
	return err
}

// holds reports whether something is held.
func (b *inbox) holds() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// released is the place of the newest event that is not held.
func (b *inbox) released() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held {
		return b.heldFrom
	}
	return math.MaxInt64
}

// heldFor is how long an event has been held, 0 if none is.
func (b *inbox) heldFor() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting.IsZero() {
		return 0
	}
	return time.Since(b.waiting)
}

// position is the place of the newest event.
func (b *inbox) position() int64 {
	b.storing.Lock()
	defer b.storing.Unlock()
	return b.last
}

// release ends hold: the held events are handled after those that are named, which are in
// the homeserver's order and may be known already. Events that came after the position until
// and are not named stay held.
func (b *inbox) release(ctx context.Context, named []database.InboxRow, until int64, token string) error {
	b.storing.Lock()
	defer b.storing.Unlock()
	b.mu.Lock()
	from := b.heldFrom
	b.mu.Unlock()
	result, err := b.store.Arrange(ctx, from, until, b.last, named, token)
	if err != nil {
		return fmt.Errorf("store missing events: %w", err)
	}
	if len(result.Added) > 0 {
		b.log.Debug().Int("events", len(result.Added)).Msg("Found events that the homeserver had not pushed yet")
	}
	b.last, b.noted = result.Last, result.Held
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held, b.heldFrom, b.waiting = result.Held, result.HeldFrom, time.Time{}
	if b.held {
		b.waiting = time.Now()
	}
	b.releases++
	b.expect(result.Added)
	b.startWorkers()
	return nil
}

// isHeld reports whether an event is not to be handled yet; mu is held.
func (b *inbox) isHeld(row database.InboxRow) bool { return b.held && row.Seq > b.heldFrom }
