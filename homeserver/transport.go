package homeserver

import (
	"context"
	"net/http"
	"time"
)

const (
	// idleConnections to the homeserver are kept, so that rooms which send in parallel
	// need not dial anew.
	idleConnections = 64
	// Patience is the pause between attempts of a request that must not fail.
	Patience = 2 * time.Second
)

type contextKey int

const (
	keyPatient contextKey = iota
	keyAttempt
)

// WithPatience makes requests wait for the homeserver instead of failing, until ctx ends.
func WithPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, keyPatient, true)
}

// transport repeats the requests of a patient context.
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
		case <-time.After(Patience):
		}
		if req = req.Clone(ctx); req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}
