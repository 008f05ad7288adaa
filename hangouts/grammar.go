package hangouts

import (
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// token is an entry of the grammar: a pair of tags, or a single one.
type token struct {
	open, close string
	html        bool
	verbatim    bool
	format      Format
	// single matches at a position and gives the segment, without format, and its end.
	single func(s *source, p int) (*pb.Segment, int)
}

// plainTokens are those that every text has.
var plainTokens = []token{{single: autoLink}, {single: lineBreak}}

// markupTokens is the whole grammar; at one place the first that matches wins.
var markupTokens = append([]token{
	markdown("***", Format{Bold: true, Italic: true}),
	markdown("___", Format{Bold: true, Italic: true}),
	markdown("**", Format{Bold: true}),
	markdown("__", Format{Bold: true}),
	markdown("*", Format{Italic: true}),
	markdown("_", Format{Italic: true}),
	code("```"),
	code("``"),
	code("`"),
	markdown("~~", Format{Strikethrough: true}),
	markdown("==", Format{Underline: true}),
	{single: markdownLink},
	tag("b", Format{Bold: true}),
	tag("strong", Format{Bold: true}),
	tag("i", Format{Italic: true}),
	tag("em", Format{Italic: true}),
	tag("s", Format{Strikethrough: true}),
	tag("strike", Format{Strikethrough: true}),
	tag("del", Format{Strikethrough: true}),
	tag("u", Format{Underline: true}),
	tag("ins", Format{Underline: true}),
	tag("mark", Format{Underline: true}),
	{open: "<pre>", close: "</pre>", html: true, verbatim: true},
	{single: htmlLink},
	{single: htmlImage},
	{single: htmlBreak},
}, plainTokens...)

func markdown(text string, f Format) token { return token{open: text, close: text, format: f} }

func code(text string) token { return token{open: text, close: text, verbatim: true} }

func tag(name string, f Format) token {
	return token{open: "<" + name + ">", close: "</" + name + ">", html: true, format: f}
}

// starts reports whether the start tag matches at p.
func (t *token) starts(s *source, p int) bool {
	if !s.has(p, t.open) {
		return false
	}
	after := p + len(t.open)
	if !t.html {
		if r, ok := s.before(p); ok && !isBoundary(r) {
			return false
		}
		if after >= len(s.text) || isSpace(s.text[after]) || s.has(after, t.open) {
			return false
		}
	}
	return s.endAfter(t, after+1)
}

// ends reports whether the end tag matches at p.
func (t *token) ends(s *source, p int) bool {
	if !s.has(p, t.close) {
		return false
	}
	if t.html {
		return true
	}
	// At the very start an end tag matches too (protocol §10.5); nothing is open there, so it stays text.
	if r, ok := s.before(p); ok && (isSpace(r) || r == '\\') {
		return false
	}
	after := p + len(t.close)
	return after == len(s.text) || isBoundary(s.text[after])
}

func lineBreak(s *source, p int) (*pb.Segment, int) {
	if s.has(p, "\n") {
		return LineBreakSegment(), p + 1
	}
	if s.has(p, "\r\n") {
		return LineBreakSegment(), p + 2
	}
	return nil, 0
}

// markdownLink matches [text](address).
func markdownLink(s *source, p int) (*pb.Segment, int) {
	if !s.has(p, "[") {
		return nil, 0
	}
	if r, ok := s.before(p); ok && r == '\\' {
		return nil, 0
	}
	middle := s.next("](", p+2)
	if middle < 0 {
		return nil, 0
	}
	end := s.next(")", middle+3)
	if end < 0 {
		return nil, 0
	}
	address := string(s.text[middle+2 : end])
	return LinkSegment(string(s.text[p+1:middle]), completeURL(address), Format{}), end + 1
}

// htmlLink matches <a href="address">text</a>.
func htmlLink(s *source, p int) (*pb.Segment, int) {
	start := attribute(s, p, "<a", "href=")
	if start < 0 || s.next("</a>", start) < 0 {
		return nil, 0
	}
	for quote := start + 1; quote < len(s.text) && quote < start+maxAddress; quote++ {
		if !isQuote(s.text[quote]) {
			continue
		}
		text := s.skipSpace(quote + 1)
		if !s.has(text, ">") {
			continue
		}
		end := s.next("</a>", text+2)
		if end < 0 {
			return nil, 0
		}
		address := string(s.text[start:quote])
		return LinkSegment(string(s.text[text+1:end]), completeURL(address), Format{}), end + len("</a>")
	}
	return nil, 0
}

// htmlImage matches <img src="address"/>; its text is the address.
func htmlImage(s *source, p int) (*pb.Segment, int) {
	start := attribute(s, p, "<img", "src=")
	if start < 0 {
		return nil, 0
	}
	for quote := start + 1; quote < len(s.text) && quote < start+maxAddress; quote++ {
		if !isQuote(s.text[quote]) {
			continue
		}
		end := s.skipSpace(quote + 1)
		if s.has(end, "/") {
			end++
		}
		if s.has(end, ">") {
			address := string(s.text[start:quote])
			return LinkSegment(address, completeURL(address), Format{}), end + 1
		}
	}
	return nil, 0
}

// maxAddress bounds the search for the end of an address in HTML.
const maxAddress = 8192

// htmlBreak matches <br>, <br/>.
func htmlBreak(s *source, p int) (*pb.Segment, int) {
	if !s.has(p, "<br") {
		return nil, 0
	}
	end := s.skipSpace(p + len("<br"))
	if s.has(end, "/") {
		end++
	}
	if !s.has(end, ">") {
		return nil, 0
	}
	return LineBreakSegment(), end + 1
}

// attribute matches a tag, white space, an attribute and a quote, and gives where its value
// starts, or -1.
func attribute(s *source, p int, tag, name string) int {
	if !s.has(p, tag) {
		return -1
	}
	at := s.skipSpace(p + len(tag))
	if at == p+len(tag) || !s.has(at, name) {
		return -1
	}
	at += len(name)
	if at >= len(s.text) || !isQuote(s.text[at]) {
		return -1
	}
	return at + 1
}

func (s *source) skipSpace(p int) int {
	for p < len(s.text) && isSpace(s.text[p]) {
		p++
	}
	return p
}

func isQuote(r rune) bool { return r == '"' || r == '\'' }
