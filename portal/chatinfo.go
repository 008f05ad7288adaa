package portal

import (
	"context"
	"fmt"

	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// GetChatInfo describes a portal's conversation, with the whole list of members.
func (h *Handler) GetChatInfo(ctx context.Context, portal *bridgev2.Portal) (*bridgev2.ChatInfo, error) {
	conversation, err := h.conversation(ctx, portal)
	if err != nil {
		return nil, fmt.Errorf("get conversation %s: %w", portal.ID, err)
	}
	return h.RoomInfo(ctx, portal, conversation)
}

// RoomInfo describes a conversation. The name of a one-to-one conversation is left to
// bridgev2, which uses that of the other person's ghost. An invitation says so.
func (h *Handler) RoomInfo(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) (*bridgev2.ChatInfo, error) {
	members, err := h.memberList(ctx, portal, c)
	if err != nil {
		return nil, err
	}
	invitation := h.isInvitation(ctx, portal, c)
	info := &bridgev2.ChatInfo{
		Type:           ptr.Ptr(database.RoomTypeDefault),
		Members:        members,
		MessageRequest: ptr.Ptr(invitation),
		CanBackfill:    true,
		Topic:          ptr.Ptr(hints(portal, c)),
		UserLocal:      h.local(portal, c),
	}
	if invitation {
		says, err := h.InvitationText(ctx, c)
		if err != nil {
			return nil, err
		}
		info.Topic = &says
	}
	if c.Kind == chat.OneToOne {
		info.Type = ptr.Ptr(database.RoomTypeDM)
		if peer, ok := c.Peer(h.self); ok {
			info.Members.OtherUserID = ids.MakeUserID(peer)
		}
		info.Name = bridgev2.DefaultChatName
	}
	if c.Kind == chat.OneToOne && !invitation {
		return info, nil
	}
	title, err := h.Title(ctx, portal, c)
	if err == nil && title != "" {
		info.Name = &title
	}
	return info, err
}

// Title is how this login names a group's room, "" if another one does.
func (h *Handler) Title(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) (string, error) {
	if c.Name == "" && !h.namesRoom(ctx, portal) {
		return "", nil
	}
	people, err := h.people.People(ctx, MemberIDs(c)...)
	if err != nil {
		return "", fmt.Errorf("get members of %s: %w", c.ID, err)
	}
	title := c.Title(h.self, people)
	if h.isInvitation(ctx, portal, c) {
		title = invitationTitle(title)
	}
	return title, nil
}

// namesRoom reports whether this login is the one whose view names an unnamed group: the
// one with the smallest id, so that logins do not rename a shared room in turn.
func (h *Handler) namesRoom(ctx context.Context, portal *bridgev2.Portal) bool {
	if portal == nil || portal.MXID == "" || portal.Receiver != "" {
		return true
	}
	logins, err := portal.Bridge.GetUserLoginsInPortal(ctx, portal.PortalKey)
	if err != nil {
		return false
	}
	for _, login := range logins {
		if login.ID < ids.MakeLoginID(h.self) {
			return false
		}
	}
	return true
}

// MemberIDs are the members of a conversation.
func MemberIDs(c chat.Conversation) []chat.PersonID {
	all := make([]chat.PersonID, 0, len(c.Members))
	for _, member := range c.Members {
		all = append(all, member.ID)
	}
	return all
}

// memberList is the full list of members. Matrix users of logins that stay out of the room,
// or that this login does not know as members, are left as they are.
func (h *Handler) memberList(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) (*bridgev2.ChatMemberList, error) {
	absences := ids.PortalMeta(portal).Absences.All()
	members := make(bridgev2.ChatMemberMap, len(c.Members)+1)
	for _, member := range c.Members {
		members[ids.MakeUserID(member.ID)] = h.member(portal, member)
	}
	members[ids.MakeUserID(h.self)] = h.selfMember(c, absences)
	list := &bridgev2.ChatMemberList{IsFull: true, TotalMemberCount: len(members), MemberMap: members, PowerLevels: h.powers(portal, c)}
	logins, err := portal.Bridge.GetUserLoginsInPortal(ctx, portal.PortalKey)
	if err != nil {
		return nil, fmt.Errorf("get logins in portal: %w", err)
	}
	listed := map[id.UserID]bool{}
	isListed := func(login *bridgev2.UserLogin) bool {
		_, is := members[networkid.UserID(login.ID)]
		return is && (absences[login.ID] == "" || login.ID == ids.MakeLoginID(h.self))
	}
	for _, login := range logins {
		listed[login.UserMXID] = listed[login.UserMXID] || isListed(login)
	}
	for _, login := range logins {
		if !listed[login.UserMXID] {
			listed[login.UserMXID] = true
			members["login:"+networkid.UserID(login.ID)] = unchanged(login.ID)
		}
	}
	return list, nil
}

// memberPower is the power of users in the room of a group: above that of ghosts, whom they may take
// out, and not above each other's.
const memberPower = 1

// powers lets users do in a room what the network lets them do in the conversation.
func (h *Handler) powers(portal *bridgev2.Portal, c chat.Conversation) *bridgev2.PowerLevelOverrides {
	if h.session == nil || c.Kind != chat.Group {
		return nil
	}
	features, nobody := h.session.Features(c), 99
	allow := func(can bool) *int {
		if can {
			return ptr.Ptr(memberPower)
		}
		return &nobody
	}
	return &bridgev2.PowerLevelOverrides{
		Events: map[event.Type]int{event.StateRoomName: *allow(features.Rename)},
		Invite: allow(features.Invite), Kick: allow(features.Kick),
		Custom: func(levels *event.PowerLevelsEventContent) bool {
			login := portal.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(h.self))
			if login == nil || levels.GetUserLevel(login.UserMXID) >= memberPower {
				return false // somebody may have given the user more
			}
			levels.SetUserLevel(login.UserMXID, memberPower)
			return true
		},
	}
}

// selfMember is the account's own person: their Matrix user, invited while the account is,
// and in the room as long as it stays readable.
func (h *Handler) selfMember(c chat.Conversation, absences map[networkid.UserLoginID]ids.Absence) bridgev2.ChatMember {
	member := bridgev2.ChatMember{EventSender: h.people.Sender(h.self), Membership: event.MembershipJoin}
	if c.Standing == chat.Invited {
		member.Membership, member.PrevMembership = event.MembershipInvite, event.MembershipLeave
	}
	if absences[ids.MakeLoginID(h.self)].Out() {
		member.PrevMembership = never
	}
	return member
}

// never is a membership that nobody has: as the previous one it keeps bridgev2 from
// changing, and from kicking, a member.
const never = event.MembershipKnock

// unchanged leaves the Matrix user of a login as it is.
func unchanged(login networkid.UserLoginID) bridgev2.ChatMember {
	return bridgev2.ChatMember{EventSender: bridgev2.EventSender{SenderLogin: login, Sender: networkid.UserID(login)}, Membership: event.MembershipJoin, PrevMembership: never}
}

// member leaves the ghost alone: whoever has the room changed brings it up to date before.
// The Matrix user of another login is left to that login; others are ghosts, also when one
// of them logs in while bridgev2 changes the room. portal may be nil.
func (h *Handler) member(portal *bridgev2.Portal, member chat.Member) bridgev2.ChatMember {
	sender := h.people.Sender(member.ID)
	if member.ID != h.self {
		login := sender.SenderLogin
		if portal != nil && portal.Receiver == "" && absencesOf(portal)[login] == "" && portal.Bridge.GetCachedUserLoginByID(login) != nil {
			return unchanged(login)
		}
		sender.SenderLogin = ""
	}
	membership := event.MembershipJoin
	if member.Invited {
		membership = event.MembershipInvite
	}
	return bridgev2.ChatMember{EventSender: sender, Membership: membership}
}

// Known returns what is known of people in a conversation, which may know names of those
// of whom nothing else is known.
func (h *Handler) Known(ctx context.Context, c chat.Conversation, who ...chat.PersonID) ([]chat.Person, error) {
	people, err := h.people.People(ctx, who...)
	if err != nil {
		return nil, fmt.Errorf("get people of %s: %w", c.ID, err)
	}
	names := make(map[chat.PersonID]string, len(c.Members))
	for _, member := range c.Members {
		names[member.ID] = member.Name
	}
	known := make([]chat.Person, len(who))
	for n, id := range who {
		known[n] = chat.Person{ID: id, FullName: names[id]}.Merge(people[id], true)
	}
	return known, nil
}

// memberChanges is what a membership event changes in the room. Who leaves is only a
// ghost here: what becomes of the Matrix user of a login is not bridgev2's to decide.
func (h *Handler) memberChanges(e chat.Event, portal *bridgev2.Portal, reason string) *bridgev2.ChatMemberList {
	changes := bridgev2.ChatMemberMap{}
	for _, id := range e.Membership.People {
		switch {
		case e.Membership.Joined:
			changes[ids.MakeUserID(id)] = h.member(portal, chat.Member{ID: id})
		case id != h.self:
			member := bridgev2.ChatMember{
				EventSender:  bridgev2.EventSender{Sender: networkid.UserID(id)},
				Membership:   event.MembershipLeave,
				MemberSender: h.sender(e.Author, absencesOf(portal)),
			}
			if reason != "" && id != e.Author {
				member.MemberEventExtra = map[string]any{"reason": reason}
			}
			changes[ids.MakeUserID(id)] = member
		}
	}
	return &bridgev2.ChatMemberList{MemberMap: changes}
}

// reasonOut says who has removed people, "" if that is not known: in Matrix it is the bot.
func (h *Handler) reasonOut(ctx context.Context, e chat.Event) string {
	if e.Membership.Joined || e.Author == "" {
		return ""
	}
	people, err := h.people.People(ctx, e.Author)
	if err != nil {
		return ""
	}
	return "Removed by " + namesOf(people)(e.Author)
}
