package accounttest

import "github.com/hangouts-bridge/hangouts-bridge/chat"

// EveryEvent is one event of each kind that happens to a message or a conversation, and one of a
// kind that nobody knows: for tests of who has to cope with all of them. author may be "".
func EveryEvent(conversation chat.ConversationID, author chat.PersonID, target chat.EventID) []chat.Event {
	emoji := chat.Emoji{Text: "👍"}
	events := []chat.Event{
		{Kind: chat.KindMessage, Message: &chat.Message{
			Text: chat.Text{{Kind: chat.SegmentText, Text: "text ", Code: true}, {Kind: chat.SegmentMention, Text: "@all ", Person: chat.EverybodyHere},
				{Kind: chat.SegmentEmoji, Text: ":cat: ", Name: "cat", Ref: "x"}, {Kind: "later", Text: "later"}},
			Reply: &chat.Quote{Target: target}, Thread: target}},
		{Kind: chat.KindMessage, Message: &chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachFile, Ref: []byte("x"), Name: "file"},
			{Kind: chat.AttachVoice}, {Kind: chat.AttachLink, URL: "https://example.org/"}, {Kind: "later"}}}},
		{Kind: chat.KindMessage, Message: &chat.Message{Deleted: true}},
		{Kind: chat.KindRename, Rename: &chat.Rename{New: "New"}},
		{Kind: chat.KindHistoryMode, HistoryMode: &chat.HistoryMode{}},
		{Kind: chat.KindLinkSharing, LinkSharing: &chat.LinkSharing{On: true}},
		{Kind: chat.KindCall, Call: &chat.Call{}},
		{Kind: chat.KindNotice, Notice: &chat.Notice{Text: "notice"}},
		{Kind: chat.KindEdit, Edit: &chat.Edit{Target: target, Message: chat.Message{Text: chat.Plain("edited")}}},
		{Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: target}},
		{Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: emoji}},
		{Kind: chat.KindReactions, Reactions: &chat.Reactions{Target: target, List: []chat.ReactionCount{{Emoji: emoji, Count: 2}}}},
		{Kind: chat.KindDescription, Description: &chat.Description{New: "topic"}},
		{Kind: "later"},
	}
	for i := range events {
		events[i].Conversation, events[i].Author = conversation, author
	}
	return events
}
