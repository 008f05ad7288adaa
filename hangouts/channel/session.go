package channel

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"
)

// maxServiceErrors is how many service errors a session may bring before it is given up.
const maxServiceErrors = 3

// session is the state of one SID. Only the goroutine of Run touches it; the goroutine that
// adds the services reports through results.
type session struct {
	sid, gsessionid string
	made            time.Time
	nextArray       int64 // 0 as long as none came
	recent          [256]struct {
		next int64 // one more than the id
		sum  uint64
	}
	seed maphash.Seed

	ctx           context.Context
	cancel        context.CancelFunc
	results       chan error // of addServices, one at a time
	adding        bool
	again         bool      // another request follows the one under way
	due           time.Time // when the request under way was or will be sent
	subscribed    bool
	serviceErrors int
}

func newSession(ctx context.Context, sid, gsessionid string) *session {
	s := &session{sid: sid, gsessionid: gsessionid, made: time.Now(), results: make(chan error, 1), seed: maphash.MakeSeed()}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// repeated reports whether an array came before, with the same id and the same content. The id
// alone does not tell: nothing is lost when a server numbers in its own way.
func (s *session) repeated(e entry) bool {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, part := range e.data {
		_, _ = h.Write(part)
	}
	slot, sum := &s.recent[uint64(e.id)%uint64(len(s.recent))], h.Sum64()
	if slot.next == e.id+1 && slot.sum == sum {
		return true
	}
	slot.next, slot.sum = e.id+1, sum
	return false
}

// close ends the session's goroutine and waits for it.
func (s *session) close() {
	s.cancel()
	if s.adding {
		<-s.results
		s.adding = false
	}
}

// subscribe starts adding the services after a delay.
func (c *Channel) subscribe(s *session, delay time.Duration) {
	if s.adding {
		s.again = true
		return
	}
	s.adding, s.subscribed, s.due = true, false, time.Now().Add(delay)
	go func() {
		if err := sleep(s.ctx, delay); err != nil {
			s.results <- err
			return
		}
		s.results <- c.addServices(s.ctx, s)
	}()
}

// subscribeDone handles the outcome of adding the services.
func (c *Channel) subscribeDone(ctx context.Context, s *session, err error) error {
	s.adding = false
	switch {
	case err != nil && (isUnauthorized(err) || errors.Is(err, ErrUnknownSID)):
		return fmt.Errorf("adding services: %w", err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotSubscribed, err)
	case s.again:
		s.again = false
		c.subscribe(s, c.cfg.SubscribeDelay)
		return nil
	}
	s.subscribed = true
	if err := c.handler.Subscribed(ctx); err != nil {
		return &handlerError{err}
	}
	return nil
}

// serviceError reacts to a service error: the services are added once more, or the session
// is given up. One refused request brings an error for each service; those that come before
// the next request is sent count as one.
func (c *Channel) serviceError(s *session) error {
	if s.adding && time.Now().Before(s.due) {
		return nil
	}
	s.serviceErrors++
	if s.serviceErrors > maxServiceErrors {
		return fmt.Errorf("%w: repeated service errors", ErrNotSubscribed)
	}
	c.subscribe(s, c.cfg.SubscribeDelay)
	return nil
}

// sleep waits, or returns the error of a context that ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
