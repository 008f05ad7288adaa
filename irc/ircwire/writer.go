package ircwire

import (
	"strings"
	"unicode/utf8"
)

// Tag is one message tag; Value is not escaped.
type Tag struct{ Key, Value string }

// Message is a line to be written. Server tags come before client-only ones ("+…") as
// the specification asks; Encode keeps the order given.
type Message struct {
	Tags    []Tag
	Source  string
	Command string
	Params  []string
}

// New makes a message without tags.
func New(source, command string, params ...string) Message {
	return Message{Source: source, Command: command, Params: params}
}

// With returns m with a tag more.
func (m Message) With(key, value string) Message {
	tags := make([]Tag, 0, len(m.Tags)+1)
	m.Tags = append(append(tags, m.Tags...), Tag{key, value})
	return m
}

// colon lists commands whose last parameter always gets its ":", because old clients
// expect it there.
var colon = map[string]bool{
	"PRIVMSG": true, "NOTICE": true, "TOPIC": true, "KICK": true, "QUIT": true, "ERROR": true,
	"AWAY": true, "SETNAME": true, "CAP": true, "PING": true, "PONG": true, "FAIL": true, "WARN": true, "NOTE": true,
}

// bare lists numerics whose last parameter is a word, not a text.
var bare = map[string]bool{"004": true, "221": true, "324": true, "329": true, "333": true, "341": true, "354": true}

// Encode returns the line with CRLF. Whatever the fields hold, the result is one line
// with exactly len(Params) parameters and within the limits: control bytes that could
// end the line are removed, middle parameters lose spaces and a leading ":", and a text
// that is too long is cut between code points.
func (m Message) Encode() []byte {
	var b strings.Builder
	m.Command = command(m.Command)
	m.encodeTags(&b)
	var body strings.Builder
	if source := Middle(m.Source); m.Source != "" {
		body.WriteString(":" + source + " ")
	}
	body.WriteString(m.Command)
	for i, p := range m.Params {
		body.WriteByte(' ')
		if i < len(m.Params)-1 {
			body.WriteString(Middle(p))
			continue
		}
		p = Trailing(p)
		if m.forced() || p == "" || p[0] == ':' || strings.ContainsRune(p, ' ') {
			body.WriteByte(':')
		}
		body.WriteString(p)
	}
	b.WriteString(Cut(body.String(), MaxBody))
	b.WriteString("\r\n")
	return []byte(b.String())
}

func (m Message) forced() bool {
	if isNumeric(m.Command) {
		return len(m.Params) > 1 && !bare[m.Command]
	}
	return colon[m.Command]
}

// encodeTags writes the tag section; a tag that would pass the limit is left out.
func (m Message) encodeTags(b *strings.Builder) {
	var server, client int
	for _, t := range m.Tags {
		key := tagKey(t.Key)
		if key == "" {
			continue
		}
		item := key
		if t.Value != "" {
			item += "=" + escapeTag(t.Value)
		}
		used := &server
		if key[0] == '+' {
			used = &client
		}
		if *used+len(item)+1 > MaxClientTags-2 {
			continue
		}
		*used += len(item) + 1
		if b.Len() == 0 {
			b.WriteByte('@')
		} else {
			b.WriteByte(';')
		}
		b.WriteString(item)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
}

var tagEscaper = strings.NewReplacer(";", `\:`, " ", `\s`, `\`, `\\`, "\r", `\r`, "\n", `\n`, "\x00", "")

func escapeTag(s string) string { return tagEscaper.Replace(strings.ToValidUTF8(s, "\uFFFD")) }

// tagKey drops every byte that a key may not have.
func tagKey(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-./+", r):
			return r
		}
		return -1
	}, s)
}

func command(s string) string {
	if !validCommand(s) {
		return "NOTICE"
	}
	return s
}

func isNumeric(s string) bool { return len(s) == 3 && s[0] >= '0' && s[0] <= '9' }

// Middle makes s fit for a parameter that is not the last one: no spaces and control
// characters, no ":" in front, never empty.
func Middle(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimLeft(s, ":")
	if s == "" {
		return "*"
	}
	return s
}

// Trailing makes s fit for the last parameter: line ends become spaces; NUL and control
// characters without a meaning in IRC text are removed. Formatting codes and the CTCP
// delimiter stay: who puts foreign text into a line removes them there.
func Trailing(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n':
			return ' '
		case r >= ' ' && r != 0x7f, strings.ContainsRune("\x01\x02\x03\x04\t\x0f\x11\x16\x1d\x1e\x1f", r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Plain makes foreign text fit for a text that is not a message: a topic, a real name, a
// reason. Line ends become spaces, all other control characters are removed.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Cut returns at most n bytes of s, never half a code point.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
