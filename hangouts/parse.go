package hangouts

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// ParseText turns what a person typed into segments (protocol §10.5): line breaks, automatic
// links, a simplified Markdown (`**bold**`, `*italic*`, `~~struck~~`, `==underlined==`,
// back-ticks for verbatim text, `[text](address)`) and a few HTML tags. Pairs of spaces become
// space and U+00A0, as the reference does it. Bytes that are not UTF-8 become U+FFFD.
func ParseText(text string) []*pb.Segment {
	return parse(strings.ReplaceAll(text, "  ", " \u00a0"), markupTokens, unescape)
}

// ParsePlainText finds line breaks and automatic links only and leaves everything else as it is:
// SegmentsText gives the text back, with LF for CR LF.
func ParsePlainText(text string) []*pb.Segment {
	return parse(text, plainTokens, func(text string) string { return text })
}

func parse(text string, tokens []token, clean func(string) string) []*pb.Segment {
	a := assembler{source: newSource([]rune(strings.ToValidUTF8(text, "\ufffd"))), clean: clean}
	for p := 0; p < len(a.text); {
		m := firstMatch(a.source, tokens, p)
		if m == nil {
			p++
			continue
		}
		a.take(m)
		p = m.end
	}
	a.flush(len(a.text))
	return a.segments
}

// match is a token found in the text.
type match struct {
	start, end int
	token      *token
	closes     bool // an end tag
	segment    *pb.Segment
}

// firstMatch gives the first token of the list that matches at p.
func firstMatch(s *source, tokens []token, p int) *match {
	for i := range tokens {
		t := &tokens[i]
		if t.single != nil {
			if segment, end := t.single(s, p); segment != nil {
				return &match{start: p, end: end, token: t, segment: segment}
			}
			continue
		}
		if t.starts(s, p) {
			return &match{start: p, end: p + len(t.open), token: t}
		}
		if t.ends(s, p) {
			return &match{start: p, end: p + len(t.close), token: t, closes: true}
		}
	}
	return nil
}

// assembler makes segments of matches.
type assembler struct {
	*source
	clean    func(string) string // of the text between tokens
	segments []*pb.Segment
	open     []*token
	last     int // up to here the text was emitted
}

func (a *assembler) format() (f Format) {
	for _, t := range a.open {
		f = f.with(t.format)
	}
	return f
}

// flush emits the text up to a position.
func (a *assembler) flush(to int) {
	if to > a.last {
		a.segments = append(a.segments, TextSegment(a.clean(string(a.text[a.last:to])), a.format()))
	}
	a.last = to
}

// take handles a match, or leaves it as text where it does not count.
func (a *assembler) take(m *match) {
	if n := len(a.open); n > 0 && a.open[n-1].verbatim && (!m.closes || m.token != a.open[n-1]) {
		return
	}
	at := -1
	if m.closes {
		for i, t := range a.open {
			if t == m.token {
				at = i
			}
		}
		if at < 0 {
			return
		}
	}
	a.flush(m.start)
	a.last = m.end
	switch {
	case m.closes:
		a.open = slices.Delete(a.open, at, at+1)
	case m.segment == nil:
		a.open = append(a.open, m.token)
	default:
		f := a.format()
		s := newSegment(m.segment.GetType(), m.segment.GetText(), f)
		s.LinkData = m.segment.LinkData
		a.segments = append(a.segments, s)
	}
}

var escapes = regexp.MustCompile("\\\\([*_~=\\[`])")

func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	return escapes.ReplaceAllString(text, "$1")
}

// scheme begins with what fold takes for an ASCII letter.
var scheme = regexp.MustCompile(`^[A-Za-zİıſ\x{212a}][\pL\pN_-]+:/{1,3}`)

// completeURL puts http:// in front of an address without a scheme.
func completeURL(address string) string {
	if scheme.MatchString(address) {
		return address
	}
	return "http://" + address
}

// source is the text with what is worth knowing about it beforehand, so that parsing takes
// linear time in all but artificial texts.
type source struct {
	text    []rune
	slash   []int            // the last '/' of the run without white space from here, or -1
	number  []int            // where the run of digits and dots from here ends
	lastEnd map[string]int   // the last place where an end tag matches
	places  map[string]place // where a text comes next, as last asked for
}

func newSource(text []rune) *source {
	n := len(text)
	s := &source{
		text: text, slash: make([]int, n+1), number: make([]int, n+1),
		lastEnd: map[string]int{}, places: map[string]place{},
	}
	s.slash[n], s.number[n] = -1, n
	for i := n - 1; i >= 0; i-- {
		switch {
		case isSpace(text[i]):
			s.slash[i] = -1
		case text[i] == '/' && s.slash[i+1] < 0:
			s.slash[i] = i
		default:
			s.slash[i] = s.slash[i+1]
		}
		s.number[i] = i
		if text[i] == '.' || isDigit(text[i]) {
			s.number[i] = s.number[i+1]
		}
	}
	return s
}

// has reports whether an ASCII text, given in lower case, stands at p in any letter case.
func (s *source) has(p int, want string) bool {
	if p < 0 || p+len(want) > len(s.text) {
		return false
	}
	for i := range len(want) {
		if fold(s.text[p+i]) != rune(want[i]) {
			return false
		}
	}
	return true
}

// place remembers an answer of next.
type place struct{ from, at int }

// next finds a text at or after from, -1 if there is none. It is fast when from grows from
// call to call.
func (s *source) next(want string, from int) int {
	known, ok := s.places[want]
	if ok && known.from <= from && (known.at < 0 || known.at >= from) {
		return known.at
	}
	at := from
	for at < len(s.text) && !s.has(at, want) {
		at++
	}
	if at >= len(s.text) {
		at = -1
	}
	s.places[want] = place{from, at}
	return at
}

// endAfter reports whether the end tag of t matches somewhere at or after a position.
func (s *source) endAfter(t *token, from int) bool {
	last, known := s.lastEnd[t.close]
	if !known {
		for last = len(s.text) - 1; last >= 0 && !t.ends(s, last); last-- {
		}
		s.lastEnd[t.close] = last
	}
	return last >= from
}

// before gives the character before p; ok is false at the start.
func (s *source) before(p int) (r rune, ok bool) {
	if p == 0 {
		return 0, false
	}
	return s.text[p-1], true
}

// isDigit tells the decimal digits of all scripts, as the reference's patterns do.
func isDigit(r rune) bool { return unicode.IsDigit(r) }

// fold gives the lower case of a letter as far as it is ASCII. The reference's patterns take four other letters for
// ASCII ones (protocol §10.5).
func fold(r rune) rune {
	switch {
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	case r == 'İ' || r == 'ı':
		return 'i'
	case r == 'ſ':
		return 's'
	case r == '\u212a': // the sign for Kelvin
		return 'k'
	}
	return r
}

func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// isBoundary tells the characters that may stand around Markdown tags.
func isBoundary(r rune) bool {
	return isSpace(r) || strings.ContainsRune("`!()[]{};:'\".,<>?«»“”‘’*_~=", r)
}
