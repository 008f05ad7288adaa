package account_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
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

// again logs an account in once more, and waits for nothing.
func (b *bench) again(id chat.PersonID) {
	b.t.Helper()
	_, err := b.m.Login(context.Background(), chat.Credentials{RefreshToken: string(id)},
		account.User{Side: chat.OriginMatrix, ID: "@" + string(id) + ":test"})
	require.NoError(b.t, err)
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
		for n := 1; n <= 3 && s.State().Status == chat.Connected; n++ { // that the person is active may be accepted between two refusals
			b.submit(s, fmt.Sprint(n))
			pass(time.Second)
		}
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
		b.net.OnSync(func(chat.PersonID) error { return &account.RetryAfter{After: time.Hour, Err: chat.ErrUnavailable} })
		b.net.Cut(anna)
		pass(time.Second)
		b.net.OnMark(nil)
		b.net.OnSync(nil)
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
		b.again(anna)
		pass(time.Second)
		b.net.HoldPushes(true)
		b.submit(s, "1") // its event comes with a catch-up
		_, err := await(t, s, "1")
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
		var asked atomic.Int32
		until := make(chan struct{})
		n.sync = func(_ context.Context, request func() (account.SyncPage, error)) (account.SyncPage, error) {
			asked.Add(1)
			<-until
			return request()
		}
		b.net.Cut(anna)
		all := numbered(10)
		for _, text := range all {
			b.net.Say(bob, duo, text)
		}
		pass(time.Second)
		require.EqualValues(t, 1, asked.Load())
		b.login(anna)
		close(until)
		pass(0)
		require.EqualValues(t, 1, asked.Load(), "the new login's waits a moment")
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

// badStored is a network that cannot use what it has stored of some logins.
type badStored struct {
	*accounttest.Network
	on atomic.Bool
}

func (n *badStored) Open(stored []byte) (account.Connection, error) {
	if n.on.Load() {
		return nil, chat.ErrBadCredentials
	}
	return n.Network.Open(stored)
}

// Stored credentials that cannot be used wait for a new login.
func TestStoredCredentialsThatCannotBeUsed(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.login(anna)
		b.stop()
		n := &badStored{Network: b.net}
		n.on.Store(true)
		b.backend = n
		b.start()
		pass(10 * time.Hour)
		s := b.session(anna)
		require.Equal(t, chat.BadCredentials, s.State().Status)
		require.ErrorIs(t, s.Submit(context.Background(), request(duo, "1", "hi")), chat.ErrBadCredentials)
		n.on.Store(false)
		b.login(anna)
		pass(time.Second)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// Credentials that are refused for the second time are tried again as soon as the first time.
func TestRefusedCredentialsAreTriedSoonAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		for _, refused := range []time.Duration{10 * time.Hour, time.Minute} {
			b.net.Refuse(anna, true)
			pass(refused)
			require.Equal(t, chat.BadCredentials, s.State().Status)
			b.net.Refuse(anna, false)
			if refused > time.Hour {
				pass(2 * time.Hour)
			}
		}
		pass(6 * time.Minute)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// A try of refused credentials that does not end is given up; the account stays without good ones.
func TestATryThatDoesNotEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		n := &channelless{Network: b.net, away: new(atomic.Bool)}
		b.backend = n
		b.start()
		s := b.login(anna)
		b.net.Refuse(anna, true)
		pass(time.Second)
		n.away.Store(true)
		r := &reader{}
		b.attach(s, r, "a")
		pass(0)
		require.Equal(t, chat.BadCredentials, r.shown()[0].Status)
		pass(5 * time.Hour)
		require.Empty(t, r.shown(), "credentials are bad until the network takes them")
		require.Equal(t, chat.BadCredentials, s.State().Status)
		n.away.Store(false)
		b.net.Refuse(anna, false)
		pass(2 * time.Hour)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// A new login connects at once.
func TestANewLoginConnectsAtOnce(t *testing.T) {
	inTime(t, func(o *account.Options) { o.BackoffMin, o.BackoffMax = time.Minute, time.Hour },
		func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
			b.again(anna)
			pass(time.Second)
			require.Equal(t, chat.Connected, s.State().Status)
			b.net.Cut(anna)
			b.again(anna)
			pass(time.Second)
			require.Equal(t, chat.Connected, s.State().Status)
		})
}

// A refusal of the old login's and one of the new login's are not two in a row.
func TestANewLoginKeepsNoRefusal(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		pass(time.Second)
		var refuse atomic.Bool
		b.net.OnSync(func(chat.PersonID) error { return chat.ErrUnavailable })
		b.net.OnMark(func(chat.PersonID, int64) error {
			if refuse.CompareAndSwap(true, false) {
				return chat.ErrBadCredentials
			}
			return chat.ErrUnavailable
		})
		refuse.Store(true)
		b.mark(100, "1")
		pass(time.Second)
		b.again(anna)
		refuse.Store(true)
		b.mark(200, "2")
		pass(time.Second)
		require.False(t, refuse.Load())
		require.Equal(t, chat.Connecting, s.State().Status)
	})
}

// A network that wants a pause before it is connected to again gets it.
func TestAConnectionThatIsToWait(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		n := &farewell{Network: b.net}
		b.backend = n
		b.start()
		b.login(anna)
		n.err.Store(&account.RetryAfter{After: time.Hour, Err: chat.ErrUnavailable})
		b.net.Cut(anna)
		pass(59 * time.Minute)
		require.Equal(t, 1, b.net.Runs(anna))
		n.err.Store(nil)
		pass(2 * time.Minute)
		require.Equal(t, 2, b.net.Runs(anna))
	})
}

// What a catch-up brings while there is no channel could not be pushed: the next channel is good.
func TestNoChannelIsNotDeaf(t *testing.T) {
	watched(t, func(o *account.Options) { o.BackoffMin, o.BackoffMax = 5*time.Minute, 5*time.Minute }, func(t *testing.T, b *bench, r *reader) {
		b.stop()
		log := new(logLines)
		b.log = zerolog.New(log)
		b.start()
		b.attach(b.session(anna), r, "a")
		pass(2 * time.Minute)
		b.net.Cut(anna)
		b.net.Say(bob, duo, "missed")
		pass(time.Minute)
		b.submit(b.session(anna), "1") // its event comes with a catch-up
		pass(time.Minute)
		require.Equal(t, []string{"missed", "text 1"}, r.got(duo))
		require.Equal(t, chat.Disconnected, b.session(anna).State().Status)
		pass(time.Hour)
		require.Equal(t, 2, b.net.Runs(anna)-1)
		require.NotContains(t, strings.Join(log.all(), ""), "Reconnecting")
	})
}

// What the network asks for lasts an hour at most.
func TestAPauseHasAnEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		b.net.OnMark(func(chat.PersonID, int64) error {
			return &account.RetryAfter{After: 24 * time.Hour, Err: chat.ErrUnavailable}
		})
		b.mark(100, "1")
		pass(time.Second)
		b.net.OnMark(nil)
		pass(time.Hour)
		b.submit(s, "1")
		pass(time.Second)
		require.Len(t, b.net.Sends(), 1)
	})
}

// A rate limit of one second, answered to a request in flight, does not shorten a longer pause.
func TestAShortPauseEndsNoLongOne(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		until := make(chan struct{})
		wait := func(d time.Duration) error { return &account.RetryAfter{After: d, Err: chat.ErrUnavailable} }
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			return accounttest.Fault{Err: wait(time.Second), Until: until}
		})
		b.submit(s, "1")
		pass(time.Second)
		b.net.OnMark(func(chat.PersonID, int64) error { return wait(10 * time.Second) })
		b.mark(100, "1")
		pass(time.Second)
		b.net.OnSend(nil)
		b.net.OnMark(nil)
		close(until)
		pass(5 * time.Second)
		require.Empty(t, b.net.Sends())
		pass(10 * time.Second)
		require.Len(t, b.net.Sends(), 1)
	})
}
