package chat

import (
	"regexp"
	"strings"
)

var bareURL = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"\x{201c}\x{201d}]+`)

// Linked is the text with the URLs that stand in it as links, in the style of the text
// around them. Other addresses, such as example.com, stay text.
func (t Text) Linked() Text {
	out := make(Text, 0, len(t))
	for _, segment := range t {
		if segment.Kind != SegmentText {
			out = append(out, segment)
			continue
		}
		out = append(out, segment.linked()...)
	}
	return out
}

// linked cuts a segment of text at the URLs in it.
func (s Segment) linked() (out Text) {
	rest, from := s.Text, 0 // no URL begins in rest before from
	part := func(text string) Segment {
		piece := s
		piece.Text = text
		return piece
	}
	for {
		at := bareURL.FindStringIndex(rest[from:])
		if at == nil {
			break
		}
		begin := from + at[0]
		url := trimURL(rest[begin : from+at[1]])
		if strings.HasSuffix(url, "/") && strings.Count(url, "/") == 2 {
			from = begin + len(url) // nothing but the scheme
			continue
		}
		if begin > 0 {
			out = append(out, part(rest[:begin]))
		}
		link := part(url)
		link.Kind, link.Target = SegmentLink, url
		out = append(out, link)
		rest, from = rest[begin+len(url):], 0
	}
	if rest != "" {
		out = append(out, part(rest))
	}
	return out
}

// trimURL takes off the punctuation that belongs to the sentence around a URL.
func trimURL(url string) string {
	// How many more brackets close than open.
	round := strings.Count(url, ")") - strings.Count(url, "(")
	square := strings.Count(url, "]") - strings.Count(url, "[")
	for len(url) > 0 {
		switch last := url[len(url)-1]; {
		case strings.IndexByte(".,;:!?'*_~", last) >= 0:
		case last == ')' && round > 0:
			round--
		case last == ']' && square > 0:
			square--
		default:
			return url
		}
		url = url[:len(url)-1]
	}
	return url
}
