package database

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// History is the store of each account's older events: pages of the network's history and what
// retention has taken from the log. Only the account's session and its manager's retention write it.
type History struct{ db *DB }

// History returns the history store.
func (db *DB) History() *History { return &History{db} }

// Reach says how far back an account's log and history store together are complete.
type Reach struct {
	CompleteFrom int64  // µs: at or after it nothing is missing; 0 = nothing is older
	Next         string // the network's place of the next older page; "" = before CompleteFrom
	Fetched      int64  // µs: when the latest page was stored; 0 = the store has none
}

// Reach returns how far back a conversation is complete, or ErrNotFound: then the log's first event
// is the end of what is known.
func (h *History) Reach(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) (r Reach, err error) {
	err = h.db.QueryRow(ctx, `SELECT complete_us, next, fetched_us FROM history_reach WHERE account=$1 AND conversation=$2`,
		account, conversation).Scan(&r.CompleteFrom, &r.Next, &r.Fetched)
	return r, notFound(err)
}

// Put stores a page's events and the reach that it gives, and returns how many events were new to
// the store. Those that were deleted stay away.
func (h *History) Put(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, events []chat.Event, reach Reach) (added int, err error) {
	err = h.db.Txn(ctx, func(ctx context.Context) error {
		added = 0
		for _, e := range events {
			inserted, err := h.insert(ctx, account, conversation, e)
			if err != nil {
				return fmt.Errorf("store history: %w", err)
			}
			added += inserted
		}
		_, err := h.db.Exec(ctx, `
			INSERT INTO history_reach (account, conversation, complete_us, next, fetched_us) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account, conversation) DO UPDATE SET complete_us=excluded.complete_us, next=excluded.next, fetched_us=excluded.fetched_us`,
			account, conversation, reach.CompleteFrom, reach.Next, reach.Fetched)
		return err
	})
	return added, err
}

func (h *History) insert(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, e chat.Event) (int, error) {
	requestID := int64(e.RequestID)
	e.RequestID, e.Seq = 0, 0 // has its column; is the log's
	payload, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	res, err := h.db.Exec(ctx, `
		INSERT INTO history (account, conversation, time_us, event_id, kind, author, expires_us, request_id, payload)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (account, conversation, event_id) DO NOTHING`,
		account, conversation, e.Time, e.ID, e.Kind, e.Author, e.Expires, requestID, string(payload))
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// Before returns the newest events with a time below before (µs; 0 = no bound), at most limit of
// them, oldest first, with Seq 0. Deleted and expired ones are left out.
func (h *History) Before(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, before int64, limit int) ([]chat.Event, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := h.db.Query(ctx, `
		SELECT request_id, payload FROM history WHERE account=$1 AND conversation=$2 AND time_us<$3
		AND (expires_us=0 OR expires_us>$4) AND kind<>'' ORDER BY time_us DESC, event_id DESC LIMIT $5`,
		account, conversation, before, time.Now().UnixMicro(), limit)
	events, err := scanAll(rows, err, func(row dbutil.Scannable) (e chat.Event, err error) {
		var payload string
		var requestID int64
		if err = row.Scan(&requestID, &payload); err == nil {
			err = json.Unmarshal([]byte(payload), &e)
		}
		e.RequestID, e.Seq = uint64(requestID), 0
		return e, err
	})
	slices.Reverse(events)
	return events, err
}

// Blank takes the content off an event that was deleted. Its id stays, so that no page brings it back.
func (h *History) Blank(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) error {
	_, err := h.db.Exec(ctx, `
		INSERT INTO history (account, conversation, time_us, event_id, kind, author, expires_us, request_id, payload) VALUES ($1, $2, 0, $3, '', '', 0, 0, '')
		ON CONFLICT (account, conversation, event_id) DO UPDATE SET kind='', payload=''`, account, conversation, id)
	return err
}

// Drop deletes what is stored of a conversation, and its reach. What was deleted stays away.
func (h *History) Drop(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) error {
	for _, query := range []string{
		`DELETE FROM history WHERE account=$1 AND conversation=$2 AND kind<>''`,
		`DELETE FROM history_reach WHERE account=$1 AND conversation=$2`,
	} {
		if _, err := h.db.Exec(ctx, query, account, conversation); err != nil {
			return err
		}
	}
	return nil
}

// Trim deletes events that expired at or before now (µs), and everything of the conversations whose
// latest page was stored before a time (µs): their reach rises above what is gone.
func (h *History) Trim(ctx context.Context, fetchedBefore, now int64) error {
	return h.db.Txn(ctx, func(ctx context.Context) error {
		for _, step := range []struct {
			query string
			arg   int64
		}{{historyExpired, now}, {historyRaised, fetchedBefore}, {historyOld, fetchedBefore}, {historyEmptied, fetchedBefore}} {
			if _, err := h.db.Exec(ctx, step.query, step.arg); err != nil {
				return fmt.Errorf("trim history: %w", err)
			}
		}
		return nil
	})
}

const (
	historyExpired = `DELETE FROM history WHERE expires_us>0 AND expires_us<=$1`
	historyRaised  = `
		UPDATE history_reach SET complete_us=COALESCE((
			SELECT MAX(h.time_us)+1 FROM history h WHERE h.account=history_reach.account AND h.conversation=history_reach.conversation
			AND h.kind<>'' AND h.time_us>=history_reach.complete_us), complete_us), next=''
		WHERE fetched_us>0 AND fetched_us<$1`
	historyOld = `
		DELETE FROM history WHERE kind<>'' AND EXISTS (
			SELECT 1 FROM history_reach r WHERE r.account=history.account AND r.conversation=history.conversation
			AND r.fetched_us>0 AND r.fetched_us<$1)`
	historyEmptied = `UPDATE history_reach SET fetched_us=0 WHERE fetched_us>0 AND fetched_us<$1`
)

// follow takes over the rows of log that are about to be trimmed, where the store has pages that they
// continue. Elsewhere the reach rises above them.
func (h *History) follow(ctx context.Context, loggedBefore, now int64) error {
	for _, query := range []string{historyFollows, historyOvertaken} {
		if _, err := h.db.Exec(ctx, query, loggedBefore, now); err != nil {
			return fmt.Errorf("move trimmed events into history: %w", err)
		}
	}
	return nil
}

const (
	// trimmedPast are the trimmable rows that are history: neither expired ones and failures, nor
	// what lies before the start of the account's log.
	trimmedPast = trimmable + ` AND kind NOT IN ('', 'failure') AND (expires_us=0 OR expires_us>$2)
		AND seq>COALESCE((SELECT c.start_seq FROM conversation c WHERE c.account=log.account AND c.id=log.conversation), 0)`
	hasPages       = `EXISTS (SELECT 1 FROM history_reach r WHERE r.account=log.account AND r.conversation=log.conversation AND r.fetched_us>0)`
	historyFollows = `
		INSERT INTO history (account, conversation, time_us, event_id, kind, author, expires_us, request_id, payload)
		SELECT account, conversation, time_us, event_id, kind, author, expires_us, request_id, payload FROM log WHERE ` + trimmedPast + ` AND ` + hasPages + `
		ON CONFLICT (account, conversation, event_id) DO NOTHING`
	// Grouping by expressions leaves the choice of the index to logged_us.
	historyOvertaken = `
		INSERT INTO history_reach (account, conversation, complete_us, next, fetched_us)
		SELECT MAX(account), MAX(conversation), MAX(time_us)+1, '', 0 FROM log WHERE ` + trimmedPast + ` AND NOT ` + hasPages + `
		GROUP BY account||'', conversation||''
		ON CONFLICT (account, conversation) DO UPDATE SET complete_us=excluded.complete_us WHERE history_reach.complete_us<excluded.complete_us`
)
