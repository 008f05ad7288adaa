package database

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMatrixInboxKeepsOrderAndIDs(t *testing.T) {
	db, ctx := open(t), context.Background()
	inbox := db.MatrixInbox()
	added, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$1", RoomID: "!a", Body: "one"}, {EventID: "$2", RoomID: "!b", Body: "two"}}, false)
	require.NoError(t, err)
	require.Len(t, added, 2)
	added, err = inbox.Put(ctx, 2, []InboxRow{{EventID: "$2", RoomID: "!b", Body: "again"}, {EventID: "$3", RoomID: "!a", Body: "three"}}, false)
	require.NoError(t, err)
	require.Equal(t, []InboxRow{{Seq: 3, Place: 3, EventID: "$3", RoomID: "!a", Body: "three"}}, added)

	row, err := inbox.Next(ctx, "!a")
	require.NoError(t, err)
	require.Equal(t, []InboxRow{{Seq: 1, Place: 1, EventID: "$1", RoomID: "!a", Body: "one"}}, received(t, row))
	require.NoError(t, inbox.Done(ctx, row.Seq))
	row, err = inbox.Next(ctx, "!a")
	require.NoError(t, err)
	require.Equal(t, "$3", row.EventID)

	open, err := inbox.Open(ctx)
	require.NoError(t, err)
	require.Equal(t, []InboxRow{{Seq: 2, Place: 2, EventID: "$2", RoomID: "!b"}, {Seq: 3, Place: 3, EventID: "$3", RoomID: "!a"}}, received(t, open...))
	_, err = inbox.Next(ctx, "!c")
	require.ErrorIs(t, err, ErrNotFound)

	var body string
	require.NoError(t, db.QueryRow(ctx, `SELECT body FROM matrix_inbox WHERE seq=1`).Scan(&body))
	require.Empty(t, body, "text does not outlive its effects")
	require.NoError(t, inbox.Prune(ctx, time.Now().Add(time.Hour).UnixMicro()))
	added, err = inbox.Put(ctx, 3, []InboxRow{{EventID: "$1", RoomID: "!a"}, {EventID: "$2", RoomID: "!b"}}, false)
	require.NoError(t, err)
	require.Len(t, added, 1, "what was pruned is new again, what is open is not")
}

// received takes off when rows were received, which is not long ago.
func received(t *testing.T, rows ...InboxRow) []InboxRow {
	for n := range rows {
		require.WithinDuration(t, time.Now(), time.UnixMicro(rows[n].Received), time.Hour)
	}
	return withoutTime(rows)
}

func withoutTime(rows []InboxRow) []InboxRow {
	for n := range rows {
		rows[n].Received = 0
	}
	return rows
}

func TestMatrixRoomsValues(t *testing.T) {
	db, ctx := open(t), context.Background()
	rooms := db.MatrixRooms()
	for range 2 {
		value, err := rooms.Value(ctx, "secret", "first")
		require.NoError(t, err)
		require.Equal(t, "first", value)
	}
	value, err := rooms.Value(ctx, "secret", "second")
	require.NoError(t, err)
	require.Equal(t, "first", value, "a stored value is never replaced")

	require.NoError(t, rooms.PutDevice(ctx, "@g:s", "D"))
	devices, err := rooms.Devices(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"@g:s": "D"}, devices)
	require.NoError(t, rooms.DropDevice(ctx, "@g:s"))
	require.NoError(t, rooms.PutAlias(ctx, "!r", "#a:s"))
	alias, err := rooms.Alias(ctx, "!r")
	require.NoError(t, err)
	require.Equal(t, "#a:s", alias)
	require.NoError(t, rooms.DropAlias(ctx, "!r"))
	alias, err = rooms.Alias(ctx, "!r")
	require.NoError(t, err)
	require.Empty(t, alias)
}

// order lists the events of a room in the order of their places, and those that are held.
func order(t *testing.T, db *DB, room string) (placed, held []string) {
	t.Helper()
	open, err := db.MatrixInbox().Open(t.Context())
	require.NoError(t, err)
	slices.SortStableFunc(open, func(a, b InboxRow) int { return cmp.Compare(a.Place, b.Place) })
	for _, row := range open {
		switch {
		case row.RoomID != room:
		case row.Place == 0:
			held = append(held, row.EventID)
		default:
			placed = append(placed, row.EventID)
		}
	}
	return placed, held
}

// What came after the question to the homeserver and is not named waits for the next one.
func TestMatrixInboxKeepsSomeHeld(t *testing.T) {
	for name, c := range map[string]struct {
		named        []InboxRow
		placed, held []string
	}{
		"nothing named": {nil, []string{"$1", "$2"}, []string{"$3", "$4"}},
		"some named":    {[]InboxRow{{EventID: "$new", RoomID: "!a"}, {EventID: "$3", RoomID: "!a"}}, []string{"$new", "$3", "$1", "$2"}, []string{"$4"}},
	} {
		t.Run(name, func(t *testing.T) {
			db, ctx := open(t), t.Context()
			inbox := db.MatrixInbox()
			_, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$1", RoomID: "!a"}, {EventID: "$2", RoomID: "!a"}, {EventID: "$3", RoomID: "!a"}, {EventID: "$4", RoomID: "!a"}}, true)
			require.NoError(t, err)
			_, err = inbox.Next(ctx, "!a")
			require.ErrorIs(t, err, ErrNotFound, "all are held")
			result, err := inbox.Arrange(ctx, 4, 2, c.named, "")
			require.NoError(t, err)
			placed, held := order(t, db, "!a")
			require.Equal(t, c.placed, placed)
			require.Equal(t, c.held, held, "also after a crash")
			require.Equal(t, len(held), result.Held)
			last, err := inbox.Last(ctx)
			require.NoError(t, err)
			require.Equal(t, last, result.Last)
			row, err := inbox.Next(ctx, "!a")
			require.NoError(t, err)
			require.Equal(t, placed[0], row.EventID)
		})
	}
}

// What is named takes its place before what came while events were held.
func TestMatrixInboxArranges(t *testing.T) {
	db, ctx := open(t), t.Context()
	inbox := db.MatrixInbox()
	_, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$open", RoomID: "!a"}, {EventID: "$done", RoomID: "!a"}}, false)
	require.NoError(t, err)
	require.NoError(t, inbox.Done(ctx, 2))
	_, err = inbox.Put(ctx, 2, []InboxRow{{EventID: "$later", RoomID: "!a"}, {EventID: "$known", RoomID: "!a"}}, true)
	require.NoError(t, err)
	for event, want := range map[string]bool{"$done": true, "$open": true, "$later": false, "$unknown": false} {
		known, err := inbox.Knows(ctx, event)
		require.NoError(t, err)
		require.Equal(t, want, known, event)
	}

	named := []InboxRow{
		{EventID: "$done", RoomID: "!a"}, {EventID: "$open", RoomID: "!a"}, {EventID: "$lost", RoomID: "!a", Body: "lost"}, {EventID: "$known", RoomID: "!a"},
		{EventID: "$invite", RoomID: "!a", IfIdle: true}, {EventID: "$invite2", RoomID: "!b", IfIdle: true},
	}
	result, err := inbox.Arrange(ctx, 4, 4, named, "token")
	require.NoError(t, err)
	require.Zero(t, result.Held)
	require.Equal(t, 2, result.Added)
	require.Equal(t, []InboxRow{
		{Seq: 5, Place: 5, EventID: "$lost", RoomID: "!a"}, {Seq: 4, Place: 6, EventID: "$known", RoomID: "!a"},
		{Seq: 7, Place: 7, EventID: "$invite2", RoomID: "!b", IfIdle: true}, {Seq: 3, Place: 8, EventID: "$later", RoomID: "!a"},
	}, withoutTime(result.Placed))
	placed, held := order(t, db, "!a")
	require.Equal(t, []string{"$open", "$lost", "$known", "$later"}, placed)
	require.Empty(t, held)
	token, err := inbox.SyncToken(ctx)
	require.NoError(t, err)
	require.Equal(t, "token", token)
	_, err = inbox.Arrange(ctx, result.Last, result.Last, nil, "")
	require.NoError(t, err)
	token, err = inbox.SyncToken(ctx)
	require.NoError(t, err)
	require.Equal(t, "token", token, "an empty one changes nothing")
}

// A number is not given twice, whatever was pruned.
func TestMatrixInboxPruneKeepsTheLastNumber(t *testing.T) {
	db, ctx := open(t), t.Context()
	inbox := db.MatrixInbox()
	_, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$1", RoomID: "!a"}, {EventID: "$2", RoomID: "!a"}}, true)
	require.NoError(t, err)
	result, err := inbox.Arrange(ctx, 2, 2, []InboxRow{{EventID: "$2", RoomID: "!a"}}, "")
	require.NoError(t, err)
	for _, row := range result.Placed {
		require.NoError(t, inbox.Done(ctx, row.Seq))
	}
	require.NoError(t, inbox.Prune(ctx, time.Now().Add(time.Hour).UnixMicro()))
	last, err := inbox.Last(ctx)
	require.NoError(t, err)
	require.Equal(t, result.Last, last)
}

func TestMatrixMediaLastUntilTheirPartIsThere(t *testing.T) {
	db, ctx := open(t), context.Background()
	media := db.MatrixMedia()
	begun := MatrixMedium{Name: "room/m/0", MessageID: "m", RoomID: "!a", MXC: "mxc://s/1", Payload: "{}"}
	avatar := MatrixMedium{Name: "avatar/hash", MXC: "mxc://s/2", Uploaded: true, Payload: "{}"}
	_, err := media.Get(ctx, begun.Name)
	require.ErrorIs(t, err, ErrNotFound)
	for _, m := range []MatrixMedium{begun, avatar} {
		require.NoError(t, media.Put(ctx, m))
	}
	begun.Uploaded, begun.MXC = true, "mxc://s/3"
	require.NoError(t, media.Put(ctx, begun))
	got, err := media.Get(ctx, begun.Name)
	require.NoError(t, err)
	require.Equal(t, begun, got)
	n, err := media.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n, "without avatars")

	for _, query := range []string{
		`CREATE TABLE portal (id TEXT, receiver TEXT, mxid TEXT)`, `INSERT INTO portal VALUES ('c', '', '!a')`,
		`CREATE TABLE message (id TEXT, part_id TEXT, room_id TEXT, room_receiver TEXT)`, `INSERT INTO message VALUES ('m', '1', 'c', ''), ('m', '', 'other', '')`,
	} {
		_, err = db.Exec(ctx, query)
		require.NoError(t, err)
	}
	require.NoError(t, media.Sweep(ctx))
	_, err = media.Get(ctx, begun.Name)
	require.NoError(t, err, "another part, and another room, are not this")
	_, err = db.Exec(ctx, `INSERT INTO message VALUES ('m', '', 'c', '')`)
	require.NoError(t, err)
	require.NoError(t, media.Sweep(ctx))
	_, err = media.Get(ctx, begun.Name)
	require.ErrorIs(t, err, ErrNotFound)
	require.NoError(t, media.Put(ctx, begun))
	_, err = db.Exec(ctx, `DELETE FROM message; DELETE FROM portal`)
	require.NoError(t, err)
	require.NoError(t, media.Sweep(ctx))
	_, err = media.Get(ctx, begun.Name)
	require.ErrorIs(t, err, ErrNotFound, "its room is no portal's")
	_, err = media.Get(ctx, avatar.Name)
	require.NoError(t, err)
}
