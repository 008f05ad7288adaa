package database

import (
	"context"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// MarkStore keeps the accounts' own watermarks that the network has not answered yet.
type MarkStore struct{ db *DB }

// Marks returns the store of outstanding watermarks.
func (db *DB) Marks() *MarkStore { return &MarkStore{db} }

// Put stores an outstanding watermark: of each origin the greatest one stays.
func (s *MarkStore) Put(ctx context.Context, account chat.PersonID, w chat.Watermark) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO outstanding_mark (account, conversation, origin, origin_ref, time_us) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, conversation, origin, origin_ref) DO UPDATE SET time_us=excluded.time_us
		WHERE outstanding_mark.time_us < excluded.time_us`,
		account, w.Conversation, w.Origin.Side, w.Origin.Ref, w.Time)
	return err
}

// Settle deletes the outstanding watermarks of a conversation up to a time (µs): the network
// has answered.
func (s *MarkStore) Settle(ctx context.Context, account chat.PersonID, id chat.ConversationID, upTo int64) error {
	_, err := s.db.Exec(ctx, `DELETE FROM outstanding_mark WHERE account=$1 AND conversation=$2 AND time_us<=$3`, account, id, upTo)
	return err
}

// Drop deletes what one origin has outstanding in a conversation.
func (s *MarkStore) Drop(ctx context.Context, account chat.PersonID, id chat.ConversationID, origin chat.Origin) error {
	_, err := s.db.Exec(ctx, `DELETE FROM outstanding_mark WHERE account=$1 AND conversation=$2 AND origin=$3 AND origin_ref=$4`,
		account, id, origin.Side, origin.Ref)
	return err
}

// List returns the outstanding watermarks of an account that are ahead of the stored one,
// smallest first.
func (s *MarkStore) List(ctx context.Context, account chat.PersonID) ([]chat.Watermark, error) {
	rows, err := s.db.Query(ctx, `
		SELECT o.conversation, o.origin, o.origin_ref, o.time_us FROM outstanding_mark o
		LEFT JOIN watermark w ON w.account=o.account AND w.conversation=o.conversation AND w.person=o.account
		WHERE o.account=$1 AND o.time_us>COALESCE(w.time_us, 0) ORDER BY o.time_us`, account)
	return scanAll(rows, err, func(row dbutil.Scannable) (chat.Watermark, error) {
		w := chat.Watermark{Person: account}
		err := row.Scan(&w.Conversation, &w.Origin.Side, &w.Origin.Ref, &w.Time)
		return w, err
	})
}
