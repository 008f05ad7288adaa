package database

import (
	"context"
	"database/sql"
	"errors"

	"go.mau.fi/util/dbutil"
)

// MatrixSend is a send to Matrix that has begun. TxnID is the transaction id of the
// request; EventID is the homeserver's answer, "" until then.
type MatrixSend struct {
	TxnID     string
	MessageID string
	RoomID    string
	Sender    string // Matrix user id; fixed before the first attempt
	Run       string // the life of the program that began it
	First     int64  // µs, the first attempt
	EventID   string
}

// MatrixSends keeps sends from before their first attempt until their message row exists.
type MatrixSends struct{ db *DB }

// MatrixSends returns the store of begun sends.
func (db *DB) MatrixSends() *MatrixSends { return &MatrixSends{db} }

// Begin stores a send, or returns the one with the same TxnID that is there; begun tells
// which.
func (s *MatrixSends) Begin(ctx context.Context, send MatrixSend) (stored MatrixSend, begun bool, err error) {
	stored, err = s.get(ctx, send.TxnID)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return stored, false, err
	}
	err = s.exec(ctx, `
		INSERT INTO matrix_send (txn_id, message_id, room_id, sender, run, first_us, event_id) VALUES ($1, $2, $3, $4, $5, $6, '')`,
		send.TxnID, send.MessageID, send.RoomID, send.Sender, send.Run, send.First)
	send.EventID = ""
	return send, true, err
}

// Restart makes a stored send one that begins now: with this sender, run and time.
func (s *MatrixSends) Restart(ctx context.Context, send MatrixSend) error {
	return s.exec(ctx, `UPDATE matrix_send SET sender=$2, run=$3, first_us=$4 WHERE txn_id=$1`,
		send.TxnID, send.Sender, send.Run, send.First)
}

// Answered notes the homeserver's answer.
func (s *MatrixSends) Answered(ctx context.Context, txnID, eventID string) error {
	return s.exec(ctx, `UPDATE matrix_send SET event_id=$2 WHERE txn_id=$1`, txnID, eventID)
}

// Drop forgets a send that the homeserver has refused.
func (s *MatrixSends) Drop(ctx context.Context, txnID string) error {
	return s.exec(ctx, `DELETE FROM matrix_send WHERE txn_id=$1`, txnID)
}

// Settle forgets the sends of a message in a room: its rows exist.
func (s *MatrixSends) Settle(ctx context.Context, messageID, roomID string) error {
	return s.exec(ctx, `DELETE FROM matrix_send WHERE message_id=$1 AND room_id=$2`, messageID, roomID)
}

// Sweep forgets all answered sends whose message row exists, and those into rooms that are
// no portal's any more.
func (s *MatrixSends) Sweep(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `
		DELETE FROM matrix_send WHERE event_id<>'' AND EXISTS (SELECT 1 FROM message WHERE message.mxid=matrix_send.event_id)
			OR NOT EXISTS (SELECT 1 FROM portal WHERE portal.mxid=matrix_send.room_id)`)
	return err
}

func (s *MatrixSends) exec(ctx context.Context, query string, args ...any) error {
	return s.db.Write(ctx, func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, query, args...)
		return err
	})
}

// Count is the number of stored sends.
func (s *MatrixSends) Count(ctx context.Context) (n int, err error) {
	err = s.db.QueryRow(ctx, `SELECT COUNT(*) FROM matrix_send`).Scan(&n)
	return n, err
}

func (s *MatrixSends) get(ctx context.Context, txnID string) (MatrixSend, error) {
	return scanMatrixSend(s.db.QueryRow(ctx, `
		SELECT txn_id, message_id, room_id, sender, run, first_us, event_id FROM matrix_send WHERE txn_id=$1`, txnID))
}

func scanMatrixSend(row dbutil.Scannable) (m MatrixSend, err error) {
	err = row.Scan(&m.TxnID, &m.MessageID, &m.RoomID, &m.Sender, &m.Run, &m.First, &m.EventID)
	return m, err
}
