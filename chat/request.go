package chat

// RequestKind names the member of a Request that is set.
type RequestKind string

// Kinds of requests.
const (
	RequestMessage      RequestKind = "message"
	RequestEdit         RequestKind = "edit"
	RequestDeletion     RequestKind = "deletion"
	RequestReaction     RequestKind = "reaction"
	RequestRename       RequestKind = "rename"
	RequestTopic        RequestKind = "topic"
	RequestAddPeople    RequestKind = "add_people"
	RequestRemovePeople RequestKind = "remove_people"
	RequestJoin         RequestKind = "join"
	RequestDecline      RequestKind = "decline"
	RequestLeave        RequestKind = "leave"
	RequestHistoryMode  RequestKind = "history_mode"
	RequestLinkSharing  RequestKind = "link_sharing"
	RequestMuted        RequestKind = "muted"
	RequestArchived     RequestKind = "archived"
	RequestUnread       RequestKind = "unread"
	RequestClear        RequestKind = "clear"
	RequestCreate       RequestKind = "create"
	RequestJoinLink     RequestKind = "join_link"
	RequestEasterEgg    RequestKind = "easter_egg"
)

// Request is something that the account shall do in a conversation and that has an
// effect there. Exactly one member after Origin is set.
type Request struct {
	V            int            `json:"v"`
	Conversation ConversationID `json:"conversation"` // "" for Create and JoinLink
	Origin       Origin         `json:"origin"`

	Message      *Message         `json:"message,omitempty"`
	Edit         *Edit            `json:"edit,omitempty"`
	Deletion     *Deletion        `json:"deletion,omitempty"`
	Reaction     *Reaction        `json:"reaction,omitempty"`
	Rename       *Rename          `json:"rename,omitempty"` // New; "" takes the name away
	Topic        *Description     `json:"topic,omitempty"`  // New
	AddPeople    []PersonID       `json:"add_people,omitempty"`
	RemovePeople []PersonID       `json:"remove_people,omitempty"` // others than oneself
	Join         bool             `json:"join,omitempty"`          // accept the invitation
	Decline      bool             `json:"decline,omitempty"`       // refuse it
	Leave        bool             `json:"leave,omitempty"`
	HistoryMode  *HistoryMode     `json:"history_mode,omitempty"`
	LinkSharing  *LinkSharing     `json:"link_sharing,omitempty"`
	Muted        *bool            `json:"muted,omitempty"`
	Archived     *bool            `json:"archived,omitempty"`
	Unread       *bool            `json:"unread,omitempty"`
	Clear        *Clear           `json:"clear,omitempty"`
	Create       *NewConversation `json:"create,omitempty"`
	JoinLink     string           `json:"join_link,omitempty"`  // address by which a group is joined
	EasterEgg    string           `json:"easter_egg,omitempty"` // one of Features.EasterEggs
}

// Clear deletes the own history of a conversation, everything with a time (µs) at or before
// UpTo, and hides the conversation if nothing is left. The others keep theirs.
type Clear struct {
	UpTo int64 `json:"up_to"`
}

// Kinds are the members that are set: one, unless the request is invalid.
func (r Request) Kinds() (kinds []RequestKind) {
	for _, member := range []struct {
		kind RequestKind
		set  bool
	}{
		{RequestMessage, r.Message != nil}, {RequestEdit, r.Edit != nil}, {RequestDeletion, r.Deletion != nil},
		{RequestReaction, r.Reaction != nil}, {RequestRename, r.Rename != nil}, {RequestTopic, r.Topic != nil},
		{RequestAddPeople, len(r.AddPeople) > 0}, {RequestRemovePeople, len(r.RemovePeople) > 0},
		{RequestJoin, r.Join}, {RequestDecline, r.Decline}, {RequestLeave, r.Leave},
		{RequestHistoryMode, r.HistoryMode != nil}, {RequestLinkSharing, r.LinkSharing != nil},
		{RequestMuted, r.Muted != nil}, {RequestArchived, r.Archived != nil}, {RequestUnread, r.Unread != nil},
		{RequestClear, r.Clear != nil}, {RequestCreate, r.Create != nil},
		{RequestJoinLink, r.JoinLink != ""}, {RequestEasterEgg, r.EasterEgg != ""},
	} {
		if member.set {
			kinds = append(kinds, member.kind)
		}
	}
	return kinds
}

// Kind is the only member that is set, or "".
func (r Request) Kind() RequestKind {
	if kinds := r.Kinds(); len(kinds) == 1 {
		return kinds[0]
	}
	return ""
}

// Finds reports whether only the answer says which conversation the request is about.
func (r Request) Finds() bool { return r.Create != nil || r.JoinLink != "" }

// Repeatable reports whether the request sets a state, or nothing that stays, so that it may be sent again after
// an ambiguous failure: nothing is doubled. The others are looked for first.
func (r Request) Repeatable() bool {
	switch r.Kind() {
	case RequestEdit, RequestDeletion, RequestReaction, RequestTopic, RequestJoin, RequestDecline,
		RequestMuted, RequestArchived, RequestUnread, RequestClear, RequestJoinLink, RequestEasterEgg:
		return true
	case RequestCreate:
		return r.Create.Kind == OneToOne
	}
	return false
}

// Reached reports whether a conversation is already as the request wants it, as far as the
// snapshot shows that.
func (r Request) Reached(c Conversation) bool {
	switch r.Kind() {
	case RequestAddPeople, RequestRemovePeople:
		return len(r.Remaining(c)) == 0
	case RequestJoin:
		return c.Standing == Active
	case RequestDecline, RequestLeave:
		return c.Standing == Left
	case RequestMuted:
		return c.Quiet() == *r.Muted
	case RequestArchived:
		return c.Archived == *r.Archived
	case RequestUnread:
		return c.Unread == *r.Unread
	case RequestTopic:
		return c.Topic == r.Topic.New
	}
	return false
}

// Remaining are the people who are still to be added or removed.
func (r Request) Remaining(c Conversation) (people []PersonID) {
	for _, id := range r.AddPeople {
		if !c.Has(id) {
			people = append(people, id)
		}
	}
	for _, id := range r.RemovePeople {
		if c.Has(id) || c.Partial {
			people = append(people, id)
		}
	}
	return people
}

// NewConversation asks for a conversation with people; Kind OneToOne takes exactly one
// and returns the one that exists, if any.
type NewConversation struct {
	Kind   ConversationKind `json:"kind"`
	Name   string           `json:"name,omitempty"`
	People []PersonID       `json:"people"`
}

// Credentials is what a person gives to log an account in: cookies of a browser session,
// a refresh token, or an authorization code, which works once. It prints as nothing, so that no log can hold it.
type Credentials struct {
	Cookies      map[string]string `json:"cookies,omitempty"`
	RefreshToken string            `json:"refresh_token,omitempty"`
	Code         string            `json:"code,omitempty"`
	// Of is the account that they have to belong to; empty: any.
	Of PersonID `json:"of,omitempty"`
}

// String hides the content.
func (Credentials) String() string { return "[credentials]" }

// GoString hides the content.
func (Credentials) GoString() string { return "[credentials]" }
