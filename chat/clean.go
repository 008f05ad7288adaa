package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of names and of what stacks up on one character.
const (
	// MaxName is the longest name in code points: homeservers take 256, and a suffix follows.
	MaxName = 200
	// maxMarks is how many combining and invisible characters may follow one another, as in
	// Unicode's stream-safe format (UAX #15, D4).
	maxMarks = 30
	// maxNesting is how deep embeddings, overrides and isolates may nest.
	maxNesting = 16
)

// Bidirectional controls (UAX #9).
const (
	popDirection = '\u202C' // ends LRE, RLE, LRO, RLO
	popIsolate   = '\u2069' // ends LRI, RLI, FSI
)

// CleanName makes foreign text fit for a name or a title: one line without control characters and
// without characters that change the text around it, at most MaxName code points, "" when nothing
// of it would be seen. A clean name stays as it is.
func CleanName(s string) string { return CleanLine(s, MaxName) }

// CleanFileName is CleanName for a file: without folders, which some client might follow when it keeps the file.
func CleanFileName(s string) string {
	s = CleanName(s[strings.LastIndexAny(s, `/\`)+1:])
	if strings.Trim(s, ".") == "" {
		return ""
	}
	return s
}

// CleanLine is CleanName with another limit in code points.
func CleanLine(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	var b strings.Builder
	marks := marks{}
	for _, r := range s {
		switch {
		case isLineEnd(r) || r == '\t':
			r = ' '
		case isControl(r) || isDirectional(r) || isInvisible(r):
			continue
		}
		if marks.fits(r) {
			b.WriteRune(r)
		}
	}
	s = strings.TrimSpace(cut(strings.TrimSpace(b.String()), limit))
	if !visible(s) {
		return ""
	}
	return s
}

// Clean makes foreign rich text fit for every side: no control characters but the tab, every kind of
// line end as a break, marks that stack up bounded, and bidirectional controls closed at the end of
// their line. Clean text stays as it is.
func (t Text) Clean() Text {
	var out Text
	c := lineCleaner{}
	for _, segment := range t {
		if segment.Kind == SegmentBreak {
			out = append(c.close(out), segment)
			continue
		}
		lines := splitLines(strings.ToValidUTF8(segment.Text, "\uFFFD"))
		if segment.Kind == SegmentLink {
			bare := segment.Text == segment.Target
			if segment.Target = cleanTarget(segment.Target); segment.Target == "" {
				segment.Kind = SegmentText
			}
			lines = []string{strings.Join(lines, " ")}
			if bare {
				lines[0] = segment.Target
			}
		}
		for i, line := range lines {
			if i > 0 {
				out = append(c.close(out), Segment{Kind: SegmentBreak})
			}
			if segment.Text = c.clean(line); segment.Text != "" || segment.Kind == SegmentLink {
				out = append(out, segment)
			}
		}
	}
	return c.close(out)
}

// cleanTarget takes out of an address what no address has.
func cleanTarget(s string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) || isLineEnd(r) || r == '\t' || isDirectional(r) || isInvisible(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func splitLines(s string) []string {
	s = strings.Map(func(r rune) rune {
		if isLineEnd(r) && r != '\r' {
			return '\n'
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
	return strings.Split(strings.ReplaceAll(s, "\r", "\n"), "\n")
}

// lineCleaner cleans the pieces of one line.
type lineCleaner struct {
	open    []rune // what closes the controls that are open
	dropped int    // openers beyond maxNesting
	marks   marks
}

func (c *lineCleaner) clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if isControl(r) || isLineEnd(r) || !c.marks.fits(r) || isDirectional(r) && !c.direction(r) {
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// direction notes a bidirectional control; false means that it has no effect or nests too deep.
func (c *lineCleaner) direction(r rune) bool {
	switch {
	case r != popDirection && r != popIsolate:
		if len(c.open) == maxNesting {
			c.dropped++
			return false
		}
		closer := popDirection
		if r >= '\u2066' {
			closer = popIsolate
		}
		c.open = append(c.open, closer)
		return true
	case c.dropped > 0:
		c.dropped--
		return false
	}
	for i := len(c.open) - 1; i >= 0; i-- {
		if c.open[i] == r {
			c.open = c.open[:i]
			return true
		}
		if r == popDirection {
			break // an isolate hides what is outside of it
		}
	}
	return false
}

// close ends a line.
func (c *lineCleaner) close(out Text) Text {
	if n := len(c.open); n > 0 {
		end := make([]rune, 0, n)
		for i := n - 1; i >= 0; i-- {
			end = append(end, c.open[i])
		}
		if last := len(out) - 1; last >= 0 && out[last].Kind == SegmentText {
			out[last].Text += string(end)
		} else {
			out = append(out, Segment{Kind: SegmentText, Text: string(end)})
		}
	}
	*c = lineCleaner{open: c.open[:0]}
	return out
}

// marks counts combining and invisible characters in a row.
type marks struct{ count int }

func (m *marks) fits(r rune) bool {
	if r < 0x300 && r != '\u00AD' || !unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		m.count = 0
		return true
	}
	m.count++
	return m.count <= maxMarks
}

func isLineEnd(r rune) bool {
	switch r {
	case '\n', '\v', '\f', '\r', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// isControl reports whether a character has no place in any text: C0 and C1 without tab and line
// ends, deprecated format characters, annotations, language tags and what is no character.
func isControl(r rune) bool {
	switch {
	case isLineEnd(r) || r == '\t':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r >= '\u206A' && r <= '\u206F', r >= '\uFFF9' && r <= '\uFFFB', r == '\U000E0001':
		return true
	}
	return r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}

func isDirectional(r rune) bool {
	return r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069'
}

// isInvisible reports whether a character serves in a name only to make it differ from another.
// The joiners stay, which scripts and emoji need, and so do the marks of right-to-left scripts.
func isInvisible(r rune) bool {
	switch r {
	case '\u00AD', '\u180E', '\u200B', '\uFEFF':
		return true
	}
	return r >= '\u2060' && r <= '\u2064'
}

// visible reports whether something of a text would be seen.
func visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		switch r {
		case '\u115F', '\u1160', '\u2800', '\u3164', '\uFFA0': // fillers and the blank of Braille
			return false
		}
		return !unicode.IsSpace(r) && !isControl(r) && !unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me)
	})
}

// cut shortens a text to at most limit code points, not within what is seen as one character.
func cut(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	at := limit
	for at > 0 && joined(runes, at) {
		at--
	}
	if at == 0 {
		at = limit
	}
	return string(runes[:at])
}

// joined reports whether the characters before and at a place belong together (UAX #29, without its
// rules for Indic conjuncts).
func joined(runes []rune, at int) bool {
	before, r := runes[at-1], runes[at]
	switch {
	case unicode.In(r, unicode.M) || r == '\u200C' || r == '\u200D' || r >= '\U0001F3FB' && r <= '\U0001F3FF' || r >= '\U000E0020' && r <= '\U000E007F':
		return true
	case before == '\u200D':
		return true
	case jamo(before) && jamo(r):
		return true
	}
	flags := 0
	for i := at - 1; i >= 0 && regional(runes[i]); i-- {
		flags++
	}
	return regional(r) && flags%2 == 1
}

func jamo(r rune) bool { return r >= '\u1100' && r <= '\u11FF' }

func regional(r rune) bool { return r >= '\U0001F1E6' && r <= '\U0001F1FF' }
