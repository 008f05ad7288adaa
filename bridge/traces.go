package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

const (
	// firstTracePage events of a room are asked for first: most rooms end there.
	firstTracePage = 20
	// tracePage events are asked for after that, at most tracePages times.
	tracePage  = 100
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
	m       *matrixConnector
	started time.Time

	mu    sync.Mutex
	rooms map[id.RoomID]*roomTraces
}

// roomTraces are the events of one room that the database does not know, or not whole.
type roomTraces struct {
	mu        sync.Mutex
	sent      map[string][]trace    // by transaction id, newest first
	encrypted map[encryptedBy]trace // sent by us, unless a user wrote it
	written   map[uint64]trace      // by RequestID of what they became
	texts     []trace               // what users wrote, oldest first
	matched   map[chat.EventID]chat.Origin
	deep      bool // written has the latest deepPages
}

// trace is an event in a room.
type trace struct {
	event   id.EventID
	sender  id.UserID
	part    int // of written: the request's number among those of the event, from 0
	content *event.MessageEventContent
}

type encryptedBy struct {
	sender id.UserID
	millis int64
}

func newTraces(m *matrixConnector) *traces {
	return &traces{m: m, started: time.Now(), rooms: map[id.RoomID]*roomTraces{}}
}

// empty notes a room that this run has just made.
func (t *traces) empty(room id.RoomID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rooms[room] = &roomTraces{}
}

// forget makes the next call of of read the room again.
func (t *traces) forget(room id.RoomID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.rooms, room)
}

// of returns a room's traces, as they were before the run's first send. until is the time of
// what is about to be sent; zero means now.
func (t *traces) of(ctx context.Context, room id.RoomID, until time.Time) (*roomTraces, error) {
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

func (t *traces) read(ctx context.Context, room id.RoomID, until time.Time) (*roomTraces, error) {
	found := &roomTraces{sent: map[string][]trace{}, encrypted: map[encryptedBy]trace{}, written: map[uint64]trace{}}
	from, limit := "", firstTracePage
	for range tracePages {
		page, err := t.m.Bot.Messages(ctx, room, from, "", mautrix.DirectionBackward, nil, limit)
		var httpErr mautrix.HTTPError
		if errors.As(err, &httpErr) && refused(httpErr) {
			zerolog.Ctx(ctx).Warn().Err(err).Stringer("room", room).Msg("The homeserver does not show the bot this room; after a restore its messages may be doubled")
			return found, nil
		} else if err != nil {
			return nil, err
		}
		for _, e := range page.Chunk {
			known, err := t.add(ctx, found, e, until)
			if err != nil || known {
				return found, err
			}
		}
		if page.End == "" || page.End == from || len(page.Chunk) == 0 {
			return found, nil
		}
		from, limit = page.End, tracePage
	}
	zerolog.Ctx(ctx).Warn().Stringer("room", room).Msg("Too many events of this room are unknown; what an earlier run sent before them may be doubled")
	return found, nil
}

// add takes an event unless the database knows it; known reports one that is not newer than
// until.
func (t *traces) add(ctx context.Context, found *roomTraces, e *event.Event, until time.Time) (known bool, err error) {
	if e.StateKey != nil || (e.Type.Type != event.EventMessage.Type && e.Type.Type != event.EventEncrypted.Type) {
		return false, nil
	}
	row, err := t.m.Bridge.DB.Message.GetPartByMXID(ctx, e.ID)
	if err != nil {
		return false, fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
	}
	left := trace{event: e.ID, sender: e.Sender}
	marker, _ := e.Content.Raw[markerField].(string)
	byUser := t.byUser(e)
	if byUser { // also with a row: later parts of it may have none
		left.note(found.written)
	}
	switch {
	case row != nil:
		return !row.Timestamp.After(until), nil
	case marker != "" && !byUser:
		found.sent[marker] = append(found.sent[marker], left)
	case e.Type.Type == event.EventEncrypted.Type:
		found.encrypted[encryptedBy{e.Sender, e.Timestamp}] = left
	case byUser:
		if left.content = contentOf(e); left.content != nil {
			found.texts = append([]trace{left}, found.texts...)
		}
	}
	return false, nil
}

// byUser reports whether somebody wrote an event in Matrix. The marker alone does not tell: a
// client that forwards a message copies it.
func (t *traces) byUser(e *event.Event) bool {
	puppet := e.Content.Raw[markerField] != nil && e.Content.Raw[appservice.DoublePuppetKey] == t.m.AS.DoublePuppetValue
	return (!puppet || isForwarded(e)) && !t.isOwn(e.Sender)
}

// isOwn reports whether nobody but the bridge writes as a user.
func (t *traces) isOwn(user id.UserID) bool {
	return user == t.m.Bot.UserID || t.m.Bridge.IsGhostMXID(user)
}

// note adds the requests that a user's event may have become.
func (left trace) note(written map[uint64]trace) {
	for left.part = range portal.MaxParts {
		written[account.RequestID(ids.MakeOrigin(left.event, left.part))] = left
	}
}

// writtenDeep is writtenAs of an event that was on the network at a time. One from before this
// run may have been written before a message of the room that the database knows.
func (t *traces) writtenDeep(ctx context.Context, room id.RoomID, r *roomTraces, requestID uint64, at time.Time) (chat.Origin, bool, error) {
	if origin, ok := r.writtenAs(requestID); ok || at.After(t.started) || r.isDeep() {
		return origin, ok, nil
	}
	written, from := map[uint64]trace{}, ""
	for range deepPages {
		page, err := t.m.Bot.Messages(ctx, room, from, "", mautrix.DirectionBackward, nil, tracePage)
		if err != nil {
			return chat.Origin{}, false, fmt.Errorf("look for what was written before: %w", err)
		}
		for _, e := range page.Chunk {
			if e.StateKey == nil && t.byUser(e) {
				trace{event: e.ID, sender: e.Sender}.note(written)
			}
		}
		if page.End == "" || page.End == from || len(page.Chunk) == 0 {
			break
		}
		from = page.End
	}
	r.deepen(written)
	origin, ok := r.writtenAs(requestID)
	return origin, ok, nil
}

func (r *roomTraces) isDeep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deep
}

func (r *roomTraces) deepen(written map[uint64]trace) {
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

// sentAs returns the event that an earlier run made of a send; ok is false if there is none. An
// event of somebody else who marks it so does not count.
func (r *roomTraces) sentAs(txnID string, sender id.UserID, at time.Time, ours func(id.UserID) bool) (found trace, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, found = range slices.Backward(r.sent[txnID]) {
		if found.sender == sender || ours(found.sender) {
			return found, true
		}
	}
	found, ok = r.encrypted[encryptedBy{sender, at.UnixMilli()}]
	return found, ok
}

// writtenAs returns the Matrix event that a request with an id was made of.
func (r *roomTraces) writtenAs(requestID uint64) (chat.Origin, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.written[requestID]
	return ids.MakeOrigin(found.event, found.part), ok
}

// writtenText returns the oldest event of a user that became, among others, a message with
// a text. Each is found for one message only, and again for the same one.
func (r *roomTraces) writtenText(message chat.EventID, sender id.UserID, is func(*event.MessageEventContent) (part int, last, ok bool)) (chat.Origin, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if origin, ok := r.matched[message]; ok {
		return origin, true
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
				r.matched = map[chat.EventID]chat.Origin{}
			}
			r.matched[message] = ids.MakeOrigin(left.event, part)
			return r.matched[message], true
		}
	}
	return chat.Origin{}, false
}
