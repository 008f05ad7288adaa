package homeserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"
)

const (
	// keyWait is the default of Timing.KeyWait.
	keyWait = time.Minute
	// askForKey is how long a key may be missing before the sender's device is asked for it.
	askForKey = 3 * time.Second
	// decryptTries bounds what is no missing key: the database may fail once.
	decryptTries = 2
)

// decrypt returns an encrypted event as it was written; nil if it cannot be read, which its
// sender is told. What the framework drops unread stays as it is. While its key is missing it
// waits, and with it the room: the order stays. An error means that the program ends or that the
// sender could not be told; then the event is tried again.
// mautrix: matrix.Connector.handleEncryptedEvent goes on in a goroutine of its own when a key is
// late, until it keeps the event and the order of the room.
func (c *Connector) decrypt(ctx context.Context, e *event.Event, received time.Time) (*event.Event, error) {
	if c.Crypto == nil || c.IsOwn(e) || !c.Config.Bridge.Permissions.Get(e.Sender).SendEvents {
		return e, nil
	}
	// What came before handling began may get its key only now.
	waited := max(0, min(time.Since(received), time.Since(c.inbox.began)))
	clear, err := c.decryptUntil(ctx, e, time.Now().Add(c.keyWait-waited))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		err = c.readable(clear)
	}
	if err != nil {
		c.inbox.log.Warn().Err(err).Stringer("event", e.ID).Stringer("room", e.RoomID).Msg("Giving up an encrypted event")
		return nil, c.host.Undecryptable(ctx, e, whyUndecryptable(err))
	}
	return clear, nil
}

func (c *Connector) decryptUntil(ctx context.Context, e *event.Event, deadline time.Time) (*event.Event, error) {
	content, ok := e.Content.Parsed.(*event.EncryptedEventContent)
	if !ok {
		return nil, errBadEncryption
	}
	for tries := 1; ; {
		clear, err := c.Crypto.Decrypt(ctx, e)
		switch left := time.Until(deadline); {
		case err == nil || ctx.Err() != nil:
			return clear, err
		case !errors.Is(err, matrix.NoSessionFound):
			if tries++; tries > decryptTries {
				return nil, err
			}
			Sleep(ctx, inboxPause)
		case left <= 0 || !c.awaitKey(ctx, e, content, left):
			return nil, err
		}
	}
}

// awaitKey waits for the key of an event and reports whether it may be there.
func (c *Connector) awaitKey(ctx context.Context, e *event.Event, content *event.EncryptedEventContent, left time.Duration) bool {
	first := min(left, askForKey)
	//lint:ignore SA1019 older clients name the sender's key and device here only
	key, device := content.SenderKey, content.DeviceID
	if c.Crypto.WaitForSession(ctx, e.RoomID, key, content.SessionID, first) {
		return true
	}
	if left -= first; left <= 0 || ctx.Err() != nil {
		return false
	}
	asking, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	c.Crypto.RequestSession(asking, e.RoomID, key, content.SessionID, e.Sender, device)
	return c.Crypto.WaitForSession(asking, e.RoomID, key, content.SessionID, left)
}

// readable refuses what was decrypted but may not be handled.
func (c *Connector) readable(clear *event.Event) error {
	if clear.Type.Type == event.EventEncrypted.Type {
		return errBadEncryption
	}
	if trust := clear.Mautrix.TrustState; trust < c.Config.Encryption.VerificationLevels.Send {
		return fmt.Errorf("%w: %s", errUntrusted, trust)
	}
	return nil
}

// whyUndecryptable says in a half sentence to the sender why an event could not be read.
func whyUndecryptable(err error) string {
	var withheld *event.RoomKeyWithheldEventContent
	switch {
	case errors.As(err, &withheld):
		return "your client does not give me its key"
	case errors.Is(err, matrix.NoSessionFound):
		return "its key did not reach me in time"
	case errors.Is(err, errUntrusted):
		return "the device that you wrote it on is not verified as this bridge demands"
	}
	return "the key that I have does not fit"
}

// IsOwn reports whether the bridge itself sent an event, as a double puppet too. Of an encrypted
// event the outside says so.
func (c *Connector) IsOwn(e *event.Event) bool {
	if c.isOurs(e.Sender) {
		return true
	}
	value, ok := e.Content.Raw[appservice.DoublePuppetKey]
	if !ok || value != c.AS.DoublePuppetValue {
		return false
	}
	sent, ok := e.Content.Raw[appservice.DoublePuppetTSKey].(float64)
	return !ok || int64(sent) == e.Timestamp
}
