package hangoutstest

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// dedupWindow is how long a repeated client_generated_id counts as the same request (§3.7).
const dedupWindow = uint64(time.Minute / time.Microsecond)

// newEventArgs is what an event-creating request gives besides its content.
type newEventArgs struct {
	conv   *conversation
	sender string
	cgid   uint64
	otr    pb.OffTheRecordStatus // 0 = on the record
	medium *pb.DeliveryMedium
	kind   pb.EventType
	fill   func(*pb.Event)
	// head is the conversation as it is after the event; nil = unchanged.
	head *conversation
	// also get the push although they are no members afterwards.
	also []string
}

// addEventLocked creates an event, makes it durable and pushes it to every member. A
// repeated request gets the first event, pushed no second time.
func (s *Server) addEventLocked(a newEventArgs) (*event, error) {
	if e := s.repeatedLocked(a.conv, a.sender, a.cgid, a.kind); e != nil {
		return e, nil
	}
	us := s.nowLocked()
	e := newEvent(a.conv, a.sender, s.gen.eventID(), us)
	e.EventType = a.kind.Enum()
	if a.medium != nil {
		e.MediumType = a.medium
	}
	if a.otr == pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD {
		e.OtrStatus = a.otr.Enum()
		e.Persisted = proto.Bool(false)
		e.ExpirationTimestamp = proto.Uint64(us + uint64(s.settings.OTRKeep.Duration()/time.Microsecond))
	}
	a.fill(e)
	stored, err := newEventOp(e, a.cgid)
	if err != nil {
		return nil, err
	}
	var ops []op
	if a.head != nil {
		ops = append(ops, op{Conversation: a.head})
	}
	if err := s.commitLocked(append(ops, op{Event: stored})...); err != nil {
		return nil, err
	}
	c := s.world.convs[a.conv.ID]
	ev := c.byID[e.GetEventId()]
	s.pushConversationEventLocked(c, ev, a.also...)
	s.wakeBotsLocked(c, ev)
	return ev, nil
}

func (s *Server) repeatedLocked(c *conversation, sender string, cgid uint64, kind pb.EventType) *event {
	if cgid == 0 || !s.settings.Dedup {
		return nil
	}
	since := s.nowLocked() - dedupWindow
	for _, e := range slices.Backward(c.events) {
		if e.us() < since {
			return nil
		}
		if e.cgid == cgid && e.sender() == sender && e.pb.GetEventType() == kind {
			return e
		}
	}
	return nil
}

// renameLocked sets the title; "" clears it (protocol §8.16).
func (s *Server) renameLocked(a newEventArgs, name string) (*event, error) {
	a.kind = pb.EventType_EVENT_TYPE_CONVERSATION_RENAME
	old := a.conv.Name
	a.head = a.conv.head()
	a.head.Name = name
	a.fill = func(e *pb.Event) {
		e.ConversationRename = &pb.ConversationRename{NewName: proto.String(name), OldName: proto.String(old)}
	}
	return s.addEventLocked(a)
}

// addMembersLocked adds people to a group (protocol §8.13). Errors: errNoInvitee when
// nobody is new or known.
func (s *Server) addMembersLocked(a newEventArgs, ids []string, names map[string]string) (*event, error) {
	a.kind = pb.EventType_EVENT_TYPE_ADD_USER
	if e := s.repeatedLocked(a.conv, a.sender, a.cgid, a.kind); e != nil {
		return e, nil
	}
	if !a.conv.group() {
		return nil, errInvalidRequest("Users can only be added to a group conversation")
	}
	a.head = a.conv.head()
	var added []*pb.ParticipantId
	now := s.nowLocked()
	for _, id := range ids {
		p := s.world.people[id]
		if p == nil || a.head.member(id) != nil {
			continue
		}
		a.head.Members = slices.DeleteFunc(a.head.Members, func(m *member) bool { return m.GaiaID == id })
		a.head.Members = append(a.head.Members, s.invitedMemberLocked(p, a.sender, now, names[id]))
		added = append(added, participantID(id))
	}
	if len(added) == 0 {
		return nil, errNoInvitee
	}
	if len(a.head.present()) > maxGroupMembers {
		return nil, errInvalidRequest("Too many participants")
	}
	a.fill = func(e *pb.Event) {
		e.MembershipChange = &pb.MembershipChange{
			Type: pb.MembershipChangeType_MEMBERSHIP_CHANGE_TYPE_JOIN.Enum(), ParticipantIds: added}
	}
	return s.addEventLocked(a)
}

// invitedMemberLocked is a new member: active at once when the inviter is among their
// contacts, else invited (protocol §8.12).
func (s *Server) invitedMemberLocked(p *person, inviter string, us uint64, fallback string) *member {
	m := newMember(p, us)
	if m.FallbackName == "" {
		m.FallbackName = fallback
	}
	m.Inviter = inviter
	if p.GaiaID != inviter && !p.knows(inviter) {
		m.Status = pb.ConversationStatus_CONVERSATION_STATUS_INVITED
	}
	return m
}

// removeMemberLocked takes somebody out of a group, or lets them leave (protocol §8.14).
func (s *Server) removeMemberLocked(a newEventArgs, gaia string) (*event, error) {
	a.kind = pb.EventType_EVENT_TYPE_REMOVE_USER
	if e := s.repeatedLocked(a.conv, a.sender, a.cgid, a.kind); e != nil {
		return e, nil
	}
	if !a.conv.group() {
		return nil, errInvalidRequest("Users can only be removed from a group conversation")
	}
	a.head = a.conv.head()
	m := a.head.member(gaia)
	if m == nil {
		return nil, errInvalidRequest("User is not in the conversation")
	}
	m.Status = pb.ConversationStatus_CONVERSATION_STATUS_LEFT
	a.also = []string{gaia}
	a.fill = func(e *pb.Event) {
		// The leaver still sees this event, and nothing after it.
		m.LeftUS = e.GetTimestamp()
		m.SortUS = e.GetTimestamp()
		reason := pb.LeaveReason_LEAVE_REASON_USER_INITIATED
		e.MembershipChange = &pb.MembershipChange{
			Type:           pb.MembershipChangeType_MEMBERSHIP_CHANGE_TYPE_LEAVE.Enum(),
			ParticipantIds: []*pb.ParticipantId{participantID(gaia)}, LeaveReason: &reason,
		}
	}
	return s.addEventLocked(a)
}

// createLocked finds or makes a conversation (protocol §8.12) and reports whether it is new.
func (s *Server) createLocked(creator *person, group bool, name string, invitees []string, names map[string]string, cgid uint64) (*conversation, bool, error) {
	invitees = slices.DeleteFunc(slices.Clone(invitees), func(id string) bool { return id == creator.GaiaID })
	for _, id := range invitees {
		if s.world.people[id] == nil {
			return nil, false, errInvalidRequest("Unknown invitee")
		}
	}
	if !group {
		if len(invitees) != 1 {
			return nil, false, errInvalidRequest("A one-to-one conversation needs exactly one invitee")
		}
		if c := s.world.oneToOne(creator.GaiaID, invitees[0]); c != nil {
			return c, false, nil
		}
	}
	now := s.nowLocked()
	if group && cgid != 0 && s.settings.Dedup {
		for _, c := range s.world.convs {
			if c.Creator == creator.GaiaID && c.CreatorCGID == cgid && c.CreatedUS+dedupWindow > now {
				return c, true, nil // the first answer once more
			}
		}
	}
	c := &conversation{
		ID: s.gen.conversationID(), Type: pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE,
		OTR:       pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD,
		LinkToken: s.gen.urlSafe(20), Creator: creator.GaiaID, CreatorCGID: cgid, CreatedUS: now,
	}
	if group {
		c.Type, c.Name = pb.ConversationType_CONVERSATION_TYPE_GROUP, name
	}
	c.Members = []*member{newMember(creator, now)}
	for _, id := range invitees {
		if c.member(id) == nil {
			c.Members = append(c.Members, s.invitedMemberLocked(s.world.people[id], creator.GaiaID, now, names[id]))
		}
	}
	if len(c.Members) > maxGroupMembers {
		return nil, false, errInvalidRequest("Too many participants")
	}
	if err := s.commitLocked(op{Conversation: c}); err != nil {
		return nil, false, err
	}
	c = s.world.convs[c.ID]
	for _, m := range c.Members {
		s.pushConversationLocked(c, m.GaiaID)
	}
	return c, true, nil
}

// readLocked moves a watermark forward and tells all members; a lower one does nothing.
func (s *Server) readLocked(c *conversation, gaia string, us uint64) error {
	m := c.member(gaia)
	if m == nil {
		return errNoConversation
	}
	if m.Status == pb.ConversationStatus_CONVERSATION_STATUS_INVITED {
		return errMustAccept
	}
	if us < m.ReadUS {
		return nil
	}
	if err := s.commitLocked(op{Read: &readOp{c.ID, gaia, us}}); err != nil {
		return err
	}
	for _, x := range c.present() {
		s.pushLocked(x.GaiaID, pushWatermark, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_WatermarkNotification{
			WatermarkNotification: &pb.WatermarkNotification{
				SenderId: participantID(gaia), ConversationId: conversationID(c.ID), LatestReadTimestamp: proto.Uint64(us),
			}}}, "")
	}
	return nil
}

// typingLocked tells the others, and the person's own other clients (protocol §8.19).
func (s *Server) typingLocked(c *conversation, gaia string, kind pb.TypingType, except string) uint64 {
	now := s.nowLocked()
	for _, x := range c.present() {
		skip := ""
		if x.GaiaID == gaia {
			skip = except
		}
		s.pushLocked(x.GaiaID, pushTyping, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_TypingNotification{
			TypingNotification: &pb.SetTypingNotification{
				ConversationId: conversationID(c.ID), SenderId: participantID(gaia), Timestamp: proto.Uint64(now), Type: kind.Enum(),
			}}}, skip)
	}
	s.changedLocked()
	return now
}

// focusLocked tells the others and the person's own clients (protocol §8.20).
func (s *Server) focusLocked(c *conversation, gaia string, kind pb.FocusType, except string) uint64 {
	now := s.nowLocked()
	for _, x := range c.present() {
		skip := ""
		if x.GaiaID == gaia {
			skip = except
		}
		s.pushLocked(x.GaiaID, pushFocus, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_FocusNotification{
			FocusNotification: &pb.SetFocusNotification{
				ConversationId: conversationID(c.ID), SenderId: participantID(gaia), Timestamp: proto.Uint64(now),
				Type: kind.Enum(), Device: pb.FocusDevice_FOCUS_DEVICE_DESKTOP.Enum(),
			}}}, skip)
	}
	return now
}

// expireFocusLocked ends what was focused for a time that is over (protocol §8.20, §16).
func (s *Server) expireFocusLocked() {
	now := s.clock().Add(s.clockOffset)
	for gaia, e := range s.ephemera {
		for id, until := range e.focusUntil {
			if now.Before(until) {
				continue
			}
			delete(e.focusUntil, id)
			if c := s.world.convs[id]; c != nil && c.member(gaia) != nil {
				s.focusLocked(c, gaia, pb.FocusType_FOCUS_TYPE_UNFOCUSED, "")
			}
		}
	}
}

// presenceLocked tells a person's contacts about their presence (protocol §8.7).
func (s *Server) presenceLocked(p *person) {
	result := &pb.PresenceResult{UserId: participantID(p.GaiaID), Presence: s.presence(p)}
	for _, id := range s.world.peopleIDs {
		if q := s.world.people[id]; id != p.GaiaID && q.Account && q.knows(p.GaiaID) {
			s.pushLocked(id, pushPresence, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_PresenceNotification{
				PresenceNotification: &pb.PresenceNotification{Presence: []*pb.PresenceResult{result}}}}, "")
		}
	}
}
