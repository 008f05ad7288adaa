package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestMissedEventsAreCaughtUpInOrder(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	all := numbered(60)
	for i, text := range all {
		if i%6 == 0 {
			b.net.Cut(anna)
		}
		b.net.Say(bob, duo, text)
	}
	b.expect(r, duo, all...)
}

func TestCutSyncIsContinued(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	b.stop()
	all := numbered(50)
	for _, text := range all {
		b.net.Say(bob, duo, text)
	}
	b.net.LimitSync(7)
	b.start()
	b.attach(b.session(anna), r, "a")
	b.expect(r, duo, all...)
}

func TestSyncThatDoesNotAdvanceIsComparedInstead(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	b.stop()
	all := numbered(130)
	for i, text := range all {
		b.net.Say(bob, duo, text)
		if i%10 == 0 {
			b.net.Say(cleo, trio, text)
		}
	}
	b.net.LimitSync(1)
	b.start()
	b.attach(b.session(anna), r, "a")
	b.expect(r, duo, all...)
	eventually(t, func() bool { return len(r.got(trio)) == 13 }, "the other conversation")
}

func TestOldCursorIsCompared(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	b.net.Say(bob, duo, "known")
	b.expect(r, duo, "known")
	b.stop()
	b.net.OnSync(func(chat.PersonID) error { return errors.New("must not be asked") })
	b.options.OldestCursor = time.Nanosecond
	b.net.AddConversation("new", "New", anna, bob)
	all := numbered(120)
	for _, text := range all {
		b.net.Say(bob, duo, text)
	}
	b.net.Say(bob, "new", "first")
	b.start()
	b.attach(b.session(anna), r, "a")
	b.expect(r, duo, append([]string{"known"}, all...)...)
	b.expect(r, "new", "first")
}

func TestLiveEventsWaitForTheCatchUp(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	block := make(chan struct{})
	entered := make(chan struct{}, 100)
	b.net.OnSync(func(chat.PersonID) error {
		entered <- struct{}{}
		<-block
		return nil
	})
	b.net.Cut(anna)
	b.net.Say(bob, duo, "missed")
	<-entered
	eventually(t, func() bool { return b.net.Subscribed(anna) }, "pushes flow")
	b.net.Say(bob, duo, "live")
	time.Sleep(50 * time.Millisecond) // the push has every chance to overtake
	require.Empty(t, r.got(duo))
	close(block)
	b.expect(r, duo, "missed", "live")
}

// The channel breaks while a catch-up's answer is under way: what was missed then comes
// with the next one, and before what is pushed after it.
func TestCatchUpThatIsOlderThanTheChannelOpensNothing(t *testing.T) {
	inTime(t, func(o *account.Options) { o.CatchupEvery, o.CompareEvery = 1000*time.Hour, 1000*time.Hour },
		func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
			r := &reader{}
			b.attach(s, r, "a")
			first, next := make(chan struct{}), make(chan struct{})
			asked := 0
			n.sync = func(_ context.Context, request func() (account.SyncPage, error)) (account.SyncPage, error) {
				if asked++; asked == 1 {
					page, err := request()
					<-first
					return page, err
				}
				<-next
				return request()
			}
			b.net.Cut(anna)
			pass(time.Second)
			require.Equal(t, 1, asked)
			b.net.Cut(anna)
			b.net.Say(bob, duo, "missed")
			pass(time.Second)
			b.net.Say(bob, duo, "live")
			pass(time.Second)
			close(first)
			pass(time.Second)
			require.Empty(t, r.got(duo))
			require.Equal(t, 2, asked)
			close(next)
			pass(time.Second)
			require.Equal(t, []string{"missed", "live"}, r.got(duo))
		})
}

func TestBadCredentialsConcernOneAccountOnly(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	b.attach(b.login(anna), ra, "a")
	b.attach(b.login(cleo), rc, "c")
	b.net.Refuse(anna, true)
	eventually(t, func() bool { return b.session(anna).State().Status == chat.BadCredentials }, "state")
	eventually(t, func() bool {
		ra.mu.Lock()
		defer ra.mu.Unlock()
		return len(ra.states) > 0 && ra.states[len(ra.states)-1].Status == chat.BadCredentials
	}, "told")
	require.ErrorIs(t, b.session(anna).Submit(context.Background(), request(duo, "1", "x")), chat.ErrBadCredentials)
	b.net.Say(bob, trio, "for Cleo")
	b.expect(rc, trio, "for Cleo")
	_, err := b.m.Login(context.Background(), chat.Credentials{RefreshToken: string(anna)}, account.User{Side: chat.OriginIRC, ID: "anna"})
	require.ErrorIs(t, err, chat.ErrBadCredentials)
	b.restart()
	require.Equal(t, chat.BadCredentials, b.session(anna).State().Status, "no attempt with credentials known to be bad")

	b.net.Refuse(anna, false)
	b.attach(b.session(anna), ra, "a")
	b.login(anna)
	b.expect(ra, trio, "for Cleo")
}

func TestUnknownConversationOfAnEventIsLookedUp(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	_, err := s.Conversation(context.Background(), "no such")
	require.ErrorIs(t, err, chat.ErrUnknownConversation)
	require.ErrorIs(t, s.Submit(context.Background(), request("no such", "1", "x")), chat.ErrUnknownConversation)
}

// A channel alone does not make an account connected: what came before has to be known.
func TestConnectedWhenCaughtUp(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	eventually(t, func() bool { return s.State().Status == chat.Connected }, "connected")
	var fail atomic.Bool
	fail.Store(true)
	b.net.OnSync(func(chat.PersonID) error {
		if fail.Load() {
			return fmt.Errorf("%w: sync is broken", chat.ErrUnavailable)
		}
		return nil
	})
	b.net.Cut(anna)
	eventually(t, func() bool { return strings.Contains(s.State().Reason, "sync is broken") }, "the reason")
	require.Equal(t, chat.Connecting, s.State().Status)
	b.net.Say(bob, duo, "meanwhile")
	fail.Store(false)
	b.expect(r, duo, "meanwhile")
	eventually(t, func() bool { return s.State().Status == chat.Connected && s.State().Reason == "" }, "connected again")
}

// Until the first catch-up a session is connecting, for no reason that anybody has to know.
func TestConnectingAtFirst(t *testing.T) {
	b := newBench(t)
	b.login(anna)
	asked, held := make(chan struct{}, 9), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(held) })
	t.Cleanup(goOn)
	b.net.OnSync(func(chat.PersonID) error {
		asked <- struct{}{}
		<-held
		return nil
	})
	b.restart()
	s := b.session(anna)
	<-asked
	require.Equal(t, chat.Connecting, s.State().Status)
	require.Empty(t, s.State().Reason)
	goOn()
	eventually(t, func() bool { return s.State().Status == chat.Connected }, "connected")
}

// Pushes that did not fit beside a catch-up come with the next one, which follows at once.
func TestPushesThatDidNotFitAreCaughtUp(t *testing.T) {
	inTime(t, func(o *account.Options) { o.Aside, o.CatchupEvery, o.CompareEvery = 1, time.Minute, 1000*time.Hour },
		func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
			r := &reader{}
			b.attach(s, r, "a")
			until := make(chan struct{})
			n.sync = func(_ context.Context, request func() (account.SyncPage, error)) (account.SyncPage, error) {
				page, err := request()
				<-until
				return page, err
			}
			b.net.Say(bob, duo, "0")
			pass(time.Minute)
			b.net.Say(bob, duo, "1")
			b.net.Say(bob, duo, "2")
			b.net.Say(bob, duo, "3")
			pass(time.Second)
			require.Equal(t, []string{"0"}, r.got(duo))
			syncs := b.syncs()
			close(until)
			pass(time.Second)
			require.EqualValues(t, 1, syncs.Load(), "one more follows at once")
			require.Equal(t, []string{"0", "1", "2", "3"}, r.got(duo))
		})
}
