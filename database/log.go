package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Log is the durable log of events, numbered per conversation.
type Log struct{ db *DB }

// Log returns the log.
func (db *DB) Log() *Log { return &Log{db} }

func scanEvent(row dbutil.Scannable) (e chat.Event, err error) {
	var seq int64
	var payload, origin, ref string
	var requestID int64
	if err = row.Scan(&seq, &origin, &ref, &requestID, &payload); err != nil {
		return e, notFound(err)
	}
	if err = json.Unmarshal([]byte(payload), &e); err != nil {
		return e, fmt.Errorf("read logged event: %w", err)
	}
	e.Seq, e.Origin, e.RequestID = seq, chat.Origin{Side: origin, Ref: ref}, uint64(requestID)
	return e, nil
}

const eventColumns = `seq, origin, origin_ref, request_id, payload`

// Append adds events in the order given and returns those that were new, with Seq
// filled. An event whose id the conversation's log already has is left out. The caller
// makes sure that no two calls run at once.
func (l *Log) Append(ctx context.Context, events []chat.Event) ([]chat.Event, error) {
	added := make([]chat.Event, 0, len(events))
	heads := make(map[chat.ConversationID]int64)
	err := l.db.Txn(ctx, func(ctx context.Context) error {
		for _, e := range events {
			head, known := heads[e.Conversation]
			if !known {
				var err error
				if head, err = l.Head(ctx, e.Conversation); err != nil {
					return err
				}
			}
			e.Seq = head + 1
			inserted, err := l.insert(ctx, e)
			if err != nil {
				return err
			}
			if inserted {
				head++
				added = append(added, e)
			}
			heads[e.Conversation] = head
		}
		return nil
	})
	return added, err
}

func (l *Log) insert(ctx context.Context, e chat.Event) (bool, error) {
	stored := e
	stored.RequestID = 0 // has its column
	payload, err := json.Marshal(stored)
	if err != nil {
		return false, err
	}
	res, err := l.db.Exec(ctx, `
		INSERT INTO log (conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, expires_us, request_id, payload)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (conversation, event_id) DO NOTHING`,
		e.Conversation, e.Seq, e.ID, e.Kind, e.Time, e.Author, e.Origin.Side, e.Origin.Ref, time.Now().UnixMicro(), e.Expires, int64(e.RequestID), string(payload))
	if err != nil {
		return false, fmt.Errorf("append to log: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Head is the seq of a conversation's last event, 0 if it has none.
func (l *Log) Head(ctx context.Context, conversation chat.ConversationID) (seq int64, err error) {
	err = l.db.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM log WHERE conversation=$1`, conversation).Scan(&seq)
	return seq, err
}

// Read returns up to limit events after a seq, in the order of seq.
func (l *Log) Read(ctx context.Context, conversation chat.ConversationID, after int64, limit int) ([]chat.Event, error) {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE conversation=$1 AND seq>$2 ORDER BY seq LIMIT $3`, conversation, after, limit)
	return scanAll(rows, err, scanEvent)
}

// Before returns the newest events with a time below before (µs; 0 = no bound), a seq
// above after and not above upTo (0 = no bound), at most limit of them, oldest first.
// Expired ones are left out. "+0" leaves the choice of the index to the time.
func (l *Log) Before(ctx context.Context, conversation chat.ConversationID, before, after, upTo int64, limit int) ([]chat.Event, error) {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE conversation=$1 AND time_us<$2 AND seq+0>$3 AND seq+0<=$4
		AND (expires_us=0 OR expires_us>$5)
		ORDER BY time_us DESC, seq DESC LIMIT $6`, conversation, orMost(before), after, orMost(upTo), time.Now().UnixMicro(), limit)
	events, err := scanAll(rows, err, scanEvent)
	slices.Reverse(events)
	return events, err
}

func orMost(bound int64) int64 {
	if bound == 0 {
		return math.MaxInt64
	}
	return bound
}

// Find returns the event with an id; ok is false if there is none.
func (l *Log) Find(ctx context.Context, conversation chat.ConversationID, id chat.EventID) (e chat.Event, ok bool, err error) {
	e, err = scanEvent(l.db.QueryRow(ctx, `SELECT `+eventColumns+` FROM log WHERE conversation=$1 AND event_id=$2`, conversation, id))
	if errors.Is(err, ErrNotFound) {
		return e, false, nil
	}
	return e, err == nil, err
}

// FindRequest returns the event of an author that a request with an id made; ok is false if
// there is none.
func (l *Log) FindRequest(ctx context.Context, conversation chat.ConversationID, author chat.PersonID, requestID uint64) (e chat.Event, ok bool, err error) {
	e, err = scanEvent(l.db.QueryRow(ctx, `SELECT `+eventColumns+` FROM log
		WHERE conversation=$1 AND request_id=$2 AND request_id<>0 AND author=$3 LIMIT 1`, conversation, int64(requestID), author))
	if errors.Is(err, ErrNotFound) {
		return e, false, nil
	}
	return e, err == nil, err
}

// Claim links a logged event to the request that made it: its origin and its id, each if the
// log does not have it yet. Zero values change nothing.
func (l *Log) Claim(ctx context.Context, conversation chat.ConversationID, id chat.EventID, origin chat.Origin, requestID uint64) error {
	_, err := l.db.Exec(ctx, `UPDATE log SET
		origin=CASE WHEN origin='' THEN $3 ELSE origin END, origin_ref=CASE WHEN origin='' THEN $4 ELSE origin_ref END,
		request_id=CASE WHEN request_id=0 THEN $5 ELSE request_id END
		WHERE conversation=$1 AND event_id=$2`,
		conversation, id, origin.Side, origin.Ref, int64(requestID))
	return err
}

// Trim deletes events that were logged before a time (µs) and that every consumer which
// is shown them has acknowledged, and those that expired at or before now (µs). It keeps
// each conversation's last event, so that seq goes on; an expired one without content.
func (l *Log) Trim(ctx context.Context, loggedBefore, now int64) (deleted int64, err error) {
	err = l.db.Txn(ctx, func(ctx context.Context) error {
		for _, step := range []struct {
			query string
			arg   int64
		}{{trimOld, loggedBefore}, {trimExpired, now}} {
			res, err := l.db.Exec(ctx, step.query, step.arg)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			deleted += n
		}
		return l.blankExpired(ctx, now)
	})
	return deleted, err
}

const (
	trimOld = `
		DELETE FROM log WHERE logged_us < $1
		AND seq < (SELECT MAX(l2.seq) FROM log l2 WHERE l2.conversation=log.conversation)
		AND NOT EXISTS (
			SELECT 1 FROM conversation c
			JOIN consumer k ON k.account=c.account
			LEFT JOIN position p ON p.account=k.account AND p.side=k.side AND p.name=k.name AND p.conversation=c.id
			WHERE c.id=log.conversation AND (c.end_seq IS NULL OR log.seq<=c.end_seq)
			AND log.seq > CASE WHEN p.seq > c.start_seq THEN p.seq ELSE c.start_seq END)`
	trimExpired = `
		DELETE FROM log WHERE expires_us>0 AND expires_us<=$1
		AND seq < (SELECT MAX(l2.seq) FROM log l2 WHERE l2.conversation=log.conversation)`
)

// blankExpired takes the content off the expired events that are left.
func (l *Log) blankExpired(ctx context.Context, now int64) error {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE expires_us>0 AND expires_us<=$1 AND kind<>''`, now)
	events, err := scanAll(rows, err, scanEvent)
	if err != nil {
		return err
	}
	for _, e := range events {
		payload, err := json.Marshal(chat.Event{V: e.V, Conversation: e.Conversation, ID: e.ID, Seq: e.Seq, Time: e.Time,
			Author: e.Author, Expires: e.Expires})
		if err != nil {
			return err
		}
		_, err = l.db.Exec(ctx, `UPDATE log SET kind='', payload=$3 WHERE conversation=$1 AND seq=$2`, e.Conversation, e.Seq, string(payload))
		if err != nil {
			return err
		}
	}
	return nil
}

// DropUnused deletes the logs of conversations that no account knows any more.
func (l *Log) DropUnused(ctx context.Context) error {
	_, err := l.db.Exec(ctx, `DELETE FROM log WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id=log.conversation)`)
	return err
}
