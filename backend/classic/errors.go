package classic

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// transient are the statuses after which the same request may well succeed.
var transient = map[pb.ResponseStatus]bool{
	pb.ResponseStatus_RESPONSE_STATUS_UNEXPECTED_ERROR: true,
	pb.ResponseStatus_RESPONSE_STATUS_BUSY:             true,
	pb.ResponseStatus_RESPONSE_STATUS_RETRY_LIMIT:      true,
	pb.ResponseStatus_RESPONSE_STATUS_QUOTA_EXCEEDED:   true,
}

// mapError puts a failure of the library into the words of account.Connection.
func mapError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	kind := kindOf(err)
	mapped := fmt.Errorf("%w: %w", kind, err)
	if after := hangouts.RetryAfter(err); after > 0 {
		return &account.RetryAfter{After: after, Err: mapped}
	}
	return mapped
}

// verdict is what a failed step of a login says of the credentials: refused for good, or not known
// yet. final says that cookies which are refused (HTTP 401) cannot be renewed.
func verdict(err error, final bool) error {
	kind := chat.ErrUnavailable
	if mapped := mapError(err); errors.Is(mapped, context.Canceled) || errors.Is(mapped, chat.ErrBadCredentials) &&
		(final || !errors.Is(err, hangouts.ErrUnauthorized)) {
		return mapped
	}
	if after := hangouts.RetryAfter(err); after > 0 {
		return &account.RetryAfter{After: after, Err: fmt.Errorf("%w: %w", kind, err)}
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// definite are the HTTP statuses with which the service itself refuses a request for what is in it
// (protocol §13.3, §13.4). Others come as well from what is on the way, or are about this program.
var definite = map[int]bool{http.StatusBadRequest: true, http.StatusRequestEntityTooLarge: true}

func kindOf(err error) error {
	var network *hangouts.NetworkError
	var auth *hangouts.GoogleAuthError
	switch {
	case errors.Is(err, hangouts.ErrUnauthorized):
		return chat.ErrBadCredentials
	case errors.As(err, &auth) && !auth.Unavailable():
		return chat.ErrBadCredentials
	case errors.Is(err, hangouts.ErrInvalidConversation):
		return chat.ErrUnknownConversation
	case hangouts.Ambiguous(err):
		return account.ErrAmbiguous
	case errors.Is(err, hangouts.ErrRateLimited):
		return chat.ErrUnavailable
	case errors.As(err, &network) && network.HasStatus:
		if transient[network.Status] {
			return chat.ErrUnavailable
		}
		return chat.ErrRefused
	case errors.As(err, &network) && definite[network.Code]:
		return chat.ErrRefused
	case errors.Is(err, hangouts.ErrBadRequest):
		return chat.ErrRefused
	default:
		return chat.ErrUnavailable
	}
}
