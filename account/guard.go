package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// longestQuiet bounds the pause that a network can ask for.
const longestQuiet = time.Hour

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
	l          *link
	generation int64
}

// maxRefusals is how many requests in a row may be refused for their credentials: one
// refusal may come from a single server.
const maxRefusals = 2

// errReplaced: the account was logged in again, and its requests go with that login.
var errReplaced = fmt.Errorf("%w: a new login has replaced this one", chat.ErrUnavailable)

func asking[T any](g *guarded, request func() (T, error)) (T, error) {
	var none T
	if v := g.l.shown.Load(); v.generation != g.generation {
		return none, errReplaced
	} else if left := time.Until(v.quietUntil); left > 0 {
		return none, &RetryAfter{After: left, Err: fmt.Errorf("%w: it has asked for a pause", chat.ErrUnavailable)}
	}
	answer, err := request()
	bad := errors.Is(err, chat.ErrBadCredentials)
	if retryAfter(err) > 0 || bad || err == nil && g.l.shown.Load().refusals > 0 {
		g.l.call(answered{g.generation, err}) // returns when the next request heeds it
	}
	if bad && g.l.shown.Load().generation != g.generation {
		return none, errReplaced
	}
	return answer, err
}

func askNothing(g *guarded, request func() error) error {
	_, err := asking(g, func() (struct{}, error) { return struct{}{}, request() })
	return err
}

func (g *guarded) Sync(ctx context.Context, since int64) (SyncPage, error) {
	return asking(g, func() (SyncPage, error) { return g.Connection.Sync(ctx, since) })
}

func (g *guarded) Conversations(ctx context.Context, before int64, limit int) (ConversationPage, error) {
	return asking(g, func() (ConversationPage, error) { return g.Connection.Conversations(ctx, before, limit) })
}

func (g *guarded) History(ctx context.Context, id chat.ConversationID, before HistoryToken, limit int) (HistoryPage, error) {
	return asking(g, func() (HistoryPage, error) { return g.Connection.History(ctx, id, before, limit) })
}

func (g *guarded) People(ctx context.Context, ids []chat.PersonID) ([]chat.Person, error) {
	return asking(g, func() ([]chat.Person, error) { return g.Connection.People(ctx, ids) })
}

func (g *guarded) FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error) {
	return asking(g, func() ([]chat.Person, error) { return g.Connection.FindPeople(ctx, query, limit) })
}

func (g *guarded) Send(ctx context.Context, id uint64, conversation chat.Conversation, request chat.Request) (Answer, error) {
	return asking(g, func() (Answer, error) { return g.Connection.Send(ctx, id, conversation, request) })
}

func (g *guarded) SetTyping(ctx context.Context, id chat.ConversationID, state chat.TypingState) error {
	return askNothing(g, func() error { return g.Connection.SetTyping(ctx, id, state) })
}

func (g *guarded) SetWatermark(ctx context.Context, id chat.ConversationID, time int64) error {
	return askNothing(g, func() error { return g.Connection.SetWatermark(ctx, id, time) })
}

func (g *guarded) GroupLink(ctx context.Context, id chat.ConversationID) (string, error) {
	return asking(g, func() (string, error) { return g.Connection.GroupLink(ctx, id) })
}

func (g *guarded) SetDoNotDisturb(ctx context.Context, lasting time.Duration) error {
	return askNothing(g, func() error { return g.Connection.SetDoNotDisturb(ctx, lasting) })
}

func (g *guarded) SetActive(ctx context.Context) error {
	return askNothing(g, func() error { return g.Connection.SetActive(ctx) })
}
