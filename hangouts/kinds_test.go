package hangouts_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// TestGroupOnly is TestInteropGroupOnly against a script: what was seen decides, the newest counts,
// and the memory is bounded.
func TestGroupOnly(t *testing.T) {
	s := newScript(t)
	var states []*pb.ConversationState
	s.api = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if strings.Contains(r.URL.Path, "sync") {
			reply(w, &pb.SyncAllNewEventsResponse{ResponseHeader: okHeader(), ConversationState: states})
			return
		}
		reply(w, &pb.AddUserResponse{ResponseHeader: okHeader()})
	}
	c := s.client(t, nil)
	ctx := context.Background()
	learn := func(kind *pb.ConversationType, ids ...string) {
		states = nil
		for _, id := range ids {
			states = append(states, &pb.ConversationState{Conversation: &pb.Conversation{ConversationId: &pb.ConversationId{Id: proto.String(id)}, Type: kind}})
		}
		_, err := c.SyncAllNewEvents(ctx, &pb.SyncAllNewEventsRequest{})
		require.NoError(t, err)
	}
	add := func(id string) error {
		_, err := c.AddUser(ctx, &pb.AddUserRequest{EventRequestHeader: &pb.EventRequestHeader{ConversationId: &pb.ConversationId{Id: proto.String(id)}}})
		return err
	}
	one, group := pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE.Enum(), pb.ConversationType_CONVERSATION_TYPE_GROUP.Enum()
	require.NoError(t, add("A"))
	learn(one, "A", "")
	var kind *hangouts.ConversationTypeError
	require.ErrorAs(t, add("A"), &kind)
	require.NoError(t, add("B"))
	learn(nil, "A")
	require.ErrorAs(t, add("A"), &kind, "a change without type changes nothing")
	learn(group, "A")
	require.NoError(t, add("A"))
	require.Len(t, s.seen("/chat/v1/conversations/adduser"), 3)

	learn(one, "first")
	var many []string
	for i := range hangouts.MaxKinds {
		many = append(many, fmt.Sprintf("C%d", i))
	}
	learn(one, many...)
	require.NoError(t, add("first"), "the oldest is forgotten, so the server decides")
	require.ErrorAs(t, add(many[0]), &kind)
	require.ErrorAs(t, add(many[len(many)-1]), &kind)
	require.Equal(t, hangouts.MaxKinds, hangouts.KnownKinds(c))
}
