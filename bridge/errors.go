package bridge

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

var (
	// ErrRegistration: the homeserver does not accept our token, or we do not accept its:
	// the registration file and the config do not belong together.
	ErrRegistration = errors.New("registration does not match")
	// ErrListen: the appservice address cannot be listened on.
	ErrListen = errors.New("cannot listen")

	// errEarlierFailed: something that has to arrive before was not sent; that error, which
	// it is wrapped with, decides what happens.
	errEarlierFailed = errors.New("an earlier message was not sent")
	// errNoRow: bridgev2 ignored a message that is not in the room.
	errNoRow = errors.New("message was ignored but is not in the room")
	// errNotBridged: bridgev2 ended without a result or an error.
	errNotBridged = errors.New("handling ended without a result")
)

// mayHelp reports whether trying again without end can help: the homeserver or the network
// was not reached or was busy or broken, a login is needed, the database failed, or the
// program stops. What the homeserver refuses, and panics, get a few tries only.
func mayHelp(err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errNoRow),
		errors.Is(err, chat.ErrUnavailable), errors.Is(err, chat.ErrBadCredentials), errors.Is(err, bridgev2.ErrDatabaseError), errors.Is(err, bridgev2.ErrFailedToGetIntent), errors.Is(err, bridgev2.ErrHandlerBackgrounded):
		return true
	}
	var httpErr mautrix.HTTPError
	if !errors.As(err, &httpErr) {
		return false
	}
	return httpErr.Response == nil || !refused(httpErr)
}

// refused reports whether the homeserver understood a request and said no for good. A
// token that it does not know is the operator's to mend, not the message's fault.
func refused(err mautrix.HTTPError) bool {
	if err.Response == nil {
		return false
	}
	status := err.Response.StatusCode
	switch {
	case status < 400 || status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status == http.StatusUnauthorized, errors.Is(err, errUnknownDevice):
		return false
	}
	return true
}

// retryAfter is how long the homeserver wants us to wait before we ask again, 0 if it does
// not say.
func retryAfter(err error) time.Duration {
	var httpErr mautrix.HTTPError
	if !errors.As(err, &httpErr) || httpErr.Response == nil || httpErr.Response.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	if httpErr.RespError != nil {
		if ms, ok := httpErr.RespError.ExtraData["retry_after_ms"].(float64); ok && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	seconds, _ := strconv.Atoi(httpErr.Response.Header.Get("Retry-After"))
	return time.Duration(max(seconds, 0)) * time.Second
}
