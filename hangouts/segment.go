package hangouts

import (
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Format is the formatting of a piece of text. The zero value is plain.
type Format struct {
	Bold, Italic, Strikethrough, Underline bool
}

func (f Format) with(o Format) Format {
	return Format{
		f.Bold || o.Bold, f.Italic || o.Italic, f.Strikethrough || o.Strikethrough, f.Underline || o.Underline,
	}
}

// TextSegment makes a piece of text.
func TextSegment(text string, f Format) *pb.Segment {
	return newSegment(pb.SegmentType_SEGMENT_TYPE_TEXT, text, f)
}

// LinkSegment makes a link: text is shown, target is opened.
func LinkSegment(text, target string, f Format) *pb.Segment {
	s := newSegment(pb.SegmentType_SEGMENT_TYPE_LINK, text, f)
	if target != "" {
		s.LinkData = &pb.LinkData{LinkTarget: proto.String(target)}
	}
	return s
}

// LineBreakSegment makes a line break.
func LineBreakSegment() *pb.Segment {
	return newSegment(pb.SegmentType_SEGMENT_TYPE_LINE_BREAK, "\n", Format{})
}

// newSegment writes type, text and all four flags, as the reference does (protocol §10.2).
func newSegment(kind pb.SegmentType, text string, f Format) *pb.Segment {
	return &pb.Segment{
		Type: kind.Enum(), Text: proto.String(text),
		Formatting: &pb.Formatting{
			Bold: proto.Bool(f.Bold), Italic: proto.Bool(f.Italic),
			Strikethrough: proto.Bool(f.Strikethrough), Underline: proto.Bool(f.Underline),
		},
	}
}

// SegmentFormat reads the formatting of a segment; a missing one is plain.
func SegmentFormat(s *pb.Segment) Format {
	f := s.GetFormatting()
	return Format{f.GetBold(), f.GetItalic(), f.GetStrikethrough(), f.GetUnderline()}
}

// MessageText is the plain text of a message (protocol §10.2): its segments, then the address of each
// photo on a line of its own. A message that is only a photo begins with an empty line.
func MessageText(m *pb.ChatMessage) string {
	lines := []string{SegmentsText(m.GetMessageContent().GetSegment())}
	return strings.Join(append(lines, PhotoURLs(m)...), "\n")
}

// SegmentsText is the plain text of segments. The text of a line break is ignored, a segment of
// an unknown type is left out.
func SegmentsText(segments []*pb.Segment) string {
	var b strings.Builder
	for _, s := range segments {
		if s == nil || s.Type == nil {
			continue
		}
		switch s.GetType() {
		case pb.SegmentType_SEGMENT_TYPE_TEXT, pb.SegmentType_SEGMENT_TYPE_LINK:
			b.WriteString(s.GetText())
		case pb.SegmentType_SEGMENT_TYPE_LINE_BREAK:
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// PhotoURLs are the addresses of the photos attached to a message, as they are shown; one may
// be empty. Other attachments are left out.
func PhotoURLs(m *pb.ChatMessage) []string {
	var list []string
	for _, a := range m.GetMessageContent().GetAttachment() {
		if photo := a.GetEmbedItem().GetPlusPhoto(); photo != nil {
			list = append(list, photo.GetThumbnail().GetImageUrl())
		}
	}
	return list
}

// actionAnnotation marks a "/me" message (protocol §8.17).
const actionAnnotation = 4

// ActionAnnotation is put into a message to make it a "/me" action. Its text normally begins with
// the sender's name.
func ActionAnnotation() *pb.EventAnnotation {
	return &pb.EventAnnotation{Type: proto.Int32(actionAnnotation)}
}

// IsAction reports whether a message is a "/me" action.
func IsAction(m *pb.ChatMessage) bool {
	for _, a := range m.GetAnnotation() {
		if a.GetType() == actionAnnotation {
			return true
		}
	}
	return false
}

// EventKind says what an event is about.
type EventKind int

// The kinds of events, in the order in which they are looked for (protocol §10.1).
const (
	GenericEvent EventKind = iota
	ChatMessageEvent
	OTREvent
	RenameEvent
	MembershipChangeEvent
	HangoutEvent
	GroupLinkSharingModificationEvent
)

var kindNames = [...]string{
	"ConversationEvent", "ChatMessageEvent", "OTREvent", "RenameEvent", "MembershipChangeEvent", "HangoutEvent",
	"GroupLinkSharingModificationEvent",
}

// String is the name of the reference's class.
func (k EventKind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "EventKind(?)"
	}
	return kindNames[k]
}

// KindOf returns the kind of an event by the first part that is present; it ignores event_type.
func KindOf(e *pb.Event) EventKind {
	switch {
	case e.GetChatMessage() != nil:
		return ChatMessageEvent
	case e.GetOtrModification() != nil:
		return OTREvent
	case e.GetConversationRename() != nil:
		return RenameEvent
	case e.GetMembershipChange() != nil:
		return MembershipChangeEvent
	case e.GetHangoutEvent() != nil:
		return HangoutEvent
	case e.GetGroupLinkSharingModification() != nil:
		return GroupLinkSharingModificationEvent
	}
	return GenericEvent
}
