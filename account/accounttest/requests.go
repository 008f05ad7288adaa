package accounttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Send implements account.Connection. What makes an event has the request's id in the author's own
// copy, except for edits, deletions and reactions.
func (c *connection) Send(_ context.Context, id uint64, conv chat.Conversation, request chat.Request) (account.Answer, error) {
	c.n.mu.Lock()
	if err := c.allowed(); err != nil {
		c.n.mu.Unlock()
		return account.Answer{}, err
	}
	if stored := c.n.conversations[conv.ID]; !request.Finds() && (stored == nil || !stored.snapshot.Has(c.id)) {
		c.n.mu.Unlock()
		return account.Answer{}, chat.ErrUnknownConversation
	}
	var fault Fault
	if c.n.sendFault != nil {
		fault = c.n.sendFault(c.id, request)
	}
	if fault.Err != nil && !fault.Accept {
		c.n.mu.Unlock()
		if fault.Until != nil {
			<-fault.Until
		}
		return account.Answer{}, fault.Err
	}
	answer, err := c.carryOut(id, conv.ID, request)
	if err == nil {
		sent := Sent{Account: c.id, RequestID: id, Request: request}
		if request.Message != nil {
			sent.Text = request.Message.Text.String()
		}
		c.n.sends = append(c.n.sends, sent)
		err = fault.Err
	}
	c.n.mu.Unlock()
	c.n.flush()
	if fault.Until != nil {
		<-fault.Until
	}
	return answer, err
}

// carryOut does what a request asks for. mu is held.
func (c *connection) carryOut(id uint64, in chat.ConversationID, r chat.Request) (account.Answer, error) {
	if r.Create != nil {
		return c.create(*r.Create)
	}
	if r.JoinLink != "" {
		return c.joinLink(id, r.JoinLink)
	}
	conv := c.n.conversations[in]
	if !c.n.features(conv.snapshot).Allows(r.Kind()) {
		return account.Answer{}, chat.ErrUnsupported
	}
	e := chat.Event{Conversation: in, Author: c.id}
	switch r.Kind() {
	case chat.RequestMessage:
		e.Kind, e.Message = chat.KindMessage, r.Message
		if conv.snapshot.HistoryOff && c.n.lasts > 0 {
			e.Expires = time.Now().Add(c.n.lasts).UnixMicro()
		}
	case chat.RequestEdit, chat.RequestDeletion, chat.RequestReaction:
		return c.change(conv, r)
	case chat.RequestRename:
		e.Kind, e.Rename = chat.KindRename, &chat.Rename{Old: conv.snapshot.Name, New: r.Rename.New}
	case chat.RequestTopic:
		e.Kind, e.Description = chat.KindDescription, &chat.Description{Old: conv.snapshot.Topic, New: r.Topic.New}
	case chat.RequestAddPeople, chat.RequestRemovePeople, chat.RequestLeave:
		change, err := c.membership(conv, r)
		if err != nil {
			return account.Answer{}, err
		}
		e.Kind, e.Membership = chat.KindMembership, change
	case chat.RequestHistoryMode:
		e.Kind, e.HistoryMode = chat.KindHistoryMode, r.HistoryMode
	case chat.RequestEasterEgg:
		if !slices.Contains(c.n.features(conv.snapshot).EasterEggs, r.EasterEgg) {
			return account.Answer{}, fmt.Errorf("%w: no such easter egg", chat.ErrRefused)
		}
		id := chat.EventID(fmt.Sprint("egg-", c.id, r.EasterEgg, time.Now().Unix()/60))
		if slices.ContainsFunc(conv.events, func(e account.ReceivedEvent) bool { return e.ID == id }) {
			return account.Answer{}, nil
		}
		c.n.add(chat.Event{ID: id, Conversation: in, Author: c.id, Kind: chat.KindNotice, Notice: &chat.Notice{Text: "sent " + r.EasterEgg}}, 0)
		return account.Answer{}, nil
	case chat.RequestLinkSharing:
		e.Kind, e.LinkSharing = chat.KindLinkSharing, r.LinkSharing
	default:
		return c.setOwn(conv, r)
	}
	return account.Answer{Event: c.n.add(e, id).Event}, nil
}

// change makes an edit, a deletion or a reaction. One that is there already changes nothing.
func (c *connection) change(conv *conversation, r chat.Request) (account.Answer, error) {
	e := chat.Event{Conversation: conv.snapshot.ID, Author: c.id}
	var target chat.EventID
	switch {
	case r.Edit != nil:
		e.Kind, e.Edit, target = chat.KindEdit, r.Edit, r.Edit.Target
	case r.Deletion != nil:
		e.Kind, e.Deletion, target = chat.KindDeletion, r.Deletion, r.Deletion.Target
	default:
		e.Kind, e.Reaction, target = chat.KindReaction, r.Reaction, r.Reaction.Target
	}
	n := slices.IndexFunc(conv.events, func(e account.ReceivedEvent) bool { return e.ID == target && e.Message != nil })
	if n < 0 {
		return account.Answer{}, fmt.Errorf("%w: no such message", chat.ErrRefused)
	}
	if r.Reaction == nil && conv.events[n].Author != c.id {
		return account.Answer{}, fmt.Errorf("%w: somebody else's message", chat.ErrRefused)
	}
	for i := len(conv.events) - 1; i > n; i-- {
		if was := conv.events[i].Event; sameChange(was, e) {
			if was.Reaction != nil && was.Reaction.Removed != e.Reaction.Removed {
				break
			}
			return account.Answer{Event: was}, nil
		}
	}
	return account.Answer{Event: c.n.add(e, 0).Event}, nil
}

// sameChange reports whether two events of one author concern the same state.
func sameChange(a, b chat.Event) bool {
	switch {
	case a.Author != b.Author:
		return false
	case a.Deletion != nil && b.Deletion != nil:
		return a.Deletion.Target == b.Deletion.Target
	case a.Edit != nil && b.Edit != nil:
		return a.Edit.Target == b.Edit.Target && a.Edit.Message.Text.String() == b.Edit.Message.Text.String()
	case a.Reaction != nil && b.Reaction != nil:
		return a.Reaction.Target == b.Reaction.Target && a.Reaction.Emoji == b.Reaction.Emoji
	}
	return false
}

// membership is how a request changes who takes part; it is refused if it changes nothing.
func (c *connection) membership(conv *conversation, r chat.Request) (*chat.Membership, error) {
	change := &chat.Membership{Joined: r.AddPeople != nil, People: slices.Concat(r.AddPeople, r.RemovePeople)}
	if r.Leave {
		change.People = []chat.PersonID{c.id}
	}
	if len(change.People) > account.AddAtOnce || len(r.RemovePeople) > 1 {
		return nil, fmt.Errorf("%w: too many people at once", chat.ErrRefused)
	}
	for _, id := range change.People {
		if _, known := c.n.people[id]; !known || conv.snapshot.Has(id) == change.Joined {
			return nil, fmt.Errorf("%w: not possible for %s", chat.ErrRefused, id)
		}
	}
	return change, nil
}

// setOwn changes how the account itself sees a conversation, and tells its connections.
func (c *connection) setOwn(conv *conversation, r chat.Request) (account.Answer, error) {
	switch r.Kind() {
	case chat.RequestMuted:
		conv.muted[c.id] = *r.Muted
	case chat.RequestArchived:
		conv.archived[c.id] = *r.Archived
	case chat.RequestUnread:
		conv.unread[c.id] = *r.Unread
	case chat.RequestClear:
		c.n.hide(c.id, conv.snapshot.ID, r.Clear.UpTo)
		conv.archived[c.id] = conv.snapshot.SortTime <= r.Clear.UpTo
	case chat.RequestJoin, chat.RequestDecline:
		if conv.inviters[c.id] == "" {
			return account.Answer{}, fmt.Errorf("%w: there is no invitation", chat.ErrRefused)
		}
		delete(conv.inviters, c.id)
		if r.Decline {
			conv.snapshot = conv.snapshot.ApplyEvent(chat.Event{Membership: &chat.Membership{People: []chat.PersonID{c.id}}}, "")
		}
	default:
		return account.Answer{}, chat.ErrUnsupported
	}
	c.n.showLocked(c.id, conv)
	return account.Answer{Conversations: []chat.ConversationDelta{c.see(conv)}}, nil
}

// create makes a conversation, or finds that of two.
func (c *connection) create(request chat.NewConversation) (account.Answer, error) {
	members := []chat.Member{{ID: c.id, Name: c.n.people[c.id].FullName}}
	for _, id := range request.People {
		if _, known := c.n.people[id]; !known {
			return account.Answer{}, fmt.Errorf("%w: unknown person", chat.ErrRefused)
		}
		members = append(members, chat.Member{ID: id, Name: c.n.people[id].FullName})
	}
	for _, conv := range c.n.conversations {
		if request.Kind == chat.OneToOne && conv.snapshot.Kind == chat.OneToOne && conv.snapshot.Has(c.id) && conv.snapshot.Has(request.People[0]) {
			return account.Answer{Conversations: []chat.ConversationDelta{c.see(conv)}}, nil
		}
	}
	c.n.clock = c.n.now() + 1000
	id := chat.ConversationID("created-" + string(request.Kind) + "-" + request.Name + string(members[len(members)-1].ID))
	if request.Kind == chat.Group {
		c.n.nextEvent++
		id += chat.ConversationID(fmt.Sprint("-", c.n.nextEvent))
	}
	conv := newConversation(chat.Conversation{V: chat.Version, ID: id, Kind: request.Kind, Name: request.Name, Members: members,
		Standing: chat.Active, Level: chat.Ring, SortTime: c.n.clock})
	c.n.conversations[id] = conv
	c.n.created = append(c.n.created, id)
	for _, m := range members {
		c.n.showLocked(m.ID, conv)
	}
	return account.Answer{Conversations: []chat.ConversationDelta{c.see(conv)}}, nil
}

// Features implements account.Backend.
func (n *Network) Features(c chat.Conversation) chat.Features {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.features(c)
}

func (n *Network) features(c chat.Conversation) chat.Features {
	if n.limited != nil {
		return n.limited(c)
	}
	return EveryFeature(c)
}

// LimitFeatures makes the network offer less than EveryFeature; nil ends that.
func (n *Network) LimitFeatures(features func(chat.Conversation) chat.Features) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.limited = features
}

// EveryFeature is what the network offers by itself: all that requests can do.
func EveryFeature(c chat.Conversation) chat.Features {
	group := c.Kind == chat.Group
	return chat.Features{Bold: true, Italic: true, Strike: true, Underline: true, Links: true, Emotes: true,
		Code: true, Blocks: true, Mentions: true, Color: true, CustomEmoji: true,
		Photos: true, AnyFile: true, Places: true, Attachments: 10, MaxMedia: 10 << 20,
		Typing: true, Watermarks: true, Edits: true, Deletions: true, Reactions: true, Replies: true, Threads: chat.SideThreads,
		Rename: group, Topic: group, Invite: group, Kick: group, Join: true, Leave: group, LinkSharing: group,
		HistoryMode: true, Mute: true, Archive: true, MarkUnread: true, Clear: true, JoinLink: true, EasterEggs: []string{"ponies", "bikeshed"}, MaxText: 100_000,
		TypingLasts: 30 * time.Second, TypingEvery: 20 * time.Second}
}
