package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	if err = row.Scan(&seq, &origin, &ref, &payload); err != nil {
		return e, notFound(err)
	}
	if err = json.Unmarshal([]byte(payload), &e); err != nil {
		return e, fmt.Errorf("read logged event: %w", err)
	}
	e.Seq, e.Origin = seq, chat.Origin{Side: origin, Ref: ref}
	return e, nil
}

const eventColumns = `seq, origin, origin_ref, payload`

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
	payload, err := json.Marshal(e)
	if err != nil {
		return false, err
	}
	res, err := l.db.Exec(ctx, `
		INSERT INTO log (conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (conversation, event_id) DO NOTHING`,
		e.Conversation, e.Seq, e.ID, e.Kind, e.Time, e.Author, e.Origin.Side, e.Origin.Ref, time.Now().UnixMicro(), string(payload))
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

// Before returns the newest events with a time below before (µs; 0 = no bound), at most
// limit of them, oldest first.
func (l *Log) Before(ctx context.Context, conversation chat.ConversationID, before int64, limit int) ([]chat.Event, error) {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE conversation=$1 AND ($2=0 OR time_us<$2)
		ORDER BY time_us DESC, seq DESC LIMIT $3`, conversation, before, limit)
	events, err := scanAll(rows, err, scanEvent)
	slices.Reverse(events)
	return events, err
}

// Find returns the event with an id; ok is false if there is none.
func (l *Log) Find(ctx context.Context, conversation chat.ConversationID, id chat.EventID) (e chat.Event, ok bool, err error) {
	e, err = scanEvent(l.db.QueryRow(ctx, `SELECT `+eventColumns+` FROM log WHERE conversation=$1 AND event_id=$2`, conversation, id))
	if errors.Is(err, ErrNotFound) {
		return e, false, nil
	}
	return e, err == nil, err
}

// Unclaimed returns events of an author after a seq that no request of ours is linked
// to, oldest first, at most 100.
func (l *Log) Unclaimed(ctx context.Context, conversation chat.ConversationID, author chat.PersonID, after int64) ([]chat.Event, error) {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM log WHERE conversation=$1 AND author=$2 AND seq>$3 AND origin=''
		ORDER BY seq LIMIT 100`, conversation, author, after)
	return scanAll(rows, err, scanEvent)
}

// Claim links a logged event to the request that made it.
func (l *Log) Claim(ctx context.Context, conversation chat.ConversationID, id chat.EventID, origin chat.Origin) error {
	_, err := l.db.Exec(ctx, `UPDATE log SET origin=$3, origin_ref=$4 WHERE conversation=$1 AND event_id=$2 AND origin=''`,
		conversation, id, origin.Side, origin.Ref)
	return err
}

// Trim deletes events that were logged before a time (µs) and that every consumer which
// is shown them has acknowledged. It keeps each conversation's last event, so that seq
// goes on.
func (l *Log) Trim(ctx context.Context, loggedBefore int64) (deleted int64, err error) {
	res, err := l.db.Exec(ctx, `
		DELETE FROM log WHERE logged_us < $1
		AND seq < (SELECT MAX(l2.seq) FROM log l2 WHERE l2.conversation=log.conversation)
		AND NOT EXISTS (
			SELECT 1 FROM conversation c
			JOIN consumer k ON k.account=c.account
			LEFT JOIN position p ON p.account=k.account AND p.side=k.side AND p.name=k.name AND p.conversation=c.id
			WHERE c.id=log.conversation AND (c.end_seq IS NULL OR log.seq<=c.end_seq)
			AND log.seq > CASE WHEN p.seq > c.start_seq THEN p.seq ELSE c.start_seq END)`, loggedBefore)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// DropUnused deletes the logs of conversations that no account knows any more.
func (l *Log) DropUnused(ctx context.Context) error {
	_, err := l.db.Exec(ctx, `DELETE FROM log WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id=log.conversation)`)
	return err
}
