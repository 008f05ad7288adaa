package format

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Bounds of the tree that parse makes.
const (
	// maxDepth is how deep elements nest; the content of deeper ones belongs to the one at this depth.
	maxDepth = 100
	// maxReopened is how many styles go on behind the end of the element around them.
	maxReopened = 8
)

// parse makes a tree of HTML, well formed or not, in linear time and memory. The parser of the
// HTML specification repeats open styles in every paragraph, which multiplies hostile input.
func parse(source string) *html.Node {
	p := parser{}
	p.push(&html.Node{Type: html.ElementNode, DataAtom: atom.Body, Data: "body"})
	tokens := html.NewTokenizer(strings.NewReader(source))
	for kind := tokens.Next(); kind != html.ErrorToken; kind = tokens.Next() {
		p.token(tokens.Token())
	}
	return p.open[0]
}

type parser struct {
	open    []*html.Node   // from the body to the innermost element
	ignored map[string]int // open elements beyond maxDepth, by name
}

func (p *parser) top() *html.Node { return p.open[len(p.open)-1] }

func (p *parser) push(n *html.Node) {
	if len(p.open) > 0 {
		p.top().AppendChild(n)
	}
	p.open = append(p.open, n)
}

func (p *parser) token(t html.Token) {
	switch t.Type {
	case html.TextToken:
		p.top().AppendChild(&html.Node{Type: html.TextNode, Data: t.Data})
	case html.StartTagToken, html.SelfClosingTagToken:
		p.start(t)
	case html.EndTagToken:
		p.end(t)
	}
}

func (p *parser) start(t html.Token) {
	p.endImplied(t.DataAtom)
	n := &html.Node{Type: html.ElementNode, DataAtom: t.DataAtom, Data: t.Data, Attr: t.Attr}
	switch {
	case void[t.DataAtom]:
		p.top().AppendChild(n)
	case len(p.open) >= maxDepth:
		if p.ignored == nil {
			p.ignored = map[string]int{}
		}
		p.ignored[t.Data]++
	default:
		p.push(n)
	}
}

// void are the elements that have no content.
var void = set(atom.Br, atom.Hr, atom.Img, atom.Input, atom.Col, atom.Wbr, atom.Meta, atom.Link, atom.Area, atom.Base, atom.Embed, atom.Source, atom.Track)

// endedBy are, by element, those that it ends, and those at which the search for them stops.
var endedBy = map[atom.Atom]struct{ ends, within map[atom.Atom]bool }{
	atom.Li: {set(atom.Li), set(atom.Ul, atom.Ol)},
	atom.Dt: {set(atom.Dt, atom.Dd), set(atom.Dl)},
	atom.Dd: {set(atom.Dt, atom.Dd), set(atom.Dl)},
	atom.Tr: {set(atom.Tr), set(atom.Table)},
	atom.Td: {set(atom.Td, atom.Th), set(atom.Tr, atom.Table)},
	atom.Th: {set(atom.Td, atom.Th), set(atom.Tr, atom.Table)},
	atom.P:  {set(atom.P), set(atom.Blockquote, atom.Li, atom.Td, atom.Th, atom.Dd, atom.Div, atom.Details)},
	atom.A:  {set(atom.A), set(atom.Td, atom.Th, atom.Li)},
}

func set(list ...atom.Atom) map[atom.Atom]bool {
	m := make(map[atom.Atom]bool, len(list))
	for _, a := range list {
		m[a] = true
	}
	return m
}

// endImplied ends the elements whose end tag may be left out before another begins.
func (p *parser) endImplied(next atom.Atom) {
	rule, ok := endedBy[next]
	if !ok {
		return
	}
	for i := len(p.open) - 1; i > 0; i-- {
		if name := p.open[i].DataAtom; rule.ends[name] {
			p.closeTo(i)
			return
		} else if rule.within[name] {
			return
		}
	}
}

func (p *parser) end(t html.Token) {
	if p.ignored[t.Data] > 0 {
		p.ignored[t.Data]--
		return
	}
	for i := len(p.open) - 1; i > 0; i-- {
		if p.open[i].Data == t.Data {
			p.closeTo(i)
			return
		}
	}
	if t.DataAtom == atom.P || t.DataAtom == atom.Br { // as browsers do
		p.top().AppendChild(&html.Node{Type: html.ElementNode, DataAtom: t.DataAtom, Data: t.Data})
	}
}

// styles are the elements that go on when the one around them ends before them.
var styles = set(atom.B, atom.Strong, atom.I, atom.Em, atom.U, atom.Ins, atom.S, atom.Del, atom.Strike, atom.Code)

// closeTo ends open[i] and what is open inside. Styles that begin in it and end behind it go on.
func (p *parser) closeTo(i int) {
	inner := p.open[i+1:]
	p.open = p.open[:i]
	reopened := 0
	for _, n := range inner {
		if styles[n.DataAtom] && reopened < maxReopened {
			reopened++
			p.push(&html.Node{Type: html.ElementNode, DataAtom: n.DataAtom, Data: n.Data, Attr: n.Attr})
		}
	}
}
