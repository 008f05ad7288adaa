package database

import (
	"context"
	"database/sql"
	"errors"
)

// MatrixMedium is a file in the homeserver's media repository, or on its way there.
type MatrixMedium struct {
	Name      string // what it is; the same in every attempt
	MessageID string // "" for an avatar
	PartID    string
	RoomID    string
	MXC       string
	Uploaded  bool
	Payload   string // of the homeserver's side, as JSON
}

// MatrixMedia keeps files from before their upload until their message row exists; avatars stay.
type MatrixMedia struct{ db *DB }

// MatrixMedia returns that store.
func (db *DB) MatrixMedia() *MatrixMedia { return &MatrixMedia{db} }

// Get returns a file, or ErrNotFound.
func (s *MatrixMedia) Get(ctx context.Context, name string) (m MatrixMedium, err error) {
	var uploaded int64
	err = s.db.QueryRow(ctx, `SELECT name, message_id, part_id, room_id, mxc, uploaded, payload FROM matrix_media WHERE name=$1`, name).
		Scan(&m.Name, &m.MessageID, &m.PartID, &m.RoomID, &m.MXC, &uploaded, &m.Payload)
	m.Uploaded = uploaded != 0
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return m, err
}

// Put stores a file, or replaces what is stored under its name.
func (s *MatrixMedia) Put(ctx context.Context, m MatrixMedium) error {
	uploaded := 0
	if m.Uploaded {
		uploaded = 1
	}
	return s.db.Write(ctx, func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			INSERT INTO matrix_media (name, message_id, part_id, room_id, mxc, uploaded, payload) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (name) DO UPDATE SET mxc=excluded.mxc, uploaded=excluded.uploaded, payload=excluded.payload`,
			m.Name, m.MessageID, m.PartID, m.RoomID, m.MXC, uploaded, m.Payload)
		return err
	})
}

// Sweep forgets the files of parts of messages whose rows exist, and those of rooms that are no
// portal's any more.
func (s *MatrixMedia) Sweep(ctx context.Context) error {
	return s.db.Write(ctx, func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, `
			DELETE FROM matrix_media WHERE message_id<>'' AND (
				NOT EXISTS (SELECT 1 FROM portal WHERE portal.mxid=matrix_media.room_id)
				OR EXISTS (SELECT 1 FROM message JOIN portal ON portal.id=message.room_id AND portal.receiver=message.room_receiver
					WHERE portal.mxid=matrix_media.room_id AND message.id=matrix_media.message_id AND message.part_id=matrix_media.part_id))`)
		return err
	})
}

// Count is how many files are stored that are no avatars.
func (s *MatrixMedia) Count(ctx context.Context) (n int, err error) {
	err = s.db.QueryRow(ctx, `SELECT COUNT(*) FROM matrix_media WHERE message_id<>''`).Scan(&n)
	return n, err
}
