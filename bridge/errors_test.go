package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestMayHelp(t *testing.T) {
	status := func(code int, body *mautrix.RespError) error {
		return fmt.Errorf("send: %w", mautrix.HTTPError{Response: &http.Response{StatusCode: code}, RespError: body})
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                 {nil, false},
		"no answer":               {mautrix.HTTPError{WrappedError: errors.New("EOF")}, true},
		"502":                     {status(502, nil), true},
		"500":                     {status(500, &mautrix.MUnknown), true},
		"429":                     {status(429, &mautrix.MLimitExceeded), true},
		"408":                     {status(408, nil), true},
		"401":                     {status(401, &mautrix.MUnknownToken), true},
		"403":                     {status(403, &mautrix.MForbidden), false},
		"400":                     {status(400, &mautrix.MBadJSON), false},
		"413":                     {status(413, &mautrix.MTooLarge), false},
		"device deleted":          {status(400, &mautrix.RespError{ErrCode: "M_UNKNOWN_DEVICE"}), true},
		"database":                {fmt.Errorf("%w: x", bridgev2.ErrDatabaseError), true},
		"stopped":                 {context.Canceled, true},
		"deadline":                {context.DeadlineExceeded, true},
		"handler left":            {bridgev2.ErrHandlerBackgrounded, true},
		"panic":                   {errNotBridged, false},
		"first part refused":      {errors.Join(status(403, &mautrix.MForbidden), fmt.Errorf("an earlier message was not sent: %w", status(403, &mautrix.MForbidden))), false},
		"first part not answered": {errors.Join(status(502, nil), fmt.Errorf("an earlier message was not sent: %w", status(502, nil))), true},
		"network away":            {chat.ErrUnavailable, true},
		"login needed":            {chat.ErrBadCredentials, true},
		"something else":          {errors.New("x"), false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, mayHelp(c.err)) })
	}
}
