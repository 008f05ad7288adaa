package hangouts

import (
	"strings"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Limits of host names. maxLabels is not part of the grammar; it keeps artificial texts from
// taking long.
const (
	maxLabel  = 63
	maxLabels = 127
)

// autoLink matches an address in running text. It follows the reference's regular expression,
// greedy with backtracking (protocol §10.5).
func autoLink(s *source, p int) (*pb.Segment, int) {
	if !s.wordBoundary(p) {
		return nil, 0
	}
	end := s.nameAddress(p)
	if end < 0 {
		end = s.numberAddress(p)
	}
	if end < 0 {
		return nil, 0
	}
	end = s.path(end)
	text := string(s.text[p:end])
	return LinkSegment(text, completeURL(text), Format{}), end
}

func (s *source) wordBoundary(p int) bool {
	before := p > 0 && isWord(s.text[p-1])
	after := p < len(s.text) && isWord(s.text[p])
	return before != after
}

// webScheme gives the end of http:// or https://, or -1.
func (s *source) webScheme(p int) int {
	for _, prefix := range []string{"http://", "https://"} {
		if s.has(p, prefix) {
			return p + len(prefix)
		}
	}
	return -1
}

// nameAddress matches a host name with its port, or gives -1.
func (s *source) nameAddress(p int) int {
	if start := s.webScheme(p); start >= 0 {
		if end := s.host(start); end >= 0 {
			return end
		}
	}
	if r, ok := s.before(p); !ok || r != '@' {
		if start := s.label(p); start >= 0 {
			if end := s.host(start); end >= 0 {
				return end
			}
		}
	}
	if s.slash[p] > p {
		return s.host(p)
	}
	return -1
}

// label gives the end of one label and its dot, or -1.
func (s *source) label(p int) int {
	end := p
	for end < len(s.text) && end-p <= maxLabel && isLabel(s.text[end]) {
		end++
	}
	if n := end - p; n == 0 || n > maxLabel || !s.has(end, ".") {
		return -1
	}
	return end + 1
}

func isLabel(r rune) bool { return isTop(r) || r >= '0' && r <= '9' }

func isTop(r rune) bool { r = fold(r); return r >= 'a' && r <= 'z' || r == '-' }

// host matches labels, a top label and perhaps a port: as many labels as possible, then as
// much of the top label.
func (s *source) host(p int) int {
	var starts []int
	for at := s.label(p); at >= 0 && len(starts) < maxLabels; at = s.label(at) {
		starts = append(starts, at)
	}
	for i := len(starts) - 1; i >= 0; i-- {
		top := starts[i]
		end := top
		for end < len(s.text) && end-top < maxLabel && isTop(s.text[end]) {
			end++
		}
		for ; end-top >= 2; end-- {
			if whole := s.port(end); whole >= 0 {
				return whole
			}
		}
	}
	return -1
}

// port matches an optional port and checks what follows the authority.
func (s *source) port(p int) int {
	if s.has(p, ":") {
		end := p + 1
		for end < len(s.text) && isDigit(s.text[end]) {
			end++
		}
		// Between two digits there is no word boundary, so only the whole number can do.
		if end > p+1 && s.authorityEnds(end) {
			return end
		}
	}
	if s.authorityEnds(p) {
		return p
	}
	return -1
}

func (s *source) authorityEnds(p int) bool { return s.wordBoundary(p) && !s.has(p, "@") }

// numberAddress matches four numbers, or gives -1.
func (s *source) numberAddress(p int) int {
	if start := s.webScheme(p); start >= 0 {
		if end := s.numbers(start); end >= 0 {
			return end
		}
	}
	if run := s.number[p]; run > p && s.has(run, "/") {
		return s.numbers(p)
	}
	return -1
}

func (s *source) numbers(p int) int {
	for group := range 4 {
		start := p
		for p < len(s.text) && p-start < 3 && isDigit(s.text[p]) {
			p++
		}
		if p == start {
			return -1
		}
		if group < 3 {
			if !s.has(p, ".") {
				return -1
			}
			p++
		}
	}
	// Fewer digits of the last group leave no word boundary behind them.
	return s.port(p)
}

// path matches any number of path parts.
func (s *source) path(p int) int {
	if !s.has(p, "/") {
		return p
	}
	for p < len(s.text) {
		switch r := s.text[p]; {
		case r == '(':
			end := s.parentheses(p)
			if end < 0 {
				return p
			}
			p = end
		case r == '/' || !isSpace(r) && !strings.ContainsRune("(){};:!<>«»“”\"'‘’´`", r):
			p++
		default:
			return p
		}
	}
	return p
}

// parentheses matches (inner), or (opt(inner)opt), or gives -1.
func (s *source) parentheses(p int) int {
	first := s.inner(p + 1)
	if s.has(first, ")") {
		if first == p+1 {
			return -1
		}
		return first + 1
	}
	if !s.has(first, "(") {
		return -1
	}
	second := s.inner(first + 1)
	if second == first+1 || !s.has(second, ")") {
		return -1
	}
	third := s.inner(second + 1)
	if !s.has(third, ")") {
		return -1
	}
	return third + 1
}

// inner passes characters that may stand between parentheses.
func (s *source) inner(p int) int {
	for p < len(s.text) && !isSpace(s.text[p]) && !strings.ContainsRune("/()", s.text[p]) {
		p++
	}
	return p
}
