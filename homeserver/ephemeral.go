package homeserver

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/event"
)

// ephemeralQueue is how many typing or receipt events of a room wait, of typing only the
// latest; older ones are dropped.
const ephemeralQueue = 16

// ephemeral hands typing and receipts on. They are never stored; a room that is busy
// holds up neither the homeserver nor other rooms.
type ephemeral struct {
	dispatch func(context.Context, *event.Event)
	typing   *puppetTyping
	log      zerolog.Logger

	mu      sync.Mutex
	ctx     context.Context // nil before start and after stop: everything is dropped
	cancel  context.CancelFunc
	workers sync.WaitGroup
	rooms   map[string][]*event.Event
}

func newEphemeral(typing *puppetTyping, log zerolog.Logger) *ephemeral {
	return &ephemeral{typing: typing, log: log, rooms: map[string][]*event.Event{}}
}

func (p *ephemeral) start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx, p.cancel = context.WithCancel(ctx)
}

func (p *ephemeral) stop() {
	p.mu.Lock()
	if p.cancel != nil {
		p.cancel()
	}
	p.ctx = nil
	p.mu.Unlock()
	p.workers.Wait()
}

func (p *ephemeral) put(raws []json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, raw := range raws {
		e := &event.Event{}
		if err := json.Unmarshal(raw, e); err != nil || p.ctx == nil {
			continue
		}
		e.Type.Class, e.Mautrix.EventSource, e.Mautrix.ReceivedAt = event.EphemeralEventType, event.SourceEphemeral, time.Now()
		if e.Content.ParseRaw(e.Type) != nil {
			continue
		}
		room := string(e.RoomID)
		queue, busy := p.rooms[room]
		if e.Type == event.EphemeralEventTyping {
			// Each names everybody who types.
			content := e.Content.AsTyping()
			content.UserIDs = p.typing.strip(e.RoomID, content.UserIDs)
			queue = slices.DeleteFunc(queue, func(older *event.Event) bool { return older.Type == event.EphemeralEventTyping })
		}
		if len(queue) >= ephemeralQueue {
			queue = queue[1:]
		}
		p.rooms[room] = append(queue, e)
		if !busy {
			p.workers.Add(1)
			go p.work(p.ctx, room)
		}
	}
}

// work hands on what a room has until nothing is left.
func (p *ephemeral) work(ctx context.Context, room string) {
	defer p.workers.Done()
	for {
		p.mu.Lock()
		queue := p.rooms[room]
		if len(queue) == 0 || ctx.Err() != nil {
			delete(p.rooms, room)
			p.mu.Unlock()
			return
		}
		p.rooms[room] = queue[1:]
		p.mu.Unlock()
		p.dispatch(p.log.WithContext(ctx), queue[0])
	}
}
