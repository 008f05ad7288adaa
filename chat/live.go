package chat

// TypingState is what somebody does at their keyboard.
type TypingState string

// Typing states. Paused means that text stands there but no key was pressed lately.
const (
	TypingStarted TypingState = "started"
	TypingPaused  TypingState = "paused"
	TypingStopped TypingState = "stopped"
)

// Typing is a person's latest typing state in a conversation. It is never stored.
type Typing struct {
	Conversation ConversationID `json:"conversation"`
	Person       PersonID       `json:"person"`
	State        TypingState    `json:"state"`
	Time         int64          `json:"time"` // µs
	Origin       Origin         `json:"origin,omitzero"`
	// Lasting says, towards an account, that the state lasts until the same side and ref
	// of Origin says another, at most 2 minutes; otherwise it ends 30 s after its last
	// repeat.
	Lasting bool `json:"lasting,omitempty"`
}

// Watermark is how far a person has read: everything with a time at or before Time. It
// is a maximum: one that is not greater than the known one means nothing.
type Watermark struct {
	Conversation ConversationID `json:"conversation"`
	Person       PersonID       `json:"person"`
	Time         int64          `json:"time"` // µs
	Origin       Origin         `json:"origin,omitzero"`
}
