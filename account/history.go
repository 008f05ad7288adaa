package account

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Bounds of one History call. Pages that a call has asked for are stored, so another call goes on
// from there.
const (
	mostHistory = 1000
	mostPages   = 200
)

// past is the part of a session that fetches older history: one page of a conversation at a time,
// whoever asks for it.
type past struct {
	mu      sync.Mutex
	fetches map[chat.ConversationID]*fetch
}

// fetch is a page under way.
type fetch struct {
	done chan struct{} // closed at its end
	err  error
}

// reach is how far back a conversation is known.
type reach struct {
	database.Reach
	start  int64 // of the log
	stored bool  // otherwise CompleteFrom is the time of the log's first event, math.MaxInt64 if it has none
}

// same reports whether a page that is older than one reach is older than the other, too.
func (r reach) same(other reach) bool {
	return r.start == other.start && r.stored == other.stored && (!r.stored || r.Reach == other.Reach)
}

// History implements Session.
func (s *session) History(ctx context.Context, query HistoryQuery) ([]chat.Event, error) {
	query.Limit = min(max(query.Limit, 1), mostHistory)
	for n := 0; ; n++ {
		events, r, err := s.stored(ctx, query)
		if err != nil {
			return nil, err
		}
		known := events[firstFrom(events, r.CompleteFrom):] // before them something may be missing
		if r.CompleteFrom == 0 || len(known) == query.Limit {
			return events, nil
		}
		if err = errManyPages; n < mostPages {
			err = s.fetchOlder(ctx, query.Conversation, r)
		}
		if err == nil {
			continue
		}
		if len(known) > 0 && !query.Complete {
			s.zlog.Warn().Err(err).Msg("Older history is not available now")
			err = nil
		}
		return known, err
	}
}

// firstFrom is the index of the first of some events, oldest first, at or after a time (µs).
func firstFrom(events []chat.Event, time int64) int {
	n, _ := slices.BinarySearchFunc(events, time, func(e chat.Event, at int64) int { return cmp.Compare(e.Time, at) })
	return n
}

// stored returns the latest events that match a query, from log and history store, and the reach of
// both at that time.
func (s *session) stored(ctx context.Context, query HistoryQuery) ([]chat.Event, reach, error) {
	id := query.Conversation
	for {
		r, err := s.reach(ctx, id)
		if err != nil {
			return nil, r, err
		}
		logged, err := s.m.log.Before(ctx, s.id, id, query.Before, r.start, query.Limit) // first: retention moves events from there
		if err != nil {
			return nil, r, err
		}
		older, err := s.m.history.Before(ctx, s.id, id, query.Before, query.Limit)
		if err != nil {
			return nil, r, err
		}
		if now, err := s.reach(ctx, id); err != nil {
			return nil, r, err
		} else if r.same(now) { // no page came, nothing was dropped
			return merge(older, logged, query.Limit), r, nil
		}
	}
}

// merge returns the latest of stored and logged events in the order of time. What is in both is the log's.
func merge(older, logged []chat.Event, limit int) []chat.Event {
	if len(older) > 0 {
		known := make(map[chat.EventID]bool, len(logged))
		for _, e := range logged {
			known[e.ID] = true
		}
		older = slices.DeleteFunc(older, func(e chat.Event) bool { return known[e.ID] })
		logged = append(older, logged...)
		slices.SortStableFunc(logged, func(a, b chat.Event) int { return cmp.Compare(a.Time, b.Time) })
	}
	return logged[max(0, len(logged)-limit):]
}

// reach returns how far back a conversation is known now.
func (s *session) reach(ctx context.Context, id chat.ConversationID) (r reach, err error) {
	row, err := s.m.db.Snapshots().Conversation(ctx, s.id, id) // what is remembered may be behind the other tables
	if errors.Is(err, database.ErrNotFound) {
		return r, chat.ErrUnknownConversation
	} else if err != nil {
		return r, err
	}
	return s.reachAfter(ctx, id, row.Start)
}

func (s *session) reachAfter(ctx context.Context, id chat.ConversationID, start int64) (r reach, err error) {
	r.start, r.stored = start, true
	if r.Reach, err = s.m.history.Reach(ctx, s.id, id); !errors.Is(err, database.ErrNotFound) {
		return r, err
	}
	begin, ok, err := s.m.log.Begin(ctx, s.id, id, start)
	r.Reach, r.stored = database.Reach{CompleteFrom: begin}, false
	if !ok {
		r.CompleteFrom = math.MaxInt64
	}
	return r, err
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
		f.err = s.fetchPage(ctx, id, now)
	}
	return f.err
}

// fetchPage asks the network for the page before r and stores it.
func (s *session) fetchPage(ctx context.Context, id chat.ConversationID, r reach) error {
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
	return s.storePage(context.WithoutCancel(ctx), id, r, to, s.eventsOf(page, id))
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
		s.zlog.Warn().Str("conversation", string(id)).Int("events", ignored).Msg("Ignoring events that do not belong into a page of history")
	}
	return events
}

// storePage stores a page before r with the reach that it gives, unless the reach has changed
// meanwhile. A page that says nothing new is an error: the network would repeat it.
func (s *session) storePage(ctx context.Context, id chat.ConversationID, r reach, to database.Reach, events []chat.Event) error {
	return s.m.db.Write(ctx, func(ctx context.Context) error {
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

// blankDeleted takes the content off what events delete, in log and store.
func (s *session) blankDeleted(ctx context.Context, events []chat.Event) error {
	for _, e := range events {
		if e.Deletion == nil {
			continue
		}
		if err := s.m.log.Blank(ctx, s.id, e.Conversation, e.Deletion.Target); err != nil {
			return err
		}
		if err := s.m.history.Blank(ctx, s.id, e.Conversation, e.Deletion.Target); err != nil {
			return err
		}
	}
	return nil
}

// expired reports whether an event of a conversation without history is gone at now.
func expired(e chat.Event, now time.Time) bool { return e.Expires != 0 && e.Expires <= now.UnixMicro() }
