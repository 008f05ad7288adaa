package hangouts

import (
	"sync"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// maxKinds is how many conversations a client remembers the type of; beyond, the oldest is
// forgotten, and a group-only request on it is left to the server.
const maxKinds = 10_000

// kinds remembers which conversations are groups, from answers and pushes.
type kinds struct {
	mu    sync.Mutex
	byID  map[string]pb.ConversationType
	order []string // as they were first seen; a ring once it is full
	next  int
}

// note takes the type of a conversation. One without id or type, as in a push of a change, says nothing.
func (k *kinds) note(c *pb.Conversation) {
	id, kind := c.GetConversationId().GetId(), c.GetType()
	if id == "" || kind == pb.ConversationType_CONVERSATION_TYPE_UNKNOWN {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil {
		k.byID = map[string]pb.ConversationType{}
	}
	if _, known := k.byID[id]; !known {
		if len(k.order) < maxKinds {
			k.order = append(k.order, id)
		} else {
			delete(k.byID, k.order[k.next])
			k.order[k.next] = id
			k.next = (k.next + 1) % maxKinds
		}
	}
	k.byID[id] = kind
}

// noteAnswer takes the types of all conversations in an answer.
func (k *kinds) noteAnswer(answer proto.Message) {
	switch m := answer.(type) {
	case interface{ GetConversation() *pb.Conversation }:
		k.note(m.GetConversation())
	case interface{ GetUpdatedConversation() *pb.Conversation }:
		k.note(m.GetUpdatedConversation())
	case interface{ GetConversationState() *pb.ConversationState }:
		k.note(m.GetConversationState().GetConversation())
	case interface {
		GetConversationState() []*pb.ConversationState
	}:
		for _, state := range m.GetConversationState() {
			k.note(state.GetConversation())
		}
	}
}

// requireGroup returns a ConversationTypeError for a conversation that was seen to be another
// than a group; nil when it is not known.
func (k *kinds) requireGroup(op string, id *pb.ConversationId) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	kind, known := k.byID[id.GetId()]
	if !known || kind == pb.ConversationType_CONVERSATION_TYPE_GROUP {
		return nil
	}
	return &ConversationTypeError{Op: op, Type: kind}
}
