package irc

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
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

	attaching sync.Mutex // held while attaching and detaching

	mu         sync.Mutex
	attachment account.Attachment // changed while attaching is held, too
	sessions   []*session
	joining    bool                            // a session waits until nothing is delivered
	early      []map[chat.ConversationID]int64 // confirmed while attaching
	changed    chan struct{}                   // closed when sessions or joining change
	writers    map[string]*session             // of lines whose fate is not reported, by reference
}

var (
	_ account.Consumer = (*client)(nil)
	_ account.Observer = (*client)(nil)
)

func newClient(h *hub, name string) *client {
	return &client{hub: h, name: name, changed: make(chan struct{}), writers: make(map[string]*session)}
}

// origin stands for the client where it is not about one line: read markers.
func (c *client) origin() chat.Origin { return chat.Origin{Side: chat.OriginIRC, Ref: c.name} }

// newRef makes the reference of a line's origin. It names the client, to which the fate of the
// line is reported.
func (c *client) newRef() string { return c.name + "/" + rand.Text() }

// wrote reports whether a request was made of a line of the client.
func (c *client) wrote(o chat.Origin) bool {
	n := strings.LastIndexByte(o.Ref, '/')
	return o.Side == chat.OriginIRC && n >= 0 && o.Ref[:n] == c.name
}

// sent notes which session has sent a line.
func (c *client) sent(ref string, s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writers[ref] = s
}

// reported forgets a line: its fate is known to the client.
func (c *client) reported(ref string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.writers, ref)
}

// reporter is the session that reports the fate of a line: the one that has sent it or, if that
// has ended, another.
func (c *client) reporter(ref string, sessions []*session) []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if writer := c.writers[ref]; slices.Contains(sessions, writer) {
		return []*session{writer}
	}
	return sessions[:min(len(sessions), 1)]
}

// join adds a session; the first one begins delivery. What is not confirmed is delivered again
// for a further one; the others know what they have shown.
func (c *client) join(s *session) error {
	c.attaching.Lock()
	defer c.attaching.Unlock()
	add := func() { c.sessions, c.joining = append(c.sessions, s), false }
	if c.attachment != nil {
		c.update(func() { c.joining = true })
		c.attachment.Rewind(func() { c.update(add) })
		s.tryPost(func() { s.stateChanged(c.hub.account.State()) })
		return nil
	}
	c.update(add)
	a, err := c.hub.account.Attach(s.ctx, account.ConsumerID{Side: chat.OriginIRC, Name: c.name}, c,
		account.ConsumerOptions{Batch: deliverBatch, Parallel: deliverParallel, Confirms: true})
	if err != nil {
		c.remove(s)
		return err
	}
	c.update(func() {
		c.attachment = a
		for _, positions := range c.early {
			a.Confirm(positions)
		}
		c.early = nil
	})
	return nil
}

// confirm acknowledges what a session's client has confirmed.
func (c *client) confirm(positions map[chat.ConversationID]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attachment == nil {
		c.early = append(c.early, positions)
		return
	}
	c.attachment.Confirm(positions)
}

// leave removes a session; the last one ends delivery.
func (c *client) leave(s *session) {
	c.attaching.Lock()
	defer c.attaching.Unlock()
	if left := c.remove(s); left == 0 && c.attachment != nil {
		c.attachment.Detach()
		c.update(func() { c.attachment, c.early = nil, nil })
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

// live returns the sessions without some; ok is false while one waits to join.
func (c *client) live(given map[*session]bool) (sessions []*session, changed <-chan struct{}, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sessions = slices.DeleteFunc(slices.Clone(c.sessions), func(s *session) bool { return given[s] })
	return sessions, c.changed, !c.joining
}

// Deliver implements account.Consumer: it gives the events to the live sessions and returns when one
// of them has queued their lines. What the sessions need to know is read once for all of them.
func (c *client) Deliver(ctx context.Context, events []chat.Event) (done int, err error) {
	events = events[:portion(events)]
	failure := events[0].Failure != nil
	if failure && !c.wrote(events[0].Origin) {
		return 1, nil
	}
	here, err := c.hub.scene(ctx, events)
	if errors.Is(err, chat.ErrUnknownConversation) {
		return len(events), nil
	} else if err != nil {
		return 0, err
	}
	if failure {
		return c.report(ctx, events, here)
	}
	given, queued := map[*session]bool{}, make(chan struct{}, 1)
	for {
		sessions, changed, ok := c.live(given)
		if !ok {
			return 0, nil
		}
		for _, s := range sessions {
			given[s] = true
			s.tryPost(func() {
				s.deliver(events, here, nil)
				signal(queued)
			})
		}
		select {
		case <-queued:
			c.settle(ctx, events)
			return len(events), nil
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// report is Deliver for a failure: it goes to one session only, if that one confirms it.
func (c *client) report(ctx context.Context, failure []chat.Event, here scene) (done int, err error) {
	ref, only := failure[0].Origin.Ref, true
	sole := time.NewTimer(c.hub.g.sole)
	defer sole.Stop()
	given, confirmed := map[*session]bool{}, make(chan struct{}, 1)
	for {
		sessions, changed, ok := c.live(nil)
		if !ok {
			return 0, nil
		}
		if only {
			sessions = c.reporter(ref, sessions)
		}
		for _, s := range sessions {
			if given[s] {
				continue
			}
			given[s] = true
			s.tryPost(func() { s.deliver(failure, here, func() { signal(confirmed) }) })
		}
		select {
		case <-confirmed:
			c.reported(ref)
			return 1, nil
		case <-changed:
		case <-sole.C:
			only = false
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// settle forgets lines of the client that have been delivered. Who writes has read what stands
// above: clients without read markers move the watermark this way.
func (c *client) settle(ctx context.Context, events []chat.Event) {
	for _, e := range events {
		if !c.wrote(e.Origin) {
			continue
		}
		c.reported(e.Origin.Ref)
		if e.Message == nil {
			continue
		}
		mark := chat.Watermark{Conversation: e.Conversation, Person: c.hub.self(), Time: e.Time, Origin: c.origin()}
		if err := c.hub.account.MarkRead(ctx, mark); err != nil && ctx.Err() == nil {
			c.hub.g.log.Debug().Err(err).Msg("Failed to move the watermark")
		}
	}
}

// portion is how many events, at least one, fit into deliverBytes; a failure comes by itself.
func portion(events []chat.Event) int {
	size := 0
	for i, e := range events {
		if i > 0 && (e.Failure != nil || events[0].Failure != nil) {
			return i
		}
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
	sessions, _, _ := c.live(nil)
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
