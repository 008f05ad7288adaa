package portal

import (
	"context"
	"fmt"

	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"

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

// RoomInfo describes a conversation. The name of a one-to-one conversation is left alone:
// such rooms are called after the other person's ghost.
func (h *Handler) RoomInfo(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) (*bridgev2.ChatInfo, error) {
	info := &bridgev2.ChatInfo{
		Type:           ptr.Ptr(database.RoomTypeDefault),
		Members:        h.memberList(c),
		MessageRequest: ptr.Ptr(c.Standing == chat.Invited),
		CanBackfill:    true,
	}
	if c.Kind == chat.OneToOne {
		info.Type = ptr.Ptr(database.RoomTypeDM)
		if peer, ok := c.Peer(h.self); ok {
			info.Members.OtherUserID = ids.MakeUserID(peer)
		}
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
	return c.Title(h.self, people), nil
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

// memberList is the full list of members. The account's own person is always in it: a
// conversation that it has left stays readable.
func (h *Handler) memberList(c chat.Conversation) *bridgev2.ChatMemberList {
	members := make(bridgev2.ChatMemberMap, len(c.Members)+1)
	for _, member := range c.Members {
		members[ids.MakeUserID(member.ID)] = h.member(member)
	}
	members[ids.MakeUserID(h.self)] = bridgev2.ChatMember{EventSender: h.people.Sender(h.self), Membership: event.MembershipJoin}
	return &bridgev2.ChatMemberList{IsFull: true, TotalMemberCount: len(members), MemberMap: members}
}

// member leaves the ghost alone: whoever has the room changed brings it up to date before.
func (h *Handler) member(member chat.Member) bridgev2.ChatMember {
	membership := event.MembershipJoin
	if member.Invited {
		membership = event.MembershipInvite
	}
	return bridgev2.ChatMember{EventSender: h.people.Sender(member.ID), Membership: membership}
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

// memberChanges is what a membership event changes in the room. Nobody's own person is
// taken out of their room: it stays readable.
func (h *Handler) memberChanges(e chat.Event) *bridgev2.ChatMemberList {
	changes := bridgev2.ChatMemberMap{}
	for _, id := range e.Membership.People {
		switch {
		case e.Membership.Joined:
			changes[ids.MakeUserID(id)] = h.member(chat.Member{ID: id})
		case id != h.self:
			changes[ids.MakeUserID(id)] = bridgev2.ChatMember{
				EventSender:  bridgev2.EventSender{Sender: networkid.UserID(id)},
				Membership:   event.MembershipLeave,
				MemberSender: h.people.Sender(e.Author),
			}
		}
	}
	return &bridgev2.ChatMemberList{MemberMap: changes}
}
