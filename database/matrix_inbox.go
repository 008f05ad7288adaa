package database

import (
	"context"
	"time"

	"go.mau.fi/util/dbutil"
)

// InboxRow is a room event that the homeserver handed over. Body is its JSON; it is empty
// once the event's effects are final.
type InboxRow struct {
	Seq     int64
	EventID string
	RoomID  string
	Body    string
}

// MatrixInbox keeps room events from the homeserver until their effects are final, and
// their ids for a while longer.
type MatrixInbox struct{ db *DB }

// MatrixInbox returns the store of events from the homeserver.
func (db *DB) MatrixInbox() *MatrixInbox { return &MatrixInbox{db} }

// Last returns the highest Seq, 0 if there is none.
func (s *MatrixInbox) Last(ctx context.Context) (seq int64, err error) {
	err = s.db.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM matrix_inbox`).Scan(&seq)
	return seq, err
}

// Put stores events in one transaction and returns those that were not known. Their Seq
// follow after.
func (s *MatrixInbox) Put(ctx context.Context, after int64, rows []InboxRow) (added []InboxRow, err error) {
	err = s.db.Txn(ctx, func(ctx context.Context) error {
		added = added[:0]
		for _, row := range rows {
			row.Seq = after + int64(len(added)) + 1
			res, err := s.db.Exec(ctx, `
				INSERT INTO matrix_inbox (seq, event_id, room_id, received_us, done, body) VALUES ($1, $2, $3, $4, false, $5)
				ON CONFLICT (event_id) DO NOTHING`, row.Seq, row.EventID, row.RoomID, time.Now().UnixMicro(), row.Body)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				added = append(added, row)
			}
		}
		return nil
	})
	return added, err
}

// Open lists the events whose effects are not final, in order, without their bodies.
func (s *MatrixInbox) Open(ctx context.Context) ([]InboxRow, error) {
	rows, err := s.db.Query(ctx, `SELECT seq, event_id, room_id, '' FROM matrix_inbox WHERE NOT done ORDER BY seq`)
	return scanAll(rows, err, scanInboxRow)
}

// Next returns a room's oldest event whose effects are not final, or ErrNotFound.
func (s *MatrixInbox) Next(ctx context.Context, roomID string) (InboxRow, error) {
	row, err := scanInboxRow(s.db.QueryRow(ctx, `
		SELECT seq, event_id, room_id, body FROM matrix_inbox WHERE room_id=$1 AND NOT done ORDER BY seq LIMIT 1`, roomID))
	return row, notFound(err)
}

// Done marks an event's effects as final and blanks its body.
func (s *MatrixInbox) Done(ctx context.Context, seq int64) error {
	_, err := s.db.Exec(ctx, `UPDATE matrix_inbox SET done=true, body='' WHERE seq=$1`, seq)
	return err
}

// Prune forgets the ids of final events that were received before a time (µs).
func (s *MatrixInbox) Prune(ctx context.Context, before int64) error {
	_, err := s.db.Exec(ctx, `
		DELETE FROM matrix_inbox WHERE done AND received_us<$1 AND seq<(SELECT MAX(seq) FROM matrix_inbox)`, before)
	return err
}

func scanInboxRow(row dbutil.Scannable) (r InboxRow, err error) {
	err = row.Scan(&r.Seq, &r.EventID, &r.RoomID, &r.Body)
	return r, err
}
