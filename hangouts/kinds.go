package hangouts

import (
	"sync"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// maxKinds is how many conversations a client remembers the type of; beyond, the oldest is
// forgotten, and a group-only request on it is left to the server.
const maxKinds = 10_000

// kinds remembers of each conversation, from answers and pushes, what requests on it need: its type, its history state
// and its delivery media.
type kinds struct {
	mu    sync.Mutex
	byID  map[string]*pb.Conversation
	order []string // as they were first seen; a ring once it is full
	next  int
}

// note remembers a conversation. A change without a type is not enough for a conversation that is not
// known yet.
func (k *kinds) note(c *pb.Conversation) {
	id, kind := c.GetConversationId().GetId(), c.GetType()
	k.mu.Lock()
	defer k.mu.Unlock()
	old, known := k.byID[id]
	switch {
	case id == "" || !known && kind == pb.ConversationType_CONVERSATION_TYPE_UNKNOWN:
		return
	case !known:
		k.makeRoom(id)
	case kind == pb.ConversationType_CONVERSATION_TYPE_UNKNOWN:
		kind = old.GetType()
	}
	kept := &pb.Conversation{ConversationId: &pb.ConversationId{Id: proto.String(id)}, Type: kind.Enum(), OtrStatus: old.GetOtrStatus().Enum()}
	if c.OtrStatus != nil {
		kept.OtrStatus = c.GetOtrStatus().Enum()
	}
	media := c.GetSelfConversationState().GetDeliveryMediumOption()
	if len(media) == 0 {
		media = old.GetSelfConversationState().GetDeliveryMediumOption()
	}
	kept.SelfConversationState = &pb.UserConversationState{DeliveryMediumOption: media}
	k.byID[id] = kept
}

// makeRoom enters a new id, in the place of the oldest when there are too many. mu is held.
func (k *kinds) makeRoom(id string) {
	if k.byID == nil {
		k.byID = map[string]*pb.Conversation{}
	}
	if len(k.order) < maxKinds {
		k.order = append(k.order, id)
		return
	}
	delete(k.byID, k.order[k.next])
	k.order[k.next] = id
	k.next = (k.next + 1) % maxKinds
}

// get returns a known conversation, nil for an unknown one. It must not be changed.
func (k *kinds) get(id string) *pb.Conversation {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byID[id]
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
	if known := k.get(id.GetId()); known != nil {
		return RequireGroup(op, known)
	}
	return nil
}
