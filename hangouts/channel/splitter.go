package channel

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// DefaultMaxChunk is the limit on one chunk in UTF-16 code units when none is set.
const DefaultMaxChunk = 16 << 20

const (
	maxDigits  = 20
	keepBuffer = 1 << 20 // a buffer that grew larger is given back after its chunk
)

// Splitter cuts the body of a long poll into chunks (protocol §5.5): a decimal length, LF,
// and that many UTF-16 code units of UTF-8 text. Reads may be cut anywhere. It looks at each
// byte once and holds at most one chunk. After an error it is of no use. The zero value is
// ready to use.
type Splitter struct {
	// MaxChunk limits a chunk in UTF-16 code units; 0 means DefaultMaxChunk.
	MaxChunk int

	inPayload bool
	digits    int
	length    int    // announced so far
	left      int    // units still to come
	buf       []byte // payload so far
	scanned   int    // bytes of buf that are counted
}

// Feed takes the next bytes and calls emit for each chunk they complete. The chunk is valid
// only during the call. It returns ErrFraming for junk, invalid UTF-8 and a length that cuts
// a surrogate pair, ErrChunkTooLarge, or the error of emit.
func (s *Splitter) Feed(data []byte, emit func(chunk []byte) error) error {
	for {
		if !s.inPayload {
			rest, err := s.header(data)
			if err != nil || !s.inPayload {
				return err
			}
			data = rest
		}
		rest, done, err := s.payload(data)
		if err != nil || !done {
			return err
		}
		data = rest
		if err := emit(s.buf); err != nil {
			return err
		}
		s.reset()
	}
}

// Partial reports whether the last chunk is not complete.
func (s *Splitter) Partial() bool { return s.inPayload || s.digits > 0 }

// header reads digits and LF, and returns what follows.
func (s *Splitter) header(data []byte) ([]byte, error) {
	limit := s.MaxChunk
	if limit == 0 {
		limit = DefaultMaxChunk
	}
	for i, b := range data {
		switch {
		case b >= '0' && b <= '9' && s.digits < maxDigits:
			s.digits++
			s.length = s.length*10 + int(b-'0')
			if s.length > limit {
				return nil, fmt.Errorf("%w: more than %d code units", ErrChunkTooLarge, limit)
			}
		case b == '\n' && s.digits > 0:
			s.inPayload, s.left = true, s.length
			return data[i+1:], nil
		default:
			return nil, fmt.Errorf("%w: no length", ErrFraming)
		}
	}
	return nil, nil
}

// payload takes bytes until the chunk is complete, and returns what follows.
func (s *Splitter) payload(data []byte) (rest []byte, done bool, err error) {
	// More than three bytes per unit are never needed, so later chunks are not copied.
	take := min(len(data), s.left*3+utf8.UTFMax)
	before := len(s.buf)
	s.buf = append(s.buf, data[:take]...)
	for s.left > 0 && s.scanned < len(s.buf) {
		if n := asciiRun(s.buf[s.scanned:], s.left); n > 0 {
			s.scanned += n
			s.left -= n
			continue
		}
		tail := s.buf[s.scanned:]
		if !utf8.FullRune(tail) {
			break
		}
		r, size := utf8.DecodeRune(tail)
		if r == utf8.RuneError && size == 1 {
			return nil, false, fmt.Errorf("%w: invalid UTF-8", ErrFraming)
		}
		s.scanned += size
		s.left--
		if r > 0xffff {
			s.left--
		}
		if s.left < 0 {
			return nil, false, fmt.Errorf("%w: length cuts a surrogate pair", ErrFraming)
		}
	}
	if s.left > 0 {
		return nil, false, nil
	}
	s.buf = s.buf[:s.scanned]
	return data[s.scanned-before:], true, nil
}

// asciiRun is the number of ASCII bytes at the start of data, at most limit. It looks at eight
// bytes at a time: pushes are ASCII but for people's own words.
func asciiRun(data []byte, limit int) int {
	data = data[:min(len(data), limit)]
	n := 0
	for len(data)-n >= 8 && binary.LittleEndian.Uint64(data[n:])&0x8080808080808080 == 0 {
		n += 8
	}
	for n < len(data) && data[n] < utf8.RuneSelf {
		n++
	}
	return n
}

func (s *Splitter) reset() {
	if cap(s.buf) > keepBuffer {
		s.buf = nil
	}
	*s = Splitter{MaxChunk: s.MaxChunk, buf: s.buf[:0]}
}
