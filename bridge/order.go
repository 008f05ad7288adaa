package bridge

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// errOutOfTurn: another login in the room has to deliver what is before.
var errOutOfTurn = errors.New("another login delivers earlier events first")

// inTurn reports whether a login may deliver the conversation's log from an event on. In a
// room that logins share it must not begin past what another one still has to deliver: a
// login that is new, or was not stalled, would show newer events first. The portal's lock is
// held.
func (c *consumer) inTurn(ctx context.Context, key networkid.PortalKey, first chat.Event) error {
	if key.Receiver != "" || first.Seq <= c.d.reachedBy(key)+1 {
		return nil
	}
	behind, err := c.d.order.Behind(ctx, first.Conversation, first.Seq)
	if err != nil {
		return fmt.Errorf("%w: look who delivers first: %w", bridgev2.ErrDatabaseError, err)
	}
	for _, account := range behind {
		if account != c.id && c.connector.delivers(account) {
			return errOutOfTurn
		}
	}
	return nil
}

// delivers reports whether there is a login that delivers an account's events.
func (c *Connector) delivers(account chat.PersonID) bool {
	client := c.loginOf(account)
	return client != nil && client.delivers()
}

// reachedBy is the last event that was delivered to a shared room in this run, 0 if none.
func (d *delivery) reachedBy(key networkid.PortalKey) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reached[key]
}

// delivered notes that a room has all that it is to get up to an event.
func (d *delivery) delivered(key networkid.PortalKey, seq int64) {
	if key.Receiver != "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reached[key] = max(d.reached[key], seq)
}
