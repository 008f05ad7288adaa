package classic

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// hostile is a name with everything that a name can do harm with.
const hostile = "A\x01n\u202en\r\nQUIT :x\u2028\x00\u0085\u009b\xff"

// TestHostileValuesAreCleanedInwards: every text of the service that becomes a value of package chat.
func TestHostileValuesAreCleanedInwards(t *testing.T) {
	const name = "Ann QUIT :x  \uFFFD"
	p := person(&pb.Entity{Id: &pb.ParticipantId{GaiaId: proto.String("11")}, Properties: &pb.EntityProperties{
		DisplayName: proto.String(hostile), FirstName: proto.String(hostile), PhotoUrl: proto.String("//h/\r\np"),
		Email: []string{hostile, "\x01"}, Phone: []string{hostile}}})
	require.Equal(t, chat.Person{ID: "11", FullName: name, FirstName: name, Avatar: []byte(`{"url":"https://h/\r\np"}`), Emails: []string{name}, Phones: []string{name}}, p)

	id := &pb.ParticipantId{GaiaId: proto.String("11")}
	d, ok := conversation(&pb.Conversation{ConversationId: &pb.ConversationId{Id: proto.String("C")}, Name: proto.String(hostile),
		ParticipantData: []*pb.ConversationParticipantData{{Id: id, FallbackName: proto.String(hostile)}}})
	require.True(t, ok)
	require.Equal(t, name, *d.Name)
	require.Equal(t, []chat.Member{{ID: "11", Name: name}}, d.Members)

	made := func(change func(*pb.Event)) *pb.Event {
		e := &pb.Event{ConversationId: &pb.ConversationId{Id: proto.String("C")}, EventId: proto.String("E"), Timestamp: proto.Uint64(1), SenderId: id}
		change(e)
		return e
	}
	renamed, ok := event(made(func(e *pb.Event) {
		e.ConversationRename = &pb.ConversationRename{OldName: proto.String(hostile), NewName: proto.String(hostile)}
	}))
	require.True(t, ok)
	require.Equal(t, &chat.Rename{Old: name, New: name}, renamed.Rename)

	said, ok := event(made(func(e *pb.Event) {
		e.ChatMessage = &pb.ChatMessage{MessageContent: &pb.MessageContent{
			Segment:    []*pb.Segment{{Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: proto.String(hostile)}},
			Attachment: []*pb.Attachment{{EmbedItem: &pb.EmbedItem{Place: &pb.Place{Name: proto.String(hostile), Url: proto.String("http://h/\x01\r\n")}}}},
		}}
	}))
	require.True(t, ok)
	require.Equal(t, "An\u202en\u202c\nQUIT :x\n\n\uFFFD", said.Message.Text.String())
	require.Equal(t, name, said.Message.Attachments[0].Name)
	require.Equal(t, "http://h/", said.Message.Attachments[0].URL)

	for _, bad := range []string{"E\r\nQUIT", "E\x00", "E 1", "E\xff", "E\u202e", strings.Repeat("E", 300)} {
		_, ok := event(made(func(e *pb.Event) { e.EventId, e.ChatMessage = &bad, &pb.ChatMessage{} }))
		require.False(t, ok, "%q", bad)
		_, ok = conversation(&pb.Conversation{ConversationId: &pb.ConversationId{Id: &bad}})
		require.False(t, ok, "%q", bad)
	}
}
