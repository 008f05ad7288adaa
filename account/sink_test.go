package account_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// spied is a bench with anna logged in, and the sink that her connection was given.
func spied(t *testing.T, test func(b *bench, r *reader, sink account.Sink), configure ...func(*account.Options)) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.CatchupEvery, b.options.CompareEvery = 1000*time.Hour, 1000*time.Hour
		for _, set := range configure {
			set(&b.options)
		}
		s := &spy{Network: b.net}
		b.backend = s
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(time.Second)
		test(b, r, s.sinks[0])
	})
}

// holdWriter keeps the database's writer busy until the returned function is called.
func (b *bench) holdWriter() (release func()) {
	held := make(chan struct{})
	b.db.WriteLater(context.Background(), func(context.Context) error { <-held; return nil }, func(error) {})
	return func() { close(held) }
}

// A connection that talks on after its session has ended is not held up.
func TestASinkOutlivesItsSession(t *testing.T) {
	spied(t, func(b *bench, _ *reader, sink account.Sink) {
		b.m.Stop()
		var err error
		for range 10 * account.MaxInputs {
			sink.Alive()
			sink.Subscribed()
			err = sink.Push(context.Background(), account.Update{People: []chat.Person{{ID: bob, FullName: "Bob"}}})
		}
		require.ErrorIs(t, err, context.Canceled)
	})
}

// A push whose connection is given up while the log is behind waits no longer.
func TestAPushEndsWithItsConnection(t *testing.T) {
	spied(t, func(b *bench, _ *reader, sink account.Sink) {
		release := b.holdWriter()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var err error
		for range 100 {
			err = sink.Push(ctx, account.Update{People: []chat.Person{{ID: bob, FullName: "Bob"}}})
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		release()
	})
}

// Typing waits for no database, however much of it comes.
func TestTypingIsNotWritten(t *testing.T) {
	spied(t, func(b *bench, r *reader, _ account.Sink) {
		release := b.holdWriter()
		for range 100 {
			b.net.Type(bob, duo, started)
			b.net.Type(bob, duo, stopped)
		}
		pass(time.Second)
		require.NotEmpty(t, r.typed(bob))
		b.net.Type(bob, duo, started)
		pass(time.Second)
		require.Equal(t, []chat.TypingState{started}, r.typed(bob))
		release()
	})
}

// A channel that breaks after hours has as long to be repaired as one that breaks at once.
func TestAChannelIsRepairedInItsTime(t *testing.T) {
	spied(t, func(b *bench, _ *reader, sink account.Sink) {
		pass(3 * time.Hour)
		sink.Lost()
		pass(9 * time.Minute)
		require.Equal(t, 1, b.net.Runs(anna))
		sink.Subscribed()
		pass(time.Minute)
		require.Equal(t, 1, b.net.Runs(anna))
		require.Equal(t, chat.Connected, b.session(anna).State().Status)
	})
}

// What is kept aside, or comes from a former login, takes no place of what is on its way into the log.
func TestAsideTakesNoPlace(t *testing.T) {
	spied(t, func(b *bench, r *reader, sink account.Sink) {
		until := make(chan struct{})
		b.net.OnSync(func(chat.PersonID) error { <-until; return nil })
		sink.Subscribed()
		pass(time.Second)
		all := numbered(200)
		for _, text := range all {
			b.net.Say(bob, duo, text)
		}
		pass(time.Second)
		b.net.OnSync(nil)
		close(until)
		pass(time.Second)
		b.again(anna)
		pass(time.Second)
		for range 200 {
			require.NoError(t, sink.Push(context.Background(), account.Update{People: []chat.Person{{ID: bob, FullName: "Nobody"}}}))
		}
		b.net.Say(bob, duo, "after it")
		pass(time.Second)
		require.Equal(t, append(all, "after it"), r.got(duo))
	})
}

// brokenOnce is a log that ends the transaction of an Append once, and fails.
type brokenOnce struct {
	account.Log
	db     *database.DB
	broken atomic.Bool
}

func (l *brokenOnce) Append(ctx context.Context, id chat.PersonID, events []chat.Event) ([]chat.Event, error) {
	if len(events) > 0 && l.broken.CompareAndSwap(true, false) {
		_, err := l.db.Exec(ctx, "ROLLBACK")
		return nil, errors.Join(errors.New("broken"), err)
	}
	return l.Log.Append(ctx, id, events)
}

// Updates that shared a transaction in vain are logged one by one, without a catch-up.
func TestUpdatesOfABrokenTransactionAreLogged(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.CatchupEvery, b.options.CompareEvery = 1000*time.Hour, 1000*time.Hour
		b.db = openDB(t, b.path)
		b.m = account.NewManager(b.db, b.net, b.options, b.log)
		log := &brokenOnce{Log: b.db.Log(), db: b.db}
		account.SetLog(b.m, log)
		require.NoError(t, b.m.Start(t.Context()))
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(time.Second)
		var syncs atomic.Int32
		b.net.OnSync(func(chat.PersonID) error { syncs.Add(1); return nil })
		release := b.holdWriter()
		pass(time.Second)
		log.broken.Store(true)
		for _, text := range numbered(3) {
			b.net.Say(bob, duo, text)
		}
		pass(time.Second)
		release()
		pass(time.Second)
		require.False(t, log.broken.Load())
		require.Equal(t, numbered(3), r.got(duo))
		require.Zero(t, syncs.Load())
	})
}
