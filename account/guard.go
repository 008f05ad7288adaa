package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// longestQuiet bounds the pause that a network can ask for.
const longestQuiet = time.Hour

// quiet is what an account has learned from the answers to its requests: how long the
// network wants to be left alone, and whether it still accepts the credentials.
type quiet struct {
	mu       sync.Mutex
	until    time.Time
	refusals int // in a row
}

func (q *quiet) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.until, q.refusals = time.Time{}, 0
}

// left is how long nothing may be asked.
func (q *quiet) left() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return time.Until(q.until)
}

// note takes the outcome of a request and returns how often in a row the credentials were
// refused.
func (q *quiet) note(err error) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if after := min(retryAfter(err), longestQuiet); after > 0 {
		if until := time.Now().Add(after); until.After(q.until) {
			q.until = until
		}
	}
	switch {
	case err == nil:
		q.refusals = 0
	case errors.Is(err, chat.ErrBadCredentials):
		q.refusals++
	}
	return q.refusals
}

// retryAfter is the pause that an error asks for, 0 for none.
func retryAfter(err error) time.Duration {
	var wait *RetryAfter
	if errors.As(err, &wait) {
		return wait.After
	}
	return 0
}

// guarded is a connection whose requests wait for nobody: while the network wants a pause
// they fail at once, certainly not accepted. Credentials that are refused twice in a row
// are bad, whatever the push channel says.
type guarded struct {
	Connection
	s          *session
	generation int64
}

// maxRefusals is how many requests in a row may be refused for their credentials: one
// refusal may come from a single server.
const maxRefusals = 2

func ask[T any](g *guarded, request func() (T, error)) (T, error) {
	if left := g.s.quiet.left(); left > 0 {
		var none T
		return none, &RetryAfter{After: left, Err: fmt.Errorf("%w: it has asked for a pause", chat.ErrUnavailable)}
	}
	answer, err := request()
	refusals := g.s.quiet.note(err)
	if !errors.Is(err, chat.ErrBadCredentials) || g.s.ctx.Err() != nil {
		return answer, err
	}
	if refusals < maxRefusals {
		g.s.catchup.trigger() // asks once more
		return answer, err
	}
	g.s.setState(g.generation, chat.BadCredentials, refusedReason)
	g.s.hangUp(g.generation)
	return answer, err
}

func askNothing(g *guarded, request func() error) error {
	_, err := ask(g, func() (struct{}, error) { return struct{}{}, request() })
	return err
}

// hangUp ends the push channel of a login.
func (s *session) hangUp(generation int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == generation && s.dial != nil {
		s.dial()
	}
}

func (g *guarded) Sync(ctx context.Context, since int64) (SyncPage, error) {
	return ask(g, func() (SyncPage, error) { return g.Connection.Sync(ctx, since) })
}

func (g *guarded) Conversations(ctx context.Context, before int64, limit int) (ConversationPage, error) {
	return ask(g, func() (ConversationPage, error) { return g.Connection.Conversations(ctx, before, limit) })
}

func (g *guarded) History(ctx context.Context, id chat.ConversationID, before HistoryToken, limit int) (HistoryPage, error) {
	return ask(g, func() (HistoryPage, error) { return g.Connection.History(ctx, id, before, limit) })
}

func (g *guarded) People(ctx context.Context, ids []chat.PersonID) ([]chat.Person, error) {
	return ask(g, func() ([]chat.Person, error) { return g.Connection.People(ctx, ids) })
}

func (g *guarded) FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error) {
	return ask(g, func() ([]chat.Person, error) { return g.Connection.FindPeople(ctx, query, limit) })
}

func (g *guarded) Send(ctx context.Context, id uint64, conversation chat.Conversation, request chat.Request) (Answer, error) {
	return ask(g, func() (Answer, error) { return g.Connection.Send(ctx, id, conversation, request) })
}

func (g *guarded) SetTyping(ctx context.Context, id chat.ConversationID, state chat.TypingState) error {
	return askNothing(g, func() error { return g.Connection.SetTyping(ctx, id, state) })
}

func (g *guarded) SetWatermark(ctx context.Context, id chat.ConversationID, time int64) error {
	return askNothing(g, func() error { return g.Connection.SetWatermark(ctx, id, time) })
}

func (g *guarded) GroupLink(ctx context.Context, id chat.ConversationID) (string, error) {
	return ask(g, func() (string, error) { return g.Connection.GroupLink(ctx, id) })
}

func (g *guarded) SetDoNotDisturb(ctx context.Context, lasting time.Duration) error {
	return askNothing(g, func() error { return g.Connection.SetDoNotDisturb(ctx, lasting) })
}

func (g *guarded) SetActive(ctx context.Context) error {
	return askNothing(g, func() error { return g.Connection.SetActive(ctx) })
}
