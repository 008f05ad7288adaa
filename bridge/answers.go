package bridge

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

const picturesOnly = "Hangouts takes pictures, but no videos, voice messages or other files."

// unsupported is what the framework refuses by itself, and what the person is told of it.
var unsupported = []struct {
	err  error
	says string
}{
	{bridgev2.ErrEditsNotSupported, "Hangouts has no edits. The others still see what you wrote first."},
	{bridgev2.ErrEditsNotSupportedInPortal, "Hangouts has no edits. The others still see what you wrote first."},
	{bridgev2.ErrDeleteChatNotSupported, "Use the command `delete-chat` in this room instead."},
	{bridgev2.ErrBlockUserNotSupported, "Hangouts lets only its own apps block people. Block this person there."},
	{bridgev2.ErrUnsupportedMessageType, picturesOnly},
	{bridgev2.ErrUnsupportedMediaType, picturesOnly},
	{bridgev2.ErrMediaTooLarge, "The file is too large for Hangouts."},
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
	if m.Crypto != nil && m.saysEncrypted(ctx, status, info) {
		silent := status.WithSendNotice(false)
		status = &silent
	}
	m.Connector.SendMessageStatus(ctx, status, info)
}

// saysEncrypted sends the notice of a status into an encrypted room and reports whether it did.
// mautrix: matrix.Connector.internalSendMessageStatus sends it in the clear, until it encrypts it.
func (m matrixSide) saysEncrypted(ctx context.Context, status *bridgev2.MessageStatus, info *bridgev2.MessageStatusEventInfo) bool {
	if !status.SendNotice || !m.Config.Matrix.MessageErrorNotices || info.SourceEventID == "" || info.MessageType == event.MsgNotice ||
		(status.Status != event.MessageStatusFail && status.Status != event.MessageStatusRetriable) {
		return false
	}
	if encrypted, err := m.StateStore.IsEncrypted(ctx, info.RoomID); err != nil || !encrypted {
		return false
	}
	extra := &bridgev2.MatrixSendExtra{TransactionID: homeserver.OnceID("status_"+string(status.Status), info.SourceEventID)}
	_, err := m.BotIntent().SendMessage(ctx, info.RoomID, event.EventMessage, &event.Content{Parsed: status.ToNoticeEvent(info)}, extra)
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Stringer("event", info.SourceEventID).Msg("Failed to send a notice into an encrypted room")
	}
	return true
}
