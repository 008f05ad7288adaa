package account_test

import (
	"context"
	"errors"
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
	// The fault runs inside the network, so live events can only come once it is over;
	// what is checked here is that the missed one comes first all the same.
	<-entered
	close(block)
	b.net.Say(bob, duo, "live")
	b.expect(r, duo, "missed", "live")
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
