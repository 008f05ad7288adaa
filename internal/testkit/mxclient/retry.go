package mxclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// UploadRetry brings a file into the media repository, once however often it has to be tried, and returns its address. As
// SendTextRetry it never fails the test.
func (c *Client) UploadRetry(ctx context.Context, data []byte, mime, name string) (id.ContentURI, error) {
	var at id.ContentURI
	err := c.insist(ctx, "create an address", func(ctx context.Context) error {
		resp, err := c.Matrix.CreateMXC(ctx)
		if err == nil {
			at = resp.ContentURI
		}
		return err
	})
	if err != nil {
		return at, err
	}
	return at, c.insist(ctx, "upload "+name, func(ctx context.Context) error {
		_, err := c.Matrix.UploadMedia(ctx, mautrix.ReqUploadMedia{MXC: at, ContentBytes: data, ContentType: mime, FileName: name})
		if errors.Is(err, mautrix.RespError{ErrCode: "M_CANNOT_OVERWRITE_MEDIA"}) {
			return nil // an earlier attempt, whose answer was lost
		}
		return err
	})
}

// insist repeats a request until the homeserver has accepted or refused it.
func (c *Client) insist(ctx context.Context, what string, request func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1), 10*time.Second)
		err := request(attempt)
		cancel()
		if err == nil {
			return nil
		} else if Refused(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last attempt: %w)", what, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Refused reports whether the homeserver has refused a request for good.
func Refused(err error) bool {
	var httpErr mautrix.HTTPError
	return errors.As(err, &httpErr) && httpErr.Response != nil && httpErr.Response.StatusCode/100 == 4 &&
		httpErr.Response.StatusCode != http.StatusTooManyRequests
}
