package hangouts_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// TestTemporary: only what certainly had no effect, and is a matter of time.
func TestTemporary(t *testing.T) {
	_, refused := clientOfNobody(t).GetSelfInfo(t.Context(), &pb.GetSelfInfoRequest{})
	for _, x := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {io.EOF, false}, {context.Canceled, false}, {hangouts.ErrConfig, false}, {hangouts.ErrUntrustedHost, false},
		{refused, true}, // no connection was made
		{&hangouts.NetworkError{Code: http.StatusTooManyRequests}, true}, {&hangouts.NetworkError{Code: http.StatusServiceUnavailable}, true},
		{&hangouts.NetworkError{Code: http.StatusTooManyRequests, Ambiguous: true}, false}, {&hangouts.NetworkError{Code: http.StatusBadGateway, Ambiguous: true}, false},
		{&hangouts.NetworkError{Code: http.StatusUnauthorized}, false}, {&hangouts.NetworkError{Code: http.StatusForbidden}, false},
		{&hangouts.NetworkError{}, false},
		{&hangouts.NetworkError{Code: 200, HasStatus: true, Status: pb.ResponseStatus_RESPONSE_STATUS_BUSY}, true},
		{&hangouts.NetworkError{Code: 200, HasStatus: true, Status: pb.ResponseStatus_RESPONSE_STATUS_QUOTA_EXCEEDED}, true},
		{&hangouts.NetworkError{Code: 200, HasStatus: true, Status: pb.ResponseStatus_RESPONSE_STATUS_INVALID_CONVERSATION}, false},
		{&hangouts.GoogleAuthError{Code: http.StatusServiceUnavailable}, true}, {&hangouts.GoogleAuthError{Code: http.StatusBadRequest}, true}, {&hangouts.GoogleAuthError{Code: http.StatusBadRequest, Reason: "invalid_grant"}, false},
	} {
		require.Equal(t, x.want, hangouts.Temporary(x.err), "%#v", x.err)
	}
}

// clientOfNobody is a client of a server that is not there.
func clientOfNobody(t *testing.T) *hangouts.Client {
	t.Helper()
	c, err := hangouts.New(hangouts.Config{BaseURL: "http://127.0.0.1:1", Attempts: 1}, testCookies)
	require.NoError(t, err)
	return c
}

// TestRetry: it ends with success, with an error that time does not mend, and with the context; it waits in between.
func TestRetry(t *testing.T) {
	busy := &hangouts.NetworkError{Code: http.StatusTooManyRequests}
	calls, started := 0, time.Now()
	require.NoError(t, hangouts.Retry(t.Context(), func(context.Context) error {
		if calls++; calls == 1 {
			return busy
		}
		return nil
	}))
	require.Equal(t, 2, calls)
	require.GreaterOrEqual(t, time.Since(started), time.Second)

	mine := errors.New("mine")
	require.ErrorIs(t, hangouts.Retry(t.Context(), func(context.Context) error { return mine }), mine)
	require.ErrorIs(t, hangouts.Retry(t.Context(), nil), hangouts.ErrBadRequest)

	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	require.ErrorIs(t, hangouts.Retry(ctx, func(context.Context) error {
		calls++
		cancel()
		return &hangouts.NetworkError{Code: http.StatusTooManyRequests, RetryAfter: time.Hour}
	}), context.Canceled)
	require.Equal(t, 1, calls)
}
