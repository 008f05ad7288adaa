package pblite

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// cursor walks over JSON text. Its methods return ErrSyntax or ErrTooDeep; after an
// error the cursor is not to be used any more.
type cursor struct {
	data    []byte
	pos     int
	depth   int
	limit   int
	scratch []byte
}

// peek returns the next byte that is not white space, 0 at the end.
func (c *cursor) peek() byte {
	if c.pos < len(c.data) && c.data[c.pos] > ' ' {
		return c.data[c.pos]
	}
	return c.pastSpace()
}

func (c *cursor) pastSpace() byte {
	for ; c.pos < len(c.data); c.pos++ {
		switch b := c.data[c.pos]; b {
		case ' ', '\t', '\n', '\r':
		default:
			return b
		}
	}
	return 0
}

func (c *cursor) enter() error {
	c.pos++
	c.depth++
	if c.depth > c.limit {
		return ErrTooDeep
	}
	return nil
}

func (c *cursor) leave() {
	c.pos++
	c.depth--
}

// open enters an array; more is false when it is empty. The next byte must be '['.
func (c *cursor) open() (more bool, err error) {
	if err := c.enter(); err != nil {
		return false, err
	}
	if c.peek() == ']' {
		c.leave()
		return false, nil
	}
	return true, nil
}

// next goes on behind an element of an array; more is false at its end.
func (c *cursor) next() (more bool, err error) {
	switch c.peek() {
	case ',':
		c.pos++
		return true, nil
	case ']':
		c.leave()
		return false, nil
	}
	return false, ErrSyntax
}

// elided reports whether an element was left out, as in [1,,2] and [1,].
func (c *cursor) elided() bool {
	next := c.peek()
	return next == ',' || next == ']'
}

// array calls element for each element; one left out is reported with elided set and the
// cursor behind it. The next byte must be '['.
func (c *cursor) array(element func(elided bool) error) error {
	more, err := c.open()
	for more && err == nil {
		if err = element(c.elided()); err == nil {
			more, err = c.next()
		}
	}
	return err
}

// object calls member with each key, the cursor before its value. The next byte must be '{'.
func (c *cursor) object(member func(key []byte) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	if c.peek() == '}' {
		c.leave()
		return nil
	}
	for {
		if c.peek() != '"' {
			return ErrSyntax
		}
		key, _, err := c.str()
		if err != nil {
			return err
		}
		if c.peek() != ':' {
			return ErrSyntax
		}
		c.pos++
		if err := member(key); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.pos++
		case '}':
			c.leave()
			return nil
		default:
			return ErrSyntax
		}
	}
}

// skip passes one value of any kind.
func (c *cursor) skip() error {
	switch next := c.peek(); {
	case next == '[':
		return c.array(func(elided bool) error {
			if elided {
				return nil
			}
			return c.skip()
		})
	case next == '{':
		return c.object(func([]byte) error { return c.skip() })
	case next == '"':
		_, _, err := c.str()
		return err
	case next == '-' || next >= '0' && next <= '9':
		_, _, err := c.number()
		return err
	default:
		_, err := c.word()
		return err
	}
}

// word passes null, true or false and returns its first letter.
func (c *cursor) word() (byte, error) {
	rest := c.data[c.pos:]
	switch {
	case len(rest) >= 4 && (string(rest[:4]) == "null" || string(rest[:4]) == "true"):
		c.pos += 4
	case len(rest) >= 5 && string(rest[:5]) == "false":
		c.pos += 5
	default:
		return 0, ErrSyntax
	}
	return rest[0], nil
}

// number passes a number and returns its text and whether it is written as an integer.
func (c *cursor) number() (text []byte, integer bool, err error) {
	start := c.pos
	if c.data[c.pos] == '-' {
		c.pos++
	}
	intStart := c.pos
	n := c.digits()
	if n == 0 || n > 1 && c.data[intStart] == '0' {
		return nil, false, ErrSyntax
	}
	integer = true
	if c.pos < len(c.data) && c.data[c.pos] == '.' {
		integer = false
		c.pos++
		if c.digits() == 0 {
			return nil, false, ErrSyntax
		}
	}
	if c.pos < len(c.data) && (c.data[c.pos] == 'e' || c.data[c.pos] == 'E') {
		integer = false
		c.pos++
		if c.pos < len(c.data) && (c.data[c.pos] == '+' || c.data[c.pos] == '-') {
			c.pos++
		}
		if c.digits() == 0 {
			return nil, false, ErrSyntax
		}
	}
	return c.data[start:c.pos], integer, nil
}

func (c *cursor) digits() int {
	start := c.pos
	for c.pos < len(c.data) && c.data[c.pos] >= '0' && c.data[c.pos] <= '9' {
		c.pos++
	}
	return c.pos - start
}

// str passes a string and returns its content as UTF-8, valid until the next call, and
// whether something in it was replaced by U+FFFD. The next byte must be '"'.
func (c *cursor) str() (text []byte, replaced bool, err error) {
	c.pos++
	start := c.pos
	for c.pos < len(c.data) {
		switch b := c.data[c.pos]; {
		case b == '"':
			text = c.data[start:c.pos]
			c.pos++
			return text, false, nil
		case b == '\\' || b >= utf8.RuneSelf:
			return c.escaped(start)
		}
		c.pos++
	}
	return nil, false, ErrSyntax
}

// escaped finishes str for a string that is not plain ASCII, copying to the scratch buffer.
func (c *cursor) escaped(start int) (text []byte, replaced bool, err error) {
	out := append(c.scratch[:0], c.data[start:c.pos]...)
	defer func() { c.scratch = out }()
	for c.pos < len(c.data) {
		b := c.data[c.pos]
		switch {
		case b == '"':
			c.pos++
			return out, replaced, nil
		case b == '\\':
			r, bad, err := c.escape()
			if err != nil {
				return nil, false, err
			}
			replaced = replaced || bad
			out = utf8.AppendRune(out, r)
		case b < utf8.RuneSelf:
			c.pos++
			out = append(out, b)
		default:
			r, size := utf8.DecodeRune(c.data[c.pos:])
			replaced = replaced || r == utf8.RuneError && size == 1
			c.pos += size
			out = utf8.AppendRune(out, r)
		}
	}
	return nil, false, ErrSyntax
}

// escape passes one escape sequence, joining surrogates. A lone surrogate is bad.
func (c *cursor) escape() (r rune, bad bool, err error) {
	if c.pos+1 >= len(c.data) {
		return 0, false, ErrSyntax
	}
	letter := c.data[c.pos+1]
	if letter != 'u' {
		c.pos += 2
		i := bytes.IndexByte([]byte(`"\/bfnrt`), letter)
		if i < 0 {
			return 0, false, ErrSyntax
		}
		return rune("\"\\/\b\f\n\r\t"[i]), false, nil
	}
	r, ok := c.hex4(c.pos)
	if !ok {
		return 0, false, ErrSyntax
	}
	c.pos += 6
	if !utf16.IsSurrogate(r) {
		return r, false, nil
	}
	if low, ok := c.hex4(c.pos); ok {
		if joined := utf16.DecodeRune(r, low); joined != utf8.RuneError {
			c.pos += 6
			return joined, false, nil
		}
	}
	return utf8.RuneError, true, nil
}

// hex4 reads \uXXXX at a position without moving.
func (c *cursor) hex4(at int) (rune, bool) {
	if at+6 > len(c.data) || c.data[at] != '\\' || c.data[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range c.data[at+2 : at+6] {
		switch {
		case b >= '0' && b <= '9':
			r = r<<4 | rune(b-'0')
		case b >= 'a' && b <= 'f':
			r = r<<4 | rune(b-'a'+10)
		case b >= 'A' && b <= 'F':
			r = r<<4 | rune(b-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
