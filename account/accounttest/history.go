package accounttest

import (
	"context"
	"slices"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Page is a call of Connection.History.
type Page struct {
	Account      chat.PersonID
	Conversation chat.ConversationID
	Before       account.HistoryToken
	Limit        int
}

// Pages returns the pages of history that accounts have asked for.
func (n *Network) Pages() []Page {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.pages)
}

// OnPage calls fn, which may wait, between the making and the arrival of a page of history: it can
// change the page, or return an error in its place.
func (n *Network) OnPage(fn func(in chat.ConversationID, before account.HistoryToken, page *account.HistoryPage) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paged = fn
}

func (c *connection) History(_ context.Context, id chat.ConversationID, before account.HistoryToken, limit int) (account.HistoryPage, error) {
	page, err := c.history(id, before, limit)
	c.n.mu.Lock()
	c.n.pages = append(c.n.pages, Page{Account: c.id, Conversation: id, Before: before, Limit: limit})
	paged := c.n.paged
	c.n.mu.Unlock()
	if err == nil && paged != nil {
		err = paged(id, before, &page)
	}
	return page, err
}

func (c *connection) history(id chat.ConversationID, before account.HistoryToken, limit int) (page account.HistoryPage, err error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if err := c.allowed(); err != nil {
		return page, err
	}
	conv := c.n.conversations[id]
	if conv == nil {
		return page, chat.ErrUnknownConversation
	}
	page.Conversations = []chat.ConversationDelta{c.see(conv)}
	end, begin := len(conv.events), 0
	for before.Time != 0 && end > 0 && conv.events[end-1].Time >= before.Time {
		end--
	}
	for begin < end && conv.events[begin].Time <= c.n.hidden[c.id][id] {
		begin++
	}
	page.End = begin >= end-limit
	for _, e := range conv.events[max(begin, end-limit):end] {
		page.Events = append(page.Events, c.n.asSeenBy(c.id, e))
	}
	if len(page.Events) > 0 {
		page.CompleteFrom = page.Events[0].Time
		page.Next = account.HistoryToken{Time: page.CompleteFrom}
	}
	return page, nil
}
