package hangoutstest

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

var (
	linkPattern     = regexp.MustCompile(`https?://[^\s<>"]+`)
	markdownPattern = regexp.MustCompile(`https?://[^\s<>"]+|\*\*[^*\n]+\*\*|\b_[^_\n]+_\b`)
)

// textSegments turns text into segments the way official clients write them: one TEXT per
// stretch, LINE_BREAK with a line feed, LINK for http(s) addresses.
func textSegments(text string, markdown bool) []*pb.Segment {
	pattern := linkPattern
	if markdown {
		pattern = markdownPattern
	}
	var segments []*pb.Segment
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if i > 0 {
			segments = append(segments, segment(pb.SegmentType_SEGMENT_TYPE_LINE_BREAK, "\n", nil))
		}
		last := 0
		for _, at := range pattern.FindAllStringIndex(line, -1) {
			segments = appendText(segments, line[last:at[0]])
			segments = append(segments, tokenSegment(line[at[0]:at[1]]))
			last = at[1]
		}
		segments = appendText(segments, line[last:])
	}
	return segments
}

func appendText(segments []*pb.Segment, text string) []*pb.Segment {
	if text == "" {
		return segments
	}
	return append(segments, segment(pb.SegmentType_SEGMENT_TYPE_TEXT, text, &pb.Formatting{}))
}

func tokenSegment(token string) *pb.Segment {
	switch {
	case strings.HasPrefix(token, "**"):
		return segment(pb.SegmentType_SEGMENT_TYPE_TEXT, strings.Trim(token, "*"), &pb.Formatting{Bold: proto.Bool(true)})
	case strings.HasPrefix(token, "_"):
		return segment(pb.SegmentType_SEGMENT_TYPE_TEXT, strings.Trim(token, "_"), &pb.Formatting{Italic: proto.Bool(true)})
	}
	s := segment(pb.SegmentType_SEGMENT_TYPE_LINK, token, &pb.Formatting{})
	s.LinkData = &pb.LinkData{LinkTarget: proto.String(token)}
	return s
}

// segment writes all four format flags explicitly, as the reference does (protocol §10.2).
func segment(kind pb.SegmentType, text string, f *pb.Formatting) *pb.Segment {
	s := &pb.Segment{Type: kind.Enum(), Text: proto.String(text)}
	if f != nil {
		s.Formatting = &pb.Formatting{
			Bold: proto.Bool(f.GetBold()), Italic: proto.Bool(f.GetItalic()),
			Strikethrough: proto.Bool(f.GetStrikethrough()), Underline: proto.Bool(f.GetUnderline()),
		}
	}
	return s
}

// plainText is the reference's text of a message: lines, then one line per picture (protocol §10.2).
func plainText(m *pb.ChatMessage) string {
	var sb strings.Builder
	for _, s := range m.GetMessageContent().GetSegment() {
		if s.GetType() == pb.SegmentType_SEGMENT_TYPE_LINE_BREAK {
			sb.WriteByte('\n')
		} else {
			sb.WriteString(s.GetText())
		}
	}
	for _, a := range m.GetMessageContent().GetAttachment() {
		if p := a.GetEmbedItem().GetPlusPhoto(); p != nil {
			sb.WriteString("\n" + p.GetThumbnail().GetImageUrl())
		}
	}
	return sb.String()
}

// photoAttachment is a picture as the service pushes it (protocol §10.3).
func photoAttachment(owner, id, url string) *pb.Attachment {
	return &pb.Attachment{EmbedItem: &pb.EmbedItem{
		Type: []pb.ItemType{pb.ItemType_ITEM_TYPE_PLUS_PHOTO, pb.ItemType_ITEM_TYPE_THING},
		PlusPhoto: &pb.PlusPhoto{
			Thumbnail: &pb.PlusPhoto_Thumbnail{
				Url: proto.String(url), ImageUrl: proto.String(url),
				WidthPx: proto.Uint64(640), HeightPx: proto.Uint64(480),
			},
			OwnerObfuscatedId:  proto.String(owner),
			AlbumId:            proto.String("6000" + id),
			PhotoId:            proto.String(id),
			Url:                proto.String(url),
			OriginalContentUrl: proto.String(url),
			MediaType:          pb.PlusPhoto_MEDIA_TYPE_PHOTO.Enum(),
			StreamId:           []string{"BABEL_STREAM_ID"},
		},
	}}
}
