package hangouts

import (
	"context"
	"maps"
)

// SetCookies replaces the session's cookies by others of the same account. Requests and a running
// Connect use them from the next request on. It calls OnCookies. It returns a GoogleAuthError when the
// cookie SAPISID is missing or one cannot be sent.
func (c *Client) SetCookies(sessionCookies map[string]string) error {
	if err := c.ready(); err != nil {
		return err
	}
	if err := checkCookies(sessionCookies); err != nil {
		return err
	}
	c.cookies.replace(sessionCookies)
	c.cookiesChanged()
	return nil
}

// renewalError is a renewal that may succeed later. The request that needed it was refused, so it had no effect.
type renewalError struct{ err error }

func (e *renewalError) Error() string { return "renewing the cookies: " + e.err.Error() }
func (e *renewalError) Unwrap() error { return e.err }

// renew gets new cookies after those of a generation were refused; requests that are refused at the same time share one
// renewal. Nil and false mean that there are none, so the refusal stands.
func (c *Client) renew(ctx context.Context, refused int) (renewed bool, err error) {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	if c.cookies.generation() != refused {
		return true, nil
	}
	fresh, err := c.cfg.Renew(ctx)
	switch {
	case err == nil:
		err = c.SetCookies(fresh)
	case ctx.Err() != nil || Temporary(err):
		return false, &renewalError{err}
	}
	if err != nil {
		c.cfg.Logger.WarnContext(ctx, "Failed to renew the cookies", "error", err)
	}
	return err == nil, nil
}

// generation counts how often the cookies were replaced.
func (c *cookies) generation() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replaced
}

func (c *cookies) replace(sessionCookies map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replaced++
	c.shared, c.hosts = maps.Clone(sessionCookies), map[string]map[string]string{}
}
