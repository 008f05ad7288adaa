package hangoutstest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestProxyCertificatesAreRenewed: a client that read the authority once gets valid certificates for years, and one
// that reads it again for ever.
func TestProxyCertificatesAreRenewed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := New(Options{ProxyListen: "127.0.0.1:0", CAFile: file})
	defer s.Close()
	started := time.Now()
	certs := s.proxy.certs
	handshake := func(authority []byte, after time.Duration) error {
		certs.mu.Lock()
		certs.now = func() time.Time { return started.Add(after) }
		certs.mu.Unlock()
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(authority))
		proxyURL, err := url.Parse(s.ProxyURL)
		require.NoError(t, err)
		transport := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{RootCAs: pool, Time: certs.now}}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get("https://accounts.google.com/")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	first, err := os.ReadFile(file)
	require.NoError(t, err)
	const day = 24 * time.Hour
	for _, after := range []time.Duration{0, day, 35 * time.Hour, 37 * time.Hour, 3 * day, 100 * day, 4 * 365 * day} {
		require.NoError(t, handshake(first, after), after)
	}
	require.Equal(t, first, s.CAPEM())

	// A client that came to the end of the authority needs the file again.
	require.Error(t, handshake(first, 6*365*day))
	second, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Equal(t, second, s.CAPEM())
	require.NoError(t, handshake(second, 6*365*day))
	require.NoError(t, handshake(second, 8*365*day))
}
