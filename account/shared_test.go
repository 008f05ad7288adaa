package account_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Anna is behind and catching up when Cleo's account, new and live, brings something
// later: it is logged after what Anna has missed.
func TestLiveWaitsForAnotherAccountsCatchUp(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	b.attach(b.login(anna), ra, "a")
	block, entered := make(chan struct{}), make(chan struct{}, 10)
	b.net.OnSync(func(id chat.PersonID) error {
		if id == anna {
			entered <- struct{}{}
			<-block
		}
		return nil
	})
	b.net.Cut(anna)
	b.net.Say(bob, trio, "missed 1")
	b.net.Say(bob, trio, "missed 2")
	<-entered
	b.attach(b.login(cleo), rc, "c")
	eventually(t, func() bool { return b.session(cleo).State().Status == chat.Connected }, "Cleo is live")
	b.net.Say(bob, trio, "live")
	b.net.Say(bob, trio, "live too")
	time.Sleep(50 * time.Millisecond) // it has every chance to overtake
	require.Empty(t, rc.got(trio))
	close(block)
	b.expect(ra, trio, "missed 1", "missed 2", "live", "live too")
	eventually(t, func() bool { n := rc.got(trio); return len(n) > 1 && n[len(n)-1] == "live too" }, "Cleo's")
}

func TestCatchUpHoldsOthersOnlySoLong(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ra, rc := &reader{}, &reader{}
		b.attach(b.login(anna), ra, "a")
		b.attach(b.login(cleo), rc, "c")
		block := make(chan struct{})
		b.net.OnSync(func(id chat.PersonID) error {
			if id == anna {
				<-block
			}
			return nil
		})
		b.net.Cut(anna)
		pass(time.Second)
		b.net.Say(bob, trio, "live")
		pass(8 * time.Second)
		require.Empty(t, rc.got(trio))
		pass(2 * time.Second)
		require.Equal(t, []string{"live"}, rc.got(trio), "10 s in all")
		close(block)
		pass(time.Second)
		require.Equal(t, []string{"live"}, ra.got(trio))
	})
}

func TestAuthorIsRightWhicheverCopyComesFirst(t *testing.T) {
	for _, first := range []chat.PersonID{anna, cleo} {
		t.Run("through "+string(first), func(t *testing.T) {
			b := newBench(t)
			ra, rc := &reader{}, &reader{}
			sa, sc := b.login(anna), b.login(cleo)
			b.attach(sa, ra, "a")
			b.attach(sc, rc, "c")
			other := map[chat.PersonID]chat.PersonID{anna: cleo, cleo: anna}[first]
			block := make(chan struct{})
			b.net.OnSync(func(id chat.PersonID) error {
				if id == other {
					<-block
				}
				return nil
			})
			b.net.Cut(other)
			for i, s := range []account.Session{sa, sc} {
				require.NoError(t, s.Submit(context.Background(), request(trio, fmt.Sprint(i), "by "+string(s.ID()))))
			}
			eventually(t, func() bool { return len(b.net.Sends()) == 2 }, "out")
			time.Sleep(20 * time.Millisecond)
			close(block)
			for i, s := range []account.Session{sa, sc} {
				_, err := await(t, s, fmt.Sprint(i))
				require.NoError(t, err)
				for _, r := range []*reader{ra, rc} {
					eventually(t, func() bool { _, ok := r.find("by " + string(s.ID())); return ok }, "both get it")
					e, _ := r.find("by " + string(s.ID()))
					require.Equal(t, s.ID(), e.Author)
					require.Equal(t, fmt.Sprint(i), e.Origin.Ref)
				}
			}
			require.Equal(t, ra.got(trio), rc.got(trio), "one order")
		})
	}
}

// One Matrix user has two accounts in the same group.
func TestTwoAccountsOfOneUserDoNotMix(t *testing.T) {
	b := newBench(t)
	user := account.User{Side: chat.OriginMatrix, ID: "@both:test"}
	matrix := account.ConsumerID{Side: chat.OriginMatrix}
	readers := map[chat.PersonID]*reader{anna: {}, cleo: {}}
	for _, id := range []chat.PersonID{anna, cleo} {
		s, err := b.m.Login(context.Background(), chat.Credentials{RefreshToken: string(id)}, user)
		require.NoError(t, err)
		b.caughtUp(id)
		_, err = s.Attach(context.Background(), matrix, readers[id], account.ConsumerOptions{})
		require.NoError(t, err)
	}
	readers[cleo].decide = func(chat.Event) account.Result { return account.Result{Outcome: account.Retry} }
	b.net.Say(bob, trio, "to both")
	b.net.Say(bob, duo, "to Anna")
	b.expect(readers[anna], trio, "to both")
	b.expect(readers[anna], duo, "to Anna")
	require.Empty(t, readers[cleo].got(trio), "its own position")
	readers[cleo].mu.Lock()
	readers[cleo].decide = nil
	readers[cleo].mu.Unlock()
	b.expect(readers[cleo], trio, "to both")
	require.Empty(t, readers[cleo].got(duo))
	require.NoError(t, b.session(cleo).MarkRead(context.Background(), chat.Watermark{Conversation: trio, Time: 5}))
	eventually(t, func() bool { return len(b.net.Marks()) == 1 }, "marked")
	require.Equal(t, cleo, b.net.Marks()[0].Person)
	marks, err := b.session(anna).Watermarks(context.Background(), trio)
	require.NoError(t, err)
	require.Zero(t, marks[anna])

	require.NoError(t, b.m.Revoke(context.Background(), cleo, user))
	require.NoError(t, b.m.Remove(context.Background(), cleo))
	b.net.Say(bob, trio, "to Anna alone")
	b.expect(readers[anna], trio, "to both", "to Anna alone")
	require.Equal(t, []string{"to both"}, readers[cleo].got(trio))
}

// What one account saw before another joined is not the other's history.
func TestHistoryOfALaterAccountComesFromTheNetwork(t *testing.T) {
	b := newBench(t)
	ra := &reader{}
	b.attach(b.login(anna), ra, "a")
	b.net.AddConversation("club", "Club", anna, bob)
	b.net.Say(bob, "club", "without Cleo")
	b.expect(ra, "club", "without Cleo")
	b.net.HideBefore(cleo, "club")
	b.net.Post(chat.Event{Conversation: "club", Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{cleo}}})
	s := b.login(cleo)
	b.net.Say(bob, "club", "with Cleo")
	b.expect(ra, "club", "without Cleo", "with Cleo")
	eventually(t, func() bool {
		h, _ := s.History(context.Background(), account.HistoryQuery{Conversation: "club", Limit: 9})
		return len(texts(h)) == 1
	}, "hers")
	history, err := s.History(context.Background(), account.HistoryQuery{Conversation: "club", Limit: 9})
	require.NoError(t, err)
	require.Equal(t, []string{"with Cleo"}, texts(history))
	history, err = b.session(anna).History(context.Background(), account.HistoryQuery{Conversation: "club", Limit: 9})
	require.NoError(t, err)
	require.Equal(t, []string{"without Cleo", "with Cleo"}, texts(history))
}

func TestAskedForPauseIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		sa, sc := b.login(anna), b.login(cleo)
		began := time.Now()
		tries := make(chan time.Duration, 100)
		b.net.OnSend(func(id chat.PersonID, r chat.Request) (f accounttest.Fault) {
			if id == anna {
				tries <- time.Since(began)
				if time.Since(began) < 5*time.Second {
					f.Err = &account.RetryAfter{After: 15 * time.Second, Err: chat.ErrUnavailable}
				}
			}
			return f
		})
		ctx := context.Background()
		require.NoError(t, sa.Submit(ctx, request(duo, "1", "x")))
		pass(time.Second)
		require.NoError(t, sa.Submit(ctx, request(trio, "2", "y")), "waits too")
		b.net.Cut(anna) // wakes everybody
		require.NoError(t, sc.Submit(ctx, request(trio, "3", "z")))
		pass(time.Second)
		_, err := await(t, sc, "3")
		require.NoError(t, err, "another account is not disturbed")
		require.Less(t, time.Since(began), 10*time.Second)
		pass(17 * time.Second)
		require.Len(t, tries, 3)
		require.Less(t, <-tries, time.Second)
		require.GreaterOrEqual(t, <-tries, 15*time.Second)
		require.GreaterOrEqual(t, <-tries, 15*time.Second)
		require.Len(t, texts(b.net.Events(trio)), 2)
	})
}

func TestCredentialsRefusedToRequestsAreBad(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	refused := false
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrBadCredentials}
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "x")))
	_, err := await(t, s, "1")
	require.ErrorIs(t, err, chat.ErrBadCredentials)
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, chat.Connected, s.State().Status, "one refusal may come from a single server")
	b.net.OnSync(func(chat.PersonID) error { refused = true; return chat.ErrBadCredentials })
	require.NoError(t, s.Submit(context.Background(), request(duo, "2", "x")))
	eventually(t, func() bool { return s.State().Status == chat.BadCredentials }, "though the channel is up")
	require.True(t, refused)
	b.net.OnSync(nil)
	b.net.OnSend(nil)
	b.login(anna)
	eventually(t, func() bool { return s.State().Status == chat.Connected }, "mended by a new login")
}
