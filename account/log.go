package account

import (
	"context"
	"slices"
	"sync"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Log is the durable log of events: of each account its own, numbered per conversation.
// Package logtest holds what every implementation must pass.
type Log interface {
	// Append adds events to an account's log in the order given and returns the new ones with
	// Seq filled; an id that the log has is left out. It takes part in the transaction of
	// ctx. No two calls run at once.
	Append(ctx context.Context, account chat.PersonID, events []chat.Event) ([]chat.Event, error)
	// Head is the last seq of a conversation, 0 if it has none.
	Head(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) (int64, error)
	// Read returns up to limit events after a seq, in order.
	Read(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, after int64, limit int) ([]chat.Event, error)
	// Begin returns the time (µs) of the first event after a seq, failures of requests left out; ok
	// is false if there is none.
	Begin(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, after int64) (time int64, ok bool, err error)
	// Before returns the newest events before a time (µs; 0 = no bound) among those after a
	// seq, oldest first. Deleted and expired ones and failures of requests are left out.
	Before(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, before, after int64, limit int) ([]chat.Event, error)
	// Find returns one event; ok is false if it is not there.
	Find(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) (event chat.Event, ok bool, err error)
	// FindRequest returns the event that a request of the account with an id made, in a
	// conversation or ("") anywhere; ok is false if it is not there.
	FindRequest(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, requestID uint64) (event chat.Event, ok bool, err error)
	// Blank takes the content off an event, if it is there; it takes part in the transaction of ctx.
	Blank(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) error
	// EditsOf returns the edits of an event that are there.
	EditsOf(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) ([]chat.EventID, error)
	// Trim deletes acknowledged events logged before a time (µs), and, acknowledged or
	// not, those that expired before now (µs). The last event of a conversation stays;
	// once expired, without content. Acknowledged ones move into the HistoryStore if it has a page of
	// their conversation; otherwise its Reach rises above them.
	Trim(ctx context.Context, loggedBefore, now int64) (int64, error)
}

// HistoryStore keeps each account's older events, beside its log. Writing takes part in the
// transaction of ctx. Package logtest holds what every implementation must pass.
type HistoryStore interface {
	// Reach returns how far back log and store are complete, or database.ErrNotFound: then as far as
	// the log.
	Reach(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) (database.Reach, error)
	// Put stores a page with the reach that it gives, and returns how many events the store did not
	// have. What was blanked stays so.
	Put(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, events []chat.Event, reach database.Reach) (int, error)
	// Before is Log.Before.
	Before(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, before int64, limit int) ([]chat.Event, error)
	// Blank takes the content off an event, and keeps it away if it comes later.
	Blank(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) error
	// Blanked reports whether an event was blanked, there or not.
	Blanked(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) (bool, error)
	// EditsOf returns the edits of an event that are there.
	EditsOf(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) ([]chat.EventID, error)
	// Drop deletes what is stored of a conversation, and its reach.
	Drop(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) error
	// Trim deletes what expired before now (µs), and the conversations whose latest page was stored
	// before a time (µs): their reach rises above what is gone.
	Trim(ctx context.Context, fetchedBefore, now int64) error
}

var (
	_ Log          = (*database.Log)(nil)
	_ HistoryStore = (*database.History)(nil)
)

// Bounds of the memory of recent events.
const (
	ringEvents        = 64
	ringConversations = 64
)

// ring remembers the last events of an account's recently busy conversations, so that
// consumers that keep up need not read the log. A conversation that falls out is read from the log.
type ring struct {
	mu     sync.Mutex
	recent map[chat.ConversationID][]chat.Event
}

func (r *ring) add(events []chat.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recent == nil {
		r.recent = make(map[chat.ConversationID][]chat.Event)
	}
	for _, e := range events {
		list, known := r.recent[e.Conversation]
		if !known && len(r.recent) >= ringConversations {
			for id := range r.recent {
				delete(r.recent, id)
				break
			}
		}
		if len(list) >= ringEvents {
			list = append(list[:0:0], list[1:]...)
		}
		r.recent[e.Conversation] = append(list, e)
	}
}

// after returns up to limit events after seq, if all of them are still here.
func (r *ring) after(id chat.ConversationID, seq int64, limit int) []chat.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.recent[id]
	if len(list) == 0 || list[0].Seq > seq+1 {
		return nil
	}
	for i, e := range list {
		if e.Seq > seq {
			return append([]chat.Event(nil), list[i:min(len(list), i+limit)]...)
		}
	}
	return nil
}

// blank takes the content off an event that was deleted.
func (r *ring) blank(conversation chat.ConversationID, id chat.EventID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.recent[conversation] {
		if e.ID == id || e.Edit != nil && e.Edit.Target == id {
			r.recent[conversation][i] = chat.Event{V: e.V, Conversation: e.Conversation, ID: e.ID, Seq: e.Seq, Time: e.Time, Author: e.Author, Expires: e.Expires}
		}
	}
}

// has reports whether an event is among them.
func (r *ring) has(conversation chat.ConversationID, id chat.EventID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.recent[conversation], func(e chat.Event) bool { return e.ID == id })
}

// readAfter returns events after seq from memory or the log.
func (s *session) readAfter(ctx context.Context, id chat.ConversationID, seq int64, limit int) ([]chat.Event, error) {
	if events := s.recent.after(id, seq, limit); len(events) > 0 {
		return events, nil
	}
	return s.m.log.Read(ctx, s.id, id, seq, limit)
}
