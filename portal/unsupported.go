package portal

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// What people do in Matrix and the network has nothing for. They are told, since the
// others see nothing of it.
var (
	errNoEdits     = fmt.Errorf("%w: edits", chat.ErrUnsupported)
	errNotYours    = fmt.Errorf("%w: a change of somebody else's message", chat.ErrForbidden)
	errRelayed     = fmt.Errorf("%w: a change by somebody who is relayed", chat.ErrForbidden)
	errNoReactions = fmt.Errorf("%w: reactions", chat.ErrUnsupported)
	errNoDeletions = fmt.Errorf("%w: deletions", chat.ErrUnsupported)
)

// PreHandleMatrixReaction refuses a reaction to a message.
func (h *Handler) PreHandleMatrixReaction(context.Context, *bridgev2.MatrixReaction) (bridgev2.MatrixReactionPreResponse, error) {
	return bridgev2.MatrixReactionPreResponse{}, statusOf(errNoReactions)
}

// HandleMatrixReaction refuses a reaction to a message.
func (h *Handler) HandleMatrixReaction(context.Context, *bridgev2.MatrixReaction) (*database.Reaction, error) {
	return nil, statusOf(errNoReactions)
}

// HandleMatrixReactionRemove refuses the end of a reaction.
func (h *Handler) HandleMatrixReactionRemove(context.Context, *bridgev2.MatrixReactionRemove) error {
	return statusOf(errNoReactions)
}

// HandleMatrixMessageRemove refuses to delete a message; its row stays.
func (h *Handler) HandleMatrixMessageRemove(context.Context, *bridgev2.MatrixMessageRemove) error {
	return statusOf(errNoDeletions)
}
