package ircwire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"gopkg.in/irc.v3"
)

// Limits of lines, in bytes.
const (
	// MaxBody is the longest line without tags and line end.
	MaxBody = 510
	// MaxServerTags is the longest tag section, "@" and space included.
	MaxServerTags = 8191
	// MaxClientTags is the longest tag section that a client may send.
	MaxClientTags = 4096
	// maxSkip is how much of one line is skipped before reading gives up.
	maxSkip = 1 << 20
	// maxParams is the most parameters that a line may have.
	maxParams = 15
)

// Line is a message as it was read.
type Line struct {
	Tags    map[string]string
	Source  string
	Command string // upper case
	Params  []string
	// NotUTF8 says that the line was not valid UTF-8 and has been read as Windows-1252.
	NotUTF8 bool
}

// Param returns the i-th parameter, or "" if there are not so many.
func (l *Line) Param(i int) string {
	if i < len(l.Params) {
		return l.Params[i]
	}
	return ""
}

// Reader reads lines with bounded memory.
type Reader struct {
	src     *bufio.Reader
	maxTags int
}

// NewReader returns a Reader that allows maxTags bytes of tag section.
func NewReader(r io.Reader, maxTags int) *Reader {
	return &Reader{src: bufio.NewReaderSize(r, maxTags+MaxBody+2), maxTags: maxTags}
}

// Peek returns the next byte without reading it.
func (r *Reader) Peek() (byte, error) {
	b, err := r.src.Peek(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// Next returns the next message; empty lines are skipped. After ErrTooLong and
// ErrMalformed the next call goes on with the next line; other errors are final. NUL and
// lone CR are removed.
func (r *Reader) Next() (*Line, error) {
	for {
		raw, err := r.raw()
		if err != nil {
			return nil, err
		}
		raw = clean(raw)
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		return Parse(raw)
	}
}

// raw returns a line without its end.
func (r *Reader) raw() ([]byte, error) {
	line, err := r.src.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, r.skip(len(line))
	}
	if err != nil {
		return nil, err // what stands before the end of input is no line
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
	tags := 0
	if len(line) > 0 && line[0] == '@' {
		tags = bytes.IndexByte(line, ' ') + 1
		if tags == 0 {
			tags = len(line)
		}
	}
	if tags > r.maxTags || len(line)-tags > MaxBody {
		return nil, ErrTooLong
	}
	return line, nil
}

// skip reads on to the end of a line that is too long.
func (r *Reader) skip(n int) error {
	for n < maxSkip {
		line, err := r.src.ReadSlice('\n')
		n += len(line)
		switch {
		case err == nil:
			return ErrTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
	return ErrEndless
}

// clean returns line without NUL and CR, which irc.v3 would keep.
func clean(line []byte) []byte {
	out := make([]byte, 0, len(line))
	for _, b := range line {
		if b != 0 && b != '\r' && b != '\n' {
			out = append(out, b)
		}
	}
	return out
}

// Parse parses one line without its end. Every error wraps ErrMalformed. irc.v3 panics
// for a tag section with nothing behind it; such lines are refused before it sees them,
// and whatever else it may panic for is caught.
func Parse(raw []byte) (line *Line, err error) {
	defer func() {
		if p := recover(); p != nil {
			line, err = nil, fmt.Errorf("%w: parser panic", ErrMalformed)
		}
	}()
	text, notUTF8 := decode(raw)
	text = strings.TrimLeft(text, " ")
	rest := text
	if strings.HasPrefix(rest, "@") {
		_, rest, _ = strings.Cut(rest, " ")
		rest = strings.TrimLeft(rest, " ")
		text = text[:strings.IndexByte(text+" ", ' ')] + " " + rest
	}
	if strings.HasPrefix(rest, ":") {
		_, rest, _ = strings.Cut(rest, " ")
		rest = strings.TrimLeft(rest, " ")
	}
	command, _, _ := strings.Cut(rest, " ")
	if !validCommand(command) {
		return nil, fmt.Errorf("%w: no command", ErrMalformed)
	}
	m, err := irc.ParseMessage(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	line = &Line{Command: m.Command, Params: m.Params, NotUTF8: notUTF8, Tags: make(map[string]string, len(m.Tags))}
	if m.Prefix != nil {
		line.Source = m.Prefix.String()
	}
	for key, value := range m.Tags {
		if key != "" {
			line.Tags[key] = string(value)
		}
	}
	if len(line.Params) > maxParams {
		line.Params = line.Params[:maxParams]
	}
	return line, nil
}

// decode returns raw as text: UTF-8, or else Windows-1252, which old clients send.
func decode(raw []byte) (text string, notUTF8 bool) {
	if utf8.Valid(raw) {
		return string(raw), false
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\uFFFD"), true
	}
	return string(out), true
}

// validCommand reports whether s is a word of ASCII letters or a numeric. Letters and
// digits together never are a command.
func validCommand(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	letters, digits := 0, 0
	for _, b := range []byte(s) {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z':
			letters++
		case b >= '0' && b <= '9':
			digits++
		default:
			return false
		}
	}
	return letters == len(s) || digits == 3 && len(s) == 3
}
