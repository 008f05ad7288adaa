package channel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// shortPoll is a long poll that is suspiciously short; after some in a row the next
	// one waits as long, so that a broken proxy does not make a busy loop.
	shortPoll     = time.Second
	maxShortPolls = 3
	// maxUnauthorized is how many 401 in a row end Run: one may come from a single
	// backend, two mean that the cookies are no longer valid.
	maxUnauthorized = 2
)

// Channel is a BrowserChannel client. Make it with New; Run may be called once at a time.
type Channel struct {
	cfg       Config
	handler   Handler
	session   *session
	connected bool
	ever      bool // was connected before
	gotChunk  bool // since the last failure
}

// New makes a channel that reports to handler. It sends nothing before Run.
func New(cfg Config, handler Handler) *Channel {
	return &Channel{cfg: cfg.withDefaults(), handler: handler}
}

// Run holds the channel open until ctx ends or it gives up. It returns the error of ctx; an
// error that is ErrRetriesExhausted and the last failure; a StatusError 401 that repeated; or
// what a method of the handler returned; ErrConfig without Config.Do or handler.
// Every goroutine it started has ended when it returns.
func (c *Channel) Run(ctx context.Context) error {
	if c.cfg.Do == nil || c.handler == nil {
		return ErrConfig
	}
	c.connected, c.ever = false, false
	defer c.dropSession()
	retries, unauthorized, short := 0, 0, 0
	for {
		started := time.Now()
		c.gotChunk = false
		err := c.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			retries, unauthorized = 0, 0
			if short++; time.Since(started) >= shortPoll {
				short = 0
			}
			if short > maxShortPolls {
				if err := sleep(ctx, shortPoll); err != nil {
					return err
				}
			}
			continue
		}
		var refused *handlerError
		if errors.As(err, &refused) {
			return refused.err
		}
		if err := c.fail(ctx, err); err != nil {
			return err
		}
		if unauthorized++; !isUnauthorized(err) {
			unauthorized = 0
		}
		if unauthorized >= maxUnauthorized {
			return err
		}
		// What came through shows that the way is open, unless the services never work.
		if c.gotChunk && !isUnauthorized(err) && !errors.Is(err, ErrNotSubscribed) {
			retries = 0
		}
		retries++
		if c.cfg.MaxRetries >= 0 && retries > c.cfg.MaxRetries {
			return fmt.Errorf("%w: %w", ErrRetriesExhausted, err)
		}
		delay := c.cfg.delay(retries, retryAfter(err))
		c.cfg.Logger.DebugContext(ctx, "Push channel failed, retrying", "error", err, "retry", retries, "delay", delay)
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

// round makes a session when there is none and runs one long poll on it. It returns nil when
// the poll ended regularly.
func (c *Channel) round(ctx context.Context) error {
	if c.session == nil {
		s, err := c.create(ctx)
		if err != nil {
			return err
		}
		c.session = s
	}
	return c.poll(ctx, c.session)
}

// fail notes a failed round.
func (c *Channel) fail(ctx context.Context, err error) error {
	if needsNewSession(err) || isUnauthorized(err) {
		c.dropSession()
	}
	if !c.connected {
		return nil
	}
	c.connected = false
	return c.handler.Disconnected(ctx, err)
}

func (c *Channel) dropSession() {
	if c.session != nil {
		c.session.close()
		c.session = nil
	}
}

// poll runs one long poll. A reader goroutine cuts the body into chunks; this goroutine
// handles them, the outcome of adding the services, and the time limit for that.
func (c *Channel) poll(ctx context.Context, s *session) error {
	// The handler keeps the context of Run: it may still be busy when the poll breaks.
	pollCtx, cancel := context.WithCancelCause(ctx)
	r := &reader{cfg: c.cfg, chunks: make(chan []byte), cancel: cancel}
	go r.run(pollCtx, func() error { return r.read(pollCtx, c, s) })
	defer r.stop()

	deadline := time.NewTimer(time.Until(s.made.Add(c.cfg.SubscribeTimeout)))
	defer deadline.Stop()
	for {
		var err error
		select {
		case chunk, ok := <-r.chunks:
			if !ok {
				return r.err
			}
			err = c.chunk(ctx, s, chunk)
		case result := <-s.results:
			err = c.subscribeDone(ctx, s, result)
		case <-deadline.C:
			if !s.subscribed && !s.adding {
				err = fmt.Errorf("%w in time", ErrNotSubscribed)
			}
		}
		if err != nil {
			return err
		}
	}
}

// chunk handles the arrays of one chunk.
func (c *Channel) chunk(ctx context.Context, s *session, chunk []byte) error {
	c.gotChunk = true
	if !c.connected {
		again := c.ever
		c.connected, c.ever = true, true
		if err := c.handler.Connected(ctx, again); err != nil {
			return &handlerError{err}
		}
	}
	entries, malformed := parseChunk(chunk)
	lost := malformed > 0
	for _, e := range entries {
		if s.repeated(e) {
			continue
		}
		if s.nextArray != 0 && e.id > s.nextArray {
			lost = true
		}
		s.nextArray = max(s.nextArray, e.id+1)
		if err := c.array(ctx, s, e); err != nil {
			return err
		}
	}
	if lost {
		c.cfg.Logger.WarnContext(ctx, "Push channel lost arrays or brought some that are not understood", "malformed", malformed)
		if err := c.handler.Gap(ctx); err != nil {
			return &handlerError{err}
		}
	}
	return ctx.Err()
}

func (c *Channel) array(ctx context.Context, s *session, e entry) error {
	w := parseWrapper(e.data)
	if w == nil {
		return nil
	}
	if w.clientID != "" {
		if err := c.handler.ClientID(ctx, w.clientID); err != nil {
			return &handlerError{err}
		}
		c.subscribe(s, 0)
	}
	if w.payload != nil {
		w.payload.ArrayID = e.id
		if err := c.handler.Payload(ctx, *w.payload); err != nil {
			return &handlerError{err}
		}
	}
	if w.serviceError {
		c.cfg.Logger.WarnContext(ctx, "Push channel reported a service error")
		return c.serviceError(s)
	}
	return nil
}

// handlerError carries an error of the handler out of the poll.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return e.err.Error() }

// errStopped ends a reader whose chunks nobody wants any more.
var errStopped = errors.New("push channel: poll stopped")
