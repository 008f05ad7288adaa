package account

import (
	"context"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// marks sends an account's own watermarks: coalesced, the greatest of each conversation,
// and only forward.
type marks struct {
	s *session

	mu      sync.Mutex
	pending map[chat.ConversationID]*pendingMark
	taken   map[chat.ConversationID]int64 // µs; what the network has accepted
}

// pendingMark is a watermark that is outstanding: from the command on until the network
// has answered.
type pendingMark struct {
	mark  chat.Watermark // greatest wanted
	heard int64          // µs; greatest that the network told of meanwhile, not above mark
}

func (k *marks) init(s *session) {
	k.s, k.pending, k.taken = s, make(map[chat.ConversationID]*pendingMark), make(map[chat.ConversationID]int64)
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
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.pending[w.Conversation]; p != nil {
		if w.Time > p.mark.Time {
			p.mark = w
		}
		return nil
	}
	if w.Time <= max(stored[s.id], k.taken[w.Conversation]) {
		return nil
	}
	p := &pendingMark{mark: w}
	if !s.spawn(func() { k.send(w.Conversation, p) }) {
		return chat.ErrUnknownAccount
	}
	k.pending[w.Conversation] = p
	return nil
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
		delay = k.s.m.options.MarkDelay
		if k.finish(id, p, mark, err) {
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
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken[id] = max(k.taken[id], shown.Time)
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
