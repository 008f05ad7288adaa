package bridge

import (
	"context"
	"errors"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

// unsupported is what the framework refuses by itself, and what the person is told of it.
var unsupported = []struct {
	err  error
	says string
}{
	{bridgev2.ErrEditsNotSupported, "Hangouts has no edits. The others still see what you wrote first."},
	{bridgev2.ErrEditsNotSupportedInPortal, "Hangouts has no edits. The others still see what you wrote first."},
	{bridgev2.ErrDeleteChatNotSupported, "Use the command `delete-chat` in this room instead."},
	{bridgev2.ErrBlockUserNotSupported, "Hangouts lets only its own apps block people. Block this person there."},
	{bridgev2.ErrPollsNotSupported, "Hangouts has no polls."},
}

// matrixSide is the homeserver as the framework sees it.
type matrixSide struct{ *homeserver.Connector }

var _ bridgev2.MatrixConnector = matrixSide{}

// SendMessageStatus tells the sender of an event what became of it. Where the framework
// would be silent in the room about something that Hangouts does not have, it is said.
func (m matrixSide) SendMessageStatus(ctx context.Context, status *bridgev2.MessageStatus, info *bridgev2.MessageStatusEventInfo) {
	for _, row := range unsupported {
		if status.InternalError != nil && errors.Is(row.err, status.InternalError) {
			said := status.WithMessage(row.says).WithSendNotice(true).WithStatus(event.MessageStatusFail)
			status = &said
			break
		}
	}
	m.Connector.SendMessageStatus(ctx, status, info)
}
