package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestFold(t *testing.T) {
	said := func(id chat.EventID, text string) chat.Event {
		return chat.Event{ID: id, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain(text)}}
	}
	edit := func(id, target chat.EventID, at int64, text string) chat.Event {
		return chat.Event{ID: id, Kind: chat.KindEdit, Time: at, Edit: &chat.Edit{Target: target, Message: chat.Message{Text: chat.Plain(text)}}}
	}
	deletion := func(id, target chat.EventID) chat.Event {
		return chat.Event{ID: id, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: target}}
	}
	reaction := chat.Event{ID: "r", Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: "a", Emoji: chat.Emoji{Text: "👍"}}}
	older := edit("e0", "older", 1, "of a message that is not among them")
	gone := deletion("d0", "older")
	events := []chat.Event{older, said("a", "one"), said("b", "two"), edit("e1", "a", 5, "uno"), reaction, deletion("d1", "b"), edit("e2", "a", 7, "eins"), edit("e3", "b", 8, "zwei"), gone}
	folded := chat.Fold(events)
	edited := said("a", "eins")
	edited.Message.Edited = 7
	require.Equal(t, []chat.Event{older, edited, reaction, gone}, folded)
	require.Equal(t, "one", events[1].Message.Text.String(), "what was given is as it was")
	require.Equal(t, []chat.EventID{"older", "", "", "a", "a", "b", "a", "b", "older"}, targets(events))
}

func targets(events []chat.Event) (ids []chat.EventID) {
	for _, e := range events {
		ids = append(ids, e.Target())
	}
	return ids
}
