package database

import (
	"context"
	"time"

	"go.mau.fi/util/dbutil"
)

// InboxRow is a room event that the homeserver handed over. Body is its JSON; it is empty
// once the event's effects are final.
type InboxRow struct {
	Seq     int64 // names the row
	Place   int64 // its turn among the events of its room; 0 = none before Arrange
	EventID string
	RoomID  string
	Body    string
	// Received is when it was stored (µs), as Open and Next return it.
	Received int64
	// IfIdle says that Arrange stores it only if nothing of its room is open.
	IfIdle bool
}

// MatrixInbox keeps room events from the homeserver until their effects are final, and
// their ids for a while longer.
type MatrixInbox struct{ db *DB }

// MatrixInbox returns the store of events from the homeserver.
func (db *DB) MatrixInbox() *MatrixInbox { return &MatrixInbox{db} }

// Last returns the highest number that a row has as its Seq or its Place, 0 if there is none.
func (s *MatrixInbox) Last(ctx context.Context) (last int64, err error) {
	err = s.db.QueryRow(ctx, `
		SELECT COALESCE(MAX(n), 0) FROM (SELECT MAX(seq) AS n FROM matrix_inbox UNION ALL SELECT MAX(place) FROM matrix_inbox) numbers`).Scan(&last)
	return last, err
}

// Put stores events in one transaction and returns those that were not known. Their Seq
// follow after and are their places, too, unless they are held: those have none before Arrange.
func (s *MatrixInbox) Put(ctx context.Context, after int64, rows []InboxRow, held bool) (added []InboxRow, err error) {
	err = s.db.Txn(ctx, func(ctx context.Context) error {
		added = added[:0]
		for _, row := range rows {
			row.Seq = after + int64(len(added)) + 1
			if !held {
				row.Place = row.Seq
			}
			inserted, err := s.insert(ctx, row)
			if err != nil {
				return err
			} else if inserted {
				added = append(added, row)
			}
		}
		return nil
	})
	return added, err
}

const valueSyncToken = "sync_token" // up to where /sync of the homeserver was read

// SyncToken is the token of the last Arrange, "" before the first.
func (s *MatrixInbox) SyncToken(ctx context.Context) (string, error) {
	return s.db.MatrixRooms().Value(ctx, valueSyncToken, "")
}

// Arranged is what Arrange has done.
type Arranged struct {
	Placed []InboxRow // in order, without their bodies
	Added  int        // how many of them were never stored before
	Last   int64      // the highest number
	Held   int        // how many events still have no place
}

// Arrange gives places after the number last in one transaction: first to the events that are
// named, in that order, then to the others without one that have a Seq up to until, as they
// came. Named ones that were never stored are stored, those that have a place keep it. An empty
// token leaves the stored one.
func (s *MatrixInbox) Arrange(ctx context.Context, last, until int64, named []InboxRow, token string) (result Arranged, err error) {
	err = s.db.Txn(ctx, func(ctx context.Context) error {
		result = Arranged{Last: last}
		rows, err := s.db.Query(ctx, `SELECT seq, place, event_id, room_id, received_us, '' FROM matrix_inbox WHERE place=0 ORDER BY seq`)
		waiting, err := scanAll(rows, err, scanInboxRow)
		if err != nil {
			return err
		}
		held := make(map[string]InboxRow, len(waiting))
		for _, row := range waiting {
			held[row.EventID] = row
		}
		for _, row := range named {
			if known, ok := held[row.EventID]; ok {
				delete(held, row.EventID)
				err = s.place(ctx, known, &result)
			} else {
				err = s.add(ctx, row, &result)
			}
			if err != nil {
				return err
			}
		}
		for _, row := range waiting {
			if _, left := held[row.EventID]; !left {
				continue
			} else if row.Seq > until {
				result.Held++
			} else if err = s.place(ctx, row, &result); err != nil {
				return err
			}
		}
		if token == "" {
			return nil
		}
		return s.db.MatrixRooms().SetValue(ctx, valueSyncToken, token)
	})
	return result, err
}

// place gives a held event the next place.
func (s *MatrixInbox) place(ctx context.Context, row InboxRow, result *Arranged) error {
	row.Place = result.Last + 1
	if _, err := s.db.Exec(ctx, `UPDATE matrix_inbox SET place=$1 WHERE seq=$2`, row.Place, row.Seq); err != nil {
		return err
	}
	result.Last, result.Placed = row.Place, append(result.Placed, row)
	return nil
}

// add stores an event in the next place, unless it is known.
func (s *MatrixInbox) add(ctx context.Context, row InboxRow, result *Arranged) error {
	if row.IfIdle {
		var busy bool
		err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM matrix_inbox WHERE room_id=$1 AND NOT done)`, row.RoomID).Scan(&busy)
		if err != nil || busy {
			return err
		}
	}
	row.Seq, row.Place = result.Last+1, result.Last+1
	inserted, err := s.insert(ctx, row)
	if err != nil || !inserted {
		return err
	}
	row.Body = ""
	result.Last, result.Placed, result.Added = row.Place, append(result.Placed, row), result.Added+1
	return nil
}

func (s *MatrixInbox) insert(ctx context.Context, row InboxRow) (inserted bool, err error) {
	res, err := s.db.Exec(ctx, `
		INSERT INTO matrix_inbox (seq, place, event_id, room_id, received_us, done, body) VALUES ($1, $2, $3, $4, $5, false, $6)
		ON CONFLICT (event_id) DO NOTHING`, row.Seq, row.Place, row.EventID, row.RoomID, time.Now().UnixMicro(), row.Body)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Knows reports whether an event has been stored and has a place.
func (s *MatrixInbox) Knows(ctx context.Context, eventID string) (known bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM matrix_inbox WHERE event_id=$1 AND place>0)`, eventID).Scan(&known)
	return known, err
}

// Open lists the events whose effects are not final, as they came, without their bodies.
func (s *MatrixInbox) Open(ctx context.Context) ([]InboxRow, error) {
	rows, err := s.db.Query(ctx, `SELECT seq, place, event_id, room_id, received_us, '' FROM matrix_inbox WHERE NOT done ORDER BY seq`)
	return scanAll(rows, err, scanInboxRow)
}

// Next returns the event of a room whose turn it is, or ErrNotFound.
func (s *MatrixInbox) Next(ctx context.Context, roomID string) (InboxRow, error) {
	row, err := scanInboxRow(s.db.QueryRow(ctx, `
		SELECT seq, place, event_id, room_id, received_us, body FROM matrix_inbox WHERE room_id=$1 AND NOT done AND place>0 ORDER BY place LIMIT 1`, roomID))
	return row, notFound(err)
}

// Done marks an event's effects as final and blanks its body.
func (s *MatrixInbox) Done(ctx context.Context, seq int64) error {
	_, err := s.db.Exec(ctx, `UPDATE matrix_inbox SET done=true, body='' WHERE seq=$1`, seq)
	return err
}

// Sync is DB.Sync.
func (s *MatrixInbox) Sync(ctx context.Context) error { return s.db.Sync(ctx) }

// Prune forgets the ids of final events that were received before a time (µs).
func (s *MatrixInbox) Prune(ctx context.Context, before int64) error {
	_, err := s.db.Exec(ctx, `
		DELETE FROM matrix_inbox WHERE done AND received_us<$1
		AND seq<(SELECT MAX(seq) FROM matrix_inbox) AND place<(SELECT MAX(place) FROM matrix_inbox)`, before)
	return err
}

func scanInboxRow(row dbutil.Scannable) (r InboxRow, err error) {
	err = row.Scan(&r.Seq, &r.Place, &r.EventID, &r.RoomID, &r.Received, &r.Body)
	return r, err
}
