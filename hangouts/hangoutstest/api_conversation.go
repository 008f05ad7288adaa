package hangoutstest

import (
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// eventArgs reads an EventRequestHeader (protocol §8.1).
func (c *call) eventArgs(h *pb.EventRequestHeader) (newEventArgs, error) {
	conv, _, err := c.place(h.GetConversationId())
	if err != nil {
		return newEventArgs{}, err
	}
	return newEventArgs{
		conv: conv, sender: c.person.GaiaID, cgid: h.GetClientGeneratedId(), otr: h.GetExpectedOtr(), medium: h.GetDeliveryMedium(),
	}, nil
}

// created renders a created event as its sender sees it.
func (c *call) created(e *event) *pb.Event {
	conv := c.s.world.convs[e.pb.GetConversationId().GetId()]
	return c.event(conv, e, conv.anyMember(c.person.GaiaID))
}

func invitees(list []*pb.InviteeID) (ids []string, names map[string]string) {
	names = map[string]string{}
	for _, i := range list {
		if id := i.GetGaiaId(); id != "" {
			ids = append(ids, id)
			names[id] = i.GetFallbackName()
		}
	}
	return ids, names
}

// createConversation: protocol §8.12.
func (c *call) createConversation(req *pb.CreateConversationRequest) (*pb.CreateConversationResponse, error) {
	ids, names := invitees(req.GetInviteeId())
	group := req.GetType() == pb.ConversationType_CONVERSATION_TYPE_GROUP
	conv, created, err := c.s.createLocked(c.person, group, req.GetName(), ids, names, req.GetClientGeneratedId())
	if err != nil {
		return nil, err
	}
	return &pb.CreateConversationResponse{
		Conversation:           c.s.renderConversation(conv, conv.member(c.person.GaiaID), readAll),
		NewConversationCreated: proto.Bool(created),
	}, nil
}

// addUser: protocol §8.13.
func (c *call) addUser(req *pb.AddUserRequest) (*pb.AddUserResponse, error) {
	a, err := c.eventArgs(req.GetEventRequestHeader())
	if err != nil {
		return nil, err
	}
	ids, names := invitees(req.GetInviteeId())
	e, err := c.s.addMembersLocked(a, ids, names)
	if err != nil {
		return nil, err
	}
	return &pb.AddUserResponse{CreatedEvent: c.created(e)}, nil
}

// removeUser: protocol §8.14; nobody named means oneself.
func (c *call) removeUser(req *pb.RemoveUserRequest) (*pb.RemoveUserResponse, error) {
	a, err := c.eventArgs(req.GetEventRequestHeader())
	if err != nil {
		return nil, err
	}
	gaia := req.GetParticipantId().GetGaiaId()
	if gaia == "" {
		gaia = c.person.GaiaID
	}
	e, err := c.s.removeMemberLocked(a, gaia)
	if err != nil {
		return nil, err
	}
	return &pb.RemoveUserResponse{CreatedEvent: c.created(e)}, nil
}

// renameConversation: protocol §8.16.
func (c *call) renameConversation(req *pb.RenameConversationRequest) (*pb.RenameConversationResponse, error) {
	a, err := c.eventArgs(req.GetEventRequestHeader())
	if err != nil {
		return nil, err
	}
	e, err := c.s.renameLocked(a, req.GetNewName())
	if err != nil {
		return nil, err
	}
	return &pb.RenameConversationResponse{CreatedEvent: c.created(e)}, nil
}

// deleteConversation: protocol §8.15; only the caller's view changes.
func (c *call) deleteConversation(req *pb.DeleteConversationRequest) (*pb.DeleteConversationResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	now := c.s.nowLocked()
	bound := min(req.GetDeleteUpperBoundTimestamp(), now)
	if bound == 0 {
		return nil, errInvalidRequest("Delete upper bound is required")
	}
	h := conv.head()
	m := h.member(c.person.GaiaID)
	m.HiddenUS = max(m.HiddenUS, bound)
	if err := c.s.commitLocked(op{Conversation: h}); err != nil {
		return nil, err
	}
	action := &pb.DeleteAction{
		DeleteActionTimestamp: proto.Uint64(now), DeleteUpperBoundTimestamp: proto.Uint64(bound),
		DeleteType: pb.DeleteType_DELETE_TYPE_UPPER_BOUND.Enum(),
	}
	c.s.pushLocked(c.person.GaiaID, pushDelete, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_DeleteNotification{
		DeleteNotification: &pb.DeleteActionNotification{ConversationId: conversationID(conv.ID), DeleteAction: action}}}, "")
	return &pb.DeleteConversationResponse{DeleteAction: action}, nil
}

// setNotificationLevel: protocol §8.22.
func (c *call) setNotificationLevel(req *pb.SetConversationNotificationLevelRequest) (*pb.SetConversationNotificationLevelResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	level := req.GetLevel()
	if level == pb.NotificationLevel_NOTIFICATION_LEVEL_UNKNOWN {
		return nil, errInvalidRequest("Notification level is required")
	}
	h := conv.head()
	h.member(c.person.GaiaID).Level = level
	if err := c.s.commitLocked(op{Conversation: h}); err != nil {
		return nil, err
	}
	now := c.s.nowLocked()
	c.s.pushLocked(c.person.GaiaID, pushLevel, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_NotificationLevelNotification{
		NotificationLevelNotification: &pb.SetConversationNotificationLevelNotification{
			ConversationId: conversationID(conv.ID), Level: &level, Timestamp: proto.Uint64(now)}}}, "")
	return &pb.SetConversationNotificationLevelResponse{Timestamp: proto.Uint64(now)}, nil
}

// setGroupLinkSharing: protocol §8.23.
func (c *call) setGroupLinkSharing(req *pb.SetGroupLinkSharingEnabledRequest) (*pb.SetGroupLinkSharingEnabledResponse, error) {
	a, err := c.eventArgs(req.GetEventRequestHeader())
	if err != nil {
		return nil, err
	}
	status := req.GetGroupLinkSharingStatus()
	on := status == pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON
	if !a.conv.group() || (!on && status != pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_OFF) {
		return nil, errInvalidRequest("Invalid group link sharing request")
	}
	a.kind = pb.EventType_EVENT_TYPE_GROUP_LINK_SHARING_MODIFICATION
	a.head = a.conv.head()
	a.head.LinkSharing = on
	a.fill = func(e *pb.Event) {
		e.GroupLinkSharingModification = &pb.GroupLinkSharingModification{NewStatus: status.Enum()}
	}
	e, err := c.s.addEventLocked(a)
	if err != nil {
		return nil, err
	}
	conv := c.s.world.convs[a.conv.ID]
	return &pb.SetGroupLinkSharingEnabledResponse{
		CreatedEvent: c.created(e), UpdatedConversation: c.s.renderConversation(conv, conv.member(c.person.GaiaID), readSelf)}, nil
}

// groupURL is the address that lets others join (protocol §8.24).
func groupURL(c *conversation) string { return "https://hangouts.google.com/group/" + c.LinkToken }

// getGroupConversationURL: protocol §8.24.
func (c *call) getGroupConversationURL(req *pb.GetGroupConversationUrlRequest) (*pb.GetGroupConversationUrlResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if !conv.group() {
		return nil, errInvalidRequest("Not a group conversation")
	}
	return &pb.GetGroupConversationUrlResponse{GroupConversationUrl: proto.String(groupURL(conv))}, nil
}

// openGroupConversationFromURL joins by link (protocol §8.28).
func (c *call) openGroupConversationFromURL(req *pb.OpenGroupConversationFromUrlRequest) (*pb.OpenGroupConversationFromUrlResponse, error) {
	for _, id := range c.s.world.convIDs {
		conv := c.s.world.convs[id]
		if !conv.group() || conv.LinkToken == "" || !strings.HasSuffix(req.GetUrl(), "/group/"+conv.LinkToken) {
			continue
		}
		if conv.member(c.person.GaiaID) == nil {
			if !conv.LinkSharing {
				return nil, errInvalidRequest("Joining by link is turned off")
			}
			a := newEventArgs{conv: conv, sender: c.person.GaiaID}
			if _, err := c.s.addMembersLocked(a, []string{c.person.GaiaID}, nil); err != nil {
				return nil, err
			}
		}
		return &pb.OpenGroupConversationFromUrlResponse{ConversationId: conversationID(id)}, nil
	}
	return nil, errNotFound
}

// modifyConversationView archives or unarchives for the caller (protocol §8.28).
func (c *call) modifyConversationView(req *pb.ModifyConversationViewRequest) (*pb.ModifyConversationViewResponse, error) {
	conv, m, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if req.GetNewView() == pb.ConversationView_CONVERSATION_VIEW_UNKNOWN {
		return nil, errInvalidRequest("View is required")
	}
	old := pb.ConversationView_CONVERSATION_VIEW_INBOX
	if m.Archived {
		old = pb.ConversationView_CONVERSATION_VIEW_ARCHIVED
	}
	h := conv.head()
	h.member(c.person.GaiaID).Archived = req.GetNewView() == pb.ConversationView_CONVERSATION_VIEW_ARCHIVED
	if err := c.s.commitLocked(op{Conversation: h}); err != nil {
		return nil, err
	}
	c.s.pushLocked(c.person.GaiaID, pushView, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_ViewModification{
		ViewModification: &pb.ConversationViewModification{
			ConversationId: conversationID(conv.ID), OldView: old.Enum(), NewView: req.GetNewView().Enum()}}}, "")
	return &pb.ModifyConversationViewResponse{}, nil
}

// replyToInvite accepts or declines (protocol §8.28). Declining leaves the conversation.
func (c *call) replyToInvite(req *pb.ReplyToInviteRequest) (*pb.ReplyToInviteResponse, error) {
	conv, m, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if m.Status != pb.ConversationStatus_CONVERSATION_STATUS_INVITED {
		return nil, errInvalidRequest("No pending invitation")
	}
	h := conv.head()
	mine := h.member(c.person.GaiaID)
	switch req.GetReply() {
	case pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_ACCEPT:
		mine.Status = pb.ConversationStatus_CONVERSATION_STATUS_ACTIVE
	case pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_DECLINE:
		mine.Status = pb.ConversationStatus_CONVERSATION_STATUS_LEFT
		mine.LeftUS = c.s.nowLocked()
	default:
		return nil, errInvalidRequest("Reply is required")
	}
	if err := c.s.commitLocked(op{Conversation: h}); err != nil {
		return nil, err
	}
	conv = c.s.world.convs[conv.ID]
	c.s.pushLocked(c.person.GaiaID, pushInvite, &pb.StateUpdate{
		StateUpdate: &pb.StateUpdate_ReplyToInviteNotification{ReplyToInviteNotification: &pb.ReplyToInviteNotification{
			ConversationId: conversationID(conv.ID), Type: req.GetReply().Enum()}},
		Conversation: c.s.renderConversation(conv, conv.anyMember(c.person.GaiaID), readNone),
	}, "")
	for _, x := range conv.present() {
		if x.GaiaID != c.person.GaiaID {
			c.s.pushConversationLocked(conv, x.GaiaID)
		}
	}
	return &pb.ReplyToInviteResponse{}, nil
}

// markEventObserved acknowledges events; this server keeps no list of unobserved ones (§8.28).
func (c *call) markEventObserved(req *pb.MarkEventObservedRequest) (*pb.MarkEventObservedResponse, error) {
	for _, o := range req.GetObservedEvent() {
		if _, _, err := c.place(o.GetConversationId()); err != nil {
			return nil, err
		}
	}
	return &pb.MarkEventObservedResponse{}, nil
}
