package portal

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// maxDepth bounds how deep elements may be nested; what is deeper is taken as text.
const maxDepth = 100

// fromContent is the rich text of a message from Matrix: its HTML if it has any, else
// its body, each with its bare URLs as links. A body is never read as Markdown.
func fromContent(content *event.MessageEventContent) chat.Text {
	if content.Format == event.FormatHTML && content.FormattedBody != "" {
		if text := fromHTML(content.FormattedBody); !text.Empty() {
			return text.Linked()
		}
	}
	return chat.Plain(content.Body).Linked()
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

func (r *htmlReader) node(n *html.Node, style chat.Segment, depth int) {
	if n.Type == html.TextNode {
		r.text(n.Data, style)
		return
	}
	if n.Type != html.ElementNode || depth > maxDepth {
		return
	}
	if !inline(n, &style) {
		r.block(n, style, depth)
		return
	}
	r.children(n, style, depth)
}

func (r *htmlReader) children(n *html.Node, style chat.Segment, depth int) {
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		r.node(child, style, depth+1)
	}
}

// inline gives a style to the text of an element; false if there is more to the element.
func inline(n *html.Node, style *chat.Segment) bool {
	switch n.DataAtom {
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
	default:
		return false
	}
	return true
}

// block reads an element that is more than a style.
func (r *htmlReader) block(n *html.Node, style chat.Segment, depth int) {
	switch n.DataAtom {
	case atom.Br:
		r.lineBreak()
		return
	case atom.Hr:
		r.line()
		r.add("———", plainStyle)
		r.line()
		return
	case atom.Img:
		r.text(attribute(n, "alt"), style)
		return
	case atom.Script, atom.Style:
		return
	case atom.Ul, atom.Ol:
		r.list(n, style, depth)
		return
	case atom.Tr, atom.Td, atom.Th:
		r.table(n, style, depth)
		return
	case atom.Li:
		bullet := r.bullet() + " "
		r.within(&margin{first: bullet, rest: strings.Repeat(" ", utf8.RuneCountInString(bullet))}, n, style, depth)
		return
	case atom.Blockquote:
		r.within(&margin{first: "> ", rest: "> "}, n, style, depth)
		return
	case atom.Dd:
		r.within(&margin{first: "  ", rest: "  "}, n, style, depth)
		return
	case atom.Pre:
		before := r.pre
		r.line()
		r.pre = true
		r.children(n, style, depth)
		r.pre, r.breaks = before, 0
		r.line()
		return
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Summary, atom.Dt:
		style.Bold = true
	case atom.P, atom.Div, atom.Table, atom.Caption, atom.Details, atom.Dl:
	default:
		if n.Data != "mx-reply" {
			r.children(n, style, depth)
		}
		return
	}
	r.line()
	r.children(n, style, depth)
	r.line()
}

// within reads an element whose lines have a margin.
func (r *htmlReader) within(m *margin, n *html.Node, style chat.Segment, depth int) {
	r.line()
	r.blocks = append(r.blocks, m)
	r.children(n, style, depth)
	r.blocks = r.blocks[:len(r.blocks)-1]
	r.line()
}

func (r *htmlReader) list(n *html.Node, style chat.Segment, depth int) {
	first := 0
	if n.DataAtom == atom.Ol {
		first = 1
		if start, err := strconv.Atoi(attribute(n, "start")); err == nil && start > 0 {
			first = start
		}
	}
	r.line()
	r.ordinal = append(r.ordinal, first)
	r.children(n, style, depth)
	r.ordinal = r.ordinal[:len(r.ordinal)-1]
	r.line()
}

func (r *htmlReader) bullet() string {
	if len(r.ordinal) == 0 || r.ordinal[len(r.ordinal)-1] == 0 {
		return "•"
	}
	number := &r.ordinal[len(r.ordinal)-1]
	defer func() { *number++ }()
	return strconv.Itoa(*number) + "."
}

// table reads a row, which becomes one line, or a cell of it.
func (r *htmlReader) table(n *html.Node, style chat.Segment, depth int) {
	if n.DataAtom == atom.Tr {
		r.line()
		before, inRow := r.cells, r.inRow
		r.cells, r.inRow = 0, true
		r.children(n, style, depth)
		r.cells, r.inRow = before, inRow
		r.line()
		return
	}
	if r.cells > 0 {
		r.space = false
		r.add(" | ", plainStyle)
	}
	r.cells++
	style.Bold = style.Bold || n.DataAtom == atom.Th
	r.children(n, style, depth)
	r.space = false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
