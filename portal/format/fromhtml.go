package format

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// reader writes a tree of HTML as lines.
type reader struct {
	lines
	names   *Names
	ordinal []int // counters of the open lists, 0 = not numbered
	cells   int   // of the row so far
}

func fromHTML(source string, names *Names) chat.Text {
	r := &reader{names: names}
	r.children(parse(source), plainStyle)
	return r.finish()
}

func (r *reader) node(n *html.Node, style chat.Segment) {
	switch {
	case n.Type == html.TextNode:
		r.text(n.Data, style)
	case n.Type != html.ElementNode:
	case r.spoiler(n, style):
	case inline(n, &style):
		r.children(n, style)
	default:
		r.element(n, style)
	}
}

func (r *reader) children(n *html.Node, style chat.Segment) {
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		r.node(child, style)
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
	default:
		return false
	}
	return true
}

// elements are those that are more than a style; of all others the content is read.
var elements map[atom.Atom]func(*reader, *html.Node, chat.Segment)

func init() {
	elements = map[atom.Atom]func(*reader, *html.Node, chat.Segment){
		atom.A: (*reader).link, atom.Img: (*reader).image, atom.Input: (*reader).input,
		atom.Sup: (*reader).raised, atom.Sub: (*reader).raised,
		atom.Br: func(r *reader, _ *html.Node, _ chat.Segment) { r.lineBreak() },
		atom.Hr: func(r *reader, _ *html.Node, _ chat.Segment) { r.line(); r.add("———", plainStyle); r.line() },
		atom.Ul: (*reader).list, atom.Ol: (*reader).list, atom.Li: (*reader).item,
		atom.Tr: (*reader).row, atom.Td: (*reader).cell, atom.Th: (*reader).cell,
		atom.Blockquote: func(r *reader, n *html.Node, style chat.Segment) {
			r.within(&margin{first: "> ", rest: "> "}, n, style)
		},
		atom.Dd: func(r *reader, n *html.Node, style chat.Segment) {
			r.within(&margin{first: "  ", rest: "  "}, n, style)
		},
		atom.Pre:    (*reader).code,
		atom.Script: nothing, atom.Style: nothing, atom.Head: nothing,
	}
	for _, a := range []atom.Atom{atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Summary, atom.Dt} {
		elements[a] = func(r *reader, n *html.Node, style chat.Segment) { style.Bold = true; r.block(n, style) }
	}
	for _, a := range []atom.Atom{atom.P, atom.Div, atom.Table, atom.Caption, atom.Details, atom.Dl} {
		elements[a] = (*reader).block
	}
}

func nothing(*reader, *html.Node, chat.Segment) {}

func (r *reader) element(n *html.Node, style chat.Segment) {
	if read := elements[n.DataAtom]; read != nil {
		read(r, n, style)
	} else if n.Data != "mx-reply" {
		r.children(n, style)
	}
}

// block reads an element that has lines of its own.
func (r *reader) block(n *html.Node, style chat.Segment) {
	r.line()
	r.children(n, style)
	r.line()
}

// within reads a block whose lines have a margin.
func (r *reader) within(m *margin, n *html.Node, style chat.Segment) {
	r.line()
	r.margins = append(r.margins, m)
	r.children(n, style)
	r.margins = r.margins[:len(r.margins)-1]
	r.line()
}

// link reads <a>. Links into Matrix are of no use to people who are not there.
func (r *reader) link(n *html.Node, style chat.Segment) {
	target := strings.TrimSpace(attribute(n, "href"))
	if place, ok := parsePlace(target); ok {
		r.text(place.label(content(n), r.names), style)
		return
	}
	if safeLink(target) {
		style.Kind, style.Target = chat.SegmentLink, target
	}
	r.children(n, style)
}

func safeLink(target string) bool {
	parsed, err := url.Parse(target)
	if err != nil {
		return false
	}
	return parsed.Scheme == "http" || parsed.Scheme == "https" || parsed.Scheme == "mailto"
}

// spoiler reads an element that hides its content, which is left out, since Hangouts could not hide it.
func (r *reader) spoiler(n *html.Node, style chat.Segment) bool {
	reason, hidden := lookup(n, "data-mx-spoiler")
	if reason = strings.TrimSpace(reason); reason != "" {
		reason = ": " + reason
	}
	if hidden {
		r.text("[spoiler"+reason+"]", style)
	}
	return hidden
}

// image reads <img>: a custom emoji is its name, a picture what is said of it.
func (r *reader) image(n *html.Node, style chat.Segment) {
	for _, name := range []string{"alt", "title"} {
		if says := attribute(n, name); strings.TrimSpace(says) != "" {
			r.text(says, style)
			return
		}
	}
	r.text("[image]", style)
}

// input reads the box of a task.
func (r *reader) input(n *html.Node, style chat.Segment) {
	if !isBox(n) {
		return
	}
	box := "[ ]"
	if _, checked := lookup(n, "checked"); checked {
		box = "[x]"
	}
	r.add(box, style)
	r.space = true
}

func isBox(n *html.Node) bool {
	return n.DataAtom == atom.Input && strings.EqualFold(attribute(n, "type"), "checkbox")
}

// code reads <pre>. A language stands where people write it in Markdown.
func (r *reader) code(n *html.Node, style chat.Segment) {
	language := ""
	if child := n.FirstChild; child != nil && child.NextSibling == nil && child.DataAtom == atom.Code {
		for _, class := range strings.Fields(attribute(child, "class")) {
			if name, ok := strings.CutPrefix(class, "language-"); ok {
				language = name
			}
		}
	}
	before := r.pre
	r.line()
	if language != "" {
		r.add("```"+language, style)
		r.line()
	}
	r.pre = true
	r.children(n, style)
	r.pre, r.breaks = before, 0
	r.line()
	if language != "" {
		r.add("```", style)
		r.line()
	}
}

func attribute(n *html.Node, name string) string {
	value, _ := lookup(n, name)
	return value
}

func lookup(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// content is the text of an element without what spoilers hide.
func content(n *html.Node) string {
	r := &reader{}
	r.children(n, plainStyle)
	return r.finish().String()
}
