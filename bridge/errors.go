package bridge

import (
	"context"
	"errors"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

var (
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
	return httpErr.Response == nil || !homeserver.Refused(httpErr)
}
