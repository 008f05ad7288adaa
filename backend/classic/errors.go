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
	case errors.As(err, &network) && network.Code >= 400 && network.Code < 500 && network.Code != http.StatusRequestTimeout:
		return chat.ErrRefused
	case errors.Is(err, hangouts.ErrBadRequest):
		return chat.ErrRefused
	default:
		return chat.ErrUnavailable
	}
}
