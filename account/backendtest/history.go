package backendtest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// history: page by page back to the end comes every event, and what a page says to be complete is. A
// place may be a time alone.
func history(b *bench) {
	const messages, limit = 11, 3
	var said []chat.Event
	for n := range messages {
		said = append(said, b.say(uint64(100+n), b.Group, fmt.Sprint("message ", n)))
	}
	known := make(map[chat.EventID]bool)
	var place account.HistoryToken
	for pages := 0; ; pages++ {
		require.Less(b, pages, 1000, "the end is reached")
		page, err := b.two.conn.History(b.Context(), b.Group, place, limit)
		require.NoError(b, err)
		for _, e := range page.Events {
			require.Equal(b, b.Group, e.Conversation)
			known[e.ID] = true
		}
		if page.End {
			break
		}
		require.NotZero(b, page.CompleteFrom)
		for _, e := range said {
			require.True(b, e.Time < page.CompleteFrom || known[e.ID], "message of %d is not known, complete from %d", e.Time, page.CompleteFrom)
		}
		require.NotEqual(b, place, page.Next, "it goes on")
		place = page.Next
	}
	for _, e := range said {
		require.True(b, known[e.ID])
	}
	page, err := b.two.conn.History(b.Context(), b.Group, account.HistoryToken{Time: said[5].Time + 1}, limit)
	require.NoError(b, err)
	var newest int64
	for _, e := range page.Events {
		newest = max(newest, e.Time)
	}
	require.Equal(b, said[5].Time, newest)
}
