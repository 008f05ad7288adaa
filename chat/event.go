package chat

// Kind says what an event is. The list grows; a reader that does not know a kind treats
// the event as handled.
type Kind string

// Kinds of events.
const (
	KindMessage     Kind = "message"
	KindMembership  Kind = "membership"
	KindRename      Kind = "rename"
	KindHistoryMode Kind = "history_mode"
	KindLinkSharing Kind = "link_sharing"
	KindCall        Kind = "call"
	KindNotice      Kind = "notice" // something of the network that is shown as a line
	KindEdit        Kind = "edit"
	KindDeletion    Kind = "deletion"
	KindReaction    Kind = "reaction"
	KindReactions   Kind = "reactions" // what reactions a message has, as far as the network says
	KindDescription Kind = "description"
	KindFailure     Kind = "failure" // a request of ours has failed; no event of the network
)

// Origin says which of our own sides a request came from, and names it there: Matrix
// with the event id and part, IRC with a random id of the line. The zero value means
// that the event did not come from us. (Side, Ref) is unique, so a repeated request is
// recognised.
type Origin struct {
	Side string `json:"side,omitempty"` // OriginMatrix, OriginIRC
	Ref  string `json:"ref,omitempty"`
}

// Sides of an Origin.
const (
	OriginMatrix = "matrix"
	OriginIRC    = "irc"
)

// Ours reports whether the event began as a request of ours.
func (o Origin) Ours() bool { return o.Side != "" }

// Event is something that happened in a conversation. The member named after its Kind
// is set, the others are nil.
type Event struct {
	V            int            `json:"v"`
	Conversation ConversationID `json:"conversation"`
	ID           EventID        `json:"id"`
	Seq          int64          `json:"seq,omitempty"` // place in the conversation's log; 0 = not logged (history)
	Kind         Kind           `json:"kind"`
	Time         int64          `json:"time"`   // µs, the network's own
	Author       PersonID       `json:"author"` // "" = the network, or nobody knows
	Origin       Origin         `json:"origin,omitzero"`
	RequestID    uint64         `json:"request_id,omitempty"` // of the request that made it, in the author's own copy; 0 = unknown
	Expires      int64          `json:"expires,omitempty"`    // µs; 0 = never

	Message     *Message     `json:"message,omitempty"`
	Membership  *Membership  `json:"membership,omitempty"`
	Rename      *Rename      `json:"rename,omitempty"`
	HistoryMode *HistoryMode `json:"history_mode,omitempty"`
	LinkSharing *LinkSharing `json:"link_sharing,omitempty"`
	Call        *Call        `json:"call,omitempty"`
	Notice      *Notice      `json:"notice,omitempty"`
	Failure     *Failure     `json:"failure,omitempty"`
	Edit        *Edit        `json:"edit,omitempty"`
	Deletion    *Deletion    `json:"deletion,omitempty"`
	Reaction    *Reaction    `json:"reaction,omitempty"`
	Reactions   *Reactions   `json:"reactions,omitempty"`
	Description *Description `json:"description,omitempty"`
}

// Membership is people joining, or leaving and being removed: who did it is the event's
// author.
type Membership struct {
	Joined bool       `json:"joined"`
	People []PersonID `json:"people"`
}

// Rename is a change of the conversation's custom title; New is "" when it was cleared.
type Rename struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// HistoryMode is the history being switched.
type HistoryMode struct {
	Off bool `json:"off"`
}

// LinkSharing is joining by link being switched.
type LinkSharing struct {
	On bool `json:"on"`
}

// Call is a call that begins or ends; URL is where it can be joined, when known.
type Call struct {
	Ended bool   `json:"ended"`
	URL   string `json:"url,omitempty"`
}

// Notice is an event that has only a readable text.
type Notice struct {
	Text string `json:"text"`
}

// Description is a change of what a conversation says about itself (its topic).
type Description struct {
	Old string `json:"old,omitempty"`
	New string `json:"new"`
}
