package irctext

import "github.com/hangouts-bridge/hangouts-bridge/chat"

// Formatting codes.
const (
	codeBold      = '\x02'
	codeColour    = '\x03'
	codeHexColour = '\x04'
	codeReset     = '\x0f'
	codeMonospace = '\x11'
	codeReverse   = '\x16'
	codeItalic    = '\x1d'
	codeStrike    = '\x1e'
	codeUnderline = '\x1f'
)

// style is a set of attributes.
type style uint8

const (
	bold style = 1 << iota
	italic
	underline
	strike
)

func styleOf(s chat.Segment) (st style) {
	if s.Bold {
		st |= bold
	}
	if s.Italic {
		st |= italic
	}
	if s.Under {
		st |= underline
	}
	if s.Strike {
		st |= strike
	}
	return st
}

func (st style) apply(s chat.Segment) chat.Segment {
	s.Bold, s.Italic, s.Under, s.Strike = st&bold != 0, st&italic != 0, st&underline != 0, st&strike != 0
	return s
}

// Formatting says which codes a client can show.
type Formatting int

// Formattings.
const (
	Full  Formatting = iota // all codes
	Basic                   // no strikethrough code, which many clients show as a mark: "~~text~~"
	None                    // text only
)

// toggles returns what changes the style from one to another.
func (f Formatting) toggles(from, to style) string {
	if f == None {
		return ""
	}
	changed := from ^ to
	var out []byte
	for _, c := range []struct {
		st   style
		code byte
	}{{bold, codeBold}, {italic, codeItalic}, {underline, codeUnderline}, {strike, codeStrike}} {
		switch {
		case changed&c.st == 0:
		case c.st == strike && f == Basic:
			out = append(out, "~~"...)
		default:
			out = append(out, c.code)
		}
	}
	return string(out)
}

// closing returns what must stand at the end of a line in a style. Codes end by
// themselves with the line.
func (f Formatting) closing(st style) string {
	if f == Basic && st&strike != 0 {
		return "~~"
	}
	return ""
}
