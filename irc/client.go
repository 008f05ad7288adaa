package irc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Delivery to one client.
const (
	deliverBatch    = 50
	deliverParallel = 8
	// deliverBytes is about how much text goes out before a PING. With deliverParallel
	// conversations at once it stays well below the send queue's limit.
	deliverBytes = 16 << 10
)

// client is one client name of an account: the account's consumer. Usually it has one
// live session. With several, each gets everything, and the first that confirms moves the
// position that they share; one that joins gets what is not confirmed yet.
type client struct {
	hub  *hub
	name string

	attaching  sync.Mutex // held while attaching and detaching
	attachment account.Attachment

	mu       sync.Mutex
	sessions []*session
	changed  chan struct{} // closed when sessions changes
}

var (
	_ account.Consumer = (*client)(nil)
	_ account.Observer = (*client)(nil)
)

func newClient(h *hub, name string) *client {
	return &client{hub: h, name: name, changed: make(chan struct{})}
}

// origin stands for the client where it is not about one line: read markers.
func (c *client) origin() chat.Origin { return chat.Origin{Side: chat.OriginIRC, Ref: c.name} }

// join adds a session; the first one begins delivery.
func (c *client) join(s *session) error {
	c.attaching.Lock()
	defer c.attaching.Unlock()
	c.update(func() { c.sessions = append(c.sessions, s) })
	if c.attachment != nil {
		s.tryPost(func() { s.stateChanged(c.hub.account.State()) })
		return nil
	}
	a, err := c.hub.account.Attach(s.ctx, account.ConsumerID{Side: chat.OriginIRC, Name: c.name}, c,
		account.ConsumerOptions{Batch: deliverBatch, Parallel: deliverParallel})
	if err != nil {
		c.remove(s)
		return err
	}
	c.attachment = a
	return nil
}

// leave removes a session; the last one ends delivery.
func (c *client) leave(s *session) {
	c.attaching.Lock()
	defer c.attaching.Unlock()
	if left := c.remove(s); left == 0 && c.attachment != nil {
		c.attachment.Detach()
		c.attachment = nil
	}
}

func (c *client) remove(s *session) (left int) {
	c.update(func() {
		c.sessions = slices.DeleteFunc(c.sessions, func(other *session) bool { return other == s })
		left = len(c.sessions)
	})
	return left
}

func (c *client) update(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *client) live() (sessions []*session, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sessions), c.changed
}

// Deliver implements account.Consumer: it writes the events to the live sessions and
// returns Done when one of them has answered the PING behind them. What the sessions need
// to know is read once for all of them.
func (c *client) Deliver(ctx context.Context, events []chat.Event) account.Result {
	events = events[:portion(events)]
	answers := make(chan struct{}, 1)
	answer := func() { signal(answers) }
	written := map[*session]bool{}
	for {
		sessions, changed := c.live()
		sessions = slices.DeleteFunc(sessions, func(s *session) bool { return written[s] })
		if len(sessions) > 0 {
			here, err := c.hub.scene(ctx, events)
			if errors.Is(err, chat.ErrUnknownConversation) {
				return account.Result{Outcome: account.Done, Handled: len(events)}
			} else if err != nil {
				return account.Result{Outcome: account.Retry, Err: err}
			}
			for _, s := range sessions {
				written[s] = true
				s.tryPost(func() { s.deliver(events, here, answer) })
			}
		}
		select {
		case <-answers:
			return account.Result{Outcome: account.Done, Handled: len(events)}
		case <-changed:
		case <-ctx.Done():
			return account.Result{Outcome: account.Retry, Err: ctx.Err()}
		}
	}
}

// portion is how many events, at least one, fit into deliverBytes.
func portion(events []chat.Event) int {
	size := 0
	for i, e := range events {
		if e.Message != nil {
			size += len(e.Message.Text.String()) + 256*len(e.Message.Attachments)
		}
		if size += 128; size > deliverBytes && i > 0 {
			return i
		}
	}
	return len(events)
}

func (c *client) each(fn func(s *session)) {
	sessions, _ := c.live()
	for _, s := range sessions {
		s.post(func() { fn(s) })
	}
}

// Typing implements account.Observer.
func (c *client) Typing(_ context.Context, t chat.Typing) {
	c.each(func(s *session) { s.showTyping(t) })
}

// Watermark implements account.Observer: the own one is the read marker; IRC has nothing
// for those of others.
func (c *client) Watermark(_ context.Context, w chat.Watermark) {
	if w.Person == c.hub.self() {
		c.each(func(s *session) { s.sendMarker(w.Conversation, w.Time) })
	}
}

// ConversationChanged implements account.Observer.
func (c *client) ConversationChanged(_ context.Context, conversation chat.Conversation) {
	c.each(func(s *session) {
		if !s.shows(conversation) {
			s.conversationChanged(conversation.ID)
		}
	})
}

// PersonChanged implements account.Observer.
func (c *client) PersonChanged(ctx context.Context, p chat.Person) {
	c.hub.personChanged(ctx, p)
	c.each(func(s *session) {
		if s.caps[capSetname] && s.knows(p.ID) {
			s.send(ircwire.New(s.mask(p.ID), "SETNAME", realName(p)))
		}
	})
}

// StateChanged implements account.Observer.
func (c *client) StateChanged(_ context.Context, state chat.AccountState) {
	c.each(func(s *session) { s.stateChanged(state) })
}

// resume waits again for the lines of earlier sessions whose fate was not told.
func (c *client) resume(s *session) {
	lines, err := c.hub.g.lines.List(s.ctx, c.hub.self(), c.name)
	if err != nil {
		if s.ctx.Err() == nil {
			s.log.Err(err).Msg("Failed to read lines of earlier sessions")
		}
		return
	}
	for _, l := range lines {
		if c.hub.track(c, s, l.Ref) {
			s.pending[l.Ref] = pendingLine{conversation: l.Conversation, time: l.Time, earlier: true}
		}
	}
}

// isFate reports whether an error of Await is the fate of the request, not a failure to
// learn it.
func isFate(err error) bool {
	for _, fate := range []error{chat.ErrRefused, chat.ErrExpired, chat.ErrUnconfirmed, chat.ErrBadCredentials, chat.ErrUnknownConversation,
		chat.ErrUnsupported, chat.ErrTooLarge, chat.ErrForbidden} {
		if errors.Is(err, fate) {
			return true
		}
	}
	return false
}

// sentAt is when a line was read, for people.
func sentAt(us int64) string { return time.UnixMicro(us).Format("15:04") }
