package database

import (
	"context"
	"database/sql"
	"errors"
)

// MatrixRooms keeps what has to be known of Matrix users and rooms to repeat requests
// safely: devices of ghosts and puppets, aliases of rooms, single values.
type MatrixRooms struct{ db *DB }

// MatrixRooms returns that store.
func (db *DB) MatrixRooms() *MatrixRooms { return &MatrixRooms{db} }

// Devices returns the device id of every Matrix user that has one.
func (s *MatrixRooms) Devices(ctx context.Context) (map[string]string, error) {
	devices := map[string]string{}
	rows, err := s.db.Query(ctx, `SELECT user_id, device_id FROM matrix_device`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var user, device string
		if err = rows.Scan(&user, &device); err != nil {
			return nil, err
		}
		devices[user] = device
	}
	return devices, rows.Err()
}

// PutDevice notes that a Matrix user has a device.
func (s *MatrixRooms) PutDevice(ctx context.Context, userID, deviceID string) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO matrix_device (user_id, device_id) VALUES ($1, $2)
		ON CONFLICT (user_id) DO UPDATE SET device_id=excluded.device_id`, userID, deviceID)
	return err
}

// DropDevice forgets a Matrix user's device.
func (s *MatrixRooms) DropDevice(ctx context.Context, userID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM matrix_device WHERE user_id=$1`, userID)
	return err
}

// PutAlias notes a room's alias.
func (s *MatrixRooms) PutAlias(ctx context.Context, roomID, alias string) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO matrix_room (room_id, alias) VALUES ($1, $2)
		ON CONFLICT (room_id) DO UPDATE SET alias=excluded.alias`, roomID, alias)
	return err
}

// Alias returns a room's alias, "" if it has none.
func (s *MatrixRooms) Alias(ctx context.Context, roomID string) (alias string, err error) {
	err = s.db.QueryRow(ctx, `SELECT alias FROM matrix_room WHERE room_id=$1`, roomID).Scan(&alias)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return alias, err
}

// DropAlias forgets a room's alias.
func (s *MatrixRooms) DropAlias(ctx context.Context, roomID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM matrix_room WHERE room_id=$1`, roomID)
	return err
}

// SetValue replaces a single value.
func (s *MatrixRooms) SetValue(ctx context.Context, name, value string) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO matrix_value (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value=excluded.value`, name, value)
	return err
}

// Value returns a single value, storing initial first if there is none.
func (s *MatrixRooms) Value(ctx context.Context, name, initial string) (value string, err error) {
	_, err = s.db.Exec(ctx, `INSERT INTO matrix_value (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, initial)
	if err != nil {
		return "", err
	}
	err = s.db.QueryRow(ctx, `SELECT value FROM matrix_value WHERE name=$1`, name).Scan(&value)
	return value, err
}
