package account_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// However the network fails to go on, a call ends with what is known.
func TestNetworksThatDoNotGoOn(t *testing.T) {
	all := numbered(120)
	for name, c := range map[string]struct {
		page  func(before account.HistoryToken, page *account.HistoryPage)
		known int
		err   error
		asked int
	}{
		"the same page again": {func(before account.HistoryToken, page *account.HistoryPage) {
			if page.CompleteFrom = before.Time; before.Time != 0 {
				page.Next, page.Events = before, nil
			}
		}, 0, chat.ErrRefused, 3},
		"places in a circle": {func(before account.HistoryToken, page *account.HistoryPage) {
			page.Events, page.CompleteFrom, page.End = page.Events[:1], page.Events[0].Time, false
			page.Next = account.HistoryToken{Time: 1 << 60, Token: []byte{byte(len(before.Token))}}
			if len(before.Token) > 0 && before.Token[0] > 0 {
				page.Next.Token = nil
			}
		}, 71, chat.ErrRefused, 0},
		"no place":     {func(_ account.HistoryToken, page *account.HistoryPage) { page.Next = account.HistoryToken{} }, 120, nil, 3},
		"nothing":      {func(_ account.HistoryToken, page *account.HistoryPage) { *page = account.HistoryPage{} }, 0, chat.ErrRefused, 1},
		"no time":      {func(_ account.HistoryToken, page *account.HistoryPage) { page.CompleteFrom = 0 }, 120, nil, 3},
		"a later time": {func(_ account.HistoryToken, page *account.HistoryPage) { page.CompleteFrom = 1 << 61 }, 120, nil, 3},
		"a time without end": {func(_ account.HistoryToken, page *account.HistoryPage) {
			page.Events, page.CompleteFrom, page.End = nil, max(page.CompleteFrom-1, 2), false
			page.Next.Time = page.CompleteFrom
		}, 0, chat.ErrRefused, 0},
		"new events without end": {func(before account.HistoryToken, page *account.HistoryPage) {
			page.End, page.CompleteFrom = false, 0
			page.Events = page.Events[:1]
			page.Events[0].ID = chat.EventID(fmt.Sprint("new", len(before.Token)))
			page.Next = account.HistoryToken{Time: 1 << 60, Token: append(slices.Clone(before.Token), 1)}
		}, 0, chat.ErrUnavailable, 200},
		"others' conversations": {func(_ account.HistoryToken, page *account.HistoryPage) {
			for _, text := range []string{"strange", ""} {
				e := page.Events[0]
				e.ID, e.Conversation = chat.EventID(text), trio
				if text == "" {
					e.Conversation = duo
				}
				page.Events = append(page.Events, e)
			}
		}, 120, nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, shortOverlap)
			b.say(all)
			s := b.login(anna)
			b.net.OnPage(func(in chat.ConversationID, before account.HistoryToken, page *account.HistoryPage) error {
				if in == duo {
					c.page(before, page)
				}
				return nil
			})
			began := len(b.net.Pages())
			events, err := read(s, 0, 1000)
			require.ErrorIs(t, err, c.err)
			if c.err == nil {
				require.Equal(t, all[120-c.known:], texts(events))
			}
			if c.asked > 0 {
				require.Len(t, b.net.Pages()[began:], c.asked)
			}
			require.LessOrEqual(t, len(b.net.Pages())-began, 201)
			require.Zero(t, b.count(`SELECT COUNT(*) FROM history WHERE conversation<>'duo'`))
		})
	}
}

// Pages that are not in the order of time count as far as they say themselves: nothing between is
// left out.
func TestPagesOutOfOrder(t *testing.T) {
	b := newBench(t, shortOverlap)
	all := numbered(10)
	b.say(all)
	said := b.net.Events(duo)
	pages := [][]int{{8, 9, 2}, {7, 1, 6}, {5, 3, 4}, {0}}
	b.net.OnPage(func(in chat.ConversationID, before account.HistoryToken, page *account.HistoryPage) error {
		if in != duo {
			return nil
		}
		n := len(before.Token)
		page.Events = nil
		for _, i := range pages[n] {
			page.Events = append(page.Events, account.ReceivedEvent{Event: said[i]})
		}
		page.CompleteFrom = said[[]int{8, 6, 1, 0}[n]].Time
		page.Next, page.End = account.HistoryToken{Token: append(slices.Clone(before.Token), 'x')}, n == len(pages)-1
		return nil
	})
	s := b.login(anna)
	for limit := range 10 {
		b.expectHistory(s, limit+1, all[9-limit:])
	}
	require.Equal(t, 4, b.asked())
}
