package account_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// spied is a bench with anna logged in, and the sink that her connection was given.
func spied(t *testing.T, test func(b *bench, r *reader, sink account.Sink)) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.CatchupEvery, b.options.CompareEvery = 1000*time.Hour, 1000*time.Hour
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
