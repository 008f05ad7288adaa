package homeserver

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"maunium.net/go/mautrix"
)

var (
	// ErrRegistration: the homeserver does not accept our token, or we do not accept its:
	// the registration file and the config do not belong together.
	ErrRegistration = errors.New("registration does not match")
	// ErrListen: the appservice address cannot be listened on.
	ErrListen = errors.New("cannot listen")

	// errBadEncryption: what is in an encrypted event is none, or another encrypted event.
	errBadEncryption = errors.New("the event is not encrypted as events are")
	// errUntrusted: a device is verified less than encryption.verification_levels.send demands.
	errUntrusted = errors.New("the sender's device is not trusted")
	// errEarlierFailed: something that has to arrive before was not sent; that error, which
	// it is wrapped with, decides what happens.
	errEarlierFailed = errors.New("an earlier message was not sent")
	// errCannotOverwrite: a file was uploaded already.
	errCannotOverwrite = mautrix.RespError{ErrCode: "M_CANNOT_OVERWRITE_MEDIA"}
	// errDuplicateAnnotation: the user has reacted with this emoji already.
	errDuplicateAnnotation = mautrix.RespError{ErrCode: "M_DUPLICATE_ANNOTATION"}
	// errUnknownDevice: the device of a request was deleted.
	errUnknownDevice = mautrix.RespError{ErrCode: "M_UNKNOWN_DEVICE"}
)

// Refused reports whether the homeserver understood a request and said no for good. A
// token that it does not know is the operator's to mend, not the message's fault.
func Refused(err error) bool {
	var httpErr mautrix.HTTPError
	if !errors.As(err, &httpErr) || httpErr.Response == nil {
		return false
	}
	status := httpErr.Response.StatusCode
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
