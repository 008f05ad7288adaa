package classic

import (
	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// batch turns one batch of pushed state updates into one update (protocol §9).
func batch(updates []*pb.StateUpdate) (out account.Update) {
	for _, u := range updates {
		addConversation(&out, u.GetConversation())
		if apply, ok := notifications[notificationName(u)]; ok {
			apply(&out, u)
		}
	}
	return out
}

func addConversation(out *account.Update, c *pb.Conversation) {
	if delta, ok := conversation(c); ok {
		out.Conversations = append(out.Conversations, delta)
	}
	out.Watermarks = append(out.Watermarks, readStates(c)...)
}

func addEvent(out *account.Update, e *pb.Event) {
	if received, ok := event(e); ok {
		out.Events = append(out.Events, received)
	}
}

// notificationName names the notification that an update carries.
func notificationName(u *pb.StateUpdate) string {
	m := u.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("state_update"))
	if field == nil {
		return ""
	}
	return string(field.Name())
}

// notifications is what each kind of notification means; the others mean nothing to us.
var notifications = map[string]func(*account.Update, *pb.StateUpdate){
	"conversation_notification": func(out *account.Update, u *pb.StateUpdate) {
		addConversation(out, u.GetConversationNotification().GetConversation())
	},
	"event_notification": func(out *account.Update, u *pb.StateUpdate) {
		addEvent(out, u.GetEventNotification().GetEvent())
	},
	"typing_notification": func(out *account.Update, u *pb.StateUpdate) {
		n := u.GetTypingNotification()
		state, ok := typingStates[n.GetType()]
		if id := n.GetConversationId().GetId(); ok && id != "" {
			out.Typing = append(out.Typing, chat.Typing{Conversation: chat.ConversationID(id),
				Person: personID(n.GetSenderId()), State: state, Time: int64(n.GetTimestamp())})
		}
	},
	"watermark_notification": func(out *account.Update, u *pb.StateUpdate) {
		n := u.GetWatermarkNotification()
		w := chat.Watermark{Conversation: chat.ConversationID(n.GetConversationId().GetId()),
			Person: personID(n.GetSenderId()), Time: int64(n.GetLatestReadTimestamp())}
		if w.Conversation != "" && w.Person != "" && w.Time > 0 {
			out.Watermarks = append(out.Watermarks, w)
		}
	},
	"notification_level_notification": func(out *account.Update, u *pb.StateUpdate) {
		n := u.GetNotificationLevelNotification()
		l := level(n.GetLevel())
		out.Conversations = append(out.Conversations, chat.ConversationDelta{ID: chat.ConversationID(n.GetConversationId().GetId()), Level: &l})
	},
	"easter_egg_notification": addEasterEgg,
	"view_modification": func(out *account.Update, u *pb.StateUpdate) {
		n := u.GetViewModification()
		archived := n.GetNewView() == pb.ConversationView_CONVERSATION_VIEW_ARCHIVED
		out.Conversations = append(out.Conversations, chat.ConversationDelta{ID: chat.ConversationID(n.GetConversationId().GetId()), Archived: &archived})
	},
}

var typingStates = map[pb.TypingType]chat.TypingState{
	pb.TypingType_TYPING_TYPE_STARTED: chat.TypingStarted,
	pb.TypingType_TYPING_TYPE_PAUSED:  chat.TypingPaused,
	pb.TypingType_TYPING_TYPE_STOPPED: chat.TypingStopped,
}

// states turns conversation states of an answer (protocol §8.9-8.11) into one update.
func states(list []*pb.ConversationState) (out account.Update) {
	for _, s := range list {
		addConversation(&out, s.GetConversation())
		for _, e := range s.GetEvent() {
			addEvent(&out, e)
		}
	}
	return out
}
