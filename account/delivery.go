package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// attachment delivers an account's events to one consumer: one worker for each
// conversation that has something to deliver.
type attachment struct {
	s         *session
	id        ConsumerID
	key       database.ConsumerKey
	consumer  Consumer
	observers *observers // nil if the consumer is no Observer
	options   ConsumerOptions
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	storers   sync.WaitGroup
	slots     chan struct{}
	turns     sync.RWMutex // read while a batch is delivered; comes before mu

	mu        sync.Mutex
	ended     bool
	workers   map[chat.ConversationID]*deliveryWorker
	at        map[chat.ConversationID]int64 // last seq that Deliver counted as done
	confirmed map[chat.ConversationID]int64 // last acknowledged seq, as far as this attachment knows
	unstored  map[chat.ConversationID]int64 // of that, what is not in the database yet
	storing   bool                          // a goroutine is at it
	over      bool                          // the rest is not stored any more
}

type deliveryWorker struct {
	head int64         // last seq known to be in the log
	kick chan struct{} // try again now
}

// defaultParallel is how many conversations are delivered at once if not said otherwise.
const defaultParallel = 16

// Attach implements Session.
func (s *session) Attach(ctx context.Context, id ConsumerID, consumer Consumer, options ConsumerOptions) (Attachment, error) {
	if options.Batch <= 0 {
		options.Batch = 1
	}
	if options.Parallel <= 0 {
		options.Parallel = defaultParallel
	}
	key := database.ConsumerKey{Account: s.id, Side: id.Side, Name: id.Name}
	s.attaching.Lock()
	defer s.attaching.Unlock()
	s.detach(id)
	known, err := s.m.db.Consumers().Exists(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("attach consumer: %w", err)
	}
	a := &attachment{s: s, id: id, key: key, consumer: consumer, options: options,
		slots: make(chan struct{}, options.Parallel), workers: make(map[chat.ConversationID]*deliveryWorker),
		at: make(map[chat.ConversationID]int64), confirmed: make(map[chat.ConversationID]int64), unstored: make(map[chat.ConversationID]int64)}
	a.ctx, a.cancel = context.WithCancel(s.ctx)
	if o, ok := consumer.(Observer); ok {
		a.observers = newObservers(o)
	}
	if err = s.register(ctx, a); err != nil {
		a.cancel()
		return nil, fmt.Errorf("attach consumer: %w", err)
	}
	if !known { // or a power failure makes the consumer new once more: it would begin at a later head
		if err = s.m.db.Sync(ctx); err != nil {
			s.zlog.Warn().Err(err).Str("consumer", id.Side).Str("name", id.Name).Msg("Failed to sync the positions of a new consumer")
		}
	}
	return a, nil
}

// register reads a consumer's positions and adds it to the session, between two commits: no
// event is missed between reading the positions and being notified of new ones.
func (s *session) register(ctx context.Context, a *attachment) error {
	var standings []database.Standing
	return s.m.db.WriteAndPublish(ctx, func(ctx context.Context) (err error) {
		if err = s.m.db.Consumers().Touch(ctx, a.key, time.Now().UnixMicro()); err != nil {
			return err
		}
		if a.id.Side == chat.OriginIRC {
			if err = s.dropUnseen(ctx, time.Now(), a.id.Name); err != nil {
				return err
			}
		}
		standings, err = s.m.db.Consumers().Standings(ctx, a.key)
		return err
	}, func(err error) error {
		if err != nil {
			return err
		}
		return s.add(a, standings)
	})
}

func (s *session) add(a *attachment, standings []database.Standing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped {
		return chat.ErrUnknownAccount
	}
	s.attachments[a.id] = a
	if a.observers != nil {
		a.observers.state(s.State())
		a.wg.Go(func() { a.observers.run(a.ctx) })
	}
	for _, st := range standings {
		a.notify(st.Conversation, st.Head)
	}
	return nil
}

// detach ends what is attached under an id.
func (s *session) detach(id ConsumerID) {
	s.mu.Lock()
	old := s.attachments[id]
	s.mu.Unlock()
	if old != nil {
		old.Detach()
	}
}

// Attached implements Session.
func (s *session) Attached(ctx context.Context, id ConsumerID) (bool, error) {
	return s.m.db.Consumers().Exists(ctx, database.ConsumerKey{Account: s.id, Side: id.Side, Name: id.Name})
}

// Forget implements Session.
func (s *session) Forget(ctx context.Context, id ConsumerID) error {
	s.attaching.Lock()
	defer s.attaching.Unlock()
	s.detach(id)
	return s.m.db.Consumers().Delete(ctx, database.ConsumerKey{Account: s.id, Side: id.Side, Name: id.Name})
}

// notify tells all attachments that a conversation's log has grown to head.
func (s *session) notify(id chat.ConversationID, head int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attachments {
		a.notify(id, head)
	}
}

func (a *attachment) notify(id chat.ConversationID, head int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	if w := a.workers[id]; w != nil {
		w.head = max(w.head, head)
		return
	}
	w := &deliveryWorker{head: head, kick: make(chan struct{}, 1)}
	a.workers[id] = w
	a.wg.Go(func() { a.deliver(id, w) })
}

// Detach implements Attachment.
func (a *attachment) Detach() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
	a.cancel()
	a.s.mu.Lock()
	if a.s.attachments[a.id] == a {
		delete(a.s.attachments, a.id)
	}
	a.s.mu.Unlock()
	a.wg.Wait()
	a.mu.Lock()
	a.over = true
	a.mu.Unlock()
	a.storers.Wait()
}

// Kick implements Attachment.
func (a *attachment) Kick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

func (a *attachment) headOf(w *deliveryWorker) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return w.head
}

// finished ends a worker unless its conversation has grown past seq.
func (a *attachment) finished(id chat.ConversationID, w *deliveryWorker, seq int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.head > seq {
		return false
	}
	delete(a.workers, id)
	return true
}

// deliver hands a conversation's events over, one batch after the other, until the
// consumer has them all.
func (a *attachment) deliver(id chat.ConversationID, w *deliveryWorker) {
	pauses := a.s.m.options.backoff()
	for a.ctx.Err() == nil {
		head := a.headOf(w) // read first: an event that is logged after the next line raises it
		seq, outcome := a.step(id)
		switch outcome {
		case stepFailed:
			a.wait(w, pauses)
			continue
		case stepDone:
			pauses.reset()
			head = seq
		}
		if a.finished(id, w, head) {
			return
		}
	}
}

// stepOutcome is what became of one batch.
type stepOutcome int

const (
	stepEmpty  stepOutcome = iota // there is none
	stepDone                      // some of it is done
	stepFailed                    // nothing of it
)

// step delivers the next batch of a conversation and returns the seq up to which its events are
// done.
func (a *attachment) step(id chat.ConversationID) (seq int64, outcome stepOutcome) {
	a.turns.RLock()
	defer a.turns.RUnlock()
	seq, err := a.from(id)
	var events []chat.Event
	if err == nil {
		events, err = a.s.readAfter(a.ctx, id, seq, a.options.Batch)
	}
	if err != nil {
		if a.ctx.Err() == nil {
			a.s.zlog.Err(err).Str("conversation", string(id)).Msg("Failed to read the log")
		}
		return seq, stepFailed
	}
	if len(events) == 0 {
		return seq, stepEmpty
	}
	done := a.handOver(events)
	if done == 0 {
		return seq, stepFailed
	}
	seq = events[done-1].Seq
	a.mu.Lock()
	a.at[id] = seq
	a.mu.Unlock()
	if !a.options.Confirms {
		a.Confirm(map[chat.ConversationID]int64{id: seq})
	}
	return seq, stepDone
}

// from is the seq after which a conversation's next batch begins.
func (a *attachment) from(id chat.ConversationID) (int64, error) {
	a.mu.Lock()
	seq, known := a.at[id]
	a.mu.Unlock()
	if known {
		return seq, nil
	}
	seq, err := a.s.m.db.Consumers().Position(a.ctx, a.key, id)
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(seq, a.confirmed[id]), err
}

// handOver delivers a batch and returns how many of its events are settled. Expired ones
// are, without being delivered: by the network's clock, since ours may have been set.
func (a *attachment) handOver(events []chat.Event) int {
	now, known := a.s.clock()
	gone := func(e chat.Event) bool { return known && expired(e, now) }
	if n := slices.IndexFunc(events, gone); n == 0 {
		return 1
	} else if n > 0 {
		events = events[:n]
	}
	select {
	case a.slots <- struct{}{}:
	case <-a.ctx.Done():
		return 0
	}
	defer func() { <-a.slots }()
	done, err := a.consumer.Deliver(a.ctx, events)
	done = min(max(done, 0), len(events))
	if err == nil || a.ctx.Err() != nil {
		return done
	}
	log := a.s.zlog.With().Str("consumer", a.id.Side).Str("name", a.id.Name).
		Str("conversation", string(events[0].Conversation)).Int64("seq", events[0].Seq).Logger()
	var permanent *permanentError
	if errors.As(err, &permanent) {
		log.Error().Err(err).Msg("An event cannot be delivered, going on without it")
		return min(done+1, len(events))
	}
	log.Warn().Err(err).Msg("An event could not be delivered, trying again later")
	return done
}

func (a *attachment) wait(w *deliveryWorker, pauses *backoff) {
	timer := time.NewTimer(pauses.pause(0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.kick:
	case <-a.ctx.Done():
	}
}
