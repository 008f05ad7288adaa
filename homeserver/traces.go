package homeserver

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const (
	// firstTracePage events of a room are asked for first: most rooms end there.
	firstTracePage = 20
	// tracePages are read at most.
	tracePages = 500
	// deepPages of them are read once more for what users wrote: it stands in the room where it
	// was written, before messages that were on the network earlier.
	deepPages = 5
)

// traces finds what earlier runs left in rooms without a row in the database: it was restored
// from a backup, lost its last moments in a power failure, or a send was cut short. Once in a
// run, before the first send into a room, the room is read back to a message that the database
// knows and that is not newer than what is sent. Rooms are filled in the network's order, so
// nothing before that message is in doubt.
type traces struct {
	c       *Connector
	started time.Time

	mu    sync.Mutex
	rooms map[id.RoomID]*Traces
}

// Traces are the events of one room that the database does not know, or not whole.
type Traces struct {
	mu      sync.Mutex
	sent    map[string][]trace // by transaction id, newest first
	written map[uint64]Written // by what they became
	texts   []trace            // what users wrote, oldest first
	matched map[string]Written
	deep    bool // written has the latest deepPages
}

// trace is an event in a room.
type trace struct {
	event   id.EventID
	sender  id.UserID
	content *event.MessageEventContent
}

// Written is an event that a user wrote, and which of the requests it became is meant, from 0.
type Written struct {
	Event id.EventID
	Part  int
}

func newTraces(c *Connector) *traces {
	return &traces{c: c, started: time.Now(), rooms: map[id.RoomID]*Traces{}}
}

// empty notes a room that this run has just made.
func (t *traces) empty(room id.RoomID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rooms[room] = &Traces{}
}

// forget makes the next call of of read the room again.
func (t *traces) forget(room id.RoomID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rooms, room)
}

// Traces returns what earlier runs left in a room, as it was before this run's first send. until
// is the time of what is about to be shown; zero means now.
func (c *Connector) Traces(ctx context.Context, room id.RoomID, until time.Time) (*Traces, error) {
	return c.traces.of(ctx, room, until)
}

// Started is when this run began.
func (c *Connector) Started() time.Time { return c.traces.started }

func (t *traces) of(ctx context.Context, room id.RoomID, until time.Time) (*Traces, error) {
	t.mu.Lock()
	found := t.rooms[room]
	t.mu.Unlock()
	if found != nil {
		return found, nil
	}
	if until.IsZero() {
		until = time.Now()
	}
	found, err := t.read(ctx, room, until)
	if err != nil {
		return nil, fmt.Errorf("look for what an earlier run sent: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if earlier := t.rooms[room]; earlier != nil {
		return earlier, nil
	}
	t.rooms[room] = found
	return found, nil
}

func (t *traces) read(ctx context.Context, room id.RoomID, until time.Time) (*Traces, error) {
	found := &Traces{sent: map[string][]trace{}, written: map[uint64]Written{}}
	all, err := t.c.readBack(ctx, room, "", "", firstTracePage, tracePages, func(_ json.RawMessage, e *event.Event) (bool, error) {
		return t.add(ctx, found, e, until)
	})
	if Refused(err) {
		zerolog.Ctx(ctx).Warn().Err(err).Stringer("room", room).Msg("The homeserver does not show the bot this room; after a restore its messages may be doubled")
		return found, nil
	} else if err == nil && !all {
		zerolog.Ctx(ctx).Warn().Stringer("room", room).Msg("Too many events of this room are unknown; what an earlier run sent before them may be doubled")
	}
	return found, err
}

// add takes an event unless the database knows it; known reports one that is not newer than
// until.
func (t *traces) add(ctx context.Context, found *Traces, e *event.Event, until time.Time) (known bool, err error) {
	if e.StateKey != nil || (e.Type.Type != event.EventMessage.Type && e.Type.Type != event.EventSticker.Type && e.Type.Type != event.EventEncrypted.Type) {
		return false, nil
	}
	at, kept, err := t.c.host.MessageTime(ctx, e.ID)
	if err != nil {
		return false, err
	}
	left := trace{event: e.ID, sender: e.Sender}
	marker, _ := e.Content.Raw[markerField].(string)
	byUser := t.byUser(e)
	if byUser { // also with a row: later parts of it may have none
		t.note(found.written, e.ID)
	}
	switch {
	case kept:
		return !at.After(until), nil
	case marker != "" && !byUser:
		found.sent[marker] = append(found.sent[marker], left)
	case byUser:
		if left.content = contentOf(e); left.content != nil {
			found.texts = append([]trace{left}, found.texts...)
		}
	}
	return false, nil
}

// byUser reports whether somebody wrote an event in Matrix. The marker alone does not decide:
// a client that forwards a message copies it.
func (t *traces) byUser(e *event.Event) bool {
	puppet := e.Content.Raw[markerField] != nil && e.Content.Raw[appservice.DoublePuppetKey] == t.c.AS.DoublePuppetValue
	return (!puppet || IsForwarded(e)) && !t.c.isOurs(e.Sender)
}

// note adds the requests that a user's event may have become.
func (t *traces) note(written map[uint64]Written, e id.EventID) {
	for part, request := range t.c.host.Became(e) {
		written[request] = Written{e, part}
	}
}

// WrittenAs returns the event of a room that a request with an id was made of, which was on
// the network at a time. One from before this run may have been written before a message of
// the room that the database knows.
func (c *Connector) WrittenAs(ctx context.Context, room id.RoomID, r *Traces, request uint64, at time.Time) (Written, bool, error) {
	t := c.traces
	if found, ok := r.writtenAs(request); ok || at.After(t.started) || r.isDeep() {
		return found, ok, nil
	}
	written := map[uint64]Written{}
	_, err := t.c.readBack(ctx, room, "", "", readPage, deepPages, func(_ json.RawMessage, e *event.Event) (bool, error) {
		if e.StateKey == nil && t.byUser(e) {
			t.note(written, e.ID)
		}
		return false, nil
	})
	if err != nil {
		return Written{}, false, fmt.Errorf("look for what was written before: %w", err)
	}
	r.deepen(written)
	found, ok := r.writtenAs(request)
	return found, ok, nil
}

func (r *Traces) isDeep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deep
}

func (r *Traces) deepen(written map[uint64]Written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deep = true
	if r.written == nil {
		r.written = written
		return
	}
	maps.Copy(r.written, written)
}

// contentOf is the content of a message that is not encrypted, else nil.
func contentOf(e *event.Event) *event.MessageEventContent {
	var content event.MessageEventContent
	if e.Type.Type != event.EventMessage.Type || json.Unmarshal(e.Content.VeryRaw, &content) != nil {
		return nil
	}
	return &content
}

// sentAs returns the event that an earlier run made of a send, as one of some users or of ours; ok
// is false if there is none. An event of somebody else who marks it so does not count.
func (r *Traces) sentAs(txnID string, as []id.UserID, ours func(id.UserID) bool) (found trace, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, found = range slices.Backward(r.sent[txnID]) {
		if slices.Contains(as, found.sender) || ours(found.sender) {
			return found, true
		}
	}
	return trace{}, false
}

func (r *Traces) writtenAs(request uint64) (found Written, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok = r.written[request]
	return found, ok
}

// WrittenText returns the oldest event of a user that became, among others, a message with
// a text. Each is found for one message only, and again for the same one.
func (r *Traces) WrittenText(message string, sender id.UserID, is func(*event.MessageEventContent) (part int, last, ok bool)) (Written, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.matched[message]; ok {
		return found, true
	}
	for n, left := range r.texts {
		if left.sender != sender {
			continue
		}
		if part, last, ok := is(left.content); ok {
			if last {
				r.texts = append(r.texts[:n:n], r.texts[n+1:]...)
			}
			if r.matched == nil {
				r.matched = map[string]Written{}
			}
			r.matched[message] = Written{left.event, part}
			return r.matched[message], true
		}
	}
	return Written{}, false
}
