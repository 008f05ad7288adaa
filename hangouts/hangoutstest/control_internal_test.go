package hangoutstest

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOwnHost: besides loopback, the name that was given to listen on and the address a request came in on are the
// server's own.
func TestOwnHost(t *testing.T) {
	s := &Server{listenHost: "hangouts"}
	for host, own := range map[string]bool{
		"hangouts:16680": true, "HANGOUTS": true, "10.0.0.7:16680": true, "127.0.0.1:1": true, "[::1]:1": true, "::1": true, "localhost": true,
		"10.0.0.8": false, "hangouts.example": false, "": false, "0x7f.1": false, "[fe80::1]": false,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = host
		local := &net.TCPAddr{IP: net.ParseIP("10.0.0.7"), Port: 16680}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
		require.Equal(t, own, s.ownHost(r), host)
	}
}
