package chat

import "strings"

// SegmentKind says what a Segment is.
type SegmentKind string

// Kinds of segments.
const (
	SegmentText    SegmentKind = "text"
	SegmentBreak   SegmentKind = "break"
	SegmentLink    SegmentKind = "link"
	SegmentMention SegmentKind = "mention" // Text is what is seen, "@Anna Arnold"
	SegmentEmoji   SegmentKind = "emoji"   // of the network's own; Text is what stands for it, ":name:"
)

// What a line is (Segment.Block). Lists have their number behind a colon: the depth of a
// bullet, from 1, or the item's number.
const (
	BlockCode    = "code"
	BlockQuote   = "quote"
	BlockHeading = "heading"
	BlockBullet  = "bullet:"
	BlockNumber  = "number:"
)

// EverybodyHere, as Segment.Person, mentions all members.
const EverybodyHere PersonID = "all"

// Segment is a run of text in one style, a line break, a link, a mention or an emoji.
// Who does not know a kind or a style shows Text.
type Segment struct {
	Kind   SegmentKind `json:"k"`
	Text   string      `json:"t,omitempty"`
	Target string      `json:"u,omitempty"` // URL of a link
	Bold   bool        `json:"b,omitempty"`
	Italic bool        `json:"i,omitempty"`
	Strike bool        `json:"s,omitempty"`
	Under  bool        `json:"n,omitempty"`
	Code   bool        `json:"c,omitempty"`
	Person PersonID    `json:"p,omitempty"`   // of a mention
	Name   string      `json:"e,omitempty"`   // of an emoji
	Ref    string      `json:"r,omitempty"`   // of an emoji, for Connection.Open
	Block  string      `json:"l,omitempty"`   // what the line is; the same in all of its segments
	Color  uint32      `json:"rgb,omitempty"` // 0x1RRGGBB; 0 = none
}

// Text is rich text: segments in reading order. Line breaks are segments of their own;
// the text of the others holds none.
type Text []Segment

// Plain makes rich text of unformatted text; LF, CRLF and CR become breaks.
func Plain(s string) Text {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	var out Text
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			out = append(out, Segment{Kind: SegmentBreak})
		}
		if line != "" {
			out = append(out, Segment{Kind: SegmentText, Text: line})
		}
	}
	return out
}

// String is the text without styles: breaks as LF; a link whose text differs from its
// target as `text <target>`.
func (t Text) String() string {
	var b strings.Builder
	for _, seg := range t {
		switch seg.Kind {
		case SegmentBreak:
			b.WriteByte('\n')
		case SegmentLink:
			b.WriteString(seg.linkText())
		default:
			b.WriteString(seg.Text)
		}
	}
	return b.String()
}

func (s Segment) linkText() string {
	switch {
	case s.Target == "" || s.Target == s.Text:
		return s.Text
	case s.Text == "":
		return s.Target
	case strings.TrimSuffix(s.Target, "/") == "http://"+s.Text, strings.TrimSuffix(s.Target, "/") == "https://"+s.Text:
		return s.Text
	default:
		return s.Text + " <" + s.Target + ">"
	}
}

// Empty reports whether nothing of the text would be seen.
func (t Text) Empty() bool { return !visible(t.String()) }

// Styled reports whether any segment has a style or is a link whose text is not its
// target, that is, whether String loses something.
func (t Text) Styled() bool {
	for _, s := range t {
		if s.Bold || s.Italic || s.Strike || s.Under || s.Code || s.Block != "" || s.Color != 0 || (s.Kind == SegmentLink && s.Text != s.Target) {
			return true
		}
	}
	return false
}
