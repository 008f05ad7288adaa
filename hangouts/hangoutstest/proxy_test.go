package hangoutstest_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// viaProxy is a server with its proxy and an HTTP client that trusts its authority.
func viaProxy(t *testing.T) (*hangoutstest.Server, *http.Client, *x509.Certificate) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := start(t, hangoutstest.Options{ProxyListen: "127.0.0.1:0", CAFile: file})
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, data, s.CAPEM())
	block, _ := pem.Decode(data)
	ca, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	proxyURL, err := url.Parse(s.ProxyURL)
	require.NoError(t, err)
	transport := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, ca
}

func TestProxyAuthority(t *testing.T) {
	_, _, ca := viaProxy(t)
	require.True(t, ca.IsCA)
	require.True(t, ca.BasicConstraintsValid)
	require.NotZero(t, ca.KeyUsage&x509.KeyUsageCertSign, "strict clients ask for it")
	require.Less(t, time.Until(ca.NotAfter), 72*time.Hour, "short-lived")
	require.Nil(t, start(t, hangoutstest.Options{}).CAPEM())
}

func TestProxyServesGoogleHosts(t *testing.T) {
	s, client, _ := viaProxy(t)
	c := newRaw(t, s, 0)
	for _, host := range []string{"accounts.google.com", "docs.google.com", "0.client-channel.google.com", "29.client-channel.google.com",
		"chat-pa.clients6.google.com", "clients6.google.com", "www.google.com", "talkgadget.google.com", "hangouts.google.com",
		"www.googleapis.com", "people-pa.clients6.google.com"} {
		resp, err := client.Get("https://" + host + "/MergeSession")
		require.NoError(t, err, host)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, 1, resp.ProtoMajor)
	}
	resp, err := client.Get("http://www.google.com/")
	require.NoError(t, err, "the target of the merge, in plain HTTP")
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)

	// Below google.com cookies get its domain; the reason phrase passes unchanged.
	req, _ := http.NewRequest("POST", "https://0.client-channel.google.com"+bindPath+"?VER=8", nil)
	req.Header = c.headers()
	resp, err = client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Contains(t, resp.Header.Get("Set-Cookie"), "; Domain=.google.com; Path=/")
	req, _ = http.NewRequest("GET", "https://0.client-channel.google.com"+bindPath+"?SID=x", nil)
	req.Header = c.headers()
	resp, err = client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, "400 Unknown SID", resp.Status)

	// An upload address stays on https.
	req, _ = http.NewRequest("POST", "https://docs.google.com/upload/photos/resumable?key=k",
		strings.NewReader(`{"createSessionRequest":{"fields":[{"external":{"filename":"a","size":1}}]}}`))
	req.Header = c.headers()
	resp, err = client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil {
		require.NotEmpty(t, line)
	}
	require.Contains(t, line, `"https://docs.google.com/upload/photos/resumable?upload_id=`)
}

func TestProxyRefusesOthers(t *testing.T) {
	s, client, _ := viaProxy(t)
	for _, target := range []string{"https://example.com/", "https://evilgoogle.com/", "https://google.com.example.com/", "http://example.com/",
		"https://accounts.google.com:8443/", "https://127.0.0.1:443/"} {
		resp, err := client.Get(target)
		if err == nil {
			resp.Body.Close()
			require.Equal(t, 403, resp.StatusCode, target)
			continue
		}
		require.Contains(t, err.Error(), "Forbidden", target)
	}
	// The control interface is not there through the proxy.
	resp, err := client.Get("https://accounts.google.com/_control/accounts")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 404, resp.StatusCode)
	// A client that speaks no TLS after CONNECT, or goes away, harms nobody.
	for _, after := range []string{"GET / HTTP/1.1\r\n\r\n", ""} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.ProxyURL, "http://"))
		require.NoError(t, err)
		fmt.Fprint(conn, "CONNECT accounts.google.com:443 HTTP/1.1\r\nHost: accounts.google.com:443\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 200 OK\r\n", line)
		fmt.Fprint(conn, after)
		conn.Close()
	}
}
