package classic

import (
	"slices"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

var kinds = map[pb.ConversationType]chat.ConversationKind{
	pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE: chat.OneToOne,
	pb.ConversationType_CONVERSATION_TYPE_GROUP:      chat.Group,
}

var standings = map[pb.ConversationStatus]chat.Standing{
	pb.ConversationStatus_CONVERSATION_STATUS_INVITED: chat.Invited,
	pb.ConversationStatus_CONVERSATION_STATUS_ACTIVE:  chat.Active,
	pb.ConversationStatus_CONVERSATION_STATUS_LEFT:    chat.Left,
}

// level reads a notification level; what is not quiet rings.
func level(l pb.NotificationLevel) chat.NotificationLevel {
	if l == pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET {
		return chat.Quiet
	}
	return chat.Ring
}

// conversation turns the service's conversation, whole or a delta (protocol §11.4, §12.1),
// into a delta of ours: fields that are not there are unchanged.
func conversation(c *pb.Conversation) (chat.ConversationDelta, bool) {
	d := chat.ConversationDelta{ID: chat.ConversationID(c.GetConversationId().GetId())}
	if !validID(string(d.ID)) {
		return d, false
	}
	if kind, ok := kinds[c.GetType()]; ok {
		d.Kind = &kind
	}
	d.Name = c.Name
	if c.OtrStatus != nil {
		off := c.GetOtrStatus() == pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
		d.HistoryOff = &off
	}
	if c.GroupLinkSharingStatus != nil {
		on := c.GetGroupLinkSharingStatus() == pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON
		d.LinkSharing = &on
	}
	d.Members = members(c)
	d.Complete = d.Kind != nil && len(d.Members) > 0
	if d.Complete && d.Name == nil {
		d.Name = new(string) // a whole conversation without a name has none
	}
	personal(c.GetSelfConversationState(), &d)
	return d.Clean(), true
}

// personal takes what is the account's own of a conversation.
func personal(s *pb.UserConversationState, d *chat.ConversationDelta) {
	if standing, ok := standings[s.GetStatus()]; ok {
		d.Standing = &standing
	}
	if inviter := personID(s.GetInviterId()); inviter != "" {
		d.Inviter = &inviter
	}
	if s.GetNotificationLevel() != pb.NotificationLevel_NOTIFICATION_LEVEL_UNKNOWN {
		l := level(s.GetNotificationLevel())
		d.Level = &l
	}
	if len(s.GetView()) > 0 {
		archived := slices.Contains(s.GetView(), pb.ConversationView_CONVERSATION_VIEW_ARCHIVED)
		d.Archived = &archived
	}
	if t := int64(s.GetSortTimestamp()); t > 0 {
		d.SortTime = &t
	}
	if t := int64(s.GetSelfReadState().GetLatestReadTimestamp()); t > 0 {
		d.ReadTime = &t
	}
	if options := s.GetDeliveryMediumOption(); len(options) > 0 {
		medium := defaultMedium(options)
		d.Medium = &medium
	}
}

// defaultMedium is the medium of new messages (protocol §11.6).
func defaultMedium(options []*pb.DeliveryMediumOption) chat.Medium {
	medium := options[0].GetDeliveryMedium()
	for _, option := range options {
		if option.GetCurrentDefault() {
			medium = option.GetDeliveryMedium()
		}
	}
	if medium.GetMediumType() != pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE {
		return chat.Medium{}
	}
	return chat.Medium{SMS: true, Number: medium.GetPhoneNumber().GetE164()}
}

// members lists who is in a conversation now, in the order of the participant data; nil
// when the delta does not say.
func members(c *pb.Conversation) []chat.Member {
	current := make(map[chat.PersonID]bool)
	for _, id := range c.GetCurrentParticipant() {
		current[personID(id)] = true
	}
	var list []chat.Member
	seen := make(map[chat.PersonID]bool)
	for _, data := range c.GetParticipantData() {
		id := personID(data.GetId())
		if id == "" && data.GetPhoneNumber().GetE164() != "" {
			id = chat.MakePhoneID(data.GetPhoneNumber().GetE164())
		}
		if id == "" || seen[id] || (len(current) > 0 && !current[id]) {
			continue
		}
		seen[id] = true
		list = append(list, chat.Member{ID: id, Name: data.GetFallbackName(),
			Invited: data.GetInvitationStatus() == pb.InvitationStatus_INVITATION_STATUS_PENDING})
	}
	for _, id := range c.GetCurrentParticipant() {
		if p := personID(id); p != "" && !seen[p] {
			seen[p] = true
			list = append(list, chat.Member{ID: p})
		}
	}
	return list
}

// readStates are the watermarks that a conversation brings along; those of 0 say nothing.
func readStates(c *pb.Conversation) (marks []chat.Watermark) {
	for _, r := range c.GetReadState() {
		person, time := personID(r.GetParticipantId()), int64(r.GetLatestReadTimestamp())
		if person != "" && time > 0 {
			marks = append(marks, chat.Watermark{Conversation: chat.ConversationID(c.GetConversationId().GetId()), Person: person, Time: time})
		}
	}
	return marks
}
