package homeserver

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// strict is a host for whom everything is a command, of which those of one user are too old.
type strict struct {
	Host
	refused chan id.EventID
}

func (strict) IsCommand(e *event.Event) bool { return e.Type == event.EventMessage }
func (s strict) RefuseStale(_ context.Context, e *event.Event, _ time.Duration) (bool, error) {
	if e.Sender != "@late:test" {
		return false, nil
	}
	s.refused <- e.ID
	return true, nil
}

// testInbox is an inbox with a database of its own, and how to run it once more.
func testInbox(t *testing.T, host Host) (run func(setUp func(*inbox)) (b *inbox, stop func())) {
	t.Helper()
	db, err := database.Open("test", "sqlite3-fk-wal", "file:"+filepath.Join(t.TempDir(), "inbox.db")+"?_txlock=immediate", zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Upgrade(t.Context()))
	return func(setUp func(*inbox)) (*inbox, func()) {
		b := newInbox(db.MatrixInbox(), host, zerolog.Nop())
		setUp(b)
		require.NoError(t, b.load(t.Context()))
		running, cancel := context.WithCancel(t.Context())
		b.start(running)
		return b, func() { cancel(); b.stop() }
	}
}

func encryptedRow(eventID, sender string) database.InboxRow {
	return database.InboxRow{
		EventID: eventID, RoomID: "!a",
		Body: `{"type":"m.room.encrypted","event_id":"` + eventID + `","room_id":"!a","sender":"` + sender + `","unsigned":{"age":1},"content":{"algorithm":"m.megolm.v1.aes-sha2"}}`,
	}
}

// decrypted is what an encrypted row holds.
func decrypted(e *event.Event) *event.Event {
	return &event.Event{Type: event.EventMessage, ID: e.ID, RoomID: e.RoomID, Sender: e.Sender, Unsigned: e.Unsigned}
}

// What is encrypted keeps the rules of what is in it: a command is run at most once, and not when
// it is too old.
func TestAnEncryptedCommandIsACommand(t *testing.T) {
	host := strict{refused: make(chan id.EventID, 10)}
	run := testInbox(t, host)
	handled := make(chan id.EventID, 10)
	setUp := func(b *inbox) {
		b.decrypt = func(_ context.Context, e *event.Event, _ time.Time) (*event.Event, error) { return decrypted(e), nil }
		b.dispatch = func(ctx context.Context, e *event.Event) {
			require.Equal(t, event.EventMessage, e.Type)
			handled <- e.ID
			<-ctx.Done() // the program ends meanwhile
		}
	}
	b, stop := run(setUp)
	require.NoError(t, b.put(t.Context(), []database.InboxRow{encryptedRow("$stale", "@late:test"), encryptedRow("$once", "@alice:test")}, func() bool { return false }))
	require.Equal(t, id.EventID("$once"), <-handled)
	require.Equal(t, id.EventID("$stale"), <-host.refused)
	stop()
	b, stop = run(setUp)
	require.NoError(t, b.final(t.Context(), "$once"))
	stop()
	require.Empty(t, handled)
	require.Empty(t, host.refused)
}

// An encrypted event that waits for its key is kept when the program ends, and those behind it
// wait; one that cannot be read is passed once its sender was told.
func TestAnEncryptedEventIsKept(t *testing.T) {
	run := testInbox(t, commander{})
	waiting, handled := make(chan id.EventID), make(chan id.EventID, 10)
	dispatch := func(_ context.Context, e *event.Event) { handled <- e.ID }
	b, stop := run(func(b *inbox) {
		b.dispatch = dispatch
		b.decrypt = func(ctx context.Context, e *event.Event, _ time.Time) (*event.Event, error) {
			waiting <- e.ID
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	require.NoError(t, b.put(t.Context(), []database.InboxRow{
		encryptedRow("$late", "@alice:test"), encryptedRow("$lost", "@alice:test"),
		{EventID: "$clear", RoomID: "!a", Body: `{"type":"m.room.message","event_id":"$clear","sender":"@alice:test","content":{}}`},
	}, func() bool { return false }))
	require.Equal(t, id.EventID("$late"), <-waiting)
	stop()
	require.Empty(t, handled)
	var tries atomic.Int32
	b, stop = run(func(b *inbox) {
		b.dispatch = dispatch
		b.decrypt = func(_ context.Context, e *event.Event, _ time.Time) (*event.Event, error) {
			switch {
			case e.ID == "$late":
				return decrypted(e), nil
			case tries.Add(1) == 1:
				return nil, context.DeadlineExceeded // the sender could not be told
			}
			return nil, nil
		}
	})
	defer stop()
	require.NoError(t, b.final(t.Context(), "$clear"))
	require.Equal(t, []id.EventID{"$late", "$clear"}, []id.EventID{<-handled, <-handled})
	require.Equal(t, int32(2), tries.Load(), "tried again until the sender was told")
	require.Empty(t, handled)
}
