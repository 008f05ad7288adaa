package classic

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// "/me" is read by its annotation; the name that the text begins with is left out, full or first.
func TestEmotesAreRead(t *testing.T) {
	for _, c := range []struct {
		name, text string
		annotation int32
		emote      bool
		out        string
	}{
		{"full name", "Ann Lee waves", annotationMe, true, "waves"},
		{"first name", "Ann waves", annotationMe, true, "waves"},
		{"other name", "Annabel waves", annotationMe, true, "Annabel waves"},
		{"other annotation", "Ann Lee waves", 5, false, "Ann Lee waves"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := message(&pb.Event{ChatMessage: &pb.ChatMessage{
				Annotation:     []*pb.EventAnnotation{{Type: proto.Int32(c.annotation)}},
				MessageContent: &pb.MessageContent{Segment: []*pb.Segment{{Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: proto.String(c.text)}}},
			}})
			update := account.Update{People: []chat.Person{{ID: "1", FullName: "Ann Lee"}},
				Events: []account.ReceivedEvent{{Event: chat.Event{Author: "1", Message: m}}}}
			(&connection{names: map[chat.PersonID]string{}}).learn(&update)
			require.Equal(t, c.emote, m.Emote)
			require.Equal(t, c.out, m.Text.String())
		})
	}
}
