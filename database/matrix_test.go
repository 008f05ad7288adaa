package database

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMatrixInboxKeepsOrderAndIDs(t *testing.T) {
	db, ctx := open(t), context.Background()
	inbox := db.MatrixInbox()
	added, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$1", RoomID: "!a", Body: "one"}, {EventID: "$2", RoomID: "!b", Body: "two"}})
	require.NoError(t, err)
	require.Len(t, added, 2)
	added, err = inbox.Put(ctx, 2, []InboxRow{{EventID: "$2", RoomID: "!b", Body: "again"}, {EventID: "$3", RoomID: "!a", Body: "three"}})
	require.NoError(t, err)
	require.Equal(t, []InboxRow{{Seq: 3, EventID: "$3", RoomID: "!a", Body: "three"}}, added)

	row, err := inbox.Next(ctx, "!a")
	require.NoError(t, err)
	require.Equal(t, []InboxRow{{Seq: 1, EventID: "$1", RoomID: "!a", Body: "one"}}, received(t, row))
	require.NoError(t, inbox.Done(ctx, row.Seq))
	row, err = inbox.Next(ctx, "!a")
	require.NoError(t, err)
	require.Equal(t, "$3", row.EventID)

	open, err := inbox.Open(ctx)
	require.NoError(t, err)
	require.Equal(t, []InboxRow{{Seq: 2, EventID: "$2", RoomID: "!b"}, {Seq: 3, EventID: "$3", RoomID: "!a"}}, received(t, open...))
	_, err = inbox.Next(ctx, "!c")
	require.ErrorIs(t, err, ErrNotFound)

	var body string
	require.NoError(t, db.QueryRow(ctx, `SELECT body FROM matrix_inbox WHERE seq=1`).Scan(&body))
	require.Empty(t, body, "text does not outlive its effects")
	require.NoError(t, inbox.Prune(ctx, time.Now().Add(time.Hour).UnixMicro()))
	added, err = inbox.Put(ctx, 3, []InboxRow{{EventID: "$1", RoomID: "!a"}, {EventID: "$2", RoomID: "!b"}})
	require.NoError(t, err)
	require.Len(t, added, 1, "what was pruned is new again, what is open is not")
}

// received takes off when rows were received, which is not long ago.
func received(t *testing.T, rows ...InboxRow) []InboxRow {
	for n := range rows {
		require.WithinDuration(t, time.Now(), time.UnixMicro(rows[n].Received), time.Hour)
		rows[n].Received = 0
	}
	return rows
}

func TestMatrixSendsFixTheSender(t *testing.T) {
	db, ctx := open(t), context.Background()
	sends := db.MatrixSends()
	first := MatrixSend{TxnID: "t", MessageID: "c/e", RoomID: "!r", Sender: "@ghost:s", Run: "1", First: 5}
	stored, begun, err := sends.Begin(ctx, first)
	require.NoError(t, err)
	require.True(t, begun)
	require.Equal(t, first, stored)

	again := first
	again.Sender, again.Run, again.First = "@alice:s", "2", 9
	stored, begun, err = sends.Begin(ctx, again)
	require.NoError(t, err)
	require.False(t, begun)
	require.Equal(t, first, stored, "the first attempt's sender stays")

	require.NoError(t, sends.Answered(ctx, "t", "$e"))
	stored, _, err = sends.Begin(ctx, again)
	require.NoError(t, err)
	require.Equal(t, "$e", stored.EventID)
	require.NoError(t, sends.Settle(ctx, "c/e", "!other"))
	n, err := sends.Count(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, sends.Settle(ctx, "c/e", "!r"))
	n, err = sends.Count(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
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

// What came after the question to the homeserver and is not named waits for the next one.
func TestMatrixInboxKeepsSomeHeld(t *testing.T) {
	for name, named := range map[string][]InboxRow{"nothing named": nil, "some named": {{EventID: "$new", RoomID: "!a"}, {EventID: "$3", RoomID: "!a"}}} {
		t.Run(name, func(t *testing.T) {
			db, ctx := open(t), context.Background()
			inbox := db.MatrixInbox()
			_, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$1", RoomID: "!a"}, {EventID: "$2", RoomID: "!a"}, {EventID: "$3", RoomID: "!a"}, {EventID: "$4", RoomID: "!a"}})
			require.NoError(t, err)
			result, err := inbox.Arrange(ctx, 0, 2, 4, named, "")
			require.NoError(t, err)
			require.True(t, result.Held)
			from, held, err := inbox.HeldFrom(ctx)
			require.NoError(t, err)
			require.True(t, held, "also after a crash")
			require.Equal(t, result.HeldFrom, from)
			open, err := inbox.Open(ctx)
			require.NoError(t, err)
			var free, kept []string
			for _, row := range open {
				if row.Seq <= from {
					free = append(free, row.EventID)
				} else {
					kept = append(kept, row.EventID)
				}
			}
			if named == nil {
				require.Equal(t, []string{"$1", "$2"}, free)
				require.Equal(t, []string{"$3", "$4"}, kept)
			} else {
				require.Equal(t, []string{"$new", "$3", "$1", "$2"}, free)
				require.Equal(t, []string{"$4"}, kept)
			}
			require.EqualValues(t, open[len(open)-1].Seq, result.Last)
		})
	}
}

// What is named takes its place before what came while events were held.
func TestMatrixInboxArranges(t *testing.T) {
	db, ctx := open(t), context.Background()
	inbox := db.MatrixInbox()
	_, err := inbox.Put(ctx, 0, []InboxRow{{EventID: "$open", RoomID: "!a"}, {EventID: "$done", RoomID: "!a"}})
	require.NoError(t, err)
	require.NoError(t, inbox.Done(ctx, 2))
	require.NoError(t, inbox.Hold(ctx, 2))
	from, held, err := inbox.HeldFrom(ctx)
	require.NoError(t, err)
	require.True(t, held)
	require.EqualValues(t, 2, from)
	_, err = inbox.Put(ctx, 2, []InboxRow{{EventID: "$later", RoomID: "!a"}, {EventID: "$known", RoomID: "!a"}})
	require.NoError(t, err)

	named := []InboxRow{
		{EventID: "$done", RoomID: "!a"}, {EventID: "$open", RoomID: "!a"}, {EventID: "$lost", RoomID: "!a", Body: "lost"}, {EventID: "$known", RoomID: "!a"},
		{EventID: "$invite", RoomID: "!a", IfIdle: true}, {EventID: "$invite2", RoomID: "!b", IfIdle: true},
	}
	result, err := inbox.Arrange(ctx, from, 4, 4, named, "token")
	require.NoError(t, err)
	require.EqualValues(t, 8, result.Last)
	require.False(t, result.Held)
	require.Equal(t, []InboxRow{{Seq: 5, EventID: "$lost", RoomID: "!a", Body: "lost"}, {Seq: 7, EventID: "$invite2", RoomID: "!b", IfIdle: true}}, result.Added)
	open, err := inbox.Open(ctx)
	require.NoError(t, err)
	var order []string
	for _, row := range open {
		order = append(order, row.EventID)
	}
	require.Equal(t, []string{"$open", "$lost", "$known", "$invite2", "$later"}, order)
	_, held, err = inbox.HeldFrom(ctx)
	require.NoError(t, err)
	require.False(t, held)
	token, err := inbox.SyncToken(ctx)
	require.NoError(t, err)
	require.Equal(t, "token", token)
	_, err = inbox.Arrange(ctx, result.Last, result.Last, result.Last, nil, "")
	require.NoError(t, err)
	token, err = inbox.SyncToken(ctx)
	require.NoError(t, err)
	require.Equal(t, "token", token, "an empty one changes nothing")
}
