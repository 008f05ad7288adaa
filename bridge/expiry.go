package bridge

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// expire schedules the redaction of a message in a room for the time that the network gives. A retried
// delivery schedules it again, which replaces the first; the framework's loop redacts what fell due while the bridge was down.
func (c *Client) expire(ctx context.Context, room *bridgev2.Portal, e chat.Event) error {
	if e.Expires == 0 {
		return nil
	}
	message := e.ID
	if e.Edit != nil {
		message = e.Edit.Target // it has the parts that the edit has added
	}
	parts, err := c.connector.bridge.DB.Message.GetAllPartsByID(ctx, room.Receiver, ids.MakeMessageID(e.Conversation, message))
	if err != nil {
		return fmt.Errorf("%w: look for a message that expires: %w", bridgev2.ErrDatabaseError, err)
	}
	for _, part := range parts {
		if part.HasFakeMXID() || e.Edit != nil && !part.Timestamp.Equal(timeOf(e)) {
			continue
		}
		err = c.connector.bridge.DisappearLoop.Add(ctx, &bridgedb.DisappearingMessage{
			RoomID: room.MXID, EventID: part.MXID, Timestamp: part.Timestamp, DisappearingSetting: portal.Disappears(e),
		})
		if err != nil {
			return fmt.Errorf("%w: note when a message expires: %w", bridgev2.ErrDatabaseError, err)
		}
	}
	return nil
}
