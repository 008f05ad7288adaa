package portal

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// statuses is what the sender of a message is told, by error. certain says that the
// message was not sent.
var statuses = []struct {
	err     error
	says    string
	certain bool
	status  event.MessageStatus
	reason  event.MessageStatusReason
}{
	{errStillWaiting, "Hangouts has not confirmed it yet. It is kept and will be sent when possible.", false, event.MessageStatusPending, event.MessageStatusNetworkError},
	{chat.ErrUnconfirmed, "Hangouts did not confirm it; it may or may not have arrived.", false, event.MessageStatusRetriable, event.MessageStatusNetworkError},
	{chat.ErrExpired, "Hangouts could not be reached in time.", true, event.MessageStatusRetriable, event.MessageStatusTooOld},
	{chat.ErrBadCredentials, "Hangouts does not accept your login any more. Log in again with the command `login`.", true, event.MessageStatusRetriable, event.MessageStatusNoPermission},
	{puppet.ErrNoAccount, "Your Hangouts account is not known any more. Log in again with the command `login`.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{errLeft, "You are not in this conversation any more.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{chat.ErrInvited, "You are only invited to this conversation. Accept the invitation first, with the command `accept`.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{chat.ErrUnknownConversation, "Hangouts does not know this conversation.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{errNotYours, "Only who wrote a message can change it.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{errRelayed, "Only who is in this conversation with an account of their own can change it.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{chat.ErrForbidden, "You may not use this account.", true, event.MessageStatusFail, event.MessageStatusNoPermission},
	{chat.ErrInvalidRequest, "This is not possible in this conversation.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errFileTooLarge, "The file is too large for Hangouts.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errNotAPicture, "Hangouts takes pictures only, and this is none.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errPicturesOnly, "Hangouts takes pictures, but no videos, voice messages or other files.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errNoDownload, "The homeserver does not give the bridge this file.", true, event.MessageStatusRetriable, event.MessageStatusGenericError},
	{errDamaged, "The file is damaged.", true, event.MessageStatusFail, event.MessageStatusGenericError},
	{errNoPoint, "There is no place in it.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errUnknownType, "Messages of this kind cannot be sent to Hangouts.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{chat.ErrTooLarge, "The text is too long for Hangouts.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errNoEdits, "Hangouts has no edits. The others still see what you wrote first.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errInPieces, "The message was too long for Hangouts and became several, which cannot be edited as one.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errTooOld, "The message is too old to be edited.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errNoCustomEmoji, "Only emoji can be reactions on Hangouts.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errNoReactions, "Hangouts has no reactions. The others do not see it.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errNoDeletions, "Hangouts cannot delete messages. The others still see it.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{chat.ErrUnsupported, "Hangouts has no such thing.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{errEmpty, "There is no text in it.", true, event.MessageStatusFail, event.MessageStatusUnsupported},
	{chat.ErrRefused, "Hangouts refused it.", true, event.MessageStatusFail, event.MessageStatusGenericError},
	{chat.ErrUnavailable, "Hangouts cannot be reached.", true, event.MessageStatusRetriable, event.MessageStatusNetworkError},
}

// statusOf adds the sentence for the sender to an error. An ended context stays as it is:
// the program stops, and the message is handled again at the next start.
func statusOf(err error) error {
	var already bridgev2.MessageStatus
	if errors.Is(err, context.Canceled) && !errors.Is(err, errStillWaiting) || errors.As(err, &already) {
		return err
	}
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return bridgev2.WrapErrorInStatus(err).WithMessage(sentence(err, row.says)).WithIsCertain(row.certain).
				WithSendNotice(true).WithStatus(row.status).WithErrorReason(row.reason)
		}
	}
	return bridgev2.WrapErrorInStatus(err).WithMessage(sentence(err, "an internal error; the log has more")).
		WithSendNotice(true)
}

// sentence adds how much of a long text was sent.
func sentence(err error, says string) string {
	var parts *partsError
	if errors.As(err, &parts) && parts.sent > 0 {
		return fmt.Sprintf("%s (%d of %d messages of this text were sent.)", says, parts.sent, parts.of)
	}
	return says
}
