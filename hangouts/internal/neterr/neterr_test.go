package neterr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/neterr"
)

func TestClean(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: errors.New("connection refused")}
	for _, c := range []struct {
		err  error
		text string
	}{
		{&url.Error{Op: "Get", URL: "https://h/?uberauth=SECRET", Err: io.EOF}, "EOF"},
		{&url.Error{Op: "Get", URL: "https://h/?uberauth=SECRET", Err: refused}, "dial tcp 127.0.0.1:1: connection refused"},
		{fmt.Errorf("failed to parse Location header %q: x", "http://h/?SECRET"), "the connection broke or the answer is no HTTP"},
		{fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", textproto.ProtocolError("malformed MIME header line: SAPISID=SECRET")), "malformed header in the answer"},
		{errors.New(`malformed HTTP response "SECRET"`), "the connection broke or the answer is no HTTP"},
		{fmt.Errorf("x SECRET: %w", context.DeadlineExceeded), "context deadline exceeded"},
		{fmt.Errorf("SECRET: %w", http.ErrSchemeMismatch), http.ErrSchemeMismatch.Error()},
		{fmt.Errorf("SECRET: %w", os.ErrDeadlineExceeded), "timeout"},
	} {
		got := neterr.Clean(c.err)
		require.EqualError(t, got, c.text)
		var urlError *url.Error
		require.NotErrorAs(t, got, &urlError)
	}
	require.ErrorIs(t, neterr.Clean(&url.Error{Err: refused}), refused)
	require.NoError(t, neterr.Clean(nil))
}
