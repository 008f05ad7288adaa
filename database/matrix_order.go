package database

import (
	"context"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// MatrixOrder answers what has to be delivered to Matrix before something else.
type MatrixOrder struct{ db *DB }

// MatrixOrder returns the view of what is still to be delivered to Matrix.
func (db *DB) MatrixOrder() *MatrixOrder { return &MatrixOrder{db} }

// Behind lists the accounts whose Matrix side has not acknowledged every event of a
// conversation before seq that the account is shown.
func (s *MatrixOrder) Behind(ctx context.Context, id chat.ConversationID, seq int64) ([]chat.PersonID, error) {
	rows, err := s.db.Query(ctx, `
		SELECT c.account, CASE WHEN p.seq > c.start_seq THEN p.seq ELSE c.start_seq END AS at,
			(SELECT MIN(l.seq) FROM log l WHERE l.conversation=c.id AND (c.end_seq IS NULL OR l.seq<=c.end_seq)
				AND l.seq > CASE WHEN p.seq > c.start_seq THEN p.seq ELSE c.start_seq END) AS next
		FROM conversation c
		JOIN consumer m ON m.account=c.account AND m.side='matrix' AND m.name=''
		LEFT JOIN position p ON p.account=c.account AND p.side='matrix' AND p.name='' AND p.conversation=c.id
		WHERE c.id=$1`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var behind []chat.PersonID
	for rows.Next() {
		var account chat.PersonID
		var at int64
		var next *int64
		if err = rows.Scan(&account, &at, &next); err != nil {
			return nil, err
		}
		if next != nil && *next < seq {
			behind = append(behind, account)
		}
	}
	return behind, rows.Err()
}
