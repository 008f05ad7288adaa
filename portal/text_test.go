package portal

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestConvertIsTheSameEveryTime(t *testing.T) {
	e := chat.Event{Kind: chat.KindMessage, Message: &chat.Message{
		Text:        chat.Plain(strings.Repeat("<&>\n", 20_000)),
		Attachments: []chat.Attachment{{Kind: chat.AttachPhoto, URL: "https://a.b/c.jpg"}},
	}}
	first := convert(e, nil, false).parts
	require.Greater(t, len(first), 2)
	require.Equal(t, first, convert(e, nil, false).parts)
	for _, part := range first {
		require.Less(t, len(part.Content.Body)+len(part.Content.FormattedBody), 40_000)
	}
	require.Equal(t, "Photo https://a.b/c.jpg", first[len(first)-1].Content.Body)
}

func TestNoticeLines(t *testing.T) {
	name := func(id chat.PersonID) string { return map[chat.PersonID]string{"1": "Anna", "2": "Bert"}[id] }
	for _, c := range []struct {
		name    string
		event   chat.Event
		live    string
		history string
	}{
		{"history off", chat.Event{HistoryMode: &chat.HistoryMode{Off: true}}, "History is off: new messages are not kept.", "="},
		{"link on", chat.Event{LinkSharing: &chat.LinkSharing{On: true}}, "Joining by link is on.", "="},
		{"call", chat.Event{Call: &chat.Call{URL: "https://c"}}, "A call has begun. https://c", "="},
		{"call end", chat.Event{Call: &chat.Call{Ended: true}}, "The call has ended.", "="},
		{"notice", chat.Event{Notice: &chat.Notice{Text: "woof"}}, "woof", "="},
		{"joined", chat.Event{Author: "1", Membership: &chat.Membership{Joined: true, People: []chat.PersonID{"1"}}}, "", "Anna joined."},
		{"added", chat.Event{Author: "1", Membership: &chat.Membership{Joined: true, People: []chat.PersonID{"2"}}}, "", "Anna added Bert."},
		{"left", chat.Event{Author: "1", Membership: &chat.Membership{People: []chat.PersonID{"1"}}}, "", "Anna left."},
		{"removed", chat.Event{Author: "1", Membership: &chat.Membership{People: []chat.PersonID{"2"}}}, "", "Anna removed Bert."},
		{"renamed", chat.Event{Rename: &chat.Rename{New: "x"}}, "", "The conversation is now called: x"},
		{"unknown kind", chat.Event{Kind: "poll"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.history == "=" {
				c.history = c.live
			}
			require.Equal(t, c.live, noticeLine(c.event, name, false))
			require.Equal(t, c.history, noticeLine(c.event, name, true))
		})
	}
}
