package format

import (
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// maxMargins bounds how many margins a line shows, so that deep nesting does not multiply the text.
const maxMargins = 8

// lines collects segments. Block elements ask for a line of their own; the breaks
// between them are written when the next text comes.
type lines struct {
	out     chat.Text
	style   chat.Segment    // of the run that is being written
	run     strings.Builder // its text
	breaks  int             // line breaks that stand before the next text
	space   bool            // white space stands before the next text
	pre     bool
	inRow   bool      // of a table: a row is one line
	margins []*margin // of the open elements that have one
}

// margin is what stands before the lines of an element.
type margin struct {
	first, rest string
	begun       bool
}

var plainStyle = chat.Segment{Kind: chat.SegmentText}

// finish returns what was collected.
func (l *lines) finish() chat.Text {
	l.endRun()
	return l.out
}

// empty reports whether nothing was written yet.
func (l *lines) empty() bool { return len(l.out) == 0 && l.run.Len() == 0 }

// line asks for the next text to begin a line, in a table for a space.
func (l *lines) line() {
	if l.inRow {
		l.space = true
		return
	}
	if !l.empty() && l.breaks == 0 {
		l.breaks = 1
	}
	l.space = false
}

func (l *lines) lineBreak() {
	if l.inRow {
		l.space = true
		return
	}
	l.breaks, l.space = l.breaks+1, false
}

// text writes the text of a node: as it is in <pre>, else with white space as one space.
func (l *lines) text(s string, style chat.Segment) {
	if l.pre {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				l.lineBreak()
			}
			l.add(line, style)
		}
		return
	}
	words := strings.FieldsFunc(s, isSpace)
	if len(words) == 0 {
		l.space = l.space || s != ""
		return
	}
	l.space = l.space || isSpace(rune(s[0]))
	l.add(strings.Join(words, " "), style)
	l.space = isSpace(rune(s[len(s)-1]))
}

// isSpace is HTML's white space; a no-break space is text.
func isSpace(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' }

// add appends text after the breaks or the space that stand before it.
func (l *lines) add(s string, style chat.Segment) {
	if s == "" {
		return
	}
	switch {
	case l.empty():
		l.beginLine()
	case l.breaks > 0:
		for n := range l.breaks {
			if n > 0 {
				l.emptyLine()
			}
			l.endRun()
			l.out = append(l.out, chat.Segment{Kind: chat.SegmentBreak})
		}
		l.beginLine()
	case l.space && !strings.HasSuffix(l.run.String(), " "):
		l.write(" ", plainOf(style))
	}
	l.breaks, l.space = 0, false
	l.write(s, style)
}

func (l *lines) beginLine() {
	for _, m := range l.shownMargins() {
		before := m.rest
		if !m.begun {
			before, m.begun = m.first, true
		}
		l.write(before, plainStyle)
	}
}

func (l *lines) shownMargins() []*margin { return l.margins[:min(len(l.margins), maxMargins)] }

// emptyLine writes what of the margins shows on a line without text.
func (l *lines) emptyLine() {
	var before strings.Builder
	for _, m := range l.shownMargins() {
		if m.begun {
			before.WriteString(m.rest)
		}
	}
	if shown := strings.TrimRight(before.String(), " "); shown != "" {
		l.write(shown, plainStyle)
	}
}

// plainOf keeps a style but not a link: the space before a link is not part of it.
func plainOf(style chat.Segment) chat.Segment {
	style.Kind, style.Target = chat.SegmentText, ""
	return style
}

// write joins text of one style into one segment.
func (l *lines) write(s string, style chat.Segment) {
	style.Text = ""
	if style != l.style {
		l.endRun()
		l.style = style
	}
	l.run.WriteString(s)
}

func (l *lines) endRun() {
	if l.run.Len() > 0 {
		segment := l.style
		segment.Text = l.run.String()
		l.out = append(l.out, segment)
		l.run.Reset()
	}
}
