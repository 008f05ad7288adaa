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
}

type pendingMark struct {
	mark chat.Watermark // greatest wanted
	sent int64          // µs; being sent
}

func (k *marks) init(s *session) { k.s, k.pending = s, make(map[chat.ConversationID]*pendingMark) }

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
	if w.Time <= stored[s.id] {
		return nil
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
	if s.ctx.Err() != nil {
		return chat.ErrUnknownAccount
	}
	k.pending[w.Conversation] = &pendingMark{mark: w}
	s.wg.Go(func() { k.send(w.Conversation) })
	return nil
}

// send moves the network's watermark until nothing greater is wanted.
func (k *marks) send(id chat.ConversationID) {
	for {
		if !sleep(k.s.ctx, k.s.m.options.MarkDelay) {
			return
		}
		k.mu.Lock()
		p := k.pending[id]
		if p.mark.Time <= p.sent {
			delete(k.pending, id)
			k.mu.Unlock()
			return
		}
		p.sent = p.mark.Time
		mark := p.mark
		k.mu.Unlock()
		if err := k.sendOne(mark); err != nil {
			k.s.zlog.Warn().Err(err).Str("conversation", string(id)).Msg("The network did not take a watermark")
		}
	}
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
	if err = conn.SetWatermark(ctx, mark.Conversation, mark.Time); err != nil {
		return err
	}
	return k.s.m.commit(ctx, k.s, Update{Watermarks: []chat.Watermark{mark}}, commitOptions{})
}
