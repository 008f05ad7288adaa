package hangouts

import (
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// RequestHeader returns a new header for a request (protocol §8.1). The client adds one to requests
// that lack it. It contains the client id once the push channel has assigned one.
func (c *Client) RequestHeader() *pb.RequestHeader {
	if c == nil {
		c = &Client{}
	}
	header := &pb.RequestHeader{
		ClientVersion: &pb.ClientVersion{
			ClientId:     pb.ClientId_CLIENT_ID_WEB_HANGOUTS.Enum(),
			MajorVersion: proto.String(c.cfg.ClientVersion),
		},
		LanguageCode: proto.String(c.cfg.Language),
	}
	if id := c.ClientID(); id != "" {
		header.ClientIdentifier = &pb.ClientIdentifier{Resource: proto.String(id)}
	}
	return header
}

// ClientGeneratedID returns a random id for a request that creates an event. A caller that must
// recognise its request after a crash derives an id instead; any uint64 is valid.
func ClientGeneratedID() uint64 { return rand.Uint64N(1<<32 + 1) }

// EventRequestHeader makes the header of a request that creates an event in a conversation
// (protocol §8.1): the history state and the default delivery medium are those of the
// conversation. clientGeneratedID comes back in the sender's own copy of the event.
func EventRequestHeader(conversation *pb.Conversation, clientGeneratedID uint64) *pb.EventRequestHeader {
	otr := pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD
	if IsOffTheRecord(conversation) {
		otr = pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
	}
	return &pb.EventRequestHeader{
		ConversationId:    conversation.GetConversationId(),
		ClientGeneratedId: proto.Uint64(clientGeneratedID),
		ExpectedOtr:       otr.Enum(),
		DeliveryMedium:    DefaultDeliveryMedium(conversation),
	}
}

// backoff is the pause that a response header asks for [U].
func backoff(h *pb.ResponseHeader) time.Duration {
	const most = uint64(24 * time.Hour / time.Millisecond)
	return time.Duration(min(h.GetBackoffDurationMillis(), most)) * time.Millisecond
}
