package account

import (
	"context"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// typingLife is how long an undelivered typing state is worth telling.
const typingLife = 10 * time.Second

// observers queues changes for one Observer: of each thing only the latest value, in the
// order in which the things first changed. So it is bounded by what the account knows.
type observers struct {
	o    Observer
	wake chan struct{}

	mu     sync.Mutex
	values map[any]func(context.Context)
	order  []any
}

type (
	stateKey        struct{}
	conversationKey struct{ id chat.ConversationID }
	personKey       struct{ id chat.PersonID }
	watermarkKey    struct {
		id     chat.ConversationID
		person chat.PersonID
	}
	typingKey watermarkKey
)

func newObservers(o Observer) *observers {
	return &observers{o: o, wake: make(chan struct{}, 1), values: make(map[any]func(context.Context))}
}

func (q *observers) put(key any, call func(context.Context)) {
	q.mu.Lock()
	if _, ok := q.values[key]; !ok {
		q.order = append(q.order, key)
	}
	q.values[key] = call
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *observers) state(state chat.AccountState) {
	q.put(stateKey{}, func(ctx context.Context) { q.o.StateChanged(ctx, state) })
}

func (q *observers) conversation(c chat.Conversation) {
	q.put(conversationKey{c.ID}, func(ctx context.Context) { q.o.ConversationChanged(ctx, c) })
}

func (q *observers) person(p chat.Person) {
	q.put(personKey{p.ID}, func(ctx context.Context) { q.o.PersonChanged(ctx, p) })
}

func (q *observers) watermark(w chat.Watermark) {
	q.put(watermarkKey{w.Conversation, w.Person}, func(ctx context.Context) { q.o.Watermark(ctx, w) })
}

func (q *observers) typing(t chat.Typing) {
	queued := time.Now()
	q.put(typingKey{t.Conversation, t.Person}, func(ctx context.Context) {
		if time.Since(queued) < typingLife {
			q.o.Typing(ctx, t)
		}
	})
}

// run makes the calls, one at a time, until ctx ends.
func (q *observers) run(ctx context.Context) {
	for {
		q.mu.Lock()
		var call func(context.Context)
		if len(q.order) > 0 {
			call = q.values[q.order[0]]
			delete(q.values, q.order[0])
			q.order = q.order[1:]
		}
		q.mu.Unlock()
		if call != nil && ctx.Err() == nil {
			call(ctx)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
	}
}
