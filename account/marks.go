package account

import (
	"context"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// marks sends an account's own watermarks: coalesced, the greatest of each conversation,
// and only forward. What is outstanding is also in the database, so that it outlives the
// program.
type marks struct {
	s      *session
	unread bool // load has failed

	// storing makes one thing of what is stored and what is pending. It comes before mu,
	// which commits take within their transaction.
	storing sync.Mutex

	mu      sync.Mutex
	pending map[chat.ConversationID]*pendingMark
	taken   map[chat.ConversationID]int64 // µs; what the network has accepted
}

// pendingMark is a watermark that is outstanding: from the command on until the network
// has answered.
type pendingMark struct {
	mark  chat.Watermark        // greatest wanted
	by    map[chat.Origin]int64 // µs; what each origin wants
	heard int64                 // µs; greatest that the network told of meanwhile, not above mark
}

// markOrigins bounds pendingMark.by; the smallest goes.
const markOrigins = 64

func (k *marks) init(s *session) {
	k.s, k.pending, k.taken = s, make(map[chat.ConversationID]*pendingMark), make(map[chat.ConversationID]int64)
}

// load takes up what an earlier run of the program left; start sends it.
func (k *marks) load() {
	list, err := k.s.m.db.Marks().List(k.s.ctx, k.s.id)
	if err != nil {
		k.s.zlog.Err(err).Msg("Failed to read outstanding watermarks")
		k.unread = true
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range list { // smallest first
		if k.pending[w.Conversation] == nil {
			k.pending[w.Conversation] = &pendingMark{by: make(map[chat.Origin]int64)}
		}
		k.pending[w.Conversation].mark = w
		k.pending[w.Conversation].by[w.Origin] = w.Time
	}
}

// start begins with what load has found.
func (k *marks) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, p := range k.pending {
		k.s.spawn(func() { k.send(id, p) })
	}
	if k.unread {
		k.s.spawn(k.reload)
	}
}

// reload reads what is outstanding as soon as the database lets it.
func (k *marks) reload() {
	for sleep(k.s.ctx, k.s.m.options.BackoffMin) {
		list, err := k.s.m.db.Marks().List(k.s.ctx, k.s.id)
		if err != nil {
			continue
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, w := range list {
			k.add(w)
		}
		return
	}
}

// MarkRead implements Session.
func (s *session) MarkRead(ctx context.Context, w chat.Watermark) error {
	if _, err := s.request(); err != nil {
		return err
	}
	w.Person = s.id
	stored, err := s.Watermarks(ctx, w.Conversation)
	if err != nil {
		return err
	}
	k := &s.marks
	k.storing.Lock()
	defer k.storing.Unlock()
	if w.Time <= max(stored[s.id], k.known(w.Conversation, w.Origin)) {
		return nil
	}
	s.link.post(acted{})
	if err = s.m.db.Marks().Put(ctx, s.id, w); err != nil {
		return err
	}
	k.mu.Lock()
	dropped, over, ok := k.add(w)
	k.mu.Unlock()
	if over {
		err = s.m.db.Marks().Drop(ctx, s.id, w.Conversation, dropped)
	}
	if !ok {
		return chat.ErrUnknownAccount
	}
	return err
}

// ReadMarker implements Session.
func (s *session) ReadMarker(ctx context.Context, id chat.ConversationID, origin chat.Origin) (int64, error) {
	// In this order: what is settled in between is stored by then.
	outstanding := s.marks.known(id, origin)
	stored, err := s.Watermarks(ctx, id)
	return max(stored[s.id], outstanding), err
}

// known is what the network has accepted, or an origin has outstanding (µs).
func (k *marks) known(id chat.ConversationID, origin chat.Origin) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.pending[id]; p != nil {
		return max(p.by[origin], k.taken[id])
	}
	return k.taken[id]
}

// add makes a watermark pending; ok is false when the session has ended. dropped is the
// origin that is over the bound. mu is held.
func (k *marks) add(w chat.Watermark) (dropped chat.Origin, over, ok bool) {
	id := w.Conversation
	p := k.pending[id]
	if w.Time <= k.taken[id] { // just now
		return dropped, false, true
	}
	if p == nil {
		p = &pendingMark{mark: w, by: make(map[chat.Origin]int64)}
		if !k.s.spawn(func() { k.send(id, p) }) {
			return dropped, false, false
		}
		k.pending[id] = p
	}
	if w.Time > p.mark.Time {
		p.mark = w
	}
	p.by[w.Origin] = max(p.by[w.Origin], w.Time)
	if over = len(p.by) > markOrigins; over {
		dropped = w.Origin
		for origin, time := range p.by {
			if time < p.by[dropped] {
				dropped = origin
			}
		}
		delete(p.by, dropped)
	}
	return dropped, over, true
}

// echo reports whether the network's news of the account's own watermark is at or below
// the outstanding one.
func (k *marks) echo(w chat.Watermark) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pending[w.Conversation]
	if p == nil || w.Time > p.mark.Time {
		return false
	}
	p.heard = max(p.heard, w.Time)
	return true
}

// send moves the network's watermark until nothing greater is wanted. While the network
// cannot be reached it tries again for as long as requests may wait.
func (k *marks) send(id chat.ConversationID, p *pendingMark) {
	delay, pauses := k.s.m.options.MarkDelay, k.s.m.options.backoff()
	until := time.Now().Add(k.s.m.options.SendWait)
	for sleep(k.s.ctx, delay) {
		k.mu.Lock()
		mark := p.mark
		k.mu.Unlock()
		err := k.sendOne(mark)
		if k.s.ctx.Err() != nil {
			return
		}
		if err != nil && !permanent(err) && time.Now().Before(until) {
			delay = pauses.pause(retryAfter(err))
			continue
		}
		delay, until = k.s.m.options.MarkDelay, time.Now().Add(k.s.m.options.SendWait)
		if k.finish(id, p, mark, err) || k.s.ctx.Err() != nil {
			return
		}
	}
}

// finish settles one request: an accepted one is shown to the consumers, a refused one
// withdrawn. It returns whether nothing greater is wanted.
func (k *marks) finish(id chat.ConversationID, p *pendingMark, mark chat.Watermark, err error) bool {
	k.mu.Lock()
	reached := p.heard
	k.mu.Unlock()
	shown := chat.Watermark{Conversation: id, Person: k.s.id, Time: reached}
	if err == nil || reached >= mark.Time { // an answer may get lost, but not what it did
		shown = mark
	} else {
		k.s.zlog.Warn().Err(err).Str("conversation", string(id)).Msg("The network did not take a watermark")
	}
	if shown.Time > 0 {
		err := k.s.m.commit(k.s.ctx, k.s, Update{Watermarks: []chat.Watermark{shown}}, commitOptions{ownMark: true})
		if err != nil && k.s.ctx.Err() == nil {
			k.s.zlog.Err(err).Msg("Failed to store a watermark") // a catch-up brings it
		}
	}
	if shown.Time < mark.Time {
		k.storing.Lock()
		defer k.storing.Unlock()
		if err := k.s.m.db.Marks().Settle(k.s.ctx, k.s.id, id, mark.Time); err != nil && k.s.ctx.Err() == nil {
			k.s.zlog.Err(err).Msg("Failed to withdraw a watermark") // tried again at the next start
		}
	}
	if k.s.ctx.Err() != nil { // the next run settles it
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken[id] = max(k.taken[id], shown.Time)
	for origin, time := range p.by {
		if time <= mark.Time {
			delete(p.by, origin)
		}
	}
	if p.mark.Time > mark.Time {
		return false
	}
	delete(k.pending, id)
	return true
}

// watermarkTimeout bounds one request.
const watermarkTimeout = 30 * time.Second

func (k *marks) sendOne(mark chat.Watermark) error {
	conn, err := k.s.request()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(k.s.ctx, watermarkTimeout)
	defer cancel()
	return conn.SetWatermark(ctx, mark.Conversation, mark.Time)
}
