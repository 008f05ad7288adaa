package account_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestConsumerStartsAtTheHeadAndGetsEachEventOnce(t *testing.T) {
	b := newBench(t)
	b.net.Say(bob, duo, "before the login")
	s := b.login(anna)
	b.net.Say(bob, duo, "before the consumer")
	eventually(t, func() bool { h, _ := b.db.Log().Head(context.Background(), anna, duo); return h == 1 }, "logged")
	r := &reader{}
	b.attach(s, r, "a")
	e := b.net.Say(bob, duo, "one")
	b.net.Say(bob, duo, "two")
	b.expect(r, duo, "one", "two")
	got, ok := r.find("one")
	require.True(t, ok)
	require.Equal(t, e.Time, got.Time, "the network's own time, in µs")
	require.Equal(t, bob, got.Author)
	history, err := s.History(context.Background(), account.HistoryQuery{Conversation: duo, Limit: 10})
	require.NoError(t, err)
	var texts []string
	for _, h := range history {
		texts = append(texts, h.Message.Text.String())
	}
	require.Equal(t, []string{"before the login", "before the consumer", "one", "two"}, texts)
}

func TestUnacknowledgedEventsComeAgainAfterRestart(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a")
	b.net.Say(bob, duo, "one")
	b.expect(r, duo, "one")
	var tries atomic.Int32
	r.mu.Lock()
	r.decide = func(chat.Event) error {
		tries.Add(1)
		return errors.New("not now")
	}
	r.mu.Unlock()
	b.net.Say(bob, duo, "two")
	b.net.Say(bob, duo, "three")
	b.net.Say(bob, trio, "elsewhere")
	eventually(t, func() bool { return tries.Load() > 3 }, "retries")
	b.restart()
	b.net.Say(bob, duo, "four")
	r2 := &reader{}
	b.attach(b.session(anna), r2, "a")
	b.expect(r2, duo, "two", "three", "four")
	b.expect(r2, trio, "elsewhere")
}

func TestOneStalledConversationDelaysNoOther(t *testing.T) {
	b := newBench(t)
	r := &reader{decide: func(e chat.Event) error {
		if e.Conversation == duo {
			return errNotNow
		}
		return nil
	}}
	b.attach(b.login(anna), r, "a")
	b.net.Say(bob, duo, "stuck")
	for _, text := range numbered(50) {
		b.net.Say(cleo, trio, text)
	}
	b.expect(r, trio, numbered(50)...)
	require.Empty(t, r.got(duo))
	require.Zero(t, r.overlaps.Load())
	r.mu.Lock()
	r.decide = nil
	r.mu.Unlock()
	b.expect(r, duo, "stuck")
}

func TestPermanentIsPassed(t *testing.T) {
	b := newBench(t)
	r := &reader{decide: func(e chat.Event) error {
		if e.Message.Text.String() == "poison" {
			return account.Permanent(errors.New("never"))
		}
		return nil
	}}
	b.attach(b.login(anna), r, "a")
	b.net.Say(bob, duo, "one")
	b.net.Say(bob, duo, "poison")
	b.net.Say(bob, duo, "two")
	b.expect(r, duo, "one", "two")
}

func TestNewConversationIsShownFromItsFirstEvent(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "a")
	b.net.AddConversation("new", "New", anna, bob)
	b.net.Say(bob, "new", "hello")
	b.net.Say(bob, "new", "again")
	b.expect(r, "new", "hello", "again")
	c, err := b.session(anna).Conversation(context.Background(), "new")
	require.NoError(t, err)
	require.Equal(t, "New", c.Name)
}

func TestTwoAccountsOfAGroupHaveTheirOwnLogs(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	b.attach(b.login(anna), ra, "a")
	b.attach(b.login(cleo), rc, "c")
	for _, text := range numbered(100) {
		b.net.Say(bob, trio, text)
	}
	b.expect(ra, trio, numbered(100)...)
	b.expect(rc, trio, numbered(100)...)
	for _, id := range []chat.PersonID{anna, cleo} {
		head, err := b.db.Log().Head(context.Background(), id, trio)
		require.NoError(t, err)
		require.EqualValues(t, 100, head, "each event is logged once")
	}
	b.net.Say(bob, duo, "private")
	b.expect(ra, duo, "private")
	require.Empty(t, rc.got(duo), "Cleo is not in it")
}

func TestAfterLeavingNothingMoreIsShown(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	b.attach(b.login(anna), ra, "a")
	b.attach(b.login(cleo), rc, "c")
	b.net.Say(bob, trio, "with Cleo")
	b.expect(rc, trio, "with Cleo")
	b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{cleo}}})
	eventually(t, func() bool {
		c, err := b.session(cleo).Conversation(context.Background(), trio)
		return err == nil && c.Standing == chat.Left
	}, "left")
	b.net.Say(bob, trio, "without Cleo")
	b.expect(ra, trio, "with Cleo", "without Cleo")
	b.restart()
	rc2 := &reader{}
	b.attach(b.session(cleo), rc2, "c")
	b.attach(b.session(anna), ra, "a")
	b.net.Say(bob, trio, "still without")
	b.expect(ra, trio, "with Cleo", "without Cleo", "still without")
	require.Empty(t, rc2.got(trio))
	require.ErrorIs(t, b.session(cleo).Submit(context.Background(), request(trio, "x", "hi")), chat.ErrRefused)
}

// What is shown of a conversation begins with the event that brought the account back, whatever
// another conversation has under the same id.
func TestReturnIsAnEventOfItsConversation(t *testing.T) {
	b := newBench(t)
	b.net.AddConversation("club", "Club", bob, cleo)
	r := &reader{}
	b.attach(b.login(cleo), r, "c")
	for _, text := range numbered(3) {
		b.net.Say(bob, trio, text)
	}
	b.expect(r, trio, numbered(3)...)
	b.stop()
	moves := func(joined bool, id chat.EventID) {
		b.net.Post(chat.Event{Conversation: trio, ID: id, Author: bob, Kind: chat.KindMembership,
			Membership: &chat.Membership{Joined: joined, People: []chat.PersonID{cleo}}})
	}
	moves(false, "")
	moves(true, "same")
	b.net.Post(chat.Event{Conversation: "club", ID: "same", Author: bob, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("hi")}})
	b.start()
	b.attach(b.session(cleo), r, "c")
	b.expect(r, "club", "hi")
	e, known, err := b.db.Log().Find(t.Context(), cleo, trio, "same")
	require.NoError(t, err)
	require.True(t, known)
	row, err := b.db.Snapshots().Conversation(t.Context(), cleo, trio)
	require.NoError(t, err)
	require.Equal(t, e.Seq-1, row.Start)
}

func TestReattachingReplacesTheOldOne(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r1, r2 := &reader{}, &reader{}
	b.attach(s, r1, "a")
	b.attach(s, r2, "a")
	b.net.Say(bob, duo, "one")
	b.expect(r2, duo, "one")
	require.Empty(t, r1.got(duo))
}

// lookedAt is a log that calls back when it has nothing to read.
type lookedAt struct {
	account.Log
	found func()
}

func (l *lookedAt) Read(ctx context.Context, of chat.PersonID, conversation chat.ConversationID, after int64, limit int) ([]chat.Event, error) {
	events, err := l.Log.Read(ctx, of, conversation, after, limit)
	if len(events) == 0 {
		l.found()
	}
	return events, err
}

// An event that is logged just after a consumer has found nothing more to deliver is delivered
// at once, not with the next one.
func TestEventAfterALookThatFoundNothing(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.db = openDB(t, b.path)
	var armed, struck atomic.Bool
	b.m = account.NewManager(b.db, b.backend, b.options, b.log)
	account.SetLog(b.m, &lookedAt{b.db.Log(), func() {
		if !armed.CompareAndSwap(true, false) {
			return
		}
		e := b.net.Say(bob, duo, "just then")
		for known := false; !known; {
			_, known, _ = b.db.Log().Find(context.Background(), anna, duo, e.ID)
		}
		_ = b.db.Write(context.Background(), func(context.Context) error { return nil }) // everybody has been notified by then
		struck.Store(true)
	}})
	require.NoError(t, b.m.Start(context.Background()))
	r := &reader{}
	s := b.login(anna)
	b.attach(s, r, "a")
	b.net.Say(bob, duo, "before")
	b.expect(r, duo, "before")
	armed.Store(true)
	eventually(t, func() bool {
		account.Notify(s, duo, 1) // of an event that it has delivered
		return struck.Load()
	}, "nothing to be found")
	b.expect(r, duo, "before", "just then")
}
