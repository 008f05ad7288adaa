package irctext

import (
	"strings"
	"unicode/utf8"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// atom is a piece of text that no line may break: a grapheme, or a URL that fits a line.
type atom struct {
	text string
	st   style
}

// Line is one line of a text. Joined says that it continues the line before it, which was
// too long, without a line break.
type Line struct {
	Text   string
	Joined bool
}

// Lines is Split without the blank lines.
func Lines(t chat.Text, f Formatting, budget int) []string {
	var out []string
	for _, l := range Split(t, f, budget) {
		if l.Text != "" {
			out = append(out, l.Text)
		}
	}
	return out
}

// Split turns rich text into lines of at most budget bytes each, codes included. Lines
// without visible text are empty. Control characters in the text are removed, so that it
// can inject neither codes nor lines; links of strange schemes are shown as text.
func Split(t chat.Text, f Formatting, budget int) []Line {
	budget = max(budget, 16)
	var out []Line
	var line []atom
	flush := func() {
		out = append(out, pack(line, f, budget)...)
		line = nil
	}
	for _, seg := range t {
		st := styleOf(seg)
		switch seg.Kind {
		case chat.SegmentBreak:
			flush()
		case chat.SegmentLink:
			line = append(line, linkAtoms(seg, st, budget)...)
		default:
			line = append(line, textAtoms(Clean(seg.Text), st, budget)...)
		}
	}
	flush()
	return out
}

// Clean removes control characters, formatting codes among them, from foreign text; line
// and paragraph separators and tabs become spaces.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// linkAtoms shows a link as its URL, or as "text <URL>" when the text says something else.
func linkAtoms(seg chat.Segment, st style, budget int) []atom {
	link := chat.Text{{Kind: chat.SegmentLink, Text: seg.Text, Target: seg.Target}}
	if !knownScheme(seg.Target) {
		link[0] = chat.Segment{Kind: chat.SegmentText, Text: seg.Text}
	}
	return textAtoms(Clean(link.String()), st, budget)
}

func knownScheme(url string) bool {
	scheme, _, ok := strings.Cut(strings.ToLower(url), ":")
	switch scheme {
	case "http", "https", "mailto", "tel", "geo":
		return ok
	}
	return false
}

// textAtoms cuts a text into graphemes, URLs that fit into a line staying whole.
func textAtoms(s string, st style, budget int) []atom {
	var out []atom
	graphemes := func(s string) {
		for s != "" {
			n := graphemeLen(s)
			for n > budget/2 { // a heap of combining marks: only code points are kept whole
				_, n = utf8.DecodeRuneInString(s)
			}
			out = append(out, atom{s[:n], st})
			s = s[n:]
		}
	}
	whole := chat.Text{{Kind: chat.SegmentText, Text: s}}
	for _, seg := range whole.Linked() {
		if seg.Kind == chat.SegmentLink && len(seg.Text) <= budget-8 {
			out = append(out, atom{seg.Text, st})
		} else {
			graphemes(seg.Text)
		}
	}
	return out
}

// pack fills lines with atoms. A line that is full is broken after its last space, if
// that is in the final third, else where it is full.
func pack(atoms []atom, f Formatting, budget int) []Line {
	if strings.TrimSpace(join(atoms)) == "" {
		return []Line{{}}
	}
	var out []Line
	for len(atoms) > 0 {
		n := fit(atoms, f, budget)
		out = append(out, Line{write(atoms[:n], f), len(out) > 0})
		atoms = atoms[n:]
	}
	return out
}

// fit is how many atoms go into one line.
func fit(atoms []atom, f Formatting, budget int) int {
	size, space, spaceSize := 0, 0, 0
	var st style
	for i, a := range atoms {
		need := len(f.toggles(st, a.st)) + len(a.text)
		if i > 0 && size+need+len(f.closing(a.st)) > budget {
			if space > 0 && spaceSize*3 >= size*2 {
				return space
			}
			return i
		}
		size += need
		st = a.st
		if a.text == " " {
			space, spaceSize = i+1, size
		}
	}
	return len(atoms)
}

func write(atoms []atom, f Formatting) string {
	var b strings.Builder
	var st style
	for _, a := range atoms {
		b.WriteString(f.toggles(st, a.st))
		b.WriteString(a.text)
		st = a.st
	}
	b.WriteString(f.closing(st))
	return b.String()
}

func join(atoms []atom) string {
	var b strings.Builder
	for _, a := range atoms {
		b.WriteString(a.text)
	}
	return b.String()
}
