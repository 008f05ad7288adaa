package bridge

import (
	"context"
	"fmt"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// expire has a message that is in a room redacted at the time the network gives. It may be called
// again; the framework's loop does what fell due while the bridge was down.
func (c *Client) expire(ctx context.Context, room *bridgev2.Portal, e chat.Event) error {
	if e.Expires == 0 {
		return nil
	}
	parts, err := c.connector.bridge.DB.Message.GetAllPartsByID(ctx, room.Receiver, ids.MakeMessageID(e.Conversation, e.ID))
	if err != nil {
		return fmt.Errorf("%w: look for a message that expires: %w", bridgev2.ErrDatabaseError, err)
	}
	for _, part := range parts {
		if part.HasFakeMXID() {
			continue
		}
		err = c.connector.bridge.DisappearLoop.Add(ctx, &bridgedb.DisappearingMessage{
			RoomID: room.MXID, EventID: part.MXID, Timestamp: part.Timestamp,
			DisappearingSetting: bridgedb.DisappearingSetting{Type: event.DisappearingTypeAfterSend, Timer: time.UnixMicro(e.Expires).Sub(timeOf(e)), DisappearAt: time.UnixMicro(e.Expires)},
		})
		if err != nil {
			return fmt.Errorf("%w: note when a message expires: %w", bridgev2.ErrDatabaseError, err)
		}
	}
	return nil
}
