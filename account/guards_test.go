package account_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
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
	hidden atomic.Bool
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

// Cleo's catch-up brings what Anna wrote with her phone and with us, both with the same text,
// while our request has no answer: only Anna's own copy says which is which.
func TestCatchUpWaitsForTheSendersCopy(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	b.login(cleo)
	b.net.Deafen(anna)
	b.net.Deafen(cleo)
	phone := b.net.Say(anna, trio, "same")
	block := make(chan struct{})
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Until: block} })
	require.NoError(t, s.Submit(context.Background(), request(trio, "1", "same")))
	eventually(t, func() bool { return len(b.net.Sends()) == 1 }, "the request to leave")
	synced := make(chan struct{}, 10)
	b.net.OnSynced(func(id chat.PersonID) {
		if id == cleo {
			synced <- struct{}{}
		}
	})
	b.net.Cut(cleo)
	<-synced
	time.Sleep(200 * time.Millisecond) // a catch-up that does not wait is done by then
	close(block)
	e, err := await(t, s, "1")
	require.NoError(t, err)
	require.NotEqual(t, phone.ID, e.ID)
	eventually(t, func() bool { return len(b.logged(trio)) == 2 }, "both")
	logged, ok, err := b.db.Log().Find(context.Background(), trio, phone.ID)
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, logged.Origin.Ours())
}
