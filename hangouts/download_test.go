package hangouts_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

func TestDownload(t *testing.T) {
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	t.Cleanup(other.Close)
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		switch r.URL.Path {
		case "/photo":
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Disposition", `inline; filename="../../etc/pix\\el.png"`)
			_, _ = io.WriteString(w, "0123456789")
		case "/moved":
			http.Redirect(w, r, "/photo", http.StatusFound)
		case "/away":
			http.Redirect(w, r, other.URL+"/photo", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/endless":
			_, _ = io.WriteString(w, strings.Repeat("x", 100))
			_ = http.NewResponseController(w).Flush() // no Content-Length
		case "/cut":
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, "abc")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
	c := s.client(t, nil)
	ctx := context.Background()
	for _, path := range []string{"/photo", "/moved"} {
		got, err := c.Download(ctx, s.srv.URL+path, 10)
		require.NoError(t, err)
		require.Equal(t, &hangouts.Attachment{Data: []byte("0123456789"), ContentType: "image/png", Filename: "el.png"}, got)
	}
	for _, r := range s.requests {
		for _, secret := range []string{"Cookie", "Authorization", "Origin", "X-Goog-Authuser", "Referer"} {
			require.Empty(t, r.header.Get(secret), "nothing secret goes along")
		}
	}
	for _, path := range []string{"/photo", "/endless"} {
		_, err := c.Download(ctx, s.srv.URL+path, 9)
		require.ErrorIs(t, err, hangouts.ErrTooLarge)
	}
	before := len(s.requests)
	for _, address := range []string{
		other.URL + "/photo", "file:///etc/passwd", "https://evil.example/x", "", "//evil.example/x", ":", "/photo",
		strings.Replace(s.srv.URL, "http://", "http://user:pass@", 1) + "/photo",
	} {
		_, err := c.Download(ctx, address, 0)
		require.ErrorIs(t, err, hangouts.ErrMediaHost, address)
	}
	require.Len(t, s.requests, before)
	_, err := c.Download(ctx, s.srv.URL+"/away", 0)
	require.ErrorIs(t, err, hangouts.ErrMediaHost)
	require.Zero(t, elsewhere)

	var network *hangouts.NetworkError
	for path, code := range map[string]int{"/none": 404, "/loop": 302, "/cut": 0} {
		_, err = c.Download(ctx, s.srv.URL+path, 0)
		require.ErrorAs(t, err, &network, path)
		require.Equal(t, code, network.Code)
	}
	ended, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	_, err = c.Download(ended, s.srv.URL+"/photo", 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestMediaHosts: by default attachments come from Google's hosts, over TLS only.
func TestMediaHosts(t *testing.T) {
	c, err := hangouts.New(hangouts.Config{HTTPClient: &http.Client{Transport: refuse{}}}, testCookies)
	require.NoError(t, err)
	for address, asked := range map[string]bool{
		"https://lh3.googleusercontent.com/x": true, "//lh3.googleusercontent.com/x": true, "https://docs.google.com/x": true,
		"http://lh3.googleusercontent.com/x": false, "https://googleusercontent.com.evil.net/x": false, "https://127.0.0.1/x": false,
	} {
		_, err := c.Download(context.Background(), address, 0)
		if asked {
			require.ErrorIs(t, err, io.ErrClosedPipe, address)
		} else {
			require.ErrorIs(t, err, hangouts.ErrMediaHost, address)
		}
	}
}

// refuse is a transport that reaches nobody.
type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe }
