package hangouts

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Member is a person in a conversation, for its title.
type Member struct {
	GaiaID string
	Name   Name
	Self   bool
}

// TitleOptions says how a title is written.
type TitleOptions struct {
	// Truncate shows only the first two of more than two names, and how many are left.
	Truncate bool
	// Unread is appended in parentheses when it is not 0, see UnreadMessages.
	Unread int
}

// ConversationTitle returns the display name of a conversation (protocol §11.4): its own name, or else
// the names of the other members, ordered by id.
func ConversationTitle(name string, members []Member, o TitleOptions) string {
	title := name
	if title == "" {
		title = titleOf(members, o.Truncate)
	}
	if o.Unread > 0 {
		title += " (" + strconv.Itoa(o.Unread) + ")"
	}
	return title
}

func titleOf(members []Member, truncate bool) string {
	others := slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.Self })
	sort.SliceStable(others, func(i, j int) bool { return others[i].GaiaID < others[j].GaiaID })
	switch len(others) {
	case 0:
		return "Empty Conversation"
	case 1:
		return others[0].Name.Full
	}
	var names []string
	for _, m := range others {
		names = append(names, m.Name.First)
	}
	if truncate && len(names) > 2 {
		names = append(names[:2], "+"+strconv.Itoa(len(others)-2))
	}
	return strings.Join(names, ", ")
}

// LatestRead is the time (µs) up to which the user has read a conversation, 0 if unknown.
func LatestRead(c *pb.Conversation) uint64 {
	return c.GetSelfConversationState().GetSelfReadState().GetLatestReadTimestamp()
}

// UnreadEvents are the events after the user's read time, own and membership events included.
func UnreadEvents(c *pb.Conversation, events []*pb.Event) []*pb.Event {
	var unread []*pb.Event
	for _, e := range events {
		if e.GetTimestamp() > LatestRead(c) {
			unread = append(unread, e)
		}
	}
	return unread
}

// UnreadMessages counts the unread messages of others, for a title.
func UnreadMessages(c *pb.Conversation, events []*pb.Event, selfGaiaID string) int {
	n := 0
	for _, e := range UnreadEvents(c, events) {
		if KindOf(e) == ChatMessageEvent && e.GetSenderId().GetGaiaId() != selfGaiaID {
			n++
		}
	}
	return n
}

// IsGroup reports whether a conversation is a group.
func IsGroup(c *pb.Conversation) bool {
	return c.GetType() == pb.ConversationType_CONVERSATION_TYPE_GROUP
}

// IsArchived reports whether the user archived a conversation.
func IsArchived(c *pb.Conversation) bool {
	return slices.Contains(c.GetSelfConversationState().GetView(), pb.ConversationView_CONVERSATION_VIEW_ARCHIVED)
}

// IsQuiet reports whether a conversation raises no notifications.
func IsQuiet(c *pb.Conversation) bool {
	return c.GetSelfConversationState().GetNotificationLevel() == pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET
}

// IsOffTheRecord reports whether a conversation keeps no history.
func IsOffTheRecord(c *pb.Conversation) bool {
	return c.GetOtrStatus() == pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
}

// IsLinkSharingEnabled reports whether a group can be joined by link.
func IsLinkSharingEnabled(c *pb.Conversation) bool {
	return IsGroup(c) && c.GetGroupLinkSharingStatus() == pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON
}

// RequireGroup returns a ConversationTypeError unless the conversation is a group.
func RequireGroup(op string, c *pb.Conversation) error {
	if IsGroup(c) {
		return nil
	}
	return &ConversationTypeError{Op: op, Type: c.GetType()}
}

// MergeConversation applies changed attributes, as pushes and answers bring them, to a known
// conversation (protocol §12.1): present fields replace, embedded messages are merged, lists that are
// not empty replace. Read times never move backwards. Neither argument is changed.
func MergeConversation(known, delta *pb.Conversation) *pb.Conversation {
	merged := &pb.Conversation{}
	if known != nil {
		proto.Merge(merged, known)
	}
	mergeFields(merged.ProtoReflect(), delta.ProtoReflect())
	if read := LatestRead(known); LatestRead(merged) < read {
		merged.SelfConversationState.SelfReadState.LatestReadTimestamp = proto.Uint64(read)
	}
	merged.ReadState = mergeReadStates(known.GetReadState(), delta.GetReadState())
	return merged
}

func mergeFields(to, from protoreflect.Message) {
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			to.Clear(fd)
			list := to.Mutable(fd).List()
			for i := range v.List().Len() {
				if fd.Message() == nil {
					list.Append(v.List().Get(i))
				} else {
					proto.Merge(list.AppendMutable().Message().Interface(), v.List().Get(i).Message().Interface())
				}
			}
		case fd.Message() != nil:
			mergeFields(to.Mutable(fd).Message(), v.Message())
		default:
			to.Set(fd, v)
		}
		return true
	})
}

// mergeReadStates keeps the greatest time of each person: lists leave foreign times at 0.
func mergeReadStates(known, delta []*pb.UserReadState) []*pb.UserReadState {
	var merged []*pb.UserReadState
	byPerson := map[string]*pb.UserReadState{}
	for _, state := range slices.Concat(known, delta) {
		id := state.GetParticipantId().GetGaiaId()
		have := byPerson[id]
		if have == nil {
			have = proto.Clone(state).(*pb.UserReadState)
			byPerson[id] = have
			merged = append(merged, have)
		}
		if state.GetLatestReadTimestamp() > have.GetLatestReadTimestamp() {
			have.LatestReadTimestamp = proto.Uint64(state.GetLatestReadTimestamp())
		}
	}
	return merged
}
