package account_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// refusedSends has the network refuse the credentials of n requests, when until is closed.
func (b *bench) refusedSends(s account.Session, n int, until <-chan struct{}) {
	b.t.Helper()
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrBadCredentials, Until: until}
	})
	for i := range n {
		id := chat.ConversationID(fmt.Sprint("group", i))
		require.NoError(b.t, s.Submit(context.Background(), request(id, fmt.Sprint(i), "hi")))
	}
	pass(time.Second)
	b.net.OnSend(nil)
}

// Requests of the old login are refused after the new one: that says nothing of the new one.
func TestRefusalsOfTheOldLoginAreOld(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for i := range 10 {
			b.net.AddConversation(chat.ConversationID(fmt.Sprint("group", i)), "", anna, bob, cleo)
		}
		s := b.login(anna)
		r := &reader{}
		b.attach(s, r, "a")
		until := make(chan struct{})
		b.refusedSends(s, 10, until)
		b.login(anna)
		pass(time.Second)
		r.shown()
		close(until)
		pass(time.Second)
		require.Empty(t, r.shown())
		require.Equal(t, chat.Connected, s.State().Status)
		pass(time.Minute)
		require.Len(t, b.net.Sends(), 10, "they were certainly not accepted: the new login sends them")
	})
}

// A catch-up that ends well after the credentials were found bad does not make the account connected.
func TestACatchUpDoesNotMendCredentials(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
		until := make(chan struct{})
		n.sync = func(_ context.Context, request func() (account.SyncPage, error)) (account.SyncPage, error) {
			<-until
			return request()
		}
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			return accounttest.Fault{Err: chat.ErrBadCredentials}
		})
		b.submit(s, "1")
		b.submit(s, "2")
		pass(time.Second)
		require.Equal(t, chat.BadCredentials, s.State().Status)
		close(until)
		pass(time.Second)
		require.Equal(t, chat.BadCredentials, s.State().Status)
	})
}

// The pause that the network wanted from the old login does not hold up the new one.
func TestANewLoginKeepsNoPause(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		b.net.OnMark(func(chat.PersonID, int64) error {
			return &account.RetryAfter{After: time.Hour, Err: chat.ErrUnavailable}
		})
		b.mark(100, "1")
		pass(time.Second)
		b.net.OnMark(nil)
		b.login(anna)
		pass(10 * time.Second)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// A new login is not connected by a catch-up before it has a channel of its own.
func TestANewLoginNeedsItsOwnChannel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		n := &channelless{Network: b.net, away: new(atomic.Bool)}
		b.backend = n
		b.start()
		s := b.login(anna)
		pass(time.Second)
		n.away.Store(true)
		_, err := b.m.Login(context.Background(), chat.Credentials{RefreshToken: string(anna)}, account.User{Side: chat.OriginMatrix, ID: "@" + string(anna) + ":test"})
		require.NoError(t, err)
		pass(time.Second)
		b.net.HoldPushes(true)
		b.submit(s, "1") // its event comes with a catch-up
		_, err = await(t, s, "1")
		require.NoError(t, err)
		pass(10 * time.Second)
		require.Equal(t, chat.Connecting, s.State().Status)
		n.away.Store(false)
	})
}

// Refused credentials are tried again as often as they should, though there is no channel meanwhile.
func TestRefusedCredentialsAreTriedForHours(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		b.net.Refuse(anna, true)
		b.net.Cut(anna)
		pass(10 * time.Hour)
		require.Equal(t, chat.BadCredentials, s.State().Status)
		b.net.Refuse(anna, false)
		pass(2 * time.Hour)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// Connections that end at once become rare; after one that lasted the next comes soon.
func TestShortConnectionsBecomeRare(t *testing.T) {
	watched(t, func(o *account.Options) { o.BackoffMin, o.BackoffMax = time.Second, time.Minute }, func(t *testing.T, b *bench, _ *reader) {
		for range 600 {
			b.net.Cut(anna)
			pass(time.Second)
		}
		require.Less(t, b.net.Runs(anna), 30)
		pass(10 * time.Minute)
		runs := b.net.Runs(anna)
		b.net.Cut(anna)
		pass(2 * time.Second)
		require.Equal(t, runs+1, b.net.Runs(anna))
	})
}

// A request that waits for the network is retried as soon as the account's state changes.
func TestARequestWakesWithTheAccount(t *testing.T) {
	inTime(t, func(o *account.Options) {
		o.SendWait, o.BackoffMin, o.BackoffMax = 4*time.Minute, time.Second, 3*time.Minute
	},
		func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
			b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
				return accounttest.Fault{Err: chat.ErrUnavailable}
			})
			b.submit(s, "1")
			pass(70 * time.Second) // the next try is at 127 s
			b.net.OnSend(nil)
			b.net.Cut(anna)
			pass(10 * time.Second)
			require.Len(t, b.net.Sends(), 1)
		})
}

// A catch-up of the old login asks no more once there is a new one.
func TestANewLoginEndsTheOldCatchUp(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
		r := &reader{}
		b.attach(s, r, "a")
		b.net.LimitSync(2)
		until, asked := make(chan struct{}), 0
		n.sync = func(_ context.Context, request func() (account.SyncPage, error)) (account.SyncPage, error) {
			asked++
			<-until
			return request()
		}
		b.net.Cut(anna)
		all := numbered(10)
		for _, text := range all {
			b.net.Say(bob, duo, text)
		}
		pass(time.Second)
		require.Equal(t, 1, asked)
		b.login(anna)
		close(until)
		pass(0)
		require.Equal(t, 1, asked, "the new login's waits a moment")
		pass(10 * time.Second)
		require.Equal(t, all, r.got(duo))
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// Requests that are refused late do not put off the next try of the credentials.
func TestLateRefusalsPutNothingOff(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for i := range 10 {
			b.net.AddConversation(chat.ConversationID(fmt.Sprint("group", i)), "", anna, bob, cleo)
		}
		b.stop()
		b.options.Recheck = 10 * time.Minute
		b.start()
		s := b.login(anna)
		pass(time.Second)
		until := make(chan struct{})
		b.refusedSends(s, 10, until)
		b.net.OnMark(func(chat.PersonID, int64) error { return chat.ErrBadCredentials })
		b.net.OnSync(func(chat.PersonID) error { return chat.ErrBadCredentials })
		b.mark(100, "1")
		pass(time.Second)
		require.Equal(t, chat.BadCredentials, s.State().Status)
		close(until)
		b.net.OnSync(nil)
		pass(12 * time.Minute)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}
