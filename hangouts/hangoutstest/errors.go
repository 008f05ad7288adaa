package hangoutstest

import (
	"errors"
	"fmt"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

var (
	// ErrScenario means a scenario that cannot be built: unknown names, doubled keys, bad times.
	ErrScenario = errors.New("invalid scenario")
	// ErrState means a state file that cannot be read, is in use, or is of a newer format.
	ErrState = errors.New("unusable state file")
	// ErrNotFound means an account, person, conversation, session or fault that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrClosed means the server was closed meanwhile.
	ErrClosed = errors.New("server closed")
	// ErrInvalid means a control request or an argument that makes no sense.
	ErrInvalid = errors.New("invalid argument")
)

// apiError is an answer with a ResponseHeader status other than OK (protocol §13.2).
type apiError struct {
	status      pb.ResponseStatus
	description string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("status %d: %s", int32(e.status), e.description)
}

// Error descriptions seen on the real service (protocol §13.2).
var (
	errNoInvitee      = &apiError{pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST, "At least one invitee is required"}
	errDuplicateIDs   = &apiError{pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST, "Duplicate ParticipantIds in request"}
	errMustAccept     = &apiError{pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST, "User must accept invitation before updating watermarks."}
	errUnexpected     = &apiError{pb.ResponseStatus_RESPONSE_STATUS_UNEXPECTED_ERROR, "Unexpected error"}
	errNoConversation = &apiError{pb.ResponseStatus_RESPONSE_STATUS_INVALID_CONVERSATION, ""}
	errNotFound       = &apiError{pb.ResponseStatus_RESPONSE_STATUS_NOT_FOUND, ""}
)

func errInvalidRequest(description string) error {
	return &apiError{pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST, description}
}
