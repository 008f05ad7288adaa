package pblite

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// cursor walks over JSON text. Its methods return ErrSyntax, ErrTooDeep or ErrTooMany; after an
// error the cursor is not to be used any more.
type cursor struct {
	data    []byte
	pos     int
	depth   int
	limit   int
	room    int // for further arrays, objects and elements left out
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
	return c.take()
}

// take counts something that costs more than its text.
func (c *cursor) take() error {
	if c.room--; c.room < 0 {
		return ErrTooMany
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
	if c.pos < len(c.data) && c.data[c.pos] == ',' {
		c.pos++
		return true, nil
	}
	return c.nextOrEnd()
}

func (c *cursor) nextOrEnd() (more bool, err error) {
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
		more, err := c.open()
		for more && err == nil {
			if !c.elided() {
				err = c.skip()
			}
			if err == nil {
				more, err = c.next()
			}
		}
		return err
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
	text = c.data[c.pos:]
	start := 0
	if text[0] == '-' {
		start = 1
	}
	end := digits(text, start)
	if end == start || end > start+1 && text[start] == '0' {
		return nil, false, ErrSyntax
	}
	whole := end
	if end < len(text) && text[end] == '.' {
		if end = digits(text, end+1); text[end-1] == '.' {
			return nil, false, ErrSyntax
		}
	}
	if end < len(text) && text[end]|0x20 == 'e' {
		start = end + 1
		if start < len(text) && (text[start] == '+' || text[start] == '-') {
			start++
		}
		if end = digits(text, start); end == start {
			return nil, false, ErrSyntax
		}
	}
	c.pos += end
	return text[:end], end == whole, nil
}

// digits gives the end of the digits that stand at a place.
func digits(text []byte, at int) int {
	for at < len(text) && text[at]-'0' <= 9 {
		at++
	}
	return at
}

// str passes a string and returns its content as UTF-8, valid until the next call, and
// whether something in it was replaced by U+FFFD. The next byte must be '"'.
func (c *cursor) str() (text []byte, replaced bool, err error) {
	rest := c.data[c.pos+1:]
	end := 0
	for end < len(rest) && plain[rest[end]] {
		end++
	}
	c.pos += 1 + end
	if end < len(rest) && rest[end] == '"' {
		c.pos++
		return rest[:end], false, nil
	}
	return c.escaped(rest[:end])
}

// escaped finishes str for a string that cannot stay as it is, copying to the scratch buffer.
// Half of a surrogate pair becomes U+FFFD.
func (c *cursor) escaped(begun []byte) (text []byte, replaced bool, err error) {
	data, pos, out := c.data, c.pos, append(c.scratch[:0], begun...)
	for pos < len(data) {
		switch start := pos; {
		case data[pos] == '"':
			c.pos, c.scratch = pos+1, out
			return out, replaced, nil
		case data[pos] != '\\':
			for pos < len(data) && data[pos] != '"' && data[pos] != '\\' {
				pos++
			}
			run := data[start:pos]
			if !utf8.Valid(run) {
				run, replaced = []byte(string([]rune(string(run)))), true
			}
			out = append(out, run...)
		case pos+1 < len(data) && unescaped[data[pos+1]] != 0:
			out = append(out, unescaped[data[pos+1]])
			pos += 2
		default:
			r := hex4(data[pos:])
			if r < 0 {
				return nil, false, ErrSyntax
			}
			pos += 6
			if utf16.IsSurrogate(r) {
				if r = utf16.DecodeRune(r, hex4(data[pos:])); r == utf8.RuneError {
					replaced = true
				} else {
					pos += 6
				}
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return nil, false, ErrSyntax
}

// Tables by byte: whether it stands for itself in a string; what it stands for behind a backslash,
// 0 for nothing; its value as a hexadecimal digit, -1 for another byte.
var (
	plain = func() (t [256]bool) {
		for b := range t {
			t[b] = b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\'
		}
		return t
	}()
	unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	hexValue  = func() (t [256]rune) {
		for b := range t {
			t[b] = rune(strings.IndexRune("0123456789abcdef", unicode.ToLower(rune(b))))
		}
		return t
	}()
)

// hex4 reads \uXXXX at the start of a text; it returns -1 for anything else.
func hex4(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	return hexValue[s[2]]<<12 | hexValue[s[3]]<<8 | hexValue[s[4]]<<4 | hexValue[s[5]]
}
