package channel

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// DefaultMaxChunk is the limit on one chunk in UTF-16 code units when none is set.
const DefaultMaxChunk = 4 << 20

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
		chunk, rest, err := s.payload(data)
		if err != nil || chunk == nil {
			return err
		}
		data = rest
		if err := emit(chunk); err != nil {
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

// payload takes bytes until the chunk is complete, and returns it and what follows. A chunk that
// one read brings as a whole is not copied.
func (s *Splitter) payload(data []byte) (chunk, rest []byte, err error) {
	text, before := data, len(s.buf)
	if before > 0 {
		// More than three bytes per unit are never needed, so later chunks are not copied.
		s.buf = append(s.buf, data[:min(len(data), s.left*3+utf8.UTFMax)]...)
		text = s.buf
	}
	if err := s.count(text); err != nil {
		return nil, nil, err
	}
	if s.left == 0 {
		return text[:s.scanned:s.scanned], data[s.scanned-before:], nil
	}
	if before == 0 {
		s.buf = append(slices.Grow(s.buf, min(s.length, keepBuffer)), data...)
	}
	return nil, nil, nil
}

// count passes characters until no unit is left or the text ends, perhaps within one. It looks at
// eight bytes at a time where it can: pushes are ASCII but for people's own words.
func (s *Splitter) count(text []byte) error {
	at, left := s.scanned, s.left
	for left > 0 && at < len(text) {
		if left >= 8 && len(text)-at >= 8 {
			beyond := binary.LittleEndian.Uint64(text[at:]) & 0x8080808080808080
			if beyond == 0 {
				at, left = at+8, left-8
				continue
			}
			n := bits.TrailingZeros64(beyond) / 8
			at, left = at+n, left-n
		}
		switch tail := text[at:]; {
		case tail[0] < utf8.RuneSelf:
			at, left = at+1, left-1
		case len(tail) > 1 && tail[0] >= 0xc2 && tail[0] < 0xe0 && tail[1]&0xc0 == 0x80: // two bytes
			at, left = at+2, left-1
		default:
			r, size := utf8.DecodeRune(tail)
			if r == utf8.RuneError && size == 1 {
				if utf8.FullRune(tail) {
					return fmt.Errorf("%w: invalid UTF-8", ErrFraming)
				}
				s.scanned, s.left = at, left
				return nil
			}
			at, left = at+size, left-1-size/4 // four bytes are a surrogate pair
		}
	}
	s.scanned, s.left = at, left
	if left < 0 {
		return fmt.Errorf("%w: length cuts a surrogate pair", ErrFraming)
	}
	return nil
}

// relax gives back what is not needed between chunks.
func (s *Splitter) relax() {
	if !s.Partial() {
		s.buf = nil
	}
}

func (s *Splitter) reset() {
	if cap(s.buf) > keepBuffer {
		s.buf = nil
	}
	s.inPayload, s.digits, s.length, s.scanned, s.buf = false, 0, 0, 0, s.buf[:0]
}
