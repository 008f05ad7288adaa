package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

func texts(events []chat.Event) (out []string) {
	for _, e := range events {
		if e.Message != nil {
			out = append(out, e.Message.Text.String())
		}
	}
	return out
}

func await(t *testing.T, s account.Session, ref string) (chat.Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait.Patience)
	defer cancel()
	e, err := s.Await(ctx, chat.Origin{Side: chat.OriginIRC, Ref: ref})
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	return e, err
}

func TestRequestsLeaveInOrderAndComeBackWithTheirOrigin(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	for i, text := range numbered(30) {
		require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), text)))
		require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), text)), "a repeat is harmless")
	}
	b.expect(r, duo, numbered(30)...)
	e, err := await(t, s, "7")
	require.NoError(t, err)
	require.Equal(t, "m007", e.Message.Text.String())
	got, _ := r.find("m007")
	require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: "7"}, got.Origin)
	require.Equal(t, numbered(30), texts(b.net.Events(duo)))
}

// The failure of a request is delivered like an event, also after a restart.
func TestFailureIsDelivered(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{decide: func(chat.Event) error { return errNotNow }}
	b.attach(s, r, "a")
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("%w: because", chat.ErrRefused)}
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "lost")))
	_, err := await(t, s, "1")
	require.ErrorIs(t, err, chat.ErrRefused)
	b.stop()
	b.start()
	again := &reader{}
	b.attach(b.session(anna), again, "a")
	var e chat.Event
	eventually(t, func() bool {
		again.mu.Lock()
		defer again.mu.Unlock()
		if len(again.events) == 1 {
			e = again.events[0]
		}
		return len(again.events) == 1
	}, "the failure")
	require.Equal(t, chat.KindFailure, e.Kind)
	require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: "1"}, e.Origin)
	require.Equal(t, "lost", e.Failure.Text.String())
	require.ErrorContains(t, chat.Failed(e.Failure.Reason), "because")
	history, err := b.session(anna).History(context.Background(), account.HistoryQuery{Conversation: duo, Limit: 9})
	require.NoError(t, err)
	require.Empty(t, history)
}

// The log keeps no text of a conversation without history, also none that was not sent.
func TestFailureOffTheRecordHasNoText(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindHistoryMode, HistoryMode: &chat.HistoryMode{Off: true}})
	eventually(t, func() bool {
		c, err := s.Conversation(t.Context(), duo)
		return err == nil && c.HistoryOff
	}, "the history to be off")
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Err: chat.ErrRefused} })
	require.NoError(t, s.Submit(t.Context(), request(duo, "1", "lost")))
	_, err := await(t, s, "1")
	require.ErrorIs(t, err, chat.ErrRefused)
	events, err := b.db.Log().Read(t.Context(), anna, duo, 0, 9)
	require.NoError(t, err)
	failure := events[len(events)-1]
	require.Equal(t, chat.KindFailure, failure.Kind)
	require.Empty(t, failure.Failure.Text)
}

func TestRefusedRequestFailsAndTheNextGoesOn(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	b.net.OnSend(func(_ chat.PersonID, r chat.Request) (f accounttest.Fault) {
		if r.Message.Text.String() == "bad" {
			f.Err = fmt.Errorf("%w: status 4", chat.ErrRefused)
		}
		return f
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "bad")))
	require.NoError(t, s.Submit(context.Background(), request(duo, "2", "good")))
	_, err := await(t, s, "1")
	require.ErrorIs(t, err, chat.ErrRefused)
	require.ErrorContains(t, err, "status 4")
	_, err = await(t, s, "2")
	require.NoError(t, err)
}

func TestLostAnswersAreFoundNotRepeated(t *testing.T) {
	for name, hide := range map[string]bool{"by request id": false, "by author, text and time": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.login(anna)
			b.net.HideRequestIDs(hide)
			var n atomic.Int32
			b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
				if n.Add(1)%2 == 1 {
					f = accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}
				}
				return f
			})
			for i, text := range numbered(10) {
				require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), text)))
			}
			for i := range 10 {
				_, err := await(t, s, fmt.Sprint(i))
				require.NoError(t, err)
			}
			require.Equal(t, numbered(10), texts(b.net.Events(duo)))
		})
	}
}

func TestUnansweredAndNotTakenIsSentAgainWithTheSameID(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	var n atomic.Int32
	b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
		if n.Add(1) <= 2 {
			f.Err = account.ErrAmbiguous
		}
		return f
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "once")))
	require.NoError(t, s.Submit(context.Background(), request(duo, "2", "after")))
	_, err := await(t, s, "2")
	require.NoError(t, err)
	require.Equal(t, []string{"once", "after"}, texts(b.net.Events(duo)))
	require.Equal(t, account.RequestID(chat.Origin{Side: chat.OriginIRC, Ref: "1"}), b.net.Sends()[0].RequestID)
}

func TestWaitingIsBounded(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.options.SendWait = 300 * time.Millisecond
	b.start()
	s := b.login(anna)
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrUnavailable}
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "x")))
	_, err := await(t, s, "1")
	require.ErrorIs(t, err, chat.ErrExpired)
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: account.ErrAmbiguous}
	})
	b.net.OnSync(func(chat.PersonID) error { return chat.ErrUnavailable })
	require.NoError(t, s.Submit(context.Background(), request(duo, "2", "y")))
	_, err = await(t, s, "2")
	require.ErrorIs(t, err, chat.ErrUnconfirmed)
}

func TestRequestsSurviveARestart(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	taken := make(chan struct{}, 1)
	b.net.OnSend(func(_ chat.PersonID, r chat.Request) accounttest.Fault {
		select {
		case taken <- struct{}{}:
			return accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}
		default:
			return accounttest.Fault{Err: chat.ErrUnavailable}
		}
	})
	for i, text := range numbered(5) {
		require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), text)))
	}
	eventually(t, func() bool { return len(b.net.Sends()) == 1 }, "the first is out")
	b.stop()
	b.net.OnSend(nil)
	b.start()
	r := &reader{}
	s = b.session(anna)
	b.attach(s, r, "a")
	for i := range 5 {
		_, err := await(t, s, fmt.Sprint(i))
		require.NoError(t, err)
	}
	require.Equal(t, numbered(5), texts(b.net.Events(duo)))
}

func TestTooLongTextIsRefusedAtOnce(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	err := s.Submit(context.Background(), request(duo, "1", strings.Repeat("x", 1<<20)))
	require.ErrorIs(t, err, chat.ErrTooLarge)
	_, err = s.Await(context.Background(), chat.Origin{Side: chat.OriginIRC, Ref: "1"})
	require.Error(t, err)
}

// Two accounts of a group write at once, and some answers are lost: both logs have the network's
// order, and each account knows its own lines.
func TestTwoAccountsWriteInOneGroup(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	s := b.login(anna)
	b.attach(s, ra, "a")
	b.attach(b.login(cleo), rc, "c")
	var n atomic.Int32
	b.net.OnSend(func(chat.PersonID, chat.Request) (f accounttest.Fault) {
		if n.Add(1)%3 == 0 {
			f = accounttest.Fault{Err: errors.New("connection reset"), Accept: true}
		}
		return f
	})
	for i, text := range numbered(12) {
		require.NoError(t, s.Submit(context.Background(), request(trio, fmt.Sprint(i), text)))
		b.net.Say(bob, trio, "bob "+text)
	}
	eventually(t, func() bool { return len(rc.got(trio)) == 24 && len(ra.got(trio)) == 24 }, "all")
	require.Equal(t, texts(b.net.Events(trio)), ra.got(trio))
	require.Equal(t, ra.got(trio), rc.got(trio), "one order for both")
	for i, text := range numbered(12) {
		e, _ := ra.find(text)
		require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: fmt.Sprint(i)}, e.Origin, text)
		e, _ = rc.find(text)
		require.Equal(t, anna, e.Author)
		require.False(t, e.Origin.Ours(), text)
	}
}

func TestWatermarksMoveForwardOnlyAndDoNotEcho(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	e1, e2 := b.net.Say(bob, duo, "one"), b.net.Say(bob, duo, "two")
	b.expect(r, duo, "one", "two")
	mark := func(time int64) {
		require.NoError(t, s.MarkRead(context.Background(), chat.Watermark{Conversation: duo, Time: time}))
	}
	mark(e2.Time)
	mark(e1.Time)
	eventually(t, func() bool { return len(b.net.Marks()) == 1 }, "sent")
	require.Equal(t, e2.Time, b.net.Marks()[0].Time)
	eventually(t, func() bool {
		w, err := s.Watermarks(context.Background(), duo)
		return err == nil && w[anna] == e2.Time
	}, "stored")
	mark(e1.Time)
	mark(e2.Time)
	b.net.Read(bob, duo, e2.Time)
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.marks) > 0 && r.marks[len(r.marks)-1].Person == bob
	}, "Bob's")
	require.Len(t, b.net.Marks(), 1, "nothing was ahead of what is known")
}

// The answer to a request comes at once, the push of what somebody wrote before it later.
func TestAnAnswerDoesNotOvertakeWhatWasPushedBefore(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	var want []string
	for i, text := range numbered(20) {
		b.net.HoldPushes(true)
		b.net.Say(bob, duo, "bob "+text)
		require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), "anna "+text)))
		eventually(t, func() bool { return len(b.net.Sends()) == i+1 }, "sent")
		b.net.HoldPushes(false)
		want = append(want, "bob "+text, "anna "+text)
		_, err := await(t, s, fmt.Sprint(i))
		require.NoError(t, err)
	}
	b.expect(r, duo, want...)
}

// syncs counts the catch-ups from now on.
func (b *bench) syncs() *atomic.Int32 {
	var n atomic.Int32
	b.net.OnSync(func(chat.PersonID) error { n.Add(1); return nil })
	return &n
}

// A stalled channel brings nothing for longer than an answer waits for its push: a
// catch-up brings what came before it.
func TestAnAnswerDoesNotOvertakeAStalledChannel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		r := &reader{}
		b.attach(s, r, "a")
		pass(time.Second)
		b.net.HoldPushes(true)
		var want []string
		for i, text := range numbered(3) {
			b.net.Say(bob, duo, "bob "+text)
			began := time.Now()
			require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), "anna "+text)))
			_, err := await(t, s, fmt.Sprint(i))
			require.NoError(t, err)
			require.Less(t, time.Since(began), 2*time.Second)
			want = append(want, "bob "+text, "anna "+text)
		}
		pass(time.Second)
		require.Equal(t, want, r.got(duo))
		b.net.HoldPushes(false)
		b.net.Say(bob, duo, "after")
		pass(time.Second)
		require.Equal(t, append(want, "after"), r.got(duo), "and once only")
	})
}

// Without a channel an answer waits for a catch-up that begins after it: one that is under
// way does not bring what came just before it.
func TestAnAnswerDuringACatchUpWaitsForTheNext(t *testing.T) {
	b := newBench(t)
	b.stop()
	var away atomic.Bool
	b.backend = &channelless{Network: b.net, away: &away}
	b.start()
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	away.Store(true)
	b.net.Cut(anna)
	eventually(t, func() bool { return s.State().Status != chat.Connected }, "no channel")
	synced, leave := make(chan struct{}, 10), make(chan struct{})
	b.net.OnSynced(func(chat.PersonID) {
		synced <- struct{}{}
		<-leave
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "first")))
	<-synced // a catch-up for its answer
	b.net.Say(bob, trio, "before")
	require.NoError(t, s.Submit(context.Background(), request(trio, "2", "own")))
	eventually(t, func() bool { return len(b.net.Sends()) == 2 }, "sent")
	time.Sleep(50 * time.Millisecond) // its answer is there
	close(leave)
	_, err := await(t, s, "2")
	require.NoError(t, err)
	b.expect(r, duo, "first")
	b.expect(r, trio, "before", "own")
}

// channelless is a network to which no channel can be made while away is set.
type channelless struct {
	*accounttest.Network
	away  *atomic.Bool
	tries atomic.Int32
}

func (n *channelless) Open(stored []byte) (account.Connection, error) {
	conn, err := n.Network.Open(stored)
	return &channellessConnection{conn, n}, err
}

type channellessConnection struct {
	account.Connection
	n *channelless
}

func (c *channellessConnection) Run(ctx context.Context, sink account.Sink) error {
	c.n.tries.Add(1)
	if c.n.away.Load() {
		<-ctx.Done() // it goes on trying
		return nil
	}
	return c.Connection.Run(ctx, sink)
}

func TestLateAnswersShareACatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for i := range 30 {
			b.net.AddConversation(chat.ConversationID(fmt.Sprint("group", i)), fmt.Sprint("Group ", i), anna, bob, cleo)
		}
		s := b.login(anna)
		pass(time.Second)
		syncs := b.syncs()
		b.net.HoldPushes(true)
		for i := range 30 {
			require.NoError(t, s.Submit(context.Background(), request(chat.ConversationID(fmt.Sprint("group", i)), fmt.Sprint(i), "hi")))
		}
		for i := range 30 {
			_, err := await(t, s, fmt.Sprint(i))
			require.NoError(t, err)
		}
		require.Less(t, syncs.Load(), int32(10), "some ask while one runs, and share the next")
	})
}

func TestHealthyChannelNeedsNoCatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		pass(time.Second)
		syncs := b.syncs()
		began := time.Now()
		for i := range 10 {
			require.NoError(t, s.Submit(context.Background(), request(duo, fmt.Sprint(i), "hi")))
			_, err := await(t, s, fmt.Sprint(i))
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(began), "an answer comes with its push")
		require.Zero(t, syncs.Load())
	})
}

// The answer is there at once. What it made is logged when the network brings it, once.
func TestLateAnswerWithoutACatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		r := &reader{}
		b.attach(s, r, "a")
		pass(time.Second)
		b.net.OnSync(func(chat.PersonID) error {
			return &account.RetryAfter{After: 5 * time.Second, Err: chat.ErrUnavailable}
		})
		b.net.HoldPushes(true)
		require.NoError(t, s.Submit(context.Background(), request(duo, "1", "hi")))
		began := time.Now()
		e, err := await(t, s, "1")
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		require.Equal(t, b.net.Events(duo)[0].ID, e.ID)
		require.Equal(t, b.net.Events(duo)[0].Time, e.Time)
		pass(30 * time.Second)
		require.Empty(t, r.got(duo), "an answer is not logged")
		b.net.OnSync(nil)
		pass(time.Minute)
		require.Equal(t, []string{"hi"}, r.got(duo))
		got, _ := r.find("hi")
		require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: "1"}, got.Origin)
		b.net.HoldPushes(false)
		pass(time.Second)
		require.Equal(t, []string{"hi"}, r.got(duo))
		require.Len(t, b.net.Sends(), 1)
	})
}

// Anna and Cleo, both here, write at the same time while both channels are stalled: neither
// catch-up waits for the other.
func TestLateAnswersOfTwoAccountsDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ra, rc := &reader{}, &reader{}
		sa, sc := b.login(anna), b.login(cleo)
		b.attach(sa, ra, "a")
		b.attach(sc, rc, "c")
		pass(time.Second)
		b.net.HoldPushes(true)
		began := time.Now()
		for i := range 5 {
			require.NoError(t, sa.Submit(context.Background(), request(trio, fmt.Sprint("anna", i), fmt.Sprint("anna ", i))))
			require.NoError(t, sc.Submit(context.Background(), request(trio, fmt.Sprint("cleo", i), fmt.Sprint("cleo ", i))))
		}
		for i := range 5 {
			_, err := await(t, sa, fmt.Sprint("anna", i))
			require.NoError(t, err)
			_, err = await(t, sc, fmt.Sprint("cleo", i))
			require.NoError(t, err)
		}
		require.Less(t, time.Since(began), 8*time.Second)
		pass(10 * time.Second)
		require.Equal(t, texts(b.net.Events(trio)), ra.got(trio))
		require.Equal(t, ra.got(trio), rc.got(trio))
		for i := range 5 {
			for name, r := range map[string]*reader{"anna": ra, "cleo": rc} {
				e, _ := r.find(fmt.Sprint(name, " ", i))
				require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: fmt.Sprint(name, i)}, e.Origin, name)
			}
		}
	})
}
