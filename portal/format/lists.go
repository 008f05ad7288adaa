package format

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func (r *reader) list(n *html.Node, style chat.Segment) {
	first := 0
	if n.DataAtom == atom.Ol {
		first = 1
		if start, err := strconv.Atoi(attribute(n, "start")); err == nil && start >= 0 {
			first = max(start, 1)
		}
	}
	r.line()
	r.ordinal = append(r.ordinal, first)
	r.children(n, style)
	r.ordinal = r.ordinal[:len(r.ordinal)-1]
	r.line()
}

// item reads an entry of a list. The box of a task is its bullet.
func (r *reader) item(n *html.Node, style chat.Segment) {
	bullet := r.bullet() + " "
	m := &margin{first: bullet, rest: strings.Repeat(" ", utf8.RuneCountInString(bullet))}
	if bullet == "• " && beginsWithBox(n) {
		m = &margin{rest: "    "}
	}
	r.within(m, n, style)
}

func (r *reader) bullet() string {
	if len(r.ordinal) == 0 || r.ordinal[len(r.ordinal)-1] == 0 {
		return "•"
	}
	number := &r.ordinal[len(r.ordinal)-1]
	defer func() { *number++ }()
	return strconv.Itoa(*number) + "."
}

// beginsWithBox reports whether the first thing of an entry is the box of a task.
func beginsWithBox(n *html.Node) bool {
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		switch {
		case isBox(child):
			return true
		case child.Type == html.TextNode && strings.TrimSpace(child.Data) == "":
		case child.DataAtom == atom.P || child.DataAtom == atom.Label:
			return beginsWithBox(child)
		default:
			return false
		}
	}
	return false
}

// row reads a row of a table, which becomes one line.
func (r *reader) row(n *html.Node, style chat.Segment) {
	r.line()
	cells, inRow := r.cells, r.inRow
	r.cells, r.inRow = 0, true
	r.children(n, style)
	r.cells, r.inRow = cells, inRow
	r.line()
}

func (r *reader) cell(n *html.Node, style chat.Segment) {
	if r.cells > 0 {
		r.space = false
		r.add(" | ", plainStyle)
	}
	r.cells++
	style.Bold = style.Bold || n.DataAtom == atom.Th
	r.children(n, style)
	r.space = false
}

// raised reads <sup> and <sub> as x^2 and x_2; what is more than one number or word, or would run into
// the number behind it, stands in brackets.
func (r *reader) raised(n *html.Node, style chat.Segment) {
	text := strings.TrimSpace(content(n))
	if text == "" {
		return
	}
	mark := "^"
	if n.DataAtom == atom.Sub {
		mark = "_"
	}
	if word := strings.TrimLeft(text, "+-−"); !isWord(word) || endsInDigit(text) && digitFollows(n) {
		text = "(" + text + ")"
	}
	r.text(mark+text, style)
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M) })
}

func endsInDigit(s string) bool {
	last, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsDigit(last)
}

func digitFollows(n *html.Node) bool {
	next := n.NextSibling
	if next == nil || next.Type != html.TextNode {
		return false
	}
	first, _ := utf8.DecodeRuneInString(next.Data)
	return unicode.IsDigit(first)
}
