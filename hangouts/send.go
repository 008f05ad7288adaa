package hangouts

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const sendOp = "conversations/sendchatmessage"

// SendText sends a text to a conversation and returns the created event. The text is shown as it is;
// line breaks and addresses of web pages are recognised ([ParsePlainText]). The server pushes the event
// to the sender too. Errors are those of [Client.SendChatMessage], and ErrBadRequest for an empty text.
func (c *Client) SendText(ctx context.Context, conversationID, text string) (*pb.Event, error) {
	return c.SendSegments(ctx, conversationID, ParsePlainText(text))
}

// SendSegments is SendText for a text with formats, for example of [ParseText].
func (c *Client) SendSegments(ctx context.Context, conversationID string, segments []*pb.Segment) (*pb.Event, error) {
	if len(segments) == 0 {
		return nil, fmt.Errorf("%s: %w: no text", sendOp, ErrBadRequest)
	}
	header, err := c.EventRequestHeaderFor(ctx, conversationID)
	if err != nil {
		return nil, err
	}
	answer, err := c.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		MessageContent: &pb.MessageContent{Segment: segments}, EventRequestHeader: header,
	})
	return answer.GetCreatedEvent(), err
}

// EventRequestHeaderFor is [EventRequestHeader] with a random id for a conversation of which only the
// id is known. The client remembers history state and delivery medium from answers and pushes; it asks
// the server about a conversation that it has not seen yet.
func (c *Client) EventRequestHeaderFor(ctx context.Context, conversationID string) (*pb.EventRequestHeader, error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	if conversationID == "" {
		return nil, fmt.Errorf("%w: no conversation", ErrBadRequest)
	}
	conversation := c.kinds.get(conversationID)
	if conversation == nil {
		var err error
		if conversation, err = c.conversation(ctx, conversationID); err != nil {
			return nil, err
		}
	}
	return EventRequestHeader(conversation, ClientGeneratedID()), nil
}

// conversation asks for a conversation without events.
func (c *Client) conversation(ctx context.Context, id string) (*pb.Conversation, error) {
	answer, err := c.GetConversation(ctx, &pb.GetConversationRequest{
		ConversationSpec:            &pb.ConversationSpec{ConversationId: &pb.ConversationId{Id: proto.String(id)}},
		IncludeConversationMetadata: proto.Bool(true), IncludeEvent: proto.Bool(false),
	})
	return answer.GetConversationState().GetConversation(), err
}
