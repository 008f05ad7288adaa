package account_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// refuse makes writes of one kind fail until the returned function is called.
func (b *bench) refuse(what string) (allow func()) {
	b.t.Helper()
	_, err := b.db.Exec(context.Background(), `CREATE TRIGGER refused BEFORE `+what+` BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`)
	require.NoError(b.t, err)
	return func() {
		_, err := b.db.Exec(context.Background(), `DROP TRIGGER refused`)
		require.NoError(b.t, err)
	}
}

func (b *bench) state(ref string) database.OutboxState {
	row, err := b.db.Outbox().ByOrigin(context.Background(), chat.Origin{Side: chat.OriginIRC, Ref: ref})
	require.NoError(b.t, err)
	return row.State
}

func TestPushThatIsFasterThanTheFailureSettles(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.options.DoubtDelay = 10 * time.Second
	b.start()
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	until := make(chan struct{})
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: account.ErrAmbiguous, Accept: true, Until: until}
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "once")))
	eventually(t, func() bool { return b.state("1") == database.OutboxDone }, "settled by the push")
	close(until)
	b.net.OnSend(nil)
	require.NoError(t, s.Submit(context.Background(), request(duo, "2", "next")))
	_, err := await(t, s, "2") // goes at once: nothing is in doubt
	require.NoError(t, err)
	require.Equal(t, database.OutboxDone, b.state("1"))
	require.Equal(t, []string{"once", "next"}, texts(b.net.Events(duo)))
}

func TestAnsweredRequestCannotFail(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.options.SendWait = 200 * time.Millisecond
	b.start()
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	allow := b.refuse("UPDATE ON outbox WHEN NEW.state='done'")
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "once")))
	eventually(t, func() bool { return len(b.net.Sends()) == 1 }, "taken")
	time.Sleep(500 * time.Millisecond) // well past its time
	require.NotEqual(t, database.OutboxFailed, b.state("1"))
	allow()
	_, err := await(t, s, "1")
	require.NoError(t, err)
	b.expect(r, duo, "once")
	require.Len(t, b.net.Sends(), 1)
}

func TestRequestWhoseFateCannotBeNotedIsNotRepeated(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	allow := b.refuse("UPDATE ON outbox WHEN NEW.state<>'sending'")
	var n atomic.Int32
	b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
		if n.Add(1) == 1 {
			f = accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}
		}
		return f
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "once")))
	eventually(t, func() bool { return n.Load() > 0 }, "out")
	time.Sleep(300 * time.Millisecond) // several tries
	allow()
	_, err := await(t, s, "1")
	require.NoError(t, err)
	require.Equal(t, []string{"once"}, texts(b.net.Events(duo)))
}

// The user's phone says the same while our own line is in doubt: that is not our line.
func TestSameTextFromAnotherClientIsNotOurs(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	var n atomic.Int32
	b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
		if n.Add(1) == 1 {
			f.Err = account.ErrAmbiguous // and not taken
		}
		return f
	})
	b.net.SayAs(anna, duo, "ok", 4711)
	b.expect(r, duo, "ok")
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "ok")))
	b.net.SayAs(anna, duo, "ok", 4712)
	_, err := await(t, s, "1")
	require.NoError(t, err)
	require.Equal(t, []string{"ok", "ok", "ok"}, texts(b.net.Events(duo)), "ours was sent again")
	b.expect(r, duo, "ok", "ok", "ok")
}

// A copy that names no request is that of one that has left, with its text.
func TestCopiesWithoutAName(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		text string
		ours bool
	}{
		"our text, on its way":       {account.ErrAmbiguous, "text 1", true},
		"another text":               {account.ErrAmbiguous, "another", false},
		"our text, which never left": {chat.ErrUnavailable, "text 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(o *account.Options) {
				o.BackoffMin, o.BackoffMax, o.DoubtDelay = 10*time.Second, 10*time.Second, 10*time.Second
			},
				func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
					r := &reader{}
					b.attach(s, r, "a")
					b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Err: c.err} })
					b.submit(s, "1")
					pass(time.Second)
					b.net.Say(anna, duo, c.text)
					pass(time.Second)
					require.Equal(t, []string{c.text}, r.got(duo))
					require.Equal(t, c.ours, b.state("1") == database.OutboxDone)
				})
		})
	}
}

func TestRemovedAccountBeginsAnew(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	b.net.Say(bob, duo, "old")
	b.expect(r, duo, "old")
	require.NoError(t, b.m.Remove(context.Background(), anna))
	again := &reader{}
	b.attach(b.login(anna), again, "a")
	b.net.Say(bob, duo, "new")
	b.expect(again, duo, "new")
}

// spy remembers what the connections of a network were given.
type spy struct {
	*accounttest.Network
	mu     sync.Mutex
	sinks  []account.Sink
	closed atomic.Int32
	hold   func(chat.PersonID)                             // before Open
	open   func(stored []byte) (account.Connection, error) // instead of the network's
}

func (s *spy) Open(stored []byte) (account.Connection, error) {
	if s.hold != nil {
		s.hold(chat.PersonID(stored))
	}
	open := s.Network.Open
	if s.open != nil {
		open = s.open
	}
	conn, err := open(stored)
	return &spyConnection{conn, s}, err
}

type spyConnection struct {
	account.Connection
	s *spy
}

func (c *spyConnection) Run(ctx context.Context, sink account.Sink) error {
	c.s.mu.Lock()
	c.s.sinks = append(c.s.sinks, sink)
	c.s.mu.Unlock()
	return c.Connection.Run(ctx, sink)
}

func (c *spyConnection) Close() {
	c.s.closed.Add(1)
	c.Connection.Close()
}

func TestReplacedConnectionIsNotHeard(t *testing.T) {
	b := newBench(t)
	b.stop()
	s := &spy{Network: b.net}
	b.backend = s
	b.start()
	b.login(anna)
	s.mu.Lock()
	old := s.sinks[0]
	s.mu.Unlock()
	b.login(anna) // again
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.sinks) > 1 }, "the new connection")
	eventually(t, func() bool { return b.session(anna).State().Status == chat.Connected }, "connected")
	require.EqualValues(t, 1, s.closed.Load())
	r := &reader{}
	b.attach(b.session(anna), r, "a")
	eventually(t, func() bool { return len(r.shown()) > 0 }, "the state")
	old.Credentials([]byte("of the old login"))
	old.Lost()
	old.Subscribed()
	require.NoError(t, old.Push(context.Background(), account.Update{Events: []account.ReceivedEvent{{Event: chat.Event{
		V: 1, Conversation: duo, ID: "stale", Kind: chat.KindMessage, Time: 1, Author: bob, Message: &chat.Message{}}}}}))
	require.Equal(t, chat.Connected, b.session(anna).State().Status)
	row, err := b.db.Accounts().Get(context.Background(), anna)
	require.NoError(t, err)
	require.Equal(t, string(anna), string(row.Credentials))
	b.net.Say(bob, duo, "of the new one")
	b.expect(r, duo, "of the new one")
	require.Empty(t, r.shown())
	_, known, err := b.db.Log().Find(context.Background(), anna, duo, "stale")
	require.NoError(t, err)
	require.False(t, known)
}

// A catch-up while connected finds something that was not pushed: it comes before what is
// pushed meanwhile.
func TestPushDuringACatchUpWaits(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.options.CatchupEvery = 100 * time.Millisecond
	s := &spy{Network: b.net}
	b.backend = s
	b.start()
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	entered, block := make(chan struct{}, 100), make(chan struct{})
	b.net.OnSync(func(chat.PersonID) error {
		entered <- struct{}{}
		<-block
		return nil
	})
	<-entered
	b.net.Deafen(anna)
	b.net.Say(bob, duo, "not pushed")
	pushed := b.net.Say(bob, duo, "pushed")
	s.mu.Lock()
	sink := s.sinks[0]
	s.mu.Unlock()
	require.NoError(t, sink.Push(context.Background(), account.Update{Events: []account.ReceivedEvent{{Event: pushed}}}))
	close(block)
	b.expect(r, duo, "not pushed", "pushed")
}

func TestRotatedCredentialsAreStoredInTheEnd(t *testing.T) {
	b := newBench(t)
	b.stop()
	s := &spy{Network: b.net}
	b.backend = s
	b.start()
	b.login(anna)
	allow := b.refuse("UPDATE OF credentials ON account")
	s.sinks[0].Credentials([]byte("first"))
	s.sinks[0].Credentials([]byte("second"))
	time.Sleep(100 * time.Millisecond) // refusals leave no trace to wait for
	allow()
	stored := func() string {
		row, err := b.db.Accounts().Get(context.Background(), anna)
		require.NoError(t, err)
		return string(row.Credentials)
	}
	eventually(t, func() bool { return stored() == "second" }, "stored")
	time.Sleep(100 * time.Millisecond)
	require.Equal(t, "second", stored(), "the newest wins")
}

// A value that waits to be stored does not replace one that was stored meanwhile.
func TestOlderCredentialsReplaceNoNewerOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		s := &spy{Network: b.net}
		b.backend = s
		b.start()
		b.login(anna)
		allow := b.refuse("UPDATE OF credentials ON account")
		s.sinks[0].Credentials([]byte("first"))
		pass(0)
		allow()
		s.sinks[0].Credentials([]byte("second"))
		pass(time.Minute)
		row, err := b.db.Accounts().Get(context.Background(), anna)
		require.NoError(t, err)
		require.Equal(t, "second", string(row.Credentials))
	})
}

func TestOneAttachmentPerConsumer(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	var n atomic.Int32
	readers := make([]*reader, 20)
	var wg sync.WaitGroup
	for i := range readers {
		readers[i] = &reader{decide: func(chat.Event) error { n.Add(1); return nil }}
		wg.Go(func() { b.attach(s, readers[i], "same") })
	}
	wg.Wait()
	b.net.Say(bob, duo, "one")
	b.net.Say(bob, duo, "two")
	eventually(t, func() bool { return n.Load() == 2 }, "delivered")
	b.net.Say(bob, duo, "three")
	eventually(t, func() bool { return n.Load() == 3 }, "delivered")
	time.Sleep(50 * time.Millisecond)
	require.EqualValues(t, 3, n.Load(), "to one of them only")
}

func TestStoppingWhileInUse(t *testing.T) {
	for range 5 {
		b := newBench(t)
		s := b.login(anna)
		var wg sync.WaitGroup
		done := make(chan struct{})
		for i := range 4 {
			wg.Go(func() {
				for j := 0; ; j++ {
					select {
					case <-done:
						return
					default:
					}
					ctx := context.Background()
					_ = s.Submit(ctx, request(duo, fmt.Sprint(i, " ", j), "x"))
					_ = s.MarkRead(ctx, chat.Watermark{Conversation: duo, Time: int64(j)})
					_ = s.SetTyping(ctx, chat.Typing{Conversation: duo, State: chat.TypingStarted})
				}
			})
		}
		b.net.Say(bob, duo, "y")
		b.m.Stop()
		close(done)
		wg.Wait()
		b.stop()
		b.m, b.db = nil, nil
	}
}

func TestLatestStateIsTold(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	for range 50 {
		b.net.Cut(anna)
		time.Sleep(time.Millisecond)
	}
	eventually(t, func() bool { return b.session(anna).State().Status == chat.Connected && b.net.Subscribed(anna) }, "settled")
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.states[len(r.states)-1].Status == b.session(anna).State().Status
	}, "told")
	eventually(t, func() bool {
		row, err := b.db.Accounts().Get(context.Background(), anna)
		require.NoError(t, err)
		return row.Status == chat.Connected
	}, "stored")
}
