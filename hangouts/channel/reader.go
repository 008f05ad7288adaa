package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A long poll mostly waits. It does so with a small buffer, and borrows a large one while
// reads fill it.
const (
	waitSize = 2 << 10
	readSize = 64 << 10
)

var large = sync.Pool{New: func() any { return new([readSize]byte) }}

// reader reads one long poll in its own goroutine and hands chunks over one by one. err is
// valid once chunks is closed: nil for a regular end.
type reader struct {
	cfg    Config
	chunks chan []byte
	cancel context.CancelCauseFunc
	err    error
}

func (r *reader) run(ctx context.Context, read func() error) {
	defer close(r.chunks)
	r.err = read()
	if r.err != nil && errors.Is(context.Cause(ctx), ErrIdle) {
		r.err = ErrIdle
	}
}

// stop ends the goroutine and waits for it.
func (r *reader) stop() {
	r.cancel(errStopped)
	for range r.chunks { //nolint:revive // waits until the goroutine closed it
	}
}

func (r *reader) read(ctx context.Context, c *Channel, s *session) error {
	// Waiting for the server counts as idle, waiting for the handler does not.
	idle := time.AfterFunc(r.cfg.IdleTimeout, func() { r.cancel(ErrIdle) })
	defer idle.Stop()
	resp, err := c.openPoll(ctx, s)
	if err != nil {
		return err
	}
	defer resp.Body.Close()

	splitter := Splitter{MaxChunk: r.cfg.MaxChunk}
	small := make([]byte, waitSize)
	var borrowed *[readSize]byte
	defer func() { giveBack(borrowed) }()
	for {
		buf := small
		if borrowed != nil {
			buf = borrowed[:]
		}
		n, err := resp.Body.Read(buf)
		idle.Stop()
		if n > 0 {
			if r.cfg.OnBytes != nil {
				r.cfg.OnBytes(n)
			}
			if err := splitter.Feed(buf[:n], func(chunk []byte) error { return r.hand(ctx, chunk) }); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && !splitter.Partial():
			return nil
		case errors.Is(err, io.EOF):
			return ErrTruncated
		case err != nil:
			return fmt.Errorf("%w: %w", ErrTruncated, withoutURL(err))
		}
		switch {
		case n < waitSize:
			giveBack(borrowed)
			borrowed = nil
			splitter.relax()
		case borrowed == nil:
			borrowed = large.Get().(*[readSize]byte)
		}
		idle.Reset(r.cfg.IdleTimeout)
	}
}

func giveBack(buf *[readSize]byte) {
	if buf != nil {
		large.Put(buf)
	}
}

func (r *reader) hand(ctx context.Context, chunk []byte) error {
	select {
	case r.chunks <- append([]byte(nil), chunk...):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
