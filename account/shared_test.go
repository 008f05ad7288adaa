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

// Anna is behind and catching up when Cleo's account brings something later: Cleo gets it at
// once, Anna behind what she has missed.
func TestACatchUpDelaysNoOtherAccount(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	b.attach(b.login(anna), ra, "a")
	b.attach(b.login(cleo), rc, "c")
	block, entered := make(chan struct{}), make(chan struct{}, 10)
	b.net.OnSync(func(id chat.PersonID) error {
		if id == anna {
			entered <- struct{}{}
			<-block
		}
		return nil
	})
	b.net.Cut(anna)
	b.net.Say(bob, trio, "missed")
	<-entered
	b.net.Say(bob, trio, "live")
	b.expect(rc, trio, "missed", "live")
	require.Empty(t, ra.got(trio))
	close(block)
	b.expect(ra, trio, "missed", "live")
}

// Each account knows which events its own requests made; of another's it asks that one.
func TestTheAuthorKnowsWhatMadeAnEvent(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint("pushed ", known), func(t *testing.T) {
			b := newBench(t)
			rc := &reader{}
			s := b.login(anna)
			b.attach(b.login(cleo), rc, "c")
			if !known {
				b.net.Deafen(anna)
			}
			phone := b.net.Say(anna, trio, "same")
			b.expect(rc, trio, "same")
			block := make(chan struct{})
			b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Until: block} })
			require.NoError(t, s.Submit(context.Background(), request(trio, "1", "same")))
			b.expect(rc, trio, "same", "same")
			ctx := context.Background()
			made := func(id chat.EventID) (chat.Event, bool, error) { return s.Made(ctx, chat.OriginIRC, trio, id) }
			ours := rc.events[1]
			require.False(t, ours.Origin.Ours(), "Cleo's copy does not say")
			if !known { // neither of the two is known until the request is answered
				for _, id := range []chat.EventID{phone.ID, ours.ID} {
					_, ok, err := made(id)
					require.ErrorIs(t, err, account.ErrOpenRequest)
					require.ErrorIs(t, err, chat.ErrUnavailable)
					require.False(t, ok)
				}
				_, _, err := s.Made(ctx, chat.OriginMatrix, trio, ours.ID)
				require.NoError(t, err, "a request of another side is not waited for")
			}
			close(block)
			_, err := await(t, s, "1")
			require.NoError(t, err)
			e, ok, err := made(ours.ID)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: "1"}, e.Origin)
			require.Equal(t, ours.Time, e.Time)
			require.Equal(t, account.RequestID(e.Origin), e.RequestID)
			e, ok, err = made(phone.ID)
			require.NoError(t, err)
			require.Equal(t, known, ok)
			require.False(t, e.Origin.Ours())
		})
	}
}

// At the moment of the answer Made returns the open request or the event, never that no request
// made the event.
func TestTheAuthorKnowsAtAnyMoment(t *testing.T) {
	b := newBench(t)
	rc := &reader{}
	s := b.login(anna)
	b.attach(b.login(cleo), rc, "c")
	b.net.Deafen(anna)
	for n := range 50 {
		answer := make(chan struct{})
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Until: answer} })
		require.NoError(t, s.Submit(context.Background(), request(trio, fmt.Sprint(n), "text")))
		eventually(t, func() bool { return len(rc.got(trio)) == n+1 }, "Cleo's copy")
		all := b.net.Events(trio)
		time.AfterFunc(time.Duration(n%10)*time.Millisecond/4, func() { close(answer) })
		for {
			_, ok, err := s.Made(context.Background(), chat.OriginIRC, trio, all[len(all)-1].ID)
			if ok {
				break
			}
			require.ErrorIs(t, err, account.ErrOpenRequest)
		}
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
	readers[cleo].decide = func(chat.Event) error { return errNotNow }
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
