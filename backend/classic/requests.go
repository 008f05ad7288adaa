package classic

import (
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func conversationID(id chat.ConversationID) *pb.ConversationId {
	return &pb.ConversationId{Id: proto.String(string(id))}
}

// eventHeader is the header of a request that makes an event (protocol §8.1).
func eventHeader(id uint64, c chat.Conversation) *pb.EventRequestHeader {
	medium := &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL.Enum()}
	kind := pb.EventType_EVENT_TYPE_REGULAR_CHAT_MESSAGE
	if c.Medium.SMS {
		medium.MediumType = pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE.Enum()
		medium.PhoneNumber = &pb.PhoneNumber{E164: proto.String(c.Medium.Number)}
		kind = pb.EventType_EVENT_TYPE_SMS
	}
	return &pb.EventRequestHeader{
		ConversationId:    conversationID(c.ID),
		ClientGeneratedId: proto.Uint64(id),
		ExpectedOtr:       otrStatus(c.HistoryOff).Enum(),
		DeliveryMedium:    medium,
		EventType:         kind.Enum(),
	}
}

func otrStatus(off bool) pb.OffTheRecordStatus {
	if off {
		return pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
	}
	return pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD
}

// sendRequest is a message of ours in the service's words. name is the sender's, which
// the text of a "/me" message begins with (protocol §8.17).
func sendRequest(id uint64, c chat.Conversation, m *chat.Message, name string) (*pb.SendChatMessageRequest, error) {
	text := m.Text
	req := &pb.SendChatMessageRequest{EventRequestHeader: eventHeader(id, c)}
	if m.Emote {
		req.Annotation = []*pb.EventAnnotation{{Type: proto.Int32(annotationMe), Value: proto.String("")}}
		text = append(chat.Text{{Kind: chat.SegmentText, Text: name + " "}}, text...)
	}
	content := &pb.MessageContent{}
	for _, s := range text {
		content.Segment = append(content.Segment, segment(s))
	}
	req.MessageContent = content
	return req, attach(req, m.Attachments)
}

// segment writes what the reference writes: type, text and all four styles always.
func segment(s chat.Segment) *pb.Segment {
	out := &pb.Segment{
		Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(),
		Text: proto.String(s.Text),
		Formatting: &pb.Formatting{Bold: proto.Bool(s.Bold), Italic: proto.Bool(s.Italic),
			Strikethrough: proto.Bool(s.Strike), Underline: proto.Bool(s.Under)},
	}
	switch s.Kind {
	case chat.SegmentBreak:
		out.Type, out.Text = pb.SegmentType_SEGMENT_TYPE_LINE_BREAK.Enum(), proto.String("\n")
	case chat.SegmentLink:
		out.Type, out.LinkData = pb.SegmentType_SEGMENT_TYPE_LINK.Enum(), &pb.LinkData{LinkTarget: proto.String(s.Target)}
	}
	return out
}
