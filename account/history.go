package account

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
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

// expired reports whether an event of a conversation without history is gone at now.
func expired(e chat.Event, now time.Time) bool { return e.Expires != 0 && e.Expires <= now.UnixMicro() }
