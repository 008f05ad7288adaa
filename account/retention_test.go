package account_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

const day = 24 * time.Hour

// slowly is a bench whose background work leaves room for months.
func slowly(t *testing.T, test func(t *testing.T, b *bench)) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.RefreshEvery, b.options.CatchupEvery, b.options.CompareEvery = day, day, day
		b.options.TrimEvery, b.options.Silence = 12*time.Hour, 1000*day
		b.options.BackoffMin, b.options.BackoffMax = time.Hour, time.Hour
		b.start()
		test(t, b)
	})
}

// logged is Anna's log.
func (b *bench) logged(id chat.ConversationID) (texts []string) {
	events, err := b.db.Log().Read(context.Background(), anna, id, 0, 1000)
	require.NoError(b.t, err)
	for _, e := range events {
		text := "-"
		if e.Message != nil {
			text = e.Message.Text.String()
		}
		texts = append(texts, text)
	}
	return texts
}

func TestAcknowledgedEventsGoAfterTheirTime(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		r, slow := &reader{}, &reader{decide: func(chat.Event) error { return errNotNow }}
		s := b.login(anna)
		b.attach(s, r, "a")
		b.net.Say(bob, duo, "old")
		pass(20 * day)
		b.net.Say(bob, duo, "new")
		pass(9 * day)
		require.Equal(t, []string{"old", "new"}, b.logged(duo))
		pass(2 * day)
		require.Equal(t, []string{"new"}, b.logged(duo), "30 days")
		history, err := s.History(context.Background(), account.HistoryQuery{Conversation: duo, Limit: 5})
		require.NoError(t, err)
		require.Equal(t, []string{"old", "new"}, texts(history), "the network still has it")

		a := b.attach(s, slow, "slow")
		b.net.Say(bob, duo, "not taken")
		b.net.Say(bob, duo, "last")
		pass(time.Second)
		a.Detach()
		pass(25 * day)
		b.attach(s, slow, "slow") // is seen again
		pass(20 * day)
		require.Equal(t, []string{"not taken", "last"}, b.logged(duo), "what a consumer has not taken outlives its time")
	})
}

func TestMessagesWithoutHistoryExpire(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		r := &reader{}
		s := b.login(anna)
		a := b.attach(s, r, "a")
		pass(time.Second)
		expires := time.Now().Add(day - time.Hour).UnixMicro() // the network is an hour behind
		say := func(text string, expires int64) {
			b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindMessage, Expires: expires,
				Message: &chat.Message{Text: chat.Plain(text)}})
		}
		say("delivered", expires)
		pass(time.Second)
		a.Detach()
		say("not delivered", expires)
		say("stays", 0)
		say("last", expires)
		pass(time.Second)
		history := func() []string {
			events, err := s.History(context.Background(), account.HistoryQuery{Conversation: duo, Limit: 9})
			require.NoError(t, err)
			return texts(events)
		}
		require.Equal(t, []string{"delivered", "not delivered", "stays", "last"}, history())
		pass(day)
		require.Equal(t, []string{"stays"}, history(), "at once, from log and network")
		b.attach(s, r, "a")
		pass(time.Second)
		require.Equal(t, []string{"delivered", "stays"}, r.got(duo))
		pass(day)
		require.Equal(t, []string{"stays", "-"}, b.logged(duo), "no text is left")
		b.net.Say(bob, duo, "next")
		pass(time.Second)
		require.Equal(t, []string{"delivered", "stays", "next"}, r.got(duo))
	})
}

func TestIRCClientsAreForgotten(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		known := func(name string) bool {
			is, err := s.Attached(context.Background(), account.ConsumerID{Side: chat.OriginIRC, Name: name})
			require.NoError(t, err)
			return is
		}
		stays := &reader{}
		b.attach(s, stays, "stays")
		b.attach(s, &reader{}, "gone").Detach()
		_, err := s.Attach(context.Background(), account.ConsumerID{Side: chat.OriginMatrix}, &reader{}, account.ConsumerOptions{})
		require.NoError(t, err)
		pass(29 * day)
		require.True(t, known("gone"))
		pass(2 * day)
		require.False(t, known("gone"))
		require.True(t, known("stays"), "it is there")
		b.net.Say(bob, duo, "on")
		pass(time.Second)
		require.Equal(t, []string{"on"}, stays.got(duo))
		for i := range 40 {
			b.attach(s, &reader{}, fmt.Sprintf("client%02d", i)).Detach()
			pass(time.Minute)
		}
		require.False(t, known("client08"), "the longest unseen, at once")
		require.True(t, known("client09"))
		require.True(t, known("client39"))
		require.True(t, known("stays"))
		matrix, err := s.Attached(context.Background(), account.ConsumerID{Side: chat.OriginMatrix})
		require.NoError(t, err)
		require.True(t, matrix)
	})
}

func TestRequestIDsAreKeptForThirtyDays(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.HistoryKeep = time.Nanosecond
		b.start()
		s := b.login(anna)
		submit := func(ref string) {
			require.NoError(t, s.Submit(context.Background(), request(duo, ref, ref)))
			pass(time.Second)
		}
		submit("1")
		row, err := b.db.Outbox().ByOrigin(context.Background(), chat.Origin{Side: chat.OriginIRC, Ref: "1"})
		require.NoError(t, err)
		require.Nil(t, row.Request.Message, "no text is left")
		submit("2")
		pass(29 * day)
		submit("1")
		require.Len(t, b.net.Sends(), 2, "a repeat is recognised")
		pass(2 * day)
		_, err = b.db.Outbox().ByOrigin(context.Background(), chat.Origin{Side: chat.OriginIRC, Ref: "1"})
		require.Error(t, err)
		require.Len(t, b.net.Sends(), 2)
	})
}

func TestConsumersHavePositionsOfTheirOwn(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	phone, desk := &reader{}, &reader{}
	onPhone := b.attach(s, phone, "phone")
	b.attach(s, desk, "desk")
	b.net.Say(bob, duo, "both")
	b.expect(phone, duo, "both")
	b.expect(desk, duo, "both")
	onPhone.Detach()
	b.net.Say(bob, duo, "desk first")
	b.expect(desk, duo, "both", "desk first")
	require.NoError(t, s.Forget(context.Background(), account.ConsumerID{Side: chat.OriginIRC, Name: "desk"}))
	b.restart()
	b.login(anna) // credentials anew: positions stay
	s = b.session(anna)
	b.attach(s, phone, "phone")
	b.expect(phone, duo, "both", "desk first")
	again := &reader{}
	b.attach(s, again, "desk")
	b.net.Say(bob, duo, "third")
	b.expect(again, duo, "third")
	history, err := s.History(context.Background(), account.HistoryQuery{Conversation: duo, Limit: 9})
	require.NoError(t, err)
	require.Equal(t, []string{"both", "desk first", "third"}, texts(history))
}
