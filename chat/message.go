package chat

// Message is what somebody wrote.
type Message struct {
	Text        Text         `json:"text,omitempty"`
	Emote       bool         `json:"emote,omitempty"` // "/me": the text is the act, without the name
	Attachments []Attachment `json:"attachments,omitempty"`
	SMS         bool         `json:"sms,omitempty"`
	Reply       *Quote       `json:"reply,omitempty"`
	Thread      EventID      `json:"thread,omitempty"`  // the message that heads its thread; "" = none
	Edited      int64        `json:"edited,omitempty"`  // µs of the latest edit that it contains; 0 = never
	Deleted     bool         `json:"deleted,omitempty"` // nothing of it is left
}

// Quote is the message that another one answers.
type Quote struct {
	Target    EventID  `json:"target"`
	Time      int64    `json:"time,omitempty"` // µs
	Author    PersonID `json:"author,omitempty"`
	Text      Text     `json:"text,omitempty"`
	Forwarded bool     `json:"forwarded,omitempty"` // of another conversation, not an answer
}

// Edit gives a message a new content, the whole of it.
type Edit struct {
	Target  EventID `json:"target"`
	Message Message `json:"message"`
}

// Deletion takes a message away.
type Deletion struct {
	Target EventID `json:"target"`
	Why    string  `json:"why,omitempty"`
}

// Reaction is an emoji that the event's author puts under a message, or takes away.
type Reaction struct {
	Target  EventID `json:"target"`
	Emoji   Emoji   `json:"emoji"`
	Removed bool    `json:"removed,omitempty"`
}

// Emoji is a Unicode emoji (Text), or one of the network's own: Name, and Ref for
// Connection.Open.
type Emoji struct {
	Text string `json:"text,omitempty"`
	Name string `json:"name,omitempty"`
	Ref  string `json:"ref,omitempty"`
}

// Reactions are those that a message has. An emoji that is not listed has none.
type Reactions struct {
	Target EventID         `json:"target"`
	List   []ReactionCount `json:"list,omitempty"`
}

// ReactionCount is how often an emoji stands under a message. People may be fewer than
// Count: the network does not always name them.
type ReactionCount struct {
	Emoji  Emoji      `json:"emoji"`
	Count  int        `json:"count"`
	People []PersonID `json:"people,omitempty"`
	Mine   bool       `json:"mine,omitempty"` // one is the account's own
}

// AttachmentKind says what an Attachment is.
type AttachmentKind string

// Kinds of attachments.
const (
	AttachPhoto AttachmentKind = "photo"
	AttachVideo AttachmentKind = "video"
	AttachAudio AttachmentKind = "audio"
	AttachVoice AttachmentKind = "voice" // recorded for this message
	AttachFile  AttachmentKind = "file"
	AttachPlace AttachmentKind = "place"
	AttachLink  AttachmentKind = "link" // a document or a meeting elsewhere: URL, Name
	AttachOther AttachmentKind = "other"
)

// Attachment is a file, a place or a link of a message.
type Attachment struct {
	Kind AttachmentKind `json:"kind"`
	// Ref is the handle of a file for Connection.Open, or from Connection.Upload: opaque, of
	// this account's network.
	Ref       []byte  `json:"ref,omitempty"`
	MIME      string  `json:"mime,omitempty"`
	Size      int64   `json:"size,omitempty"` // bytes; 0 = unknown
	Width     int     `json:"width,omitempty"`
	Height    int     `json:"height,omitempty"`
	Duration  int64   `json:"duration,omitempty"`  // µs
	URL       string  `json:"url,omitempty"`       // full size, or a page about it
	Thumbnail string  `json:"thumbnail,omitempty"` // URL of a picture
	Preview   []byte  `json:"preview,omitempty"`   // handle of that picture for Connection.Open
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
	Animated  bool    `json:"animated,omitempty"`
	Latitude  float64 `json:"lat,omitempty"`
	Longitude float64 `json:"lon,omitempty"`
}
