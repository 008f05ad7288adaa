package account_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

func clock(shift time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(shift) }
}

// leaveOpen leaves a request without an answer that the network has, one that it does not
// have, and one that could not leave.
func (b *bench) leaveOpen(s account.Session) {
	b.t.Helper()
	b.net.Deafen(anna)
	b.net.OnSync(func(chat.PersonID) error { return chat.ErrUnavailable })
	b.net.OnSend(func(_ chat.PersonID, r chat.Request) accounttest.Fault {
		switch r.Message.Text.String() {
		case "taken":
			return accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}
		case "lost":
			return accounttest.Fault{Err: account.ErrAmbiguous}
		}
		return accounttest.Fault{Err: chat.ErrUnavailable}
	})
	for id, text := range map[chat.ConversationID]string{duo: "taken", trio: "lost", "club": "pending"} {
		require.NoError(b.t, s.Submit(context.Background(), request(id, text, text)))
	}
	eventually(b.t, func() bool {
		rows, err := b.db.Outbox().Open(context.Background(), anna, "")
		states := map[database.OutboxState]int{}
		for _, row := range rows {
			if row.Attempts > 0 {
				states[row.State]++
			}
		}
		return err == nil && states[database.OutboxAmbiguous] == 2 && states[database.OutboxPending] == 1
	}, "three open requests")
}

func (b *bench) expectAllOnce(s account.Session) {
	b.t.Helper()
	for id, text := range map[chat.ConversationID]string{duo: "taken", trio: "lost", "club": "pending"} {
		_, err := await(b.t, s, text)
		require.NoError(b.t, err)
		require.Equal(b.t, []string{text}, texts(b.net.Events(id)))
	}
}

// The clock was set between two runs: what is open is neither stuck nor given up nor doubled.
func TestTheClockIsSetBetweenTwoRuns(t *testing.T) {
	for name, shift := range map[string]struct{ first, second time.Duration }{
		"back a day": {day, 0}, "ahead a day": {0, day}, "back a year": {365 * day, 0}, "ahead a year": {-365 * day, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(o *account.Options) { o.Now, o.SendWait = clock(shift.first), 10*time.Second })
			b.net.AddConversation("club", "Club", anna, bob)
			s := b.login(anna)
			_, err := s.Conversation(context.Background(), "club")
			require.NoError(t, err)
			b.leaveOpen(s)
			b.stop()
			b.net.OnSend(nil)
			b.net.OnSync(nil)
			b.options.Now = clock(shift.second)
			b.start()
			b.expectAllOnce(b.session(anna))
		})
	}
}

// With a clock that is ahead nothing expires before its time on the network.
func TestAClockAheadExpiresNothing(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	r := &reader{}
	b.attach(s, r, "a").Detach()
	b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindMessage, Expires: time.Now().Add(day / 2).UnixMicro(),
		Message: &chat.Message{Text: chat.Plain("without history")}})
	b.net.Say(bob, duo, "last")
	eventually(t, func() bool { return len(b.logged(duo)) == 2 }, "both logged")
	b.stop()
	b.options.Now = clock(day)
	b.start()
	eventually(t, func() bool { return b.session(anna).CaughtUp() }, "caught up")
	b.attach(b.session(anna), r, "a")
	b.expect(r, duo, "without history", "last")
}

// A clock that jumps while requests are open changes nothing.
func TestTheClockIsSetWhileRunning(t *testing.T) {
	for name, jump := range map[string]time.Duration{"ahead": day, "back": -day} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			b := newBench(t, func(o *account.Options) {
				o.SendWait = 10 * time.Second
				o.Now = func() time.Time { return time.Now().Add(time.Duration(asked.Add(1)-1) * jump) }
			})
			b.net.AddConversation("club", "Club", anna, bob)
			s := b.login(anna)
			_, err := s.Conversation(context.Background(), "club")
			require.NoError(t, err)
			b.leaveOpen(s)
			b.net.OnSend(nil)
			b.net.OnSync(nil)
			b.expectAllOnce(s)
		})
	}
}

// A request that is stuck behind a clock does not hide that the network is gone.
func TestAFutureRequestExpiresInItsTime(t *testing.T) {
	b := newBench(t, func(o *account.Options) { o.Now, o.SendWait = clock(day), 300*time.Millisecond })
	s := b.login(anna)
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrUnavailable}
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "x")))
	b.stop()
	b.options.Now = nil
	b.start()
	_, err := await(t, b.session(anna), "1")
	require.True(t, errors.Is(err, chat.ErrExpired) || errors.Is(err, chat.ErrUnconfirmed), "%v", err)
}
