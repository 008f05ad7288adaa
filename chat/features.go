package chat

import "time"

// ThreadMode says where the threads of a conversation are.
type ThreadMode string

// Thread modes.
const (
	NoThreads     ThreadMode = ""
	SideThreads   ThreadMode = "side"   // beside the messages: any of them may head one
	AlwaysThreads ThreadMode = "always" // every message is in one
)

// Features says what the network can do in a conversation, so that the sides offer nothing
// that it refuses. Session.Submit refuses the same with ErrUnsupported or ErrTooLarge.
type Features struct {
	Bold         bool       `json:"bold"`
	Italic       bool       `json:"italic"`
	Strike       bool       `json:"strike"`
	Underline    bool       `json:"underline"`
	Code         bool       `json:"code"`
	Blocks       bool       `json:"blocks"`
	Mentions     bool       `json:"mentions"`
	Color        bool       `json:"color"`
	Links        bool       `json:"links"`
	Emotes       bool       `json:"emotes"`
	Photos       bool       `json:"photos"`      // photos can be sent
	AnyFile      bool       `json:"any_file"`    // and all other files
	Places       bool       `json:"places"`      // places can be sent
	Attachments  int        `json:"attachments"` // most of them in one message that is sent
	Typing       bool       `json:"typing"`
	Watermarks   bool       `json:"watermarks"`
	Edits        bool       `json:"edits"`
	Deletions    bool       `json:"deletions"`
	Reactions    bool       `json:"reactions"`
	ReactionsMax int        `json:"reactions_max"` // of one person under one message; 0 = no limit
	CustomEmoji  bool       `json:"custom_emoji"`
	Replies      bool       `json:"replies"`
	Threads      ThreadMode `json:"threads"`

	Rename      bool `json:"rename"`
	Topic       bool `json:"topic"`
	Invite      bool `json:"invite"` // people can be added
	Kick        bool `json:"kick"`   // and removed
	Join        bool `json:"join"`   // an invitation can be answered
	Leave       bool `json:"leave"`
	HistoryMode bool `json:"history_mode"`
	LinkSharing bool `json:"link_sharing"`
	Mute        bool `json:"mute"`
	Archive     bool `json:"archive"`
	MarkUnread  bool `json:"mark_unread"`
	Clear       bool `json:"clear"`     // the own history can be deleted
	JoinLink    bool `json:"join_link"` // groups can be joined by their link

	EasterEggs []string `json:"easter_eggs"` // animations that can be shown to everybody

	MaxText     int           `json:"max_text"`     // bytes of UTF-8 in one message
	MaxMedia    int64         `json:"max_media"`    // bytes of a file
	TypingLasts time.Duration `json:"typing_lasts"` // how long a typing state lasts without a repeat
	TypingEvery time.Duration `json:"typing_every"` // how often it is repeated
}

// Allows reports whether requests of a kind can be made in the conversation.
func (f Features) Allows(kind RequestKind) bool {
	switch kind {
	case RequestMessage, RequestCreate:
		return true
	case RequestEdit:
		return f.Edits
	case RequestDeletion:
		return f.Deletions
	case RequestReaction:
		return f.Reactions
	case RequestRename:
		return f.Rename
	case RequestTopic:
		return f.Topic
	case RequestAddPeople:
		return f.Invite
	case RequestRemovePeople:
		return f.Kick
	case RequestJoin, RequestDecline:
		return f.Join
	case RequestLeave:
		return f.Leave
	case RequestHistoryMode:
		return f.HistoryMode
	case RequestLinkSharing:
		return f.LinkSharing
	case RequestMuted:
		return f.Mute
	case RequestArchived:
		return f.Archive
	case RequestUnread:
		return f.MarkUnread
	case RequestClear:
		return f.Clear
	case RequestJoinLink:
		return f.JoinLink
	case RequestEasterEgg:
		return len(f.EasterEggs) > 0
	}
	return false
}
