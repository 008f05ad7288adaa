package hangoutstest

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func participantID(gaia string) *pb.ParticipantId {
	return &pb.ParticipantId{GaiaId: proto.String(gaia), ChatId: proto.String(gaia)}
}

func conversationID(id string) *pb.ConversationId { return &pb.ConversationId{Id: proto.String(id)} }

// newEvent fills what a recorded ordinary message has (protocol §10.1).
func newEvent(c *conversation, sender, id string, us uint64) *pb.Event {
	return &pb.Event{
		ConversationId:        conversationID(c.ID),
		SenderId:              participantID(sender),
		Timestamp:             proto.Uint64(us),
		SourceType:            pb.SourceType_SOURCE_TYPE_UNKNOWN.Enum(),
		EventId:               proto.String(id),
		AdvancesSortTimestamp: proto.Bool(true),
		OtrStatus:             pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD.Enum(),
		Persisted:             proto.Bool(true),
		MediumType:            &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL.Enum()},
		EventType:             pb.EventType_EVENT_TYPE_REGULAR_CHAT_MESSAGE.Enum(),
		EventVersion:          proto.Uint64(us),
	}
}

// shallowEvent copies the fields of an event, not what they point to.
func shallowEvent(e *pb.Event) *pb.Event {
	out := &pb.Event{}
	e.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		out.ProtoReflect().Set(fd, v)
		return true
	})
	return out
}

// renderEvent is the event as one member gets it: client_generated_id stands only in the
// sender's own copy (protocol §9.3). Pictures of this server are still paths.
func (s *Server) renderEvent(c *conversation, e *event, m *member) *pb.Event {
	out := shallowEvent(e.pb)
	level := m.Level
	out.SelfEventState = &pb.UserEventState{UserId: participantID(m.GaiaID), NotificationLevel: &level}
	if m.GaiaID == e.sender() && e.cgid != 0 {
		out.SelfEventState.ClientGeneratedId = proto.String(strconv.FormatUint(e.cgid, 10))
	}
	return out
}

// readStates says whose read times a rendered conversation carries.
type readStates int

const (
	readNone readStates = iota // pushes: not even the own one (protocol §15)
	readSelf                   // lists (protocol §8.9)
	readAll                    // getconversation (protocol §8.11)
)

// renderConversation is the conversation as one member sees it.
func (s *Server) renderConversation(c *conversation, m *member, reads readStates) *pb.Conversation {
	out := &pb.Conversation{
		ConversationId:               conversationID(c.ID),
		Type:                         c.Type.Enum(),
		SelfConversationState:        s.renderSelfState(c, m, reads),
		HasActiveHangout:             proto.Bool(false),
		OtrStatus:                    c.OTR.Enum(),
		OtrToggle:                    pb.OffTheRecordToggle_OFF_THE_RECORD_TOGGLE_ENABLED.Enum(),
		ConversationHistorySupported: proto.Bool(true),
		NetworkType:                  []pb.NetworkType{s.networkType(c)},
		ForceHistoryState:            pb.ForceHistory_FORCE_HISTORY_NO.Enum(),
	}
	if c.Name != "" {
		out.Name = proto.String(c.Name)
	}
	if c.group() {
		out.GroupLinkSharingStatus = linkStatus(c.LinkSharing).Enum()
	}
	for _, x := range c.present() {
		us := uint64(0)
		if reads == readAll || (reads == readSelf && x.GaiaID == m.GaiaID) {
			us = x.ReadUS
		}
		out.ReadState = append(out.ReadState, &pb.UserReadState{
			ParticipantId: participantID(x.GaiaID), LatestReadTimestamp: proto.Uint64(us),
		})
		out.CurrentParticipant = append(out.CurrentParticipant, participantID(x.GaiaID))
		out.ParticipantData = append(out.ParticipantData, s.participantData(x))
	}
	return out
}

func (s *Server) renderSelfState(c *conversation, m *member, reads readStates) *pb.UserConversationState {
	read := &pb.UserReadState{ParticipantId: participantID(m.GaiaID)}
	if reads != readNone {
		read.LatestReadTimestamp = proto.Uint64(m.ReadUS)
	}
	view := pb.ConversationView_CONVERSATION_VIEW_INBOX
	if m.Archived {
		view = pb.ConversationView_CONVERSATION_VIEW_ARCHIVED
	}
	status, level := m.Status, m.Level
	out := &pb.UserConversationState{
		SelfReadState:     read,
		Status:            &status,
		NotificationLevel: &level,
		View:              []pb.ConversationView{view},
		InviteTimestamp:   proto.Uint64(m.InviteUS),
		SortTimestamp:     proto.Uint64(m.SortUS),
		ActiveTimestamp:   proto.Uint64(m.ActiveUS),
	}
	if m.Inviter != "" {
		out.InviterId = participantID(m.Inviter)
		out.InviteAffinity = pb.InvitationAffinity_INVITE_AFFINITY_HIGH.Enum()
	}
	out.DeliveryMediumOption = s.mediumOptions(c, m)
	return out
}

// mediumOptions offers Google Voice in conversations with a phone (protocol §11.6).
func (s *Server) mediumOptions(c *conversation, m *member) []*pb.DeliveryMediumOption {
	p := s.world.people[m.GaiaID]
	if p != nil && p.VoiceNumber != "" && s.networkType(c) == pb.NetworkType_NETWORK_TYPE_GOOGLE_VOICE {
		return []*pb.DeliveryMediumOption{{
			DeliveryMedium: &pb.DeliveryMedium{
				MediumType:  pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE.Enum(),
				PhoneNumber: phoneNumber(p.VoiceNumber),
			},
			CurrentDefault: proto.Bool(true),
		}}
	}
	return []*pb.DeliveryMediumOption{{
		DeliveryMedium: &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL.Enum()},
		CurrentDefault: proto.Bool(true),
	}}
}

func (s *Server) networkType(c *conversation) pb.NetworkType {
	for _, m := range c.Members {
		if p := s.world.people[m.GaiaID]; p != nil && p.OffNetwork {
			return pb.NetworkType_NETWORK_TYPE_GOOGLE_VOICE
		}
	}
	return pb.NetworkType_NETWORK_TYPE_BABEL
}

func (s *Server) participantData(m *member) *pb.ConversationParticipantData {
	invitation := pb.InvitationStatus_INVITATION_STATUS_ACCEPTED
	if m.Status == pb.ConversationStatus_CONVERSATION_STATUS_INVITED {
		invitation = pb.InvitationStatus_INVITATION_STATUS_PENDING
	}
	data := &pb.ConversationParticipantData{
		Id:                  participantID(m.GaiaID),
		InvitationStatus:    invitation.Enum(),
		NewInvitationStatus: invitation.Enum(),
		ParticipantType:     pb.ParticipantType_PARTICIPANT_TYPE_GAIA.Enum(),
	}
	if m.FallbackName != "" {
		data.FallbackName = proto.String(m.FallbackName)
	}
	if p := s.world.people[m.GaiaID]; p != nil && p.OffNetwork {
		data.ParticipantType = pb.ParticipantType_PARTICIPANT_TYPE_GOOGLE_VOICE.Enum()
	}
	return data
}

func linkStatus(on bool) pb.GroupLinkSharingStatus {
	if on {
		return pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON
	}
	return pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_OFF
}

func phoneNumber(e164 string) *pb.PhoneNumber {
	return &pb.PhoneNumber{E164: proto.String(e164), I18NData: &pb.I18NData{
		NationalNumber: proto.String(e164), InternationalNumber: proto.String(e164),
		CountryCode: proto.Uint64(1), RegionCode: proto.String("US"), IsValid: proto.Bool(true),
		ValidationResult: pb.PhoneValidationResult_PHONE_VALIDATION_RESULT_IS_POSSIBLE.Enum(),
	}}
}

// renderEntity is a person as contact lookups show it (protocol §11.2).
func (s *Server) renderEntity(p *person, self bool, at pictures) *pb.Entity {
	kind := pb.ParticipantType_PARTICIPANT_TYPE_GAIA
	if p.OffNetwork {
		kind = pb.ParticipantType_PARTICIPANT_TYPE_GOOGLE_VOICE
	}
	props := &pb.EntityProperties{
		Type:          pb.ProfileType_PROFILE_TYPE_ES_USER.Enum(),
		InUsersDomain: proto.Bool(false),
		Gender:        pb.Gender_GENDER_UNKNOWN.Enum(),
	}
	set := func(field **string, value string) {
		if value != "" {
			*field = proto.String(value)
		}
	}
	set(&props.DisplayName, p.Name)
	set(&props.FirstName, p.FirstName)
	set(&props.CanonicalEmail, p.Email)
	if p.Email != "" {
		props.Email = []string{p.Email}
	}
	if p.Phone != "" {
		props.Phone = []string{p.Phone}
	}
	status := pb.PhotoUrlStatus_PHOTO_URL_STATUS_PLACEHOLDER
	if address := at.photoURL(p); address != "" {
		props.PhotoUrl = proto.String(address)
		status = pb.PhotoUrlStatus_PHOTO_URL_STATUS_USER_PHOTO
	}
	props.PhotoUrlStatus = status.Enum()
	e := &pb.Entity{Id: participantID(p.GaiaID), Properties: props, EntityType: kind.Enum(),
		HadPastHangoutState: pb.Entity_PAST_HANGOUT_STATE_NO_PAST_HANGOUT.Enum()}
	if self {
		e.Presence = s.presence(p)
	}
	return e
}

// presence says who is there: accounts with a subscribed channel, and everybody without an account.
func (s *Server) presence(p *person) *pb.Presence {
	there := !p.Account || len(s.subscribedLocked(p.GaiaID)) > 0
	there = there && s.ephemeral(p.GaiaID).presenceType != pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_NONE
	out := &pb.Presence{
		Reachable: proto.Bool(there), Available: proto.Bool(there && s.ephemeral(p.GaiaID).available()),
		DeviceStatus: &pb.DeviceStatus{Mobile: proto.Bool(false), Desktop: proto.Bool(there), Tablet: proto.Bool(false)},
	}
	if p.StatusMessage != "" {
		out.StatusMessage = &pb.StatusMessageState{StatusMessage: []*pb.MessageContent{{Segment: textSegments(p.StatusMessage, false)}}}
	}
	seen := s.ephemeral(p.GaiaID).lastSeenUS
	if seen != 0 {
		since := max(uint64(s.clock().Add(s.clockOffset).UnixMicro()), seen) - seen
		out.LastSeen = &pb.LastSeen{LastSeenTimestampUsec: proto.Uint64(seen), UsecSinceLastSeen: proto.Uint64(since)}
	}
	return out
}

// ephemeral is what is known of a person only while the server runs.
type ephemeral struct {
	activeClient string    // client id set active
	activeUntil  time.Time // by the server's clock
	presenceType pb.ClientPresenceStateType
	lastSeenUS   uint64
	focusUntil   map[string]time.Time // by conversation, by the server's clock
}

func (e *ephemeral) available() bool {
	return e.presenceType != pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_NONE &&
		e.presenceType != pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_DESKTOP_IDLE
}

func (s *Server) ephemeral(gaia string) *ephemeral {
	e := s.ephemera[gaia]
	if e == nil {
		e = &ephemeral{presenceType: pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_DESKTOP_ACTIVE, focusUntil: map[string]time.Time{}}
		s.ephemera[gaia] = e
	}
	return e
}
