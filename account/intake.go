package account

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// sink is the session as one login's connection sees it.
type sink struct {
	s          *session
	generation int64
}

// stale reports whether a later login has replaced the connection.
func (k *sink) stale() bool {
	_, generation := k.s.connection()
	return generation != k.generation
}

// Subscribed implements Sink: from here on pushes are kept aside until a catch-up has
// brought what came before them. That makes the account connected.
func (k *sink) Subscribed() {
	k.s.watch.alive()
	if k.s.channelUp(k.generation) {
		k.s.catchup.trigger()
	}
}

// Lost implements Sink: answers to requests must not overtake what was not pushed.
func (k *sink) Lost() {
	k.s.channelDown(k.generation, chat.Connecting, "the push channel broke")
}

// Push implements Sink. Typing is not logged, so it waits for nothing: its ten seconds count
// from here.
func (k *sink) Push(ctx context.Context, update Update) error {
	k.s.watch.alive()
	if k.stale() {
		return nil // the new connection's catch-up brings it
	}
	k.s.typing.heard(update.Typing)
	if update.Typing = nil; update.empty() {
		return nil
	}
	return k.s.intake.push(ctx, update)
}

// Alive implements Sink.
func (k *sink) Alive() { k.s.watch.alive() }

// Credentials implements Sink.
func (k *sink) Credentials(stored []byte) {
	k.s.watch.keep(k.generation, stored)
}

// intake decides when a live update is logged: at once, after the account's own
// catch-up, or, for single conversations, after something that has to come before it.
type intake struct {
	s *session

	mu      sync.Mutex
	keep    bool          // keep updates aside
	live    bool          // pushes flow
	epoch   int           // grows whenever pushes may have got lost
	rounds  int           // catch-ups begun
	aside   []asideUpdate // in order
	dropped bool          // aside was full: one more catch-up is needed
	held    map[chat.ConversationID]*heldQueue
	writing chan struct{} // one for each live update that is being logged
}

// maxWriting is how many live updates wait for the database before the channel does.
const maxWriting = 64

// asideUpdate is an update that waits for the end of a catch-up. An answer says nothing of
// what came before it: it waits for a catch-up that begins later, and all behind it too.
type asideUpdate struct {
	Update
	after int // rounds before it
}

func (in *intake) init(s *session) {
	in.s, in.keep, in.writing = s, true, make(chan struct{}, maxWriting)
	in.held = make(map[chat.ConversationID]*heldQueue)
}

// channel notes that pushes begin or have stopped. Either way something may be missing
// that only a catch-up begun later brings.
func (in *intake) channel(live bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.keep, in.live = true, live
	in.epoch++
}

// begin keeps updates aside for a catch-up; release takes what it returns.
func (in *intake) begin() (epoch int, live bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.keep = true
	in.rounds++
	return in.epoch, in.live
}

// state tells which epoch it is and whether pushes flow.
func (in *intake) state() (epoch int, live bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.epoch, in.live
}

// push takes one live update from the channel.
func (in *intake) push(ctx context.Context, update Update) error {
	_, err := in.take(ctx, update, false)
	return err
}

// take logs a live update, unless it has to be kept aside.
func (in *intake) take(ctx context.Context, update Update, isAnswer bool) (kept bool, err error) {
	in.mu.Lock()
	if in.keep {
		a := asideUpdate{Update: update}
		if isAnswer {
			a.after = in.rounds
		}
		if len(in.aside) < in.s.m.options.Aside {
			in.aside = append(in.aside, a)
		} else {
			in.dropped = true
		}
		in.mu.Unlock()
		return true, nil
	}
	now, epoch := in.holdBack(update), in.epoch
	in.mu.Unlock()
	return false, in.log(ctx, now, epoch)
}

// log hands a live update to the writer and returns when it is on its way. One that cannot be
// stored takes those behind it with it: the next catch-up brings them, in order.
func (in *intake) log(ctx context.Context, update Update, epoch int) error {
	update, err := in.s.completeUnknown(ctx, update)
	if err != nil {
		return err
	}
	select {
	case in.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	c := newCommitment(in.s.m, in.s, update, commitOptions{})
	in.s.m.db.WriteLater(in.s.ctx, func(ctx context.Context) error {
		err := in.current(epoch)
		if err == nil {
			if err = c.write(ctx); err != nil {
				in.missed(epoch)
			}
		}
		return err
	}, func(err error) {
		err = c.done(err)
		<-in.writing
		if err != nil && !errors.Is(err, errOutdated) && in.s.ctx.Err() == nil {
			in.s.zlog.Err(err).Msg("Failed to log a live update")
			in.missed(epoch)
		}
	})
	return nil
}

// errOutdated: a catch-up brings the update.
var errOutdated = errors.New("pushes were lost before this update")

// current refuses live updates of an earlier epoch.
func (in *intake) current(epoch int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.epoch != epoch {
		return errOutdated
	}
	return nil
}

// missed gives up the channel whose update could not be logged; the next channel's catch-up
// brings it. Until then updates are kept aside.
func (in *intake) missed(epoch int) {
	in.mu.Lock()
	first := in.epoch == epoch
	if first {
		in.keep = true
		in.epoch++
	}
	in.mu.Unlock()
	if first {
		in.s.reconnect("an update could not be stored")
	}
}

// awaitPush lets the push of an answered request's event come first, while pushes flow:
// they come in the network's order, answers overtake what was pushed before. False means
// that the push is late.
func (in *intake) awaitPush(ctx context.Context, event ReceivedEvent, settled <-chan struct{}) bool {
	timer := time.NewTimer(in.s.m.options.PushWait)
	defer timer.Stop()
	for {
		beat := in.s.m.pulse.wait()
		if _, live := in.state(); !live {
			return true // a catch-up comes anyway
		}
		if _, known, err := in.s.m.log.Find(ctx, event.Conversation, event.ID); known || err != nil || in.holds(event) {
			return true
		}
		select {
		case <-settled:
			return true
		case <-beat:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return true
		}
	}
}

// holds reports whether the push of an event has come and waits for something.
func (in *intake) holds(event ReceivedEvent) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	queue := in.held[event.Conversation]
	return queue != nil && slices.ContainsFunc(queue.events, func(e heldEvent) bool { return e.ID == event.ID })
}

// answer takes the event of an answered request. Without a channel nothing else would
// bring what came before it, so a catch-up does.
func (in *intake) answer(ctx context.Context, event ReceivedEvent) error {
	kept, err := in.take(ctx, Update{Events: []ReceivedEvent{event}}, true)
	if kept || err != nil {
		in.s.catchup.trigger()
	}
	return err
}

// anyEpoch makes release let through what is there whatever may be missing.
const anyEpoch = -1

// release logs what was kept aside since begin and, while the channel is up, lets live
// updates through again. When pushes got lost since begin, nothing is let through. again
// tells that another catch-up has to come first, for that reason, for an answer that came
// since begin, or because some updates had to be dropped.
func (in *intake) release(ctx context.Context, epoch int) (again bool, err error) {
	for {
		in.mu.Lock()
		if epoch != anyEpoch && epoch != in.epoch {
			in.mu.Unlock()
			return true, nil
		}
		if len(in.aside) == 0 {
			again, in.dropped = in.dropped, false
			in.keep = !in.live || again
			in.mu.Unlock()
			return again, nil
		}
		if epoch != anyEpoch && in.aside[0].after == in.rounds {
			in.mu.Unlock()
			return true, nil
		}
		now := in.holdBack(in.aside[0].Update)
		in.aside = in.aside[1:]
		in.mu.Unlock()
		if err = in.s.m.commit(ctx, in.s, now, commitOptions{}); err != nil {
			in.mu.Lock()
			in.dropped = true // not lost: the next catch-up brings it
			in.mu.Unlock()
			return true, err
		}
	}
}

// heldQueue is what waits in one conversation.
type heldQueue struct {
	events []heldEvent
}

type heldEvent struct {
	ReceivedEvent
	until time.Time
}

// holdBack takes those events out of an update that have to wait: for another account's
// catch-up, for the sender's own copy, or for an event before them. mu is held.
func (in *intake) holdBack(update Update) Update {
	var now []ReceivedEvent
	for _, e := range update.Events {
		queue := in.held[e.Conversation]
		switch {
		case queue != nil && queue.claim(e):
		case queue != nil && len(queue.events) >= in.s.m.options.Aside:
			in.s.catchup.trigger() // dropped; the cursor has not moved
		case queue != nil:
			queue.events = append(queue.events, heldEvent{e, time.Now().Add(in.s.m.options.HoldOwn)})
		case in.mustWait(e):
			queue = &heldQueue{events: []heldEvent{{e, time.Now().Add(in.s.m.options.HoldOwn)}}}
			in.held[e.Conversation] = queue
			in.s.spawn(func() { in.drain(e.Conversation, queue) })
		default:
			now = append(now, e)
		}
	}
	if len(now) < len(update.Events) {
		in.s.m.pulse.beat() // awaitPush looks for held ones
	}
	update.Events = now
	return update
}

// mustWait reports whether an event may not be logged yet. The own copy of an own event
// never waits if it names the request that made it: others may wait for exactly that.
func (in *intake) mustWait(e ReceivedEvent) bool {
	if e.Author == in.s.id && e.RequestID != 0 {
		return false
	}
	return in.s.m.gates.shutFor(e.Conversation, in.s.id) || in.s.m.awaitsOwnCopy(e.Author, e.Conversation)
}

// awaitsOwnCopy reports whether an account of ours has a request in a conversation of
// which the network may have made an event that we cannot recognise in others' copies.
func (m *Manager) awaitsOwnCopy(author chat.PersonID, id chat.ConversationID) bool {
	s := m.session(author)
	return s != nil && s.outbox.unanswered(id)
}

// awaitOwnCopies waits until no event of a page needs its sender's own copy any more, at
// most until a time.
func (s *session) awaitOwnCopies(ctx context.Context, events []ReceivedEvent, until time.Time) error {
	for _, e := range events {
		if e.Author == s.id {
			continue
		}
		if !s.intake.awaitTurn(heldEvent{e, until}, func() bool { return s.m.awaitsOwnCopy(e.Author, e.Conversation) }) {
			return ctx.Err()
		}
	}
	return nil
}

// drain logs the held events of a conversation in order, each when it need not wait any
// more.
func (in *intake) drain(id chat.ConversationID, queue *heldQueue) {
	for {
		in.mu.Lock()
		if len(queue.events) == 0 {
			delete(in.held, id)
			in.mu.Unlock()
			return
		}
		first := queue.events[0]
		in.mu.Unlock()
		if !in.awaitTurn(first, func() bool { return in.mustWait(in.first(queue)) }) {
			return
		}
		update := Update{Events: []ReceivedEvent{in.first(queue)}}
		if err := in.s.m.commit(in.s.ctx, in.s, update, commitOptions{guessOrigin: true}); err != nil {
			if in.s.ctx.Err() != nil {
				return
			}
			in.s.zlog.Err(err).Msg("Failed to log a held event, catching up instead")
			in.s.catchup.trigger()
		}
		in.mu.Lock()
		queue.events = queue.events[1:]
		in.mu.Unlock()
	}
}

// first is the first event of a queue as it is known now.
func (in *intake) first(queue *heldQueue) ReceivedEvent {
	in.mu.Lock()
	defer in.mu.Unlock()
	return queue.events[0].ReceivedEvent
}

// claim takes from an event that came the second time which request made it.
func (q *heldQueue) claim(e ReceivedEvent) bool {
	for i := range q.events {
		if held := &q.events[i]; held.ID == e.ID {
			if held.RequestID == 0 {
				held.RequestID = e.RequestID
			}
			return true
		}
	}
	return false
}

// awaitTurn waits until an event may be logged; false means that the session ends.
func (in *intake) awaitTurn(e heldEvent, mustWait func() bool) bool {
	for {
		beat := in.s.m.pulse.wait()
		left := time.Until(e.until)
		if left <= 0 || !mustWait() {
			return true
		}
		_, known, err := in.s.m.log.Find(in.s.ctx, e.Conversation, e.ID)
		if err == nil && known {
			return true
		}
		timer := time.NewTimer(left)
		select {
		case <-beat:
		case <-timer.C:
		case <-in.s.ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}
