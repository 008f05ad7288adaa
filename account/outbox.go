package account

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// RequestID derives the id that the network gives back with an event
// (client_generated_id) from a request's origin: 62 bits of a SHA-256, never 0.
func RequestID(origin chat.Origin) uint64 {
	sum := sha256.Sum256([]byte(origin.Side + "\x00" + origin.Ref))
	return binary.BigEndian.Uint64(sum[:8])>>2 | 1
}

// outbox sends an account's requests: one worker for each conversation that has some.
type outbox struct {
	s         *session
	started   time.Time
	inherited int64 // id of the last request that an earlier run has left

	unread bool // load has failed

	mu      sync.Mutex
	workers map[chat.ConversationID]*outboxWorker
	waiters map[chat.Origin][]chan struct{}
}

type outboxWorker struct {
	more bool          // look again before ending
	wake chan struct{} // something changed: try again now
}

func (o *outbox) init(s *session) {
	o.s, o.started = s, s.m.now()
	o.workers = make(map[chat.ConversationID]*outboxWorker)
	o.waiters = make(map[chat.Origin][]chan struct{})
}

// load makes workers for what an earlier run of the program left; start sets them to work.
func (o *outbox) load() {
	rows, err := o.s.m.db.Outbox().Open(o.s.ctx, o.s.id, "")
	if err != nil {
		o.s.zlog.Err(err).Msg("Failed to read the outbox")
		o.unread = true
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, row := range rows {
		o.inherited = row.ID
		id := row.Request.Conversation
		if o.workers[id] == nil {
			o.workers[id] = newOutboxWorker()
		}
	}
}

func newOutboxWorker() *outboxWorker { return &outboxWorker{wake: make(chan struct{}, 1)} }

// start begins with what load has found.
func (o *outbox) start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, w := range o.workers {
		o.s.spawn(func() { o.run(id, w) })
	}
	if o.unread {
		o.s.spawn(o.reload)
	}
}

// reload reads the outbox as soon as the database lets it.
func (o *outbox) reload() {
	for sleep(o.s.ctx, o.s.m.options.BackoffMin) {
		rows, err := o.s.m.db.Outbox().Open(o.s.ctx, o.s.id, "")
		if err != nil {
			continue
		}
		for _, row := range rows {
			o.mu.Lock()
			o.inherited = max(o.inherited, row.ID)
			o.mu.Unlock()
			o.work(row.Request.Conversation)
		}
		return
	}
}

// work makes sure that a conversation has a worker that will see all rows written
// before the call.
func (o *outbox) work(id chat.ConversationID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.workers[id]; w != nil {
		w.more = true
		return
	}
	w := newOutboxWorker()
	if o.s.spawn(func() { o.run(id, w) }) {
		o.workers[id] = w
	}
}

func (o *outbox) wakeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.workers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// settle wakes those who wait for a request.
func (o *outbox) settle(origin chat.Origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ch := range o.waiters[origin] {
		close(ch)
	}
	delete(o.waiters, origin)
}

// settled returns a channel that is closed when a request is settled after the call.
func (o *outbox) settled(origin chat.Origin) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	ch := make(chan struct{})
	o.waiters[origin] = append(o.waiters[origin], ch)
	return ch
}

func (o *outbox) unwait(origin chat.Origin, ch <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.waiters[origin]
	for i, c := range list {
		if c == ch {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(o.waiters, origin)
	} else {
		o.waiters[origin] = list
	}
}

// run sends a conversation's requests in the order written until none is left.
func (o *outbox) run(id chat.ConversationID, w *outboxWorker) {
	for o.s.ctx.Err() == nil {
		rows, err := o.s.m.db.Outbox().Open(o.s.ctx, o.s.id, id)
		if err != nil {
			if o.s.ctx.Err() == nil {
				o.s.zlog.Err(err).Msg("Failed to read the outbox")
			}
			sleep(o.s.ctx, o.s.m.options.BackoffMin)
			continue
		}
		for _, row := range rows {
			o.carryOut(row, w)
			if o.s.ctx.Err() != nil {
				return
			}
		}
		o.mu.Lock()
		if len(rows) == 0 && !w.more {
			delete(o.workers, id)
			o.mu.Unlock()
			return
		}
		w.more = false
		o.mu.Unlock()
	}
}

// carryOut works on one request until its fate is settled or the session ends.
func (o *outbox) carryOut(row *database.OutboxRow, w *outboxWorker) {
	row.Created, row.Closed = o.s.m.atMostNow(row.Created), o.s.m.atMostNow(row.Closed)
	deadline := time.UnixMicro(max(row.Created, o.started.UnixMicro())).Add(o.s.m.options.SendWait)
	pauses := o.s.m.options.backoff()
	for o.s.ctx.Err() == nil {
		if o.refreshed(row) {
			return
		}
		done, err := o.inLog(row)
		if done {
			return
		}
		late := o.s.m.now().After(deadline)
		switch {
		case err != nil:
		case row.State == database.OutboxAmbiguous && !row.Request.Repeatable():
			if err = o.resolve(row, deadline); err == nil && row.State.Final() {
				return
			}
			if late && row.State == database.OutboxAmbiguous {
				o.fail(row, chat.ErrUnconfirmed)
				return
			}
			if err == nil {
				continue
			}
		case late:
			o.fail(row, o.cause(row, chat.ErrExpired))
			return
		default:
			if err = o.attempt(row, deadline); err == nil && row.State.Final() {
				return
			}
			if err == nil || row.State == database.OutboxAmbiguous && !row.Request.Repeatable() {
				continue
			}
		}
		if permanent(err) {
			if o.reachedAfterAll(row, err, deadline) {
				continue
			}
			o.fail(row, o.cause(row, err))
			return
		}
		o.pause(pauses, err, w, deadline)
	}
}

// cause is why a request fails, as far as it is known: one that may have been taken, perhaps
// in a run that a restored database does not know of, is unconfirmed.
func (o *outbox) cause(row *database.OutboxRow, err error) error {
	o.mu.Lock()
	inherited := row.ID <= o.inherited
	o.mu.Unlock()
	if row.State == database.OutboxAmbiguous || inherited && !o.s.CaughtUp() {
		return chat.ErrUnconfirmed
	}
	return err
}

// inLog settles a request that the log has already. An outbox that is older than the log, or
// than what the network has, does not know that it was sent: after a restore, for example.
func (o *outbox) inLog(row *database.OutboxRow) (bool, error) {
	where := row.Request.Conversation
	if row.Request.Finds() {
		where = "" // wherever that is
	}
	e, ok, err := o.s.m.log.FindRequest(o.s.ctx, o.s.id, where, row.RequestID)
	if err != nil || !ok {
		return false, err
	}
	err = o.done(o.s.ctx, row, e)
	return err == nil, err
}

// errStarting: what was sent before this run is not known yet.
var errStarting = fmt.Errorf("%w: catching up first", chat.ErrUnavailable)

// mayLeave reports why no request may leave now. The first catch-up comes before all of them:
// it brings the own copies of those that were sent before.
func (o *outbox) mayLeave() (Connection, error) {
	conn, err := o.s.request()
	if err == nil && !o.s.CaughtUp() {
		err = errStarting
	}
	return conn, err
}

// refreshed reads the state that commits may have changed; true means final. A request
// that is noted as being sent, but is not, may have been taken: the note of how it ended
// could not be stored, or the program ended before.
func (o *outbox) refreshed(row *database.OutboxRow) bool {
	now, err := o.s.m.db.Outbox().ByOrigin(o.s.ctx, row.Request.Origin)
	if err != nil {
		return errors.Is(err, database.ErrNotFound)
	}
	row.State = now.State
	if row.State == database.OutboxSending {
		row.State, row.Closed = database.OutboxAmbiguous, max(row.Closed, o.started.UnixMicro())
		if err = o.s.m.db.Outbox().Put(o.s.ctx, row); err != nil && o.s.ctx.Err() == nil {
			o.s.zlog.Err(err).Msg("Failed to note a request's state")
		}
	}
	return row.State.Final()
}

func permanent(err error) bool {
	return errors.Is(err, chat.ErrRefused) || errors.Is(err, chat.ErrUnknownConversation) ||
		errors.Is(err, chat.ErrBadCredentials) || errors.Is(err, chat.ErrUnsupported) || errors.Is(err, chat.ErrTooLarge)
}

// pause waits before the next try, at most until shortly after the deadline. What wakes
// the worker does not shorten what the network asked for.
func (o *outbox) pause(pauses *backoff, err error, w *outboxWorker, deadline time.Time) {
	asked := retryAfter(err)
	left := deadline.Sub(o.s.m.now()) + time.Millisecond
	whole := max(min(pauses.pause(asked), left), o.s.m.options.BackoffMin/10)
	least := min(asked, whole)
	if !sleep(o.s.ctx, least) {
		return
	}
	timer := time.NewTimer(whole - least)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	case <-o.s.ctx.Done():
	}
}

// attempt sends a request once, or the next part of it. An error with the state pending says that
// it certainly was not taken; ambiguous, that it may have been.
func (o *outbox) attempt(row *database.OutboxRow, deadline time.Time) error {
	conn, err := o.mayLeave()
	if err != nil {
		return err
	}
	var conversation chat.Conversation
	if !row.Request.Finds() {
		if conversation, err = o.s.Conversation(o.s.ctx, row.Request.Conversation); err != nil {
			return err
		}
	}
	next, ok := nextPart(row, conversation)
	if !ok {
		return o.answered(row, Answer{})
	}
	before := row.State
	row.State, row.Attempts = database.OutboxSending, row.Attempts+1
	if err = o.s.m.db.Outbox().Put(o.s.ctx, row); err != nil {
		row.State = before
		if errors.Is(err, database.ErrFinal) {
			row.State = database.OutboxDone
			return nil
		}
		return err
	}
	ctx, cancel := context.WithTimeout(o.s.ctx, deadline.Sub(o.s.m.now()))
	answer, err := conn.Send(ctx, next.id, conversation, next.request)
	cancel()
	if o.s.ctx.Err() != nil {
		return o.s.ctx.Err()
	}
	row.Closed = o.s.m.now().UnixMicro()
	if err == nil && next.more != nil {
		return o.partDone(row, next, answer)
	} else if err == nil {
		return o.answered(row, answer)
	}
	row.State = before
	if !permanent(err) && !errors.Is(err, chat.ErrUnavailable) {
		row.State = database.OutboxAmbiguous
	}
	if putErr := o.s.m.db.Outbox().Put(o.s.ctx, row); errors.Is(putErr, database.ErrFinal) {
		row.State = database.OutboxDone
		return nil // the push was faster
	} else if putErr != nil {
		row.State = database.OutboxAmbiguous // as it stands there, see refreshed
		o.s.zlog.Err(putErr).Msg("Failed to note a request's state")
	}
	return err
}

// resolvePatience is how long after its time a request's fate is looked for, so that no
// worker waits for ever.
const resolvePatience = 20 * time.Second

// resolve finds out the fate of an ambiguous request: final when it is found, pending
// when a catch-up that began late enough did not bring it.
func (o *outbox) resolve(row *database.OutboxRow, deadline time.Time) error {
	earliest := time.UnixMicro(row.Closed).Add(o.s.m.options.DoubtDelay)
	if earliest.After(deadline) {
		deadline = earliest
	}
	now := o.s.m.now()
	ctx, cancel := context.WithTimeout(o.s.ctx, deadline.Add(resolvePatience).Sub(now))
	defer cancel()
	if !sleep(ctx, max(earliest.Sub(now), 0)) {
		return ctx.Err()
	}
	if err := o.s.catchUp(ctx); err != nil {
		return err
	}
	if o.refreshed(row) {
		return nil
	}
	if row.Kind == chat.RequestCreate {
		if found, err := o.findCreated(ctx, row); found || err != nil {
			return err
		}
	}
	row.State = database.OutboxPending
	err := o.s.m.db.Outbox().Put(o.s.ctx, row)
	switch {
	case errors.Is(err, database.ErrFinal):
		row.State = database.OutboxDone
		return nil
	case err != nil:
		row.State = database.OutboxAmbiguous
	}
	return err
}
