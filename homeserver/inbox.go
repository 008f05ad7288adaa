package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// inboxPause is how long a room's worker waits after the database failed.
const inboxPause = time.Second

// inbox takes room events from the homeserver: it stores them before they are
// acknowledged, and has each handled until its effects are final, also after a crash. The
// events of a room are handled one after another in the order in which they came, rooms
// in parallel.
type inbox struct {
	store    *database.MatrixInbox
	host     Host
	dispatch func(context.Context, *event.Event)
	decrypt  func(ctx context.Context, e *event.Event, received time.Time) (*event.Event, error) // nil: could not be read
	state    mautrix.StateStore
	member   func(context.Context, id.RoomID, id.UserID) (*event.MemberEventContent, error) // as the homeserver has it
	log      zerolog.Logger

	// storing is held while events are stored or get places, so that numbers are in the order
	// of commits; it guards last.
	storing sync.Mutex
	last    int64

	mu      sync.Mutex
	running bool
	began   time.Time       // when handling began; set before the workers run
	parent  context.Context // the bridge's: ends before its handlers do
	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	rooms   map[string]int               // events that wait for their turn, by room
	working map[string]bool              // rooms with a worker
	open    map[id.EventID]chan struct{} // closed when the event's effects are final
}

func newInbox(store *database.MatrixInbox, host Host, log zerolog.Logger) *inbox {
	return &inbox{store: store, host: host, log: log, rooms: map[string]int{}, working: map[string]bool{}, open: map[id.EventID]chan struct{}{}}
}

// load reads what the previous run left. Events may be stored from now on.
func (b *inbox) load(ctx context.Context) error {
	last, err := b.store.Last(ctx)
	if err != nil {
		return fmt.Errorf("read inbox: %w", err)
	}
	rows, err := b.store.Open(ctx)
	if err != nil {
		return fmt.Errorf("read inbox: %w", err)
	}
	b.last = last
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expect(rows)
	return nil
}

// startWorkers gives a worker to every room with something to do; mu is held.
func (b *inbox) startWorkers() {
	for room := range b.rooms {
		if b.running && !b.working[room] {
			b.startWorker(room)
		}
	}
}

// expect notes stored events, and those that have got a place; mu is held.
func (b *inbox) expect(rows []database.InboxRow) {
	for _, row := range rows {
		if event := id.EventID(row.EventID); b.open[event] == nil {
			b.open[event] = make(chan struct{})
		}
		if row.Place > 0 {
			b.rooms[row.RoomID]++
		}
	}
	b.startWorkers()
}

// put stores events; when it returns they are safe. Known ones are left out. Those for which
// held says so get no place; it is asked when nothing else is stored or arranged.
func (b *inbox) put(ctx context.Context, rows []database.InboxRow, held func() bool) error {
	if len(rows) == 0 {
		return nil
	}
	b.storing.Lock()
	defer b.storing.Unlock()
	added, err := b.store.Put(ctx, b.last, rows, held())
	if err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	b.last += int64(len(added))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expect(added)
	return nil
}

// position is the number of the newest event.
func (b *inbox) position() int64 {
	b.storing.Lock()
	defer b.storing.Unlock()
	return b.last
}

// arrange gives places to events that are held: first to those that are named, in that order,
// then to the others up to a position; named ones that are not known are stored. Nothing else
// is stored from until, which says the position, to arranged, which hears how many stay held.
func (b *inbox) arrange(ctx context.Context, named []database.InboxRow, token string, until func() int64, arranged func(held int)) error {
	b.storing.Lock()
	defer b.storing.Unlock()
	result, err := b.store.Arrange(ctx, b.last, until(), named, token)
	if err != nil {
		return fmt.Errorf("store missing events: %w", err)
	}
	if result.Added > 0 {
		b.log.Debug().Int("events", result.Added).Msg("Found events that the homeserver had not pushed yet")
	}
	b.last = result.Last
	arranged(result.Held)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expect(result.Placed)
	return nil
}

// start begins to handle events, those of the life before first.
func (b *inbox) start(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parent, b.began = ctx, time.Now()
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.running = true
	b.startWorkers()
}

// end ends handling. What was not final stays so.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = false
	if b.cancel != nil {
		b.cancel()
	}
}

// stop is end, and waits for the workers.
func (b *inbox) stop() {
	b.end()
	b.workers.Wait()
}

// ended reports whether the program stops, so that handlers may have been cut short. The
// parent ends first.
func (b *inbox) ended() bool { return b.parent.Err() != nil || b.ctx.Err() != nil }

// final waits until an event's effects are final; an event that the inbox does not hold
// is.
func (b *inbox) final(ctx context.Context, event id.EventID) error {
	b.mu.Lock()
	done := b.open[event]
	b.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startWorker runs a room's worker; mu is held.
func (b *inbox) startWorker(room string) {
	b.working[room] = true
	b.workers.Add(1)
	go func() {
		defer b.workers.Done()
		for b.next(room) {
		}
	}()
}

// next handles a room's oldest event and reports whether the worker goes on.
func (b *inbox) next(room string) bool {
	row, err := b.store.Next(b.ctx, room)
	if err == nil {
		err = b.handle(row)
	}
	if b.ended() {
		return false
	}
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		b.log.Err(err).Str("room", room).Msg("Failed to read or finish an event from the homeserver, trying again")
		select {
		case <-b.ctx.Done():
		case <-time.After(inboxPause):
		}
		return !b.ended()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finished(id.EventID(row.EventID))
	if b.rooms[room]--; b.rooms[room] > 0 {
		return true
	}
	delete(b.rooms, room)
	delete(b.working, room)
	return false
}

// finished tells those who wait for an event; mu is held.
func (b *inbox) finished(event id.EventID) {
	if done := b.open[event]; done != nil {
		close(done)
		delete(b.open, event)
	}
}

// handle has an event's effects made and notes them as final, unless the program stops.
func (b *inbox) handle(row database.InboxRow) error {
	e, err := parseEvent(row.Body)
	if err != nil {
		b.log.Warn().Err(err).Str("event", row.EventID).Msg("Skipping an event that cannot be read")
		return b.store.Done(b.ctx, row.Seq)
	}
	ctx := b.log.WithContext(b.ctx)
	if e.Type == event.EventEncrypted {
		if e, err = b.decrypt(ctx, e, time.UnixMicro(row.Received)); err != nil {
			return err
		} else if e == nil {
			return b.store.Done(b.ctx, row.Seq)
		}
	}
	if e.Type == event.StateMember {
		b.host.Moved(ctx, e)
	}
	if e.Type.IsState() {
		b.noteState(ctx, e)
	}
	if b.host.IsCommand(e) {
		refused, err := b.host.RefuseStale(ctx, e, ageOf(e, time.UnixMicro(row.Received), time.Now()))
		switch {
		case err != nil:
			return err
		case refused:
			return b.store.Done(b.ctx, row.Seq)
		}
		return b.handleOnce(ctx, e, row)
	}
	// mautrix: matrix.Connector.sendBridgeCheckpoint reads a sticker in a goroutine while the portal makes it a
	// message, until it has read it before.
	e.Mautrix.CheckpointSent = e.Mautrix.CheckpointSent || e.Type == event.EventSticker
	b.dispatch(ctx, e)
	if b.ended() {
		return context.Canceled
	}
	return b.store.Done(b.ctx, row.Seq)
}

// noteState keeps what is known of rooms up to date. An event may come late, when we have moved
// its user since: then the homeserver says how things stand.
func (b *inbox) noteState(ctx context.Context, e *event.Event) {
	if e.Type == event.StateMember && b.member != nil {
		user := id.UserID(e.GetStateKey())
		known, err := b.state.TryGetMember(ctx, e.RoomID, user)
		if err == nil && known != nil && known.Membership != e.Content.AsMember().Membership {
			if now, err := b.member(ctx, e.RoomID, user); err == nil {
				if err = b.state.SetMember(ctx, e.RoomID, user, now); err == nil {
					return
				}
			}
		}
	}
	mautrix.UpdateStateStore(ctx, b.state, e)
}

// handleOnce hands a command over, final before it is run: neither a crash nor a power failure
// repeats it.
func (b *inbox) handleOnce(ctx context.Context, e *event.Event, row database.InboxRow) error {
	if err := b.store.Done(b.ctx, row.Seq); err != nil {
		return err
	}
	if err := b.store.Sync(b.ctx); err != nil {
		b.log.Err(err).Str("event", row.EventID).Msg("Failed to sync the note that a command is run")
	}
	b.dispatch(ctx, e)
	return nil
}

// parseEvent does what the framework does before it dispatches an event.
func parseEvent(body string) (*event.Event, error) {
	e := &event.Event{}
	if err := json.Unmarshal([]byte(body), e); err != nil {
		return nil, err
	}
	e.Mautrix.ReceivedAt = time.Now()
	e.Mautrix.EventSource = event.SourceTimeline
	e.Type.Class = event.MessageEventType
	if e.StateKey != nil {
		e.Mautrix.EventSource = event.SourceTimeline & event.SourceJoin
		e.Type.Class = event.StateEventType
	}
	// Content that does not fit its type is the handlers' to refuse.
	_ = e.Content.ParseRaw(e.Type)
	return e, nil
}

// prune forgets the ids of events older than keep.
func (b *inbox) prune(ctx context.Context, keep time.Duration) error {
	return b.store.Prune(ctx, time.Now().Add(-keep).UnixMicro())
}

// ageOf is how old an event is: by the homeserver's clock when it came, and by ours since. Only
// an event without an age is compared across the two clocks.
func ageOf(e *event.Event, received, now time.Time) time.Duration {
	waited := max(now.Sub(received), 0)
	if e.Unsigned.Age > 0 {
		return time.Duration(e.Unsigned.Age)*time.Millisecond + waited
	}
	return max(now.Sub(time.UnixMilli(e.Timestamp)), waited)
}
