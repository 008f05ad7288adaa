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

// Log is the durable log of events: each account's own, numbered per conversation.
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

// Append adds events to an account's log in the order given and returns those that were new,
// with Seq filled. An event whose id the log already has is left out. The caller makes sure
// that no two calls run at once.
func (l *Log) Append(ctx context.Context, account chat.PersonID, events []chat.Event) ([]chat.Event, error) {
	added := make([]chat.Event, 0, len(events))
	heads := make(map[chat.ConversationID]int64)
	err := l.db.Txn(ctx, func(ctx context.Context) error {
		for _, e := range events {
			head, known := heads[e.Conversation]
			if !known {
				var err error
				if head, err = l.Head(ctx, account, e.Conversation); err != nil {
					return err
				}
			}
			e.Seq = head + 1
			inserted, err := l.insert(ctx, account, e)
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

func (l *Log) insert(ctx context.Context, account chat.PersonID, e chat.Event) (bool, error) {
	stored := e
	stored.RequestID = 0 // has its column
	payload, err := json.Marshal(stored)
	if err != nil {
		return false, err
	}
	res, err := l.db.Exec(ctx, `
		INSERT INTO log (account, conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, expires_us, request_id, payload)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (account, conversation, event_id) DO NOTHING`,
		account, e.Conversation, e.Seq, e.ID, e.Kind, e.Time, e.Author, e.Origin.Side, e.Origin.Ref, time.Now().UnixMicro(), e.Expires, int64(e.RequestID), string(payload))
	if err != nil {
		return false, fmt.Errorf("append to log: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Head is the seq of the last event of a conversation, 0 if it has none.
func (l *Log) Head(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) (seq int64, err error) {
	err = l.db.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM log WHERE account=$1 AND conversation=$2`, account, conversation).Scan(&seq)
	return seq, err
}

// Read returns up to limit events after a seq, in the order of seq.
func (l *Log) Read(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, after int64, limit int) ([]chat.Event, error) {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE account=$1 AND conversation=$2 AND seq>$3 ORDER BY seq LIMIT $4`, account, conversation, after, limit)
	return scanAll(rows, err, scanEvent)
}

// Before returns the newest events with a time below before (µs; 0 = no bound) and a seq above
// after, at most limit of them, oldest first. Deleted and expired ones and failures are left out. "+0"
// leaves the choice of the index to the time.
func (l *Log) Before(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, before, after int64, limit int) ([]chat.Event, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE account=$1 AND conversation=$2 AND time_us<$3 AND seq+0>$4
		AND (expires_us=0 OR expires_us>$5) AND kind NOT IN ('', $7)
		ORDER BY time_us DESC, seq DESC LIMIT $6`, account, conversation, before, after, time.Now().UnixMicro(), limit, chat.KindFailure)
	events, err := scanAll(rows, err, scanEvent)
	slices.Reverse(events)
	return events, err
}

// Begin returns the time (µs) of the first event with a seq above after, failures left out; ok is false
// if there is none.
func (l *Log) Begin(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, after int64) (time int64, ok bool, err error) {
	err = notFound(l.db.QueryRow(ctx, `
		SELECT time_us FROM log WHERE account=$1 AND conversation=$2 AND seq>$3 AND kind<>$4 ORDER BY seq LIMIT 1`,
		account, conversation, after, chat.KindFailure).Scan(&time))
	if errors.Is(err, ErrNotFound) {
		return 0, false, nil
	}
	return time, err == nil, err
}

// Find returns the event with an id; ok is false if there is none.
func (l *Log) Find(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) (chat.Event, bool, error) {
	return found(scanEvent(l.db.QueryRow(ctx, `SELECT `+eventColumns+` FROM log WHERE account=$1 AND conversation=$2 AND event_id=$3`,
		account, conversation, id)))
}

// FindRequest returns the event that a request of the account with an id made, in a conversation or
// ("") anywhere; ok is false if there is none.
func (l *Log) FindRequest(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, requestID uint64) (chat.Event, bool, error) {
	if conversation == "" {
		return found(scanEvent(l.db.QueryRow(ctx, `SELECT `+eventColumns+` FROM log
			WHERE account=$1 AND request_id=$2 AND request_id<>0 LIMIT 1`, account, int64(requestID))))
	}
	return found(scanEvent(l.db.QueryRow(ctx, `SELECT `+eventColumns+` FROM log
		WHERE account=$1 AND conversation=$2 AND request_id=$3 AND request_id<>0 LIMIT 1`, account, conversation, int64(requestID))))
}

func found(e chat.Event, err error) (chat.Event, bool, error) {
	if errors.Is(err, ErrNotFound) {
		return e, false, nil
	}
	return e, err == nil, err
}

// Trim deletes events that were logged before a time (µs) and that every consumer of their
// account has acknowledged, and those that expired at or before now (µs). It keeps each
// conversation's last event, so that seq goes on; an expired one without content. Where the
// history store has pages, acknowledged events move there.
func (l *Log) Trim(ctx context.Context, loggedBefore, now int64) (deleted int64, err error) {
	err = l.db.Txn(ctx, func(ctx context.Context) error {
		if err := l.db.History().follow(ctx, loggedBefore, now); err != nil {
			return err
		}
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
		return l.blank(ctx, `expires_us>0 AND expires_us<=$1`, now)
	})
	return deleted, err
}

const (
	// trimmable are the rows of log that were logged before $1, that all have acknowledged, and
	// that are not the last of their conversation.
	trimmable = `logged_us < $1
		AND seq < (SELECT MAX(l2.seq) FROM log l2 WHERE l2.account=log.account AND l2.conversation=log.conversation)
		AND NOT EXISTS (
			SELECT 1 FROM consumer k
			LEFT JOIN position p ON p.account=k.account AND p.side=k.side AND p.name=k.name AND p.conversation=log.conversation
			WHERE k.account=log.account AND log.seq > COALESCE(p.seq, 0))`
	trimOld     = `DELETE FROM log WHERE ` + trimmable
	trimExpired = `
		DELETE FROM log WHERE expires_us>0 AND expires_us<=$1
		AND seq < (SELECT MAX(l2.seq) FROM log l2 WHERE l2.account=log.account AND l2.conversation=log.conversation)`
)

// Blank takes the content off an event that was deleted, if the log has it.
func (l *Log) Blank(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) error {
	return l.blank(ctx, `account=$1 AND conversation=$2 AND event_id=$3`, account, conversation, id)
}

// blank takes the content off events; their numbers, ids, times and authors stay.
func (l *Log) blank(ctx context.Context, where string, args ...any) error {
	type row struct {
		account chat.PersonID
		event   chat.Event
	}
	rows, err := l.db.Query(ctx, `
		SELECT account, conversation, seq, event_id, time_us, author, expires_us FROM log WHERE `+where+` AND kind<>''`, args...)
	list, err := scanAll(rows, err, func(r dbutil.Scannable) (out row, err error) {
		e := &out.event
		e.V = chat.Version
		err = r.Scan(&out.account, &e.Conversation, &e.Seq, &e.ID, &e.Time, &e.Author, &e.Expires)
		return out, err
	})
	if err != nil {
		return err
	}
	for _, r := range list {
		payload, err := json.Marshal(r.event)
		if err != nil {
			return err
		}
		_, err = l.db.Exec(ctx, `UPDATE log SET kind='', payload=$4 WHERE account=$1 AND conversation=$2 AND seq=$3`,
			r.account, r.event.Conversation, r.event.Seq, string(payload))
		if err != nil {
			return err
		}
	}
	return nil
}
