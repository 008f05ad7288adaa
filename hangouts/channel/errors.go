package channel

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/neterr"
)

var (
	// ErrConfig means a Channel that New did not make, or one without Config.Do or handler.
	ErrConfig = errors.New("push channel: Config.Do or the handler is missing")
	// ErrRetriesExhausted means that Run gave up after Config.MaxRetries failed rounds.
	ErrRetriesExhausted = errors.New("push channel: retries exhausted")
	// ErrUnknownSID means that the server no longer knows the session (protocol §5.7).
	ErrUnknownSID = errors.New("push channel: unknown SID")
	// ErrTruncated means that a long poll ended without its proper end (protocol §5.7).
	ErrTruncated = errors.New("push channel: truncated long poll")
	// ErrIdle means that nothing came within the idle time-out.
	ErrIdle = errors.New("push channel: no data within the idle time-out")
	// ErrFraming means that the stream does not follow the chunk format (protocol §5.5).
	ErrFraming = errors.New("push channel: malformed chunk")
	// ErrChunkTooLarge means that a chunk passes the limit.
	ErrChunkTooLarge = errors.New("push channel: chunk too large")
	// ErrMalformed means that the answer to the creating request is not understood.
	ErrMalformed = errors.New("push channel: malformed answer")
	// ErrNotSubscribed means that adding the services did not succeed on a session.
	ErrNotSubscribed = errors.New("push channel: services could not be added")
)

// StatusError is an HTTP answer with a status other than 200.
type StatusError struct {
	// Code is the HTTP status, Reason its phrase as the server sent it.
	Code   int
	Reason string
	// RetryAfter is how long the server asks to wait, 0 when it does not say.
	RetryAfter time.Duration
}

// Error gives code and reason phrase.
func (e *StatusError) Error() string {
	return fmt.Sprintf("push channel: HTTP %d: %s", e.Code, e.Reason)
}

func newStatusError(resp *http.Response) *StatusError {
	_, reason, _ := strings.Cut(resp.Status, " ")
	return &StatusError{Code: resp.StatusCode, Reason: reason, RetryAfter: ParseRetryAfter(resp.Header, time.Now())}
}

// ParseRetryAfter reads a Retry-After header, in seconds or as a date. It returns 0 when there is
// none, when it is malformed, or when it lies in the past.
func ParseRetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// withoutURL keeps addresses and answers, which hold the session id and cookies, out of the text
// of an error of net/http.
func withoutURL(err error) error { return fmt.Errorf("push channel: %w", neterr.Clean(err)) }

// requestError is withoutURL for what Config.Do returned, which may be an error of its own.
func requestError(err error) error {
	var urlError *url.Error
	if errors.As(err, &urlError) {
		return withoutURL(err)
	}
	return err
}

// needsNewSession tells failures after which the SID is of no use any more.
func needsNewSession(err error) bool {
	for _, target := range []error{ErrUnknownSID, ErrTruncated, ErrFraming, ErrChunkTooLarge, ErrNotSubscribed} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func isUnauthorized(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == http.StatusUnauthorized
}

func retryAfter(err error) time.Duration {
	var status *StatusError
	if errors.As(err, &status) {
		return status.RetryAfter
	}
	return 0
}
