package account_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// The database takes no events for a while: the cursor stays before them.
func TestTheCursorStaysBeforeWhatIsNotLogged(t *testing.T) {
	b := newBench(t, func(o *account.Options) { o.Overlap = time.Nanosecond })
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	b.stop()
	b.net.Say(bob, duo, "missed")
	execute := func(query string) {
		db := openDB(t, b.path)
		_, err := db.Exec(context.Background(), query)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	execute(`CREATE TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
	var answers atomic.Int32
	b.net.OnSynced(func(chat.PersonID) { answers.Add(1) })
	b.start()
	eventually(t, func() bool { return answers.Load() > 2 }, "catch-ups that fail")
	b.stop()
	execute(`DROP TRIGGER full`)
	b.start()
	b.attach(b.session(anna), r, "a")
	b.expect(r, duo, "missed")
}

// lateNetwork is a network whose synchronisation does not show an event at first.
type lateNetwork struct {
	account.Backend
	hidden atomic.Bool // events
	silent atomic.Bool // conversations
}

type lateConnection struct {
	account.Connection
	n *lateNetwork
}

func (n *lateNetwork) Open(stored []byte) (account.Connection, error) {
	conn, err := n.Backend.Open(stored)
	return &lateConnection{conn, n}, err
}

func (c *lateConnection) Sync(ctx context.Context, since int64) (account.SyncPage, error) {
	page, err := c.Connection.Sync(ctx, since)
	if c.n.hidden.Load() {
		page.Events = nil
	}
	if c.n.silent.Load() {
		page.Conversations = nil
	}
	return page, err
}

// An event that the network shows only after it has answered up to a later time is brought by
// the next catch-up, which begins before the cursor.
func TestLateEventsAreCaughtUp(t *testing.T) {
	b := newBench(t)
	b.stop()
	late := &lateNetwork{Backend: b.net}
	b.backend = late
	b.start()
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	cursor := func() int64 {
		row, err := b.db.Accounts().Get(context.Background(), anna)
		require.NoError(t, err)
		return row.Cursor
	}
	b.net.Deafen(anna)
	late.hidden.Store(true)
	e := b.net.Say(bob, duo, "late")
	b.net.Cut(anna)
	eventually(t, func() bool { return cursor() > e.Time }, "a catch-up without it")
	late.hidden.Store(false)
	b.net.Cut(anna)
	b.expect(r, duo, "late")
}
