package portal

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// HandleMatrixReadReceipt moves the account's watermark to the message that was read in
// Matrix. What is no message of the conversation, such as a notice of the bot, stands for
// the message before it.
func (h *Handler) HandleMatrixReadReceipt(ctx context.Context, receipt *bridgev2.MatrixReadReceipt) error {
	if h.session == nil {
		return puppet.ErrNoAccount
	}
	if active, err := h.active(ctx, receipt.Portal); err != nil || !active {
		return quiet(err)
	}
	read := receipt.ExactMessage
	if read == nil {
		var err error
		if read, err = h.messageBefore(ctx, receipt); err != nil || read == nil {
			return err
		}
	}
	err := h.session.MarkRead(ctx, chat.Watermark{
		Conversation: ids.ParsePortalID(receipt.Portal.ID), Person: h.self, Time: read.Timestamp.UnixMicro(),
		Origin: chat.Origin{Side: chat.OriginMatrix, Ref: string(receipt.EventID)},
	})
	return quiet(err)
}

// active reports whether the account takes part in a portal's conversation: one who is
// only invited, or has left, shows nothing there.
func (h *Handler) active(ctx context.Context, portal *bridgev2.Portal) (bool, error) {
	c, err := h.conversation(ctx, portal)
	return c.Standing == chat.Active, err
}

// messageBefore is the latest message up to an event that is none, nil if that cannot be
// told.
func (h *Handler) messageBefore(ctx context.Context, receipt *bridgev2.MatrixReadReceipt) (*database.Message, error) {
	if h.options.EventTime == nil {
		return nil, nil
	}
	sent, err := h.options.EventTime(ctx, receipt.Portal.MXID, receipt.EventID)
	if err != nil {
		return nil, fmt.Errorf("get event that was read: %w", err)
	}
	return receipt.Portal.Bridge.DB.Message.GetLastPartAtOrBeforeTime(ctx, receipt.Portal.PortalKey, sent)
}

// quiet drops errors that say only that the network is away: typing and watermarks are not
// worth a word then.
func quiet(err error) error {
	if errors.Is(err, chat.ErrUnavailable) || errors.Is(err, chat.ErrBadCredentials) {
		return nil
	}
	return err
}
