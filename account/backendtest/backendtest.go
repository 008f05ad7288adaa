// Package backendtest judges back ends: the suite says what every account.Backend has to do, and
// leaves out what its Features deny.
package backendtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Setting is a network of its own for one test.
type Setting struct {
	Backend account.Backend
	One     account.Identity // of the accounts that act: One and Two are in Group and in Direct
	Two     account.Identity
	Group   chat.ConversationID
	Direct  chat.ConversationID
	Free    []chat.PersonID     // people who can be added to Group, at least two
	Linked  chat.ConversationID // a group of Two without One; joining by link is on
	Listed  chat.Person         // one of Free, with FullName, Emails and Phones by which the network finds them
}

// patience bounds every wait; it is long because machines are slow and shared.
const patience = 2 * time.Minute

// Run runs the suite; open makes a Setting, closed by itself.
func Run(t *testing.T, open func(t *testing.T) Setting) {
	for kind, test := range requests {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t, open(t))
			test(b)
		})
	}
	t.Run("files", func(t *testing.T) { files(newBench(t, open(t))) })
	t.Run("looking for people", func(t *testing.T) { lookingForPeople(newBench(t, open(t))) })
	t.Run("history", func(t *testing.T) { history(newBench(t, open(t))) })
	t.Run("what Features deny is refused", func(t *testing.T) { denied(newBench(t, open(t))) })
}

// requests are the tests of what each kind of request does.
var requests = map[chat.RequestKind]func(*bench){
	chat.RequestMessage: message, chat.RequestEdit: edit, chat.RequestDeletion: deletion, chat.RequestReaction: reaction,
	chat.RequestRename: rename, chat.RequestTopic: topic, chat.RequestAddPeople: people, chat.RequestLeave: leave,
	chat.RequestHistoryMode: historyMode, chat.RequestLinkSharing: linkSharing, chat.RequestMuted: muted,
	chat.RequestArchived: archived, chat.RequestUnread: unread, chat.RequestCreate: create, chat.RequestClear: clear,
	chat.RequestJoinLink: joinLink, chat.RequestEasterEgg: easterEgg,
}

// bench is two connected accounts.
type bench struct {
	*testing.T
	Setting
	one, two *client
}

// client is an account's connection with what it was pushed.
type client struct {
	t    *testing.T
	self chat.PersonID
	conn account.Connection

	mu            sync.Mutex
	subscribed    bool
	events        []chat.Event
	conversations map[chat.ConversationID]chat.Conversation
}

func newBench(t *testing.T, s Setting) *bench {
	return &bench{t, s, connect(t, s.Backend, s.One), connect(t, s.Backend, s.Two)}
}

func connect(t *testing.T, backend account.Backend, who account.Identity) *client {
	conn, err := backend.Open(who.Stored)
	require.NoError(t, err)
	c := &client{t: t, self: who.Self.ID, conn: conn, conversations: make(map[chat.ConversationID]chat.Conversation)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = conn.Run(ctx, c)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		conn.Close()
	})
	c.until(func() bool { return c.subscribed }, "subscribed")
	page, err := conn.Conversations(t.Context(), 0, 100)
	require.NoError(t, err)
	c.take(page.Update)
	return c
}

// Subscribed, Lost, Push, Alive and Credentials implement account.Sink.
func (c *client) Subscribed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribed = true
}

// Lost implements account.Sink.
func (c *client) Lost() {}

// Alive implements account.Sink.
func (c *client) Alive() {}

// Credentials implements account.Sink.
func (c *client) Credentials([]byte) {}

// Push implements account.Sink.
func (c *client) Push(_ context.Context, update account.Update) error {
	c.take(update)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range update.Events {
		c.events = append(c.events, e.Event)
		conversation := c.conversations[e.Conversation]
		conversation.ID = e.Conversation
		c.conversations[e.Conversation] = conversation.ApplyEvent(e.Event, c.self)
	}
	return nil
}

func (c *client) take(update account.Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range update.Conversations {
		c.conversations[d.ID] = c.conversations[d.ID].Apply(d)
	}
}

func (c *client) conversation(id chat.ConversationID) chat.Conversation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conversations[id]
}

func (c *client) until(cond func() bool, what string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return cond()
	}, patience, 5*time.Millisecond, what)
}

// got waits for the push of an event.
func (c *client) got(id chat.EventID) (found chat.Event) {
	c.t.Helper()
	c.until(func() bool {
		n := slices.IndexFunc(c.events, func(e chat.Event) bool { return e.ID == id })
		if n >= 0 {
			found = c.events[n]
		}
		return n >= 0
	}, "event "+string(id))
	return found
}

// becomes waits until a conversation looks as wanted.
func (c *client) becomes(id chat.ConversationID, want func(chat.Conversation) bool, what string) {
	c.t.Helper()
	c.until(func() bool { return want(c.conversations[id]) }, what)
}

// allowed skips a test whose request the network has not.
func (b *bench) allowed(in chat.ConversationID, kind chat.RequestKind) {
	if !b.Backend.Features(b.one.conversation(in)).Allows(kind) {
		b.Skip("the network has no such request")
	}
}

// send carries a request of the first account out.
func (b *bench) send(id uint64, r chat.Request) account.Answer {
	b.Helper()
	answer, err := b.one.conn.Send(b.Context(), id, b.one.conversation(r.Conversation), r)
	require.NoError(b, err)
	b.one.take(account.Update{Conversations: answer.Conversations})
	return answer
}

// event sends a request that makes an event: both accounts are pushed it, a sync and the history
// have it, and the author's own copy names the request unless the request may be repeated.
func (b *bench) event(id uint64, r chat.Request) chat.Event {
	b.Helper()
	made := b.send(id, r).Event
	require.NotEmpty(b, made.ID)
	require.Equal(b, r.Conversation, made.Conversation)
	require.Equal(b, b.one.self, made.Author)
	own, other := b.one.got(made.ID), b.two.got(made.ID)
	if !r.Repeatable() {
		require.Equal(b, id, own.RequestID, "the author's own copy names the request")
	}
	require.Zero(b, other.RequestID, "and nobody else's")
	require.Equal(b, b.one.self, other.Author)
	require.Equal(b, own.Time, other.Time)
	require.Equal(b, own.Kind, other.Kind)
	page, err := b.two.conn.Sync(b.Context(), own.Time)
	require.NoError(b, err)
	synced := slices.ContainsFunc(page.Events, func(e account.ReceivedEvent) bool { return e.ID == made.ID && e.Kind == own.Kind })
	require.True(b, synced, "a sync brings it")
	return own
}

func (b *bench) say(id uint64, in chat.ConversationID, text string) chat.Event {
	b.Helper()
	return b.event(id, chat.Request{Conversation: in, Message: &chat.Message{Text: chat.Plain(text)}})
}
