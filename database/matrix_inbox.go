package database

import (
	"context"
	"strconv"
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

// Names of values of the inbox.
const (
	valueSyncToken = "sync_token" // up to where /sync of the homeserver was read
	valueHeldFrom  = "held_from"  // events after this Seq are not handled before Arrange; "" = none
)

// SyncToken is the token of the last Arrange, "" before the first.
func (s *MatrixInbox) SyncToken(ctx context.Context) (string, error) {
	return s.db.MatrixRooms().Value(ctx, valueSyncToken, "")
}

// Hold notes that events after a Seq are not handled before Arrange.
func (s *MatrixInbox) Hold(ctx context.Context, from int64) error {
	return s.db.MatrixRooms().SetValue(ctx, valueHeldFrom, strconv.FormatInt(from, 10))
}

// HeldFrom is what Hold noted; ok is false if nothing is held.
func (s *MatrixInbox) HeldFrom(ctx context.Context) (from int64, ok bool, err error) {
	value, err := s.db.MatrixRooms().Value(ctx, valueHeldFrom, "")
	if err != nil || value == "" {
		return 0, false, err
	}
	from, err = strconv.ParseInt(value, 10, 64)
	return from, err == nil, err
}

// Arranged is what Arrange has done.
type Arranged struct {
	Added []InboxRow // named events that were never stored before, with their Seq
	Last  int64      // the highest Seq
	// HeldFrom is the Seq after which events are still held, if Held.
	HeldFrom int64
	Held     bool
}

// Arrange ends a Hold in one transaction. The events after from get new places after last:
// first those that are named, in that order, then the others as they came. Named ones that
// were never stored are stored. The others that came after the Seq until stay held. An empty
// token leaves the stored one.
func (s *MatrixInbox) Arrange(ctx context.Context, from, until, last int64, named []InboxRow, token string) (result Arranged, err error) {
	err = s.db.Txn(ctx, func(ctx context.Context) error {
		result = Arranged{Last: last}
		held, err := s.heldAfter(ctx, from)
		if err != nil {
			return err
		}
		for _, row := range named {
			row.Seq = result.Last + 1
			done, err := s.place(ctx, row, held[row.EventID])
			if err != nil {
				return err
			}
			if done {
				result.Last++
				if !held[row.EventID] {
					result.Added = append(result.Added, row)
				}
			}
			delete(held, row.EventID)
		}
		if err = s.moveRest(ctx, from, until, last, &result); err != nil {
			return err
		}
		if token != "" {
			if err = s.db.MatrixRooms().SetValue(ctx, valueSyncToken, token); err != nil {
				return err
			}
		}
		if result.Held {
			return s.Hold(ctx, result.HeldFrom)
		}
		return s.db.MatrixRooms().SetValue(ctx, valueHeldFrom, "")
	})
	return result, err
}

func (s *MatrixInbox) heldAfter(ctx context.Context, from int64) (map[string]bool, error) {
	rows, err := s.db.Query(ctx, `SELECT seq, event_id, room_id, received_us, '' FROM matrix_inbox WHERE seq>$1 AND NOT done`, from)
	list, err := scanAll(rows, err, scanInboxRow)
	held := make(map[string]bool, len(list))
	for _, row := range list {
		held[row.EventID] = true
	}
	return held, err
}

// place moves a held event to its Seq, or stores one that is not known.
func (s *MatrixInbox) place(ctx context.Context, row InboxRow, held bool) (done bool, err error) {
	if held {
		_, err = s.db.Exec(ctx, `UPDATE matrix_inbox SET seq=$1 WHERE event_id=$2`, row.Seq, row.EventID)
		return true, err
	}
	if row.IfIdle {
		var busy bool
		err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM matrix_inbox WHERE room_id=$1 AND NOT done)`, row.RoomID).Scan(&busy)
		if err != nil || busy {
			return false, err
		}
	}
	return s.insert(ctx, row)
}

// moveRest moves the held events that are still where they were behind all others, and
// finds out which of them stay held.
func (s *MatrixInbox) moveRest(ctx context.Context, from, until, last int64, result *Arranged) error {
	rows, err := s.db.Query(ctx, `SELECT seq, event_id, room_id, received_us, '' FROM matrix_inbox WHERE seq>$1 AND seq<=$2 AND NOT done ORDER BY seq`, from, last)
	rest, err := scanAll(rows, err, scanInboxRow)
	if err != nil {
		return err
	}
	stay := result.Last == last // nothing was named: all are where they belong
	for _, row := range rest {
		if row.Seq > until && !result.Held {
			result.Held, result.HeldFrom = true, result.Last
			if stay {
				result.HeldFrom = until
			}
		}
		if stay {
			continue
		}
		result.Last++
		if _, err = s.db.Exec(ctx, `UPDATE matrix_inbox SET seq=$1 WHERE event_id=$2`, result.Last, row.EventID); err != nil {
			return err
		}
	}
	return nil
}

func (s *MatrixInbox) insert(ctx context.Context, row InboxRow) (inserted bool, err error) {
	res, err := s.db.Exec(ctx, `
		INSERT INTO matrix_inbox (seq, event_id, room_id, received_us, done, body) VALUES ($1, $2, $3, $4, false, $5)
		ON CONFLICT (event_id) DO NOTHING`, row.Seq, row.EventID, row.RoomID, time.Now().UnixMicro(), row.Body)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Knows reports whether an event has been stored with a Seq up to until.
func (s *MatrixInbox) Knows(ctx context.Context, eventID string, until int64) (known bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM matrix_inbox WHERE event_id=$1 AND seq<=$2)`, eventID, until).Scan(&known)
	return known, err
}

// Open lists the events whose effects are not final, in order, without their bodies.
func (s *MatrixInbox) Open(ctx context.Context) ([]InboxRow, error) {
	rows, err := s.db.Query(ctx, `SELECT seq, event_id, room_id, received_us, '' FROM matrix_inbox WHERE NOT done ORDER BY seq`)
	return scanAll(rows, err, scanInboxRow)
}

// Next returns a room's oldest event whose effects are not final, or ErrNotFound.
func (s *MatrixInbox) Next(ctx context.Context, roomID string) (InboxRow, error) {
	row, err := scanInboxRow(s.db.QueryRow(ctx, `
		SELECT seq, event_id, room_id, received_us, body FROM matrix_inbox WHERE room_id=$1 AND NOT done ORDER BY seq LIMIT 1`, roomID))
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
		DELETE FROM matrix_inbox WHERE done AND received_us<$1 AND seq<(SELECT MAX(seq) FROM matrix_inbox)`, before)
	return err
}

func scanInboxRow(row dbutil.Scannable) (r InboxRow, err error) {
	err = row.Scan(&r.Seq, &r.EventID, &r.RoomID, &r.Received, &r.Body)
	return r, err
}
