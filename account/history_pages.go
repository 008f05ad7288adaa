package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// past is the part of a session that fetches older history. Concurrent calls for a conversation share one
// page in flight.
type past struct {
	mu      sync.Mutex
	fetches map[chat.ConversationID]*fetch
}

// fetch is a page under way.
type fetch struct {
	done chan struct{} // closed at its end
	err  error
	void bool // the history was restarted during the fetch; owned by the writer
}

// fetchOlder brings the page before r into the store, unless another call has. nil means that it
// is worth while to look again.
func (s *session) fetchOlder(ctx context.Context, id chat.ConversationID, r reach) error {
	s.past.mu.Lock()
	if f := s.past.fetches[id]; f != nil {
		s.past.mu.Unlock()
		select {
		case <-f.done:
			if errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded) {
				return nil // that call was given up, not this one
			}
			return f.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f := &fetch{done: make(chan struct{})}
	if s.past.fetches == nil {
		s.past.fetches = make(map[chat.ConversationID]*fetch)
	}
	s.past.fetches[id] = f
	s.past.mu.Unlock()
	defer func() {
		s.past.mu.Lock()
		delete(s.past.fetches, id)
		s.past.mu.Unlock()
		close(f.done)
	}()
	var now reach
	if now, f.err = s.reach(ctx, id); f.err == nil && now.same(r) {
		f.err = s.fetchPage(ctx, id, now, f)
	}
	return f.err
}

// void makes a page under way one that is not stored. The writer's goroutine calls it.
func (p *past) void(id chat.ConversationID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.fetches[id]; f != nil {
		f.void = true
	}
}

// fetchPage asks the network for the page before r and stores it.
func (s *session) fetchPage(ctx context.Context, id chat.ConversationID, r reach, f *fetch) error {
	conn, err := s.request()
	if err != nil {
		return err
	}
	token, err := s.tokenOf(ctx, r)
	if err != nil {
		return err
	}
	page, err := conn.History(ctx, id, token, historyPage)
	if errors.Is(err, ErrAmbiguous) {
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, err) // a question has no fate
	} else if err != nil {
		return err
	}
	to, err := r.with(page, token)
	if err != nil {
		return err
	}
	to.Fetched = s.m.now().UnixMicro()
	return s.storePage(context.WithoutCancel(ctx), id, r, to, s.eventsOf(page, id), f)
}

// tokenOf is the place of the page before r. Before the first listing of an account there is none: its
// log has no beginning yet.
func (s *session) tokenOf(ctx context.Context, r reach) (token HistoryToken, err error) {
	switch {
	case r.Next != "":
		err = json.Unmarshal([]byte(r.Next), &token)
	case r.CompleteFrom < math.MaxInt64 && r.stored:
		token.Time = r.CompleteFrom
	case r.CompleteFrom < math.MaxInt64:
		token.Time = r.CompleteFrom + 1 // another event may have the same time
	default:
		var row *database.AccountRow
		if row, err = s.m.db.Accounts().Get(ctx, s.id); err == nil && row.Cursor == 0 {
			err = fmt.Errorf("%w: the conversations have not been listed yet", chat.ErrUnavailable)
		}
	}
	return token, err
}

// with is the reach with the page at token.
func (r reach) with(page HistoryPage, token HistoryToken) (database.Reach, error) {
	to := database.Reach{CompleteFrom: r.CompleteFrom}
	if page.End {
		to.CompleteFrom = 0
		return to, nil
	}
	if page.CompleteFrom > 0 {
		to.CompleteFrom = min(to.CompleteFrom, page.CompleteFrom)
	}
	next := page.Next
	if next.isZero() || next.Time == token.Time && next.Event == token.Event && bytes.Equal(next.Token, token.Token) {
		return to, nil
	}
	text, err := json.Marshal(next)
	to.Next = string(text)
	return to, err
}

func (t HistoryToken) isZero() bool { return t.Time == 0 && t.Event == "" && len(t.Token) == 0 }

// eventsOf are the events of a page that can be stored.
func (s *session) eventsOf(page HistoryPage, id chat.ConversationID) []chat.Event {
	var events []chat.Event
	ignored := 0
	for _, received := range page.Events {
		e := received.Event
		if e.Conversation != id || e.ID == "" {
			ignored++
			continue
		}
		if e.Author != s.id {
			e.RequestID = 0 // another account's
		}
		if !expired(e, time.Now()) {
			events = append(events, e)
		}
	}
	if ignored > 0 {
		s.zlog.Warn().Str("conversation", string(id)).Int("events", ignored).Msg("Ignoring events of other conversations in a page of history")
	}
	return events
}

// storePage stores a page before r with the reach that it gives. The page is dropped if the reach has changed
// or the history was restarted during the fetch. A page without anything new is an error: the network would repeat it.
func (s *session) storePage(ctx context.Context, id chat.ConversationID, r reach, to database.Reach, events []chat.Event, f *fetch) error {
	return s.m.db.Write(ctx, func(ctx context.Context) error {
		if f.void {
			return nil
		}
		row, err := s.known.rowToWrite(ctx, id)
		if err != nil {
			return err
		}
		if now, err := s.reachAfter(ctx, id, row.Start); err != nil || !now.same(r) {
			return err
		}
		added, err := s.m.history.Put(ctx, s.id, id, events, to)
		if err == nil && added == 0 && to.CompleteFrom == r.CompleteFrom {
			err = errNothingOlder
		}
		if err != nil {
			return err
		}
		return s.blankDeleted(ctx, events)
	})
}
