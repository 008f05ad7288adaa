package accounttest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// connection is one account's connection to the network.
type connection struct {
	n    *Network
	id   chat.PersonID
	wake chan struct{}

	// Under Network.mu:
	subscribed bool
	queue      []account.Update
	cut        chan struct{}
}

// aliveEvery is how often the channel shows that it lives.
const aliveEvery = 20 * time.Second

// errCut is how a channel that was cut ends.
var errCut = errors.New("channel cut")

func (c *connection) Run(ctx context.Context, sink account.Sink) error {
	if ctx.Err() != nil {
		return nil
	}
	c.n.mu.Lock()
	if c.n.refused[c.id] {
		c.n.mu.Unlock()
		return chat.ErrBadCredentials
	}
	cut := make(chan struct{})
	c.cut, c.subscribed, c.queue = cut, true, nil
	delete(c.n.deaf, c.id)
	delete(c.n.silent, c.id)
	c.n.runs[c.id]++
	c.n.connections[c] = struct{}{}
	c.n.mu.Unlock()
	defer func() {
		c.n.mu.Lock()
		delete(c.n.connections, c)
		c.subscribed, c.cut = false, nil
		c.n.mu.Unlock()
	}()
	sink.Subscribed()
	keepAlive := time.NewTicker(aliveEvery)
	defer keepAlive.Stop()
	for {
		c.n.mu.Lock()
		queue := c.queue
		if c.n.holdPushes {
			queue = nil
		} else {
			c.queue = nil
		}
		c.n.mu.Unlock()
		for _, u := range queue {
			if err := sink.Push(ctx, u); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-cut:
			return errCut
		case <-c.wake:
		case <-keepAlive.C:
		}
		if !c.n.is(c.n.silent, c.id) {
			sink.Alive()
		}
	}
}

// see returns a conversation as the account sees it. mu is held.
func (c *connection) see(conv *conversation) chat.ConversationDelta {
	s := conv.snapshot
	standing := chat.Active
	if !s.Has(c.id) {
		standing = chat.Left
	}
	archived, inviter, muted, unread := conv.archived[c.id], conv.inviters[c.id], conv.muted[c.id], conv.unread[c.id]
	if inviter != "" {
		standing = chat.Invited
	}
	d := chat.ConversationDelta{ID: s.ID, Kind: &s.Kind, Name: &s.Name, Members: s.Members, Standing: &standing,
		Level: &s.Level, SortTime: &s.SortTime, Archived: &archived, Inviter: &inviter, Muted: &muted, Unread: &unread,
		Topic: &s.Topic, HistoryOff: &s.HistoryOff, LinkSharing: &s.LinkSharing, Complete: true}
	if read := conv.reads[c.id]; read != 0 {
		d.ReadTime = &read
	}
	return d
}

// parted returns the events since a time (µs) of the conversations that the account is not in
// any more, up to its leaving. mu is held.
func (c *connection) parted(since int64) (events []account.ReceivedEvent) {
	for _, conv := range c.n.conversations {
		if conv.snapshot.Has(c.id) {
			continue
		}
		for n := len(conv.events) - 1; n >= 0; n-- {
			change := conv.events[n].Membership
			if change == nil || change.Joined || !slices.Contains(change.People, c.id) {
				continue
			}
			for _, e := range conv.events[:n+1] {
				if e.Time >= since {
					events = append(events, c.n.asSeenBy(c.id, e))
				}
			}
			break
		}
	}
	return events
}

// mine returns the account's conversations, latest first. mu is held.
func (c *connection) mine() []*conversation {
	var list []*conversation
	for _, conv := range c.n.conversations {
		if conv.snapshot.Has(c.id) {
			list = append(list, conv)
		}
	}
	slices.SortFunc(list, func(a, b *conversation) int {
		return cmp.Or(cmp.Compare(b.snapshot.SortTime, a.snapshot.SortTime), cmp.Compare(a.snapshot.ID, b.snapshot.ID))
	})
	return list
}

func (c *connection) allowed() error {
	if c.n.refused[c.id] {
		return chat.ErrBadCredentials
	}
	return nil
}

func (c *connection) Sync(_ context.Context, since int64) (account.SyncPage, error) {
	c.n.mu.Lock()
	fault := c.n.syncFault
	c.n.mu.Unlock()
	if fault != nil {
		if err := fault(c.id); err != nil {
			return account.SyncPage{}, err
		}
	}
	page, err := c.sync(since)
	c.n.mu.Lock()
	synced := c.n.synced
	c.n.mu.Unlock()
	if synced != nil {
		synced(c.id)
	}
	return page, err
}

func (c *connection) sync(since int64) (account.SyncPage, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if err := c.allowed(); err != nil {
		return account.SyncPage{}, err
	}
	page := account.SyncPage{SyncedTo: c.n.now() + 1}
	for _, conv := range c.mine() {
		for _, e := range conv.events {
			if e.Time >= since && e.Time > c.n.hidden[c.id][conv.snapshot.ID] {
				page.Events = append(page.Events, c.n.asSeenBy(c.id, e))
			}
		}
		page.Conversations = append(page.Conversations, c.see(conv))
	}
	page.Events = append(page.Events, c.parted(since)...)
	slices.SortFunc(page.Events, func(a, b account.ReceivedEvent) int { return cmp.Compare(a.Time, b.Time) })
	if limit := c.n.syncLimit; limit > 0 && len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Cut, page.SyncedTo = true, page.Events[limit-1].Time
	}
	return page, nil
}

func (c *connection) Conversations(_ context.Context, before int64, limit int) (account.ConversationPage, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if err := c.allowed(); err != nil {
		return account.ConversationPage{}, err
	}
	page := account.ConversationPage{Time: c.n.now() + 1}
	for _, conv := range c.mine() {
		if before != 0 && conv.snapshot.SortTime >= before {
			continue
		}
		if len(page.Conversations) == limit {
			page.Next = *page.Conversations[limit-1].SortTime
			break
		}
		page.Conversations = append(page.Conversations, c.see(conv))
		if k := len(conv.events); k > 0 {
			page.Events = append(page.Events, c.n.asSeenBy(c.id, conv.events[k-1]))
		}
	}
	return page, nil
}

func (c *connection) People(_ context.Context, ids []chat.PersonID) ([]chat.Person, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	var out []chat.Person
	for _, id := range ids {
		if p, ok := c.n.people[id]; ok {
			out = append(out, p)
		}
	}
	return out, c.allowed()
}

func (c *connection) SetTyping(_ context.Context, id chat.ConversationID, state chat.TypingState) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.typings = append(c.n.typings, chat.Typing{Conversation: id, Person: c.id, State: state, Time: time.Now().UnixMicro()})
	return c.allowed()
}

func (c *connection) SetWatermark(_ context.Context, id chat.ConversationID, time int64) error {
	c.n.mu.Lock()
	err := c.allowed()
	if err == nil && c.n.markFault != nil {
		err = c.n.markFault(c.id, time)
	}
	if err != nil {
		c.n.mu.Unlock()
		return err
	}
	c.n.marks = append(c.n.marks, chat.Watermark{Conversation: id, Person: c.id, Time: time})
	c.n.read(c.id, id, time)
	c.n.mu.Unlock()
	c.n.flush()
	return nil
}

func (c *connection) SetActive(context.Context) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.actives[c.id]++
	return nil
}

func (c *connection) Close() {}
