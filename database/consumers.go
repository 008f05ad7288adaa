package database

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// ConsumerKey names a consumer.
type ConsumerKey struct {
	Account chat.PersonID
	Side    string
	Name    string
}

// ConsumerStore keeps consumers and their positions.
type ConsumerStore struct{ db *DB }

// Consumers returns the store of consumers.
func (db *DB) Consumers() *ConsumerStore { return &ConsumerStore{db} }

// Exists reports whether a consumer has been seen before.
func (s *ConsumerStore) Exists(ctx context.Context, k ConsumerKey) (exists bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM consumer WHERE account=$1 AND side=$2 AND name=$3)`,
		k.Account, k.Side, k.Name).Scan(&exists)
	return exists, err
}

// Touch notes that a consumer was there at now (µs). A new one gets a position at the
// present end of every conversation that the account knows.
func (s *ConsumerStore) Touch(ctx context.Context, k ConsumerKey, now int64) error {
	return s.db.Txn(ctx, func(ctx context.Context) error {
		exists, err := s.Exists(ctx, k)
		if err != nil {
			return err
		}
		_, err = s.db.Exec(ctx, `
			INSERT INTO consumer (account, side, name, seen_us) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account, side, name) DO UPDATE SET seen_us=excluded.seen_us`, k.Account, k.Side, k.Name, now)
		if err != nil || exists {
			return err
		}
		_, err = s.db.Exec(ctx, `
			INSERT INTO position (account, side, name, conversation, seq)
			SELECT c.account, $2, $3, c.id, COALESCE((SELECT MAX(seq) FROM log WHERE account=c.account AND conversation=c.id), 0)
			FROM conversation c WHERE c.account=$1`, k.Account, k.Side, k.Name)
		return err
	})
}

// Seen notes that a consumer is there at now (µs), if it is known.
func (s *ConsumerStore) Seen(ctx context.Context, k ConsumerKey, now int64) error {
	_, err := s.db.Exec(ctx, `UPDATE consumer SET seen_us=$4 WHERE account=$1 AND side=$2 AND name=$3 AND seen_us<$4`,
		k.Account, k.Side, k.Name, now)
	return err
}

// DropOldest deletes consumers of a side that were last seen before a time (µs) and, of
// the rest, the longest unseen ones until at most keep are left. Those that are present
// stay, and count.
func (s *ConsumerStore) DropOldest(ctx context.Context, account chat.PersonID, side string, unseenSince int64, keep int, present []string) error {
	return s.db.Txn(ctx, func(ctx context.Context) error {
		rows, err := s.db.Query(ctx, `SELECT name, seen_us FROM consumer WHERE account=$1 AND side=$2 ORDER BY seen_us DESC, name`, account, side)
		type seen struct {
			name string
			at   int64
		}
		list, err := scanAll(rows, err, func(row dbutil.Scannable) (c seen, err error) { return c, row.Scan(&c.name, &c.at) })
		if err != nil {
			return err
		}
		left := keep - len(present)
		for _, c := range list {
			if slices.Contains(present, c.name) {
				continue
			}
			if left--; left >= 0 && c.at >= unseenSince {
				continue
			}
			if err = s.Delete(ctx, ConsumerKey{account, side, c.name}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Delete forgets a consumer and its positions.
func (s *ConsumerStore) Delete(ctx context.Context, k ConsumerKey) error {
	_, err := s.db.Exec(ctx, `DELETE FROM consumer WHERE account=$1 AND side=$2 AND name=$3`, k.Account, k.Side, k.Name)
	return err
}

// Standing is where a consumer stands in one conversation.
type Standing struct {
	Conversation chat.ConversationID
	Seq          int64 // last acknowledged
	Head         int64 // last event of the log
}

// Standings returns where a consumer stands in every conversation in which something waits
// for it.
func (s *ConsumerStore) Standings(ctx context.Context, k ConsumerKey) ([]Standing, error) {
	rows, err := s.db.Query(ctx, `
		SELECT id, seq, head FROM (
			SELECT c.id, COALESCE(p.seq, 0) AS seq, (SELECT MAX(seq) FROM log WHERE account=c.account AND conversation=c.id) AS head
			FROM conversation c
			LEFT JOIN position p ON p.account=c.account AND p.side=$2 AND p.name=$3 AND p.conversation=c.id
			WHERE c.account=$1) standing
		WHERE head > seq`, k.Account, k.Side, k.Name)
	return scanAll(rows, err, func(row dbutil.Scannable) (st Standing, err error) {
		return st, row.Scan(&st.Conversation, &st.Seq, &st.Head)
	})
}

// Position is the last seq of a conversation that a consumer has acknowledged, 0 if none.
func (s *ConsumerStore) Position(ctx context.Context, k ConsumerKey, id chat.ConversationID) (seq int64, err error) {
	err = s.db.QueryRow(ctx, `SELECT seq FROM position WHERE account=$1 AND side=$2 AND name=$3 AND conversation=$4`,
		k.Account, k.Side, k.Name, id).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return seq, err
}

// Acknowledge moves a position forward to seq.
func (s *ConsumerStore) Acknowledge(ctx context.Context, k ConsumerKey, id chat.ConversationID, seq int64) error {
	return s.db.Write(ctx, func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO position (account, side, name, conversation, seq) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account, side, name, conversation) DO UPDATE SET seq=excluded.seq
			WHERE position.seq < excluded.seq`, k.Account, k.Side, k.Name, id, seq)
		return err
	})
}
