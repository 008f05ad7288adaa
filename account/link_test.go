package account_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// An event of a conversation that nobody has introduced is logged before what is pushed behind it, also
// when the catch-up that it leads to does not bring it.
func TestAPushOfAnUnknownConversation(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		late, s := &lateNetwork{Backend: b.net}, &spy{Network: b.net}
		s.open = late.Open
		b.backend = s
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(time.Second)
		r.shown()
		late.hidden.Store(true)
		late.silent.Store(true)
		b.net.Deafen(anna)
		b.net.AddConversation("new", "New", anna, bob)
		for i := range 5 {
			first, second := b.net.Say(bob, "new", fmt.Sprint("new ", i)), b.net.Say(bob, "new", fmt.Sprint("behind ", i))
			require.NoError(t, s.sinks[0].Push(context.Background(), account.Update{Events: []account.ReceivedEvent{{Event: first}}}))
			require.NoError(t, s.sinks[0].Push(context.Background(), account.Update{Events: []account.ReceivedEvent{{Event: second}}}))
		}
		pass(10 * time.Second)
		require.Equal(t, "new 0 behind 0 new 1 behind 1 new 2 behind 2 new 3 behind 3 new 4 behind 4", strings.Join(r.got("new"), " "))
		require.Equal(t, 1, b.net.Runs(anna))
		require.Empty(t, r.shown())
	})
}

// However many conversations are pushed that nobody knows, the network is not asked without a pause, and what is
// pushed beside them comes.
func TestManyPushesOfUnknownConversations(t *testing.T) {
	spied(t, func(b *bench, r *reader, sink account.Sink) {
		var syncs atomic.Int32
		b.net.OnSync(func(chat.PersonID) error { syncs.Add(1); return nil })
		const seconds = 20
		for i := range 20 * seconds {
			e := chat.Event{V: chat.Version, Conversation: chat.ConversationID(fmt.Sprint("nowhere ", i)), ID: chat.EventID(fmt.Sprint(i)), Time: time.Now().UnixMicro(),
				Author: bob, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("hi")}}
			require.NoError(t, sink.Push(context.Background(), account.Update{Events: []account.ReceivedEvent{{Event: e}}}))
			if i%100 == 0 {
				b.net.Say(bob, duo, fmt.Sprint("beside ", i))
			}
			pass(50 * time.Millisecond)
		}
		pass(5 * time.Second)
		require.Equal(t, "beside 0 beside 100 beside 200 beside 300", strings.Join(r.got(duo), " "))
		require.LessOrEqual(t, int(syncs.Load()), seconds+5)
	}, func(o *account.Options) { o.BackoffMin = time.Second })
}

// farewell is a network whose channels say when they end that pushes flow, push something, and then say
// that pushes do not flow.
type farewell struct {
	*accounttest.Network
	on   atomic.Bool
	last account.Update
	err  atomic.Pointer[account.RetryAfter] // why they end
}

type farewellConnection struct {
	account.Connection
	n *farewell
}

func (n *farewell) Open(stored []byte) (account.Connection, error) {
	conn, err := n.Network.Open(stored)
	return &farewellConnection{conn, n}, err
}

func (c *farewellConnection) Run(ctx context.Context, sink account.Sink) error {
	err := c.Connection.Run(ctx, sink)
	if c.n.on.Load() {
		sink.Subscribed()
		_ = sink.Push(context.WithoutCancel(ctx), c.n.last)
		sink.Lost()
	}
	if wait := c.n.err.Load(); wait != nil {
		err = wait
	}
	return err
}

// A channel that is given up because the credentials are refused does not make them good with its last words.
func TestLastWordsOfAChannel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		n := &farewell{Network: b.net}
		b.backend = n
		b.start()
		s := b.login(anna)
		r := &reader{}
		b.attach(s, r, "a")
		pass(time.Second)
		n.on.Store(true)
		b.net.OnSync(func(chat.PersonID) error { return chat.ErrBadCredentials })
		b.net.OnMark(func(chat.PersonID, int64) error { return chat.ErrBadCredentials })
		b.mark(100, "1")
		pass(time.Minute)
		require.Equal(t, chat.BadCredentials, s.State().Status)
		require.Equal(t, 1, b.net.Runs(anna))
	})
}

// What a channel pushes after it was given up may come after a gap: it waits for the catch-up.
func TestTheLastPushOfAChannel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.CatchupEvery, b.options.CompareEvery = 1000*time.Hour, 1000*time.Hour
		n := &farewell{Network: b.net}
		b.backend = n
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(time.Second)
		b.net.Silence(anna)
		b.net.Say(bob, duo, "missed")
		n.last.Events = []account.ReceivedEvent{{Event: b.net.Say(bob, duo, "last")}}
		n.on.Store(true)
		pass(5 * time.Minute)
		require.Equal(t, 2, b.net.Runs(anna))
		require.Equal(t, []string{"missed", "last"}, r.got(duo))
	})
}

// While catch-ups fail, what is kept aside is let go after some time: not past an update that is still
// on its way into the log, and has to wait there for its conversation.
func TestNothingOvertakesAnUpdateOnItsWay(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.AsidePatience = time.Second
		s := &spy{Network: b.net}
		b.backend = s
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(time.Second)
		release := make(chan struct{})
		b.db.WriteLater(context.Background(), func(context.Context) error { <-release; return nil }, func(error) {})
		b.net.AddConversation("new", "New", anna, bob)
		b.net.Say(bob, "new", "first")
		pass(time.Second)
		b.net.OnSync(func(chat.PersonID) error { return chat.ErrUnavailable })
		s.sinks[0].Subscribed()
		pass(time.Minute)
		b.net.Deafen(anna)
		known := account.Update{Conversations: []chat.ConversationDelta{{ID: "new", Complete: true}},
			Events: []account.ReceivedEvent{{Event: b.net.Say(bob, "new", "behind it")}}}
		require.NoError(t, s.sinks[0].Push(context.Background(), known))
		pass(time.Second)
		close(release)
		pass(time.Minute)
		require.Equal(t, []string{"first", "behind it"}, r.got("new"))
	})
}

// slowList is a network that answers a comparison only when its time is over.
type slowList struct {
	*accounttest.Network
	looks, ended atomic.Int32
}

type slowListConnection struct {
	account.Connection
	n *slowList
}

func (n *slowList) Open(stored []byte) (account.Connection, error) {
	conn, err := n.Network.Open(stored)
	return &slowListConnection{conn, n}, err
}

func (c *slowListConnection) Conversations(ctx context.Context, before int64, limit int) (account.ConversationPage, error) {
	if limit < 100 {
		c.n.looks.Add(1)
		<-ctx.Done()
		c.n.ended.Add(1)
		return account.ConversationPage{}, ctx.Err()
	}
	return c.Connection.Conversations(ctx, before, limit)
}

// A comparison that has no answer holds no catch-up up.
func TestACatchUpDoesNotWaitForALook(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.CatchupEvery = 1000 * time.Hour
		n := &slowList{Network: b.net}
		b.backend = n
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(3 * time.Minute)
		require.EqualValues(t, 1, n.looks.Load())
		require.Zero(t, n.ended.Load())
		b.net.Cut(anna)
		b.net.Say(bob, duo, "missed")
		pass(time.Second)
		require.Equal(t, []string{"missed"}, r.got(duo))
		require.Equal(t, chat.Connected, b.session(anna).State().Status)
	})
}

// While the channel is being repaired the account is not connected, whatever a catch-up brings.
func TestABrokenChannelIsNotConnected(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		n := &spy{Network: b.net}
		b.backend = n
		b.start()
		s := b.login(anna)
		pass(time.Second)
		b.net.HoldPushes(true)
		n.sinks[0].Lost()
		b.submit(s, "1") // its event comes with a catch-up
		_, err := await(t, s, "1")
		require.NoError(t, err)
		pass(10 * time.Second)
		require.Equal(t, chat.Connecting, s.State().Status)
		n.sinks[0].Subscribed()
		pass(time.Second)
		require.Equal(t, chat.Connected, s.State().Status)
	})
}

// What is on its way into the log when its account goes holds up nobody else.
func TestAnAccountGoesWithUpdatesOnTheirWay(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.login(anna)
		r := &reader{}
		b.attach(b.login(cleo), r, "c")
		pass(time.Second)
		release, removed := make(chan struct{}), make(chan error, 1)
		b.db.WriteLater(context.Background(), func(context.Context) error { <-release; return nil }, func(error) {})
		for range 3 * account.MaxInputs {
			b.net.Say(bob, duo, "on its way")
		}
		pass(time.Second)
		go func() { removed <- b.m.Remove(context.Background(), anna) }()
		pass(time.Second)
		close(release)
		require.NoError(t, <-removed)
		b.net.Say(bob, trio, "for Cleo")
		pass(time.Second)
		require.Equal(t, []string{"for Cleo"}, r.got(trio))
	})
}

// A trouble that stays the same is shown once, in one line.
func TestATroubleIsShownOnce(t *testing.T) {
	watched(t, func(*account.Options) {}, func(t *testing.T, b *bench, r *reader) {
		b.net.OnSync(func(chat.PersonID) error { return fmt.Errorf("broken\n%s", strings.Repeat("x", 1000)) })
		b.net.Cut(anna)
		pass(time.Second)
		shown := r.shown()
		require.True(t, strings.HasPrefix(shown[len(shown)-1].Reason, "catching up failed: sync: broken x"))
		require.LessOrEqual(t, len(shown[len(shown)-1].Reason), 510)
		pass(10 * time.Minute)
		require.Empty(t, r.shown())
	})
}

// A new account is ready when its conversations are known, in the run of its first login too.
func TestANewAccountIsReady(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, b.login(anna).Ready(ctx))
	})
}

// All people are asked for again when the time has come, while there is a connection.
func TestAllPeopleAreLookedUpAgain(t *testing.T) {
	watched(t, func(o *account.Options) { o.PeopleEvery = time.Hour }, func(t *testing.T, b *bench, r *reader) {
		name := func() string {
			people, err := b.session(anna).People(context.Background(), bob)
			require.NoError(t, err)
			return people[bob].FullName
		}
		for _, want := range []string{"Bob Black", "Bob Blue"} {
			b.net.Deafen(anna)
			b.net.AddPerson(bob, want)
			pass(65 * time.Minute)
			require.Equal(t, want, name())
		}
	})
}
