package media

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// MaxPixels is how many pixels a picture may have: shown, each takes four bytes of memory.
const MaxPixels = 100_000_000

// Limits bound the reading of a file. Zero values are no limits.
type Limits struct {
	Size  int64         // most bytes
	Stall time.Duration // longest time without a byte
	Whole time.Duration // longest time for all of it
}

// File is a file on disk that has no name any more; Close frees it.
type File struct {
	*os.File
	Info
	Size   int64
	SHA256 [sha256.Size]byte
}

// Close frees the file.
func (f *File) Close() error {
	err := f.File.Close()
	_ = os.Remove(f.Name()) // where it could not be removed while it was open
	return err
}

// Rewind makes the next read begin at the first byte.
func (f *File) Rewind() error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// Spool reads a source to its end into a File at its first byte, and closes the source. announced
// is how many bytes there have to be, 0 if that is not known. The error wraps one of this package
// or the source's.
func Spool(ctx context.Context, source io.ReadCloser, announced int64, l Limits) (*File, error) {
	if l.Size > 0 && announced > l.Size {
		_ = source.Close()
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, announced)
	}
	disk, err := os.CreateTemp("", "hangouts-bridge-media-*")
	if err != nil {
		_ = source.Close()
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	_ = os.Remove(disk.Name()) // nothing is left of it however the process ends
	f := &File{File: disk}
	if err = f.fill(ctx, source, announced, l); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) fill(ctx context.Context, source io.ReadCloser, announced int64, l Limits) error {
	guarded := guard(ctx, source, l)
	hash := sha256.New()
	limited := io.Reader(guarded)
	if l.Size > 0 {
		limited = io.LimitReader(guarded, l.Size+1)
	}
	n, err := io.Copy(io.MultiWriter(f.File, hash), limited)
	if closeErr := guarded.Close(); err == nil {
		err = closeErr
	}
	switch {
	case guarded.ended(ctx) != nil:
		return guarded.ended(ctx)
	case l.Size > 0 && n > l.Size: // before what a source that was not read to its end says
		return fmt.Errorf("%w: over %d bytes", ErrTooLarge, l.Size)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	case err != nil:
		return err
	case n == 0:
		return ErrEmpty
	case announced > 0 && n != announced:
		return fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, n, announced)
	}
	f.Size = n
	copy(f.SHA256[:], hash.Sum(nil))
	if f.Info, err = Inspect(io.NewSectionReader(f.File, 0, n)); err != nil {
		return err
	}
	return f.Rewind()
}

// guarded is a source that is closed when it is too slow, which ends a read that hangs.
type guarded struct {
	io.Reader
	source  io.Closer
	limits  Limits
	stall   *time.Timer
	whole   *time.Timer
	stop    func() bool
	once    sync.Once
	mu      sync.Mutex
	tooSlow bool
}

func guard(ctx context.Context, source io.ReadCloser, l Limits) *guarded {
	g := &guarded{Reader: source, source: source, limits: l}
	late := func() {
		g.mu.Lock()
		g.tooSlow = true
		g.mu.Unlock()
		g.close()
	}
	if l.Stall > 0 {
		g.stall = time.AfterFunc(l.Stall, late)
	}
	if l.Whole > 0 {
		g.whole = time.AfterFunc(l.Whole, late)
	}
	g.stop = context.AfterFunc(ctx, func() { g.close() })
	return g
}

func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if n > 0 && g.stall != nil {
		g.stall.Reset(g.limits.Stall)
	}
	return n, err
}

func (g *guarded) close() (err error) {
	g.once.Do(func() { err = g.source.Close() })
	return err
}

// Close closes the source.
func (g *guarded) Close() error {
	for _, timer := range []*time.Timer{g.stall, g.whole} {
		if timer != nil {
			timer.Stop()
		}
	}
	g.stop()
	return g.close()
}

// ended is why the source was closed before its end, nil if it was not.
func (g *guarded) ended(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tooSlow {
		return ErrStalled
	}
	return ctx.Err()
}
