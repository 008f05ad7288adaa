package hangouts

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/neterr"
)

var (
	// ErrConfig means that the configuration cannot be used.
	ErrConfig = errors.New("hangouts: bad configuration")
	// ErrBadRequest means that a request was refused here, before anything was sent.
	ErrBadRequest = errors.New("hangouts: bad request")
	// ErrUntrustedHost means that credentials were to go to a host that may not have them.
	ErrUntrustedHost = errors.New("hangouts: host may not receive credentials")
	// ErrMediaHost means that an attachment lies on a host from which none are fetched.
	ErrMediaHost = errors.New("hangouts: attachments are not fetched from there")
	// ErrTooLarge means that an attachment passes the limit.
	ErrTooLarge = errors.New("hangouts: attachment is too large")
	// ErrConnected means that Connect is already running.
	ErrConnected = errors.New("hangouts: already connected")
	// ErrNoClientID means that the push channel has not brought the client id yet.
	ErrNoClientID = errors.New("hangouts: no client id yet")
	// ErrResponse means that an answer is too large or not understood.
	ErrResponse = errors.New("hangouts: malformed answer")

	// ErrLoginBeyond is the cause of a GoogleAuthError when a login page asks for what cannot be
	// given here: a captcha, another device, a security key. Log in by hand instead.
	ErrLoginBeyond = errors.New("hangouts: not possible here, log in with a browser")
	// ErrRefused is the cause of a GoogleAuthError when what was given cannot log in: a missing
	// cookie or token, or a password that a login page asks for again.
	ErrRefused = errors.New("hangouts: credentials not accepted")

	// ErrUnauthorized matches a NetworkError with HTTP status 401: the cookies are no
	// longer valid.
	ErrUnauthorized = errors.New("hangouts: cookies not accepted")
	// ErrRateLimited matches a NetworkError with HTTP status 429 or response status
	// QUOTA_EXCEEDED.
	ErrRateLimited = errors.New("hangouts: too many requests")
	// ErrInvalidConversation matches a NetworkError with response status
	// INVALID_CONVERSATION: unknown, or not one's own.
	ErrInvalidConversation = errors.New("hangouts: invalid conversation")
)

// HangupsError is implemented by NetworkError and ConversationTypeError, the family of the
// reference (protocol §13.1). GoogleAuthError is not part of it.
type HangupsError interface {
	error
	hangupsError()
}

// NetworkError is a request that failed: no connection, an HTTP status other than 200, an
// answer that is not understood, or a response status other than OK (protocol §13).
type NetworkError struct {
	// Op names what failed: the endpoint, "push channel" or "image upload".
	Op string
	// Code and Reason are the HTTP status, 0 when no answer came.
	Code   int
	Reason string
	// Status and Description are those of the response header; HasStatus says that there was
	// an answer with one. A missing header counts as status 0.
	HasStatus   bool
	Status      pb.ResponseStatus
	Description string
	// RetryAfter is how long the server asks to wait, 0 when it does not say.
	RetryAfter time.Duration
	// Ambiguous says that the request may have been carried out nevertheless, see the
	// function Ambiguous.
	Ambiguous bool
	// Err is the cause, if any.
	Err error
}

// Error names the operation, the status and the cause; it holds no address and no secret.
func (e *NetworkError) Error() string {
	switch {
	case e.HasStatus:
		return fmt.Sprintf("%s: request failed with status %d: '%s'", e.Op, e.Status, e.Description)
	case e.Code != 0 && e.Code != http.StatusOK:
		return fmt.Sprintf("%s: request failed: %d: %s", e.Op, e.Code, e.Reason)
	case e.Err != nil:
		return fmt.Sprintf("%s: request failed: %v", e.Op, e.Err)
	}
	return e.Op + ": request failed"
}

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// Is matches ErrUnauthorized, ErrRateLimited and ErrInvalidConversation.
func (e *NetworkError) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.Code == http.StatusUnauthorized
	case ErrRateLimited:
		return e.Code == http.StatusTooManyRequests || e.HasStatus && e.Status == pb.ResponseStatus_RESPONSE_STATUS_QUOTA_EXCEEDED
	case ErrInvalidConversation:
		return e.HasStatus && e.Status == pb.ResponseStatus_RESPONSE_STATUS_INVALID_CONVERSATION
	}
	return false
}

func (*NetworkError) hangupsError() {}

// ConversationTypeError is a group-only action on another conversation, decided locally.
type ConversationTypeError struct {
	Op   string
	Type pb.ConversationType
}

// Error names the action.
func (e *ConversationTypeError) Error() string {
	return e.Op + ": only possible in a group conversation"
}

func (*ConversationTypeError) hangupsError() {}

// GoogleAuthError is a failed log-in (protocol §4.7).
type GoogleAuthError struct {
	// Step says what failed, in words.
	Step string
	// Code is the HTTP status, 0 when no answer came or none was needed.
	Code int
	// Reason is the error code of the token endpoint, such as "invalid_grant".
	Reason string
	// Err is the cause, if any.
	Err error
}

// Error names the step and what the server said; it holds no secret.
func (e *GoogleAuthError) Error() string {
	text := "google login: " + e.Step
	if e.Code != 0 {
		text += fmt.Sprintf(": HTTP %d", e.Code)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *GoogleAuthError) Unwrap() error { return e.Err }

// invalidGrant is the one error code of the token endpoint that is about the token or the code
// itself (protocol §4.3). The others are about this program or about the service.
const invalidGrant = "invalid_grant"

// Unavailable reports whether trying again later makes sense. It is false for definite refusals
// only: invalid_grant from the token endpoint, ErrRefused and ErrLoginBeyond. Every other answer
// may come from something on the way, or from a service that is out of order.
func (e *GoogleAuthError) Unavailable() bool {
	if errors.Is(e.Err, ErrRefused) || errors.Is(e.Err, ErrLoginBeyond) {
		return false
	}
	answered := e.Code == 0 || e.Code == http.StatusBadRequest || e.Code == http.StatusUnauthorized
	return !answered || e.Reason != invalidGrant
}

// Ambiguous reports whether a failed request may have been carried out: it was, at least in part,
// handed to a connection, and no answer came back, or one that tells nothing (cut off, not
// understood, HTTP 500, 502 or 504). When it is false the request had no effect: no
// connection was made, or the server refused it.
func Ambiguous(err error) bool {
	var network *NetworkError
	return errors.As(err, &network) && network.Ambiguous
}

// RetryAfter returns how long the server asked to wait before the next request, 0 when it
// did not.
func RetryAfter(err error) time.Duration {
	var network *NetworkError
	if errors.As(err, &network) {
		return network.RetryAfter
	}
	return 0
}

// transportError marks an error of net/http, without its text: that quotes addresses and answers.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

func newTransportError(err error) error {
	return &transportError{neterr.Clean(err)}
}

func isTransport(err error) bool {
	var t *transportError
	return errors.As(err, &t)
}
