package portal

import (
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// htmlReader collects segments. Block elements ask for a line of their own; the breaks
// between them are written when the next text comes.
type htmlReader struct {
	out     chat.Text
	breaks  int  // line breaks that stand before the next text
	space   bool // white space stands before the next text
	pre     bool
	inRow   bool      // of a table: a row is one line
	cells   int       // of the row so far
	blocks  []*margin // of the open elements that have one
	ordinal []int     // counters of the open lists, 0 = not numbered
}

// margin is what stands before the lines of an element.
type margin struct {
	first, rest string
	begun       bool
}

var plainStyle = chat.Segment{Kind: chat.SegmentText}

// line asks for the next text to begin a line, in a table for a space.
func (r *htmlReader) line() {
	if r.inRow {
		r.space = true
		return
	}
	if len(r.out) > 0 && r.breaks == 0 {
		r.breaks = 1
	}
	r.space = false
}

func (r *htmlReader) lineBreak() {
	if r.inRow {
		r.space = true
		return
	}
	r.breaks, r.space = r.breaks+1, false
}

func (r *htmlReader) text(s string, style chat.Segment) {
	if r.pre {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				r.lineBreak()
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
	switch {
	case len(r.out) == 0:
		r.margins()
	case r.breaks > 0:
		for n := range r.breaks {
			if n > 0 {
				r.emptyLine()
			}
			r.out = append(r.out, chat.Segment{Kind: chat.SegmentBreak})
		}
		r.margins()
	case r.space && !strings.HasSuffix(r.out[len(r.out)-1].Text, " "):
		r.appendText(" ", plainOf(style))
	}
	r.breaks, r.space = 0, false
	r.appendText(s, style)
}

// margins begins a line.
func (r *htmlReader) margins() {
	for _, m := range r.blocks {
		before := m.rest
		if !m.begun {
			before, m.begun = m.first, true
		}
		r.appendText(before, plainStyle)
	}
}

// emptyLine writes what of the margins shows on a line without text.
func (r *htmlReader) emptyLine() {
	var before strings.Builder
	for _, m := range r.blocks {
		if m.begun {
			before.WriteString(m.rest)
		}
	}
	if shown := strings.TrimRight(before.String(), " "); shown != "" {
		r.appendText(shown, plainStyle)
	}
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
