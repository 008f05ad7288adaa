package bridge

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// sendDeadline bounds one attempt to send a message. Uploads share the client, so it
	// is not the client's.
	sendDeadline = 30 * time.Second
	// idleConnections to the homeserver are kept, so that rooms which send in parallel
	// need not dial anew.
	idleConnections = 64
	// patience is the pause between attempts of a request that must not fail.
	patience = 2 * time.Second
)

type contextKey int

const (
	keySend contextKey = iota
	keyPatient
	keyAttempt
	keyRemoval
)

// sendIdentity is what makes repeating a send harmless: the homeserver answers the same
// transaction id of the same device with the same event.
type sendIdentity struct {
	txnID, deviceID string
}

func withSend(ctx context.Context, send sendIdentity) context.Context {
	return context.WithValue(ctx, keySend, send)
}

// withPatience makes requests wait for the homeserver instead of failing, until ctx ends.
func withPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, keyPatient, true)
}

// transport puts the identity of a send into its request and bounds it.
type transport struct {
	base http.RoundTripper
}

// newTransport wraps the transport of the homeserver's client.
func newTransport(base http.RoundTripper) *transport {
	if base == nil {
		base = http.DefaultTransport
	}
	if plain, ok := base.(*http.Transport); ok {
		plain = plain.Clone()
		plain.MaxIdleConns, plain.MaxIdleConnsPerHost = 4*idleConnections, idleConnections
		base = plain
	}
	return &transport{base}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if send, ok := ctx.Value(keySend).(sendIdentity); ok && isSend(req) {
		return t.send(req, send)
	}
	if ctx.Value(keyPatient) == nil || (req.Body != nil && req.GetBody == nil) {
		return t.base.RoundTrip(req)
	}
	for {
		resp, err := t.base.RoundTrip(req)
		if err == nil && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusGatewayTimeout &&
			!(resp.StatusCode == http.StatusBadGateway && req.Method == http.MethodGet) {
			return resp, nil
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(patience):
		}
		if req = req.Clone(ctx); req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func isSend(req *http.Request) bool {
	return req.Method == http.MethodPut && strings.HasPrefix(req.URL.Path, "/_matrix/client/") && strings.Contains(req.URL.Path, "/send/")
}

func (t *transport) send(req *http.Request, send sendIdentity) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), sendDeadline)
	req = req.Clone(ctx)
	req.URL.Path = replaceLast(req.URL.Path, send.txnID)
	if req.URL.RawPath != "" {
		req.URL.RawPath = replaceLast(req.URL.RawPath, send.txnID)
	}
	if send.deviceID != "" {
		query := req.URL.Query()
		query.Set("device_id", send.deviceID)
		req.URL.RawQuery = query.Encode()
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, nil
}

func replaceLast(path, element string) string {
	return path[:strings.LastIndexByte(path, '/')+1] + element
}

// cancelBody frees the deadline's timer when the answer has been read.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
