package chat

import (
	"slices"
	"sort"
	"strings"
)

// ConversationKind tells a conversation of two from a group. A group with two members
// stays a group.
type ConversationKind string

// Kinds of conversations.
const (
	OneToOne ConversationKind = "one_to_one"
	Group    ConversationKind = "group"
)

// Standing is the account's own relation to a conversation.
type Standing string

// Standings.
const (
	Active  Standing = "active"
	Invited Standing = "invited" // an invitation that awaits an answer
	Left    Standing = "left"    // left or removed; kept for its history
)

// NotificationLevel says whether new messages should make a noise.
type NotificationLevel string

// Notification levels.
const (
	Ring  NotificationLevel = "ring"
	Quiet NotificationLevel = "quiet"
)

// Member is one participant of a conversation.
type Member struct {
	ID      PersonID `json:"id"`
	Name    string   `json:"name,omitempty"`    // what the conversation calls them; a fallback
	Invited bool     `json:"invited,omitempty"` // has not accepted yet
}

// Conversation is a snapshot of a conversation as one account sees it.
type Conversation struct {
	V           int               `json:"v"`
	ID          ConversationID    `json:"id"`
	Kind        ConversationKind  `json:"kind"`
	Name        string            `json:"name,omitempty"`  // custom title, "" = none
	Named       int64             `json:"named,omitempty"` // µs of the last event that gave it a name; 0 = not known
	Members     []Member          `json:"members"`         // the account itself included
	Standing    Standing          `json:"standing"`
	Inviter     PersonID          `json:"inviter,omitempty"`
	HistoryOff  bool              `json:"history_off,omitempty"`
	LinkSharing bool              `json:"link_sharing,omitempty"`
	Level       NotificationLevel `json:"level,omitempty"`
	Archived    bool              `json:"archived,omitempty"`
	SortTime    int64             `json:"sort_time,omitempty"` // µs of the last event that moved it up
	ReadTime    int64             `json:"read_time,omitempty"` // µs; the account's own watermark
	Medium      Medium            `json:"medium,omitzero"`
	Topic       string            `json:"topic,omitempty"` // what it says about itself
	Muted       bool              `json:"muted,omitempty"` // makes no noise, whatever Level says
	Unread      bool              `json:"unread,omitempty"`
	Avatar      []byte            `json:"avatar,omitempty"` // handle for Connection.Open
	// Partial says that Members are only some of MemberCount.
	Partial     bool `json:"partial,omitempty"`
	MemberCount int  `json:"member_count,omitempty"`
}

// Quiet reports whether new messages make no noise.
func (c Conversation) Quiet() bool { return c.Muted || c.Level == Quiet }

// Medium is how messages of a conversation travel. The zero value is the chat network
// itself.
type Medium struct {
	SMS    bool   `json:"sms,omitempty"`
	Number string `json:"number,omitempty"` // the account's own number, E.164
}

// ConversationDelta names what changed in a conversation; nil fields are unchanged.
type ConversationDelta struct {
	ID          ConversationID     `json:"id"`
	Kind        *ConversationKind  `json:"kind,omitempty"`
	Name        *string            `json:"name,omitempty"`
	Members     []Member           `json:"members,omitempty"` // nil = unchanged, else the whole list
	Standing    *Standing          `json:"standing,omitempty"`
	Inviter     *PersonID          `json:"inviter,omitempty"`
	HistoryOff  *bool              `json:"history_off,omitempty"`
	LinkSharing *bool              `json:"link_sharing,omitempty"`
	Level       *NotificationLevel `json:"level,omitempty"`
	Archived    *bool              `json:"archived,omitempty"`
	SortTime    *int64             `json:"sort_time,omitempty"`
	ReadTime    *int64             `json:"read_time,omitempty"`
	Medium      *Medium            `json:"medium,omitempty"`
	Topic       *string            `json:"topic,omitempty"`
	Muted       *bool              `json:"muted,omitempty"`
	Unread      *bool              `json:"unread,omitempty"`
	Avatar      []byte             `json:"avatar,omitempty"` // nil = unchanged
	Partial     *bool              `json:"partial,omitempty"`
	MemberCount *int               `json:"member_count,omitempty"`
	// Complete says that the delta describes the whole conversation, so that it may
	// introduce one that was not known. One that is not complete never does.
	Complete bool `json:"complete,omitempty"`
}

// Apply returns c with d's changes. Sort and read times only move forward.
func (c Conversation) Apply(d ConversationDelta) Conversation {
	c.V, c.ID = Version, d.ID
	set(&c.Kind, d.Kind)
	set(&c.Name, d.Name)
	if d.Members != nil {
		c.Members = slices.Clone(d.Members)
	}
	set(&c.Standing, d.Standing)
	set(&c.Inviter, d.Inviter)
	set(&c.HistoryOff, d.HistoryOff)
	set(&c.LinkSharing, d.LinkSharing)
	set(&c.Level, d.Level)
	set(&c.Archived, d.Archived)
	set(&c.Medium, d.Medium)
	set(&c.Topic, d.Topic)
	set(&c.Muted, d.Muted)
	set(&c.Unread, d.Unread)
	set(&c.Partial, d.Partial)
	set(&c.MemberCount, d.MemberCount)
	if d.Avatar != nil {
		c.Avatar = slices.Clone(d.Avatar)
	}
	if d.SortTime != nil {
		c.SortTime = max(c.SortTime, *d.SortTime)
	}
	if d.ReadTime != nil {
		c.ReadTime = max(c.ReadTime, *d.ReadTime)
	}
	return c
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

// ApplyEvent returns c with what an event says about the conversation itself: members,
// name, topic, history and link sharing. Changes of a message do not move c. self is the account's
// own person.
func (c Conversation) ApplyEvent(e Event, self PersonID) Conversation {
	switch {
	case e.Membership != nil && e.Membership.Joined:
		for _, id := range e.Membership.People {
			if !c.Has(id) {
				c.Members = append(slices.Clone(c.Members), Member{ID: id})
			}
			if id == self && c.Standing == Left {
				c.Standing = Active
			}
		}
	case e.Membership != nil:
		c.Members = slices.DeleteFunc(slices.Clone(c.Members), func(m Member) bool {
			return slices.Contains(e.Membership.People, m.ID)
		})
		if slices.Contains(e.Membership.People, self) {
			c.Standing = Left
		}
	case e.Rename != nil && e.Time < c.Named: // later names are known
	case e.Rename != nil:
		c.Name, c.Named = e.Rename.New, e.Time
	case e.HistoryMode != nil:
		c.HistoryOff = e.HistoryMode.Off
	case e.LinkSharing != nil:
		c.LinkSharing = e.LinkSharing.On
	case e.Description != nil:
		c.Topic = e.Description.New
	case e.Edit != nil, e.Deletion != nil, e.Reaction != nil, e.Reactions != nil:
		return c
	}
	c.SortTime = max(c.SortTime, e.Time)
	return c
}

// Has reports whether id is a member.
func (c Conversation) Has(id PersonID) bool {
	return slices.ContainsFunc(c.Members, func(m Member) bool { return m.ID == id })
}

// Others are the members without self, in the order of their ids, so that everything
// derived from them is stable.
func (c Conversation) Others(self PersonID) []Member {
	var out []Member
	for _, m := range c.Members {
		if m.ID != self {
			out = append(out, m)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Peer is the other person of a one-to-one conversation; ok is false for groups and for
// a conversation with oneself.
func (c Conversation) Peer(self PersonID) (id PersonID, ok bool) {
	others := c.Others(self)
	if c.Kind != OneToOne || len(others) != 1 {
		return "", false
	}
	return others[0].ID, true
}

// EmptyTitle is the title of a conversation without a name and without other members.
const EmptyTitle = "Empty Conversation"

// Title is the conversation's name, or one made of its other members: the full name of
// the only one, the first names of several (protocol §11.4), at most MaxName code points. people may
// lack any or all.
func (c Conversation) Title(self PersonID, people map[PersonID]Person) string {
	if c.Name != "" {
		return c.Name
	}
	others := c.Others(self)
	person := func(m Member) Person {
		return Person{ID: m.ID, FullName: m.Name}.Merge(people[m.ID], true)
	}
	switch len(others) {
	case 0:
		return EmptyTitle
	case 1:
		return person(others[0]).DisplayName()
	}
	names := make([]string, len(others))
	for i, m := range others {
		names[i] = person(m).ShortName()
	}
	return CleanName(strings.Join(names, ", "))
}
