package hangouts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

// do sends a request with credentials. One that is refused for its cookies is sent again once with new ones, when
// there is a way to get them.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	used := c.cookies.generation()
	resp, err := c.doOnce(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || c.cfg.Renew == nil {
		return resp, err
	}
	if renewed, err := c.renew(req.Context(), used); !renewed {
		if err == nil {
			return resp, nil // the refusal stands
		}
		resp.Body.Close()
		return nil, err
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	resp.Body.Close()
	return c.doOnce(again)
}

// doOnce sends a request with the present credentials, after a check of its host (protocol §3.6), and takes the
// cookies of the answer. Redirects are not followed.
func (c *Client) doOnce(req *http.Request) (*http.Response, error) {
	if !c.cfg.trusted(req.URL) {
		return nil, fmt.Errorf("%w: %s://%s", ErrUntrustedHost, req.URL.Scheme, req.URL.Host)
	}
	origin := c.cfg.Endpoints.Origin
	req.Header.Set("Authorization", sapisidHash(c.cookies.get("SAPISID"), origin, time.Now().Unix()))
	req.Header.Set("Origin", origin)
	req.Header.Set("X-Goog-Authuser", "0")
	req.Header.Set("Cookie", c.cookies.header(req.URL))
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if c.cookies.absorb(resp) {
		c.cookiesChanged()
	}
	return resp, nil
}

// upstream is a POST to the chat API or the upload service.
type upstream struct {
	op      string // names it in errors
	address string // may have a query; alt and key are added
	alt     string
	header  http.Header
	body    string
	file    *io.SectionReader // instead of body
	timeout time.Duration     // of one attempt
	effect  bool              // a repeat could double something
	limit   int64             // of the answer in bytes; 0 = Config.MaxResponseSize
}

// post sends a request, at once again when no answer comes (protocol §3.7), and returns the
// body of an answer with status 200. Errors are NetworkErrors, or ErrUntrustedHost.
func (c *Client) post(ctx context.Context, u upstream) ([]byte, error) {
	address, err := url.Parse(u.address)
	if err != nil {
		return nil, &NetworkError{Op: u.op, Err: fmt.Errorf("%w: address", ErrResponse)}
	}
	query := address.Query()
	query.Set("alt", u.alt)
	query.Set("key", c.cfg.APIKey)
	address.RawQuery = query.Encode()

	sent := false // in any attempt
	for attempt := 1; ; attempt++ {
		body, reached, err := c.postOnce(ctx, u, address.String())
		if err == nil {
			return body, nil
		}
		sent = sent || reached
		again := isTransport(err) && ctx.Err() == nil && attempt < c.cfg.Attempts
		if u.effect && c.cfg.NoBlindRepeats && sent {
			again = false
		}
		if again {
			continue
		}
		return nil, failure(u.op, err, sent)
	}
}

// failure makes the error of a request. sent says that an attempt reached the server.
func failure(op string, err error, sent bool) error {
	if errors.Is(err, ErrUntrustedHost) {
		return err
	}
	n := &NetworkError{Op: op, Err: err, Ambiguous: sent}
	var status *channel.StatusError
	if errors.As(err, &status) {
		n.Code, n.Reason, n.RetryAfter, n.Err = status.Code, status.Reason, status.RetryAfter, nil
		// A gateway may give up on a request that was carried out behind it. When an
		// earlier attempt got no answer, a refusal of the repeat proves nothing.
		switch status.Code {
		case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
			n.Ambiguous = true
		}
	}
	return n
}

// postOnce makes one attempt. reached says whether the request, or a part of it, may have
// come to the server without an answer.
func (c *Client) postOnce(ctx context.Context, u upstream, address string) (body []byte, reached bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(u.body))
	if err != nil {
		return nil, false, newTransportError(err)
	}
	if u.file != nil {
		// A section of its own for each attempt: the transport may still read for an earlier one.
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(u.file, 0, u.file.Size())), nil
		}
		req.Body, _ = req.GetBody()
		req.ContentLength = u.file.Size()
	}
	for name, values := range u.header {
		req.Header[name] = values
	}
	resp, err := c.do(req)
	var renewal *renewalError
	if errors.Is(err, ErrUntrustedHost) || errors.As(err, &renewal) {
		return nil, false, err
	}
	if err != nil {
		return nil, connected.Load(), newTransportError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, reason, _ := strings.Cut(resp.Status, " ")
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
		return nil, false, &channel.StatusError{
			Code: resp.StatusCode, Reason: reason, RetryAfter: channel.ParseRetryAfter(resp.Header, time.Now()),
		}
	}
	limit := min(cmp.Or(u.limit, c.cfg.MaxResponseSize), c.cfg.MaxResponseSize)
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, true, newTransportError(err)
	}
	if int64(len(body)) > limit {
		return nil, true, fmt.Errorf("%w: more than %d bytes", ErrResponse, limit)
	}
	return body, false, nil
}
