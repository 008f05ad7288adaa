package chat

// Request is something that the account shall do in a conversation and that has an
// effect there. Exactly one member after Origin is set.
type Request struct {
	V            int            `json:"v"`
	Conversation ConversationID `json:"conversation"`
	Origin       Origin         `json:"origin"`
	Message      *Message       `json:"message,omitempty"`
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
