package portal

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// maxDepth bounds how deep elements may be nested; what is deeper is taken as text.
const maxDepth = 100

// fromContent is the rich text of a message from Matrix: its HTML if it has any, else
// its body. A body is never read as Markdown.
func fromContent(content *event.MessageEventContent) chat.Text {
	if content.Format == event.FormatHTML && content.FormattedBody != "" {
		if text := fromHTML(content.FormattedBody); !text.Empty() {
			return text
		}
	}
	return chat.Plain(content.Body)
}

func fromHTML(source string) chat.Text {
	body := &html.Node{Type: html.ElementNode, DataAtom: atom.Body, Data: "body"}
	nodes, err := html.ParseFragment(strings.NewReader(source), body)
	if err != nil {
		return nil
	}
	r := &htmlReader{}
	for _, node := range nodes {
		r.node(node, chat.Segment{Kind: chat.SegmentText}, 0)
	}
	return r.out
}

// htmlReader collects segments. Block elements ask for a line of their own; the breaks
// between them are written when the next text comes.
type htmlReader struct {
	out     chat.Text
	breaks  int  // line breaks that stand before the next text
	space   bool // white space stands before the next text
	pre     bool
	ordinal []int // counters of the open lists, 0 = not numbered
}

func (r *htmlReader) node(n *html.Node, style chat.Segment, depth int) {
	if n.Type == html.TextNode {
		r.text(n.Data, style)
		return
	}
	if n.Type != html.ElementNode || depth > maxDepth {
		return
	}
	if closing, ok := r.open(n, &style); ok {
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			r.node(child, style, depth+1)
		}
		closing()
	}
}

// open notes the beginning of an element; ok is false for elements without content.
func (r *htmlReader) open(n *html.Node, style *chat.Segment) (closing func(), ok bool) {
	closing = func() {}
	switch n.DataAtom {
	case atom.Br:
		r.breaks, r.space = r.breaks+1, false
		return closing, false
	case atom.B, atom.Strong:
		style.Bold = true
	case atom.I, atom.Em:
		style.Italic = true
	case atom.U, atom.Ins:
		style.Under = true
	case atom.S, atom.Del, atom.Strike:
		style.Strike = true
	case atom.A:
		if target := attribute(n, "href"); safeLink(target) && !strings.HasPrefix(target, "https://matrix.to/") {
			style.Kind, style.Target = chat.SegmentLink, target
		}
	case atom.Img:
		r.text(attribute(n, "alt"), *style)
		return closing, false
	case atom.Ul, atom.Ol:
		first := 0
		if n.DataAtom == atom.Ol {
			first = 1
		}
		r.ordinal = append(r.ordinal, first)
		r.line()
		return func() { r.ordinal = r.ordinal[:len(r.ordinal)-1]; r.line() }, true
	case atom.Li:
		r.line()
		r.text(r.bullet(), chat.Segment{Kind: chat.SegmentText})
		r.space = true
		return r.line, true
	case atom.Pre:
		before := r.pre
		r.line()
		r.pre = true
		return func() { r.pre = before; r.line() }, true
	case atom.Blockquote:
		r.line()
		r.text(">", chat.Segment{Kind: chat.SegmentText})
		r.space = true
		return r.line, true
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		style.Bold = true
		r.line()
		return r.line, true
	case atom.P, atom.Div, atom.Tr, atom.Table, atom.Hr:
		r.line()
		return r.line, true
	case atom.Script, atom.Style:
		return closing, false
	default:
		if n.Data == "mx-reply" {
			return closing, false
		}
	}
	return closing, true
}

func (r *htmlReader) bullet() string {
	if len(r.ordinal) == 0 || r.ordinal[len(r.ordinal)-1] == 0 {
		return "•"
	}
	number := &r.ordinal[len(r.ordinal)-1]
	defer func() { *number++ }()
	return strconv.Itoa(*number) + "."
}

// line asks for the next text to begin a line.
func (r *htmlReader) line() {
	if len(r.out) > 0 && r.breaks == 0 {
		r.breaks = 1
	}
	r.space = false
}

func (r *htmlReader) text(s string, style chat.Segment) {
	if r.pre {
		for i, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
			if i > 0 {
				r.breaks++
			}
			r.add(line, style)
		}
		return
	}
	words := strings.FieldsFunc(s, isSpace)
	if len(words) == 0 {
		r.space = r.space || s != ""
		return
	}
	r.space = r.space || isSpace(rune(s[0]))
	r.add(strings.Join(words, " "), style)
	r.space = isSpace(rune(s[len(s)-1]))
}

// isSpace is HTML's white space; a no-break space is text.
func isSpace(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' }

// add appends text after the breaks or the space that stand before it.
func (r *htmlReader) add(s string, style chat.Segment) {
	if s == "" {
		return
	}
	atStart := len(r.out) == 0
	if r.breaks > 0 && !atStart {
		for range r.breaks {
			r.out = append(r.out, chat.Segment{Kind: chat.SegmentBreak})
		}
	} else if r.space && !atStart && r.out[len(r.out)-1].Kind != chat.SegmentBreak {
		r.appendText(" ", plainOf(style))
	}
	r.breaks, r.space = 0, false
	r.appendText(s, style)
}

// plainOf keeps a style but not a link: the space before a link is not part of it.
func plainOf(style chat.Segment) chat.Segment {
	style.Kind, style.Target = chat.SegmentText, ""
	return style
}

// appendText joins text of one style into one segment.
func (r *htmlReader) appendText(s string, style chat.Segment) {
	if n := len(r.out); n > 0 {
		last := r.out[n-1]
		style.Text = last.Text
		if last == style && last.Kind == chat.SegmentText {
			r.out[n-1].Text += s
			return
		}
	}
	style.Text = s
	r.out = append(r.out, style)
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
