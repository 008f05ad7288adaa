package bridge_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// stateNotices are the bot's words about how the account is doing.
func (w *world) stateNotices(management id.RoomID) (out []string) {
	for _, e := range w.hs.Messages(management) {
		if body := e.Content.AsMessage().Body; e.Sender == bot && strings.HasPrefix(body, "State update for ") {
			out = append(out, body)
		}
	}
	return out
}

// A channel that is up but brings nothing is found out; until there is a new one the
// account counts as disconnected.
func TestDeafChannelShowsInMatrix(t *testing.T) {
	w := newWorld(t)
	log := w.states()
	w.timing.CatchupEvery, w.timing.DeafGrace, w.timing.BackoffMin = 300*time.Millisecond, 50*time.Millisecond, 500*time.Millisecond
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	w.network.Say(carl, direct, "0")
	room := w.room("0")
	connected := func() bool { state, _ := log.last(); return state == status.StateConnected }
	w.eventually("the connection", connected)
	require.False(t, log.has(status.StateTransientDisconnect, "hangouts-disconnected"), "it has only just begun")
	want := []line{{ghost(carl), "0"}}
	w.network.Deafen(anna)
	w.eventually("the watchdog", func() bool {
		text := fmt.Sprint(len(want))
		w.network.Say(carl, direct, text)
		want = append(want, line{ghost(carl), text})
		return log.has(status.StateTransientDisconnect, "hangouts-disconnected")
	})
	w.eventually("the new connection", connected)
	require.GreaterOrEqual(t, w.network.Runs(anna), 2)
	w.network.Say(carl, direct, "heard")
	w.waitLines(room, append(want, line{ghost(carl), "heard"})...)
	require.Empty(t, w.stateNotices(management), "it was short")
}

// outage makes connections fail.
type outage struct {
	account.Backend
	down atomic.Bool
	runs atomic.Int32 // that failed
}

type outageConnection struct {
	account.Connection
	b *outage
}

func (b *outage) Open(stored []byte) (account.Connection, error) {
	connection, err := b.Backend.Open(stored)
	return &outageConnection{connection, b}, err
}

func (c *outageConnection) Run(ctx context.Context, sink account.Sink) error {
	if c.b.down.Load() {
		return fmt.Errorf("attempt %d: %w", c.b.runs.Add(1), chat.ErrUnavailable)
	}
	return c.Connection.Run(ctx, sink)
}

// A connection that stays lost is told in the management room, once, and its return too. A
// short break is nobody's business.
func TestLongDisconnectionIsTold(t *testing.T) {
	w := newWorld(t)
	log := w.states()
	backend := &outage{Backend: w.backend}
	w.backend = backend
	w.options.NoticeDelay = time.Second
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	w.eventually("the connection", func() bool { state, _ := log.last(); return state == status.StateConnected })

	w.network.Cut(anna)
	w.eventually("the new connection", func() bool { return w.network.Runs(anna) == 2 })
	w.eventually("the state", func() bool { state, _ := log.last(); return state == status.StateConnected })
	time.Sleep(w.options.NoticeDelay + 200*time.Millisecond) // nothing is to happen in this time
	require.Empty(t, w.stateNotices(management))

	backend.down.Store(true)
	began := time.Now()
	w.network.Cut(anna)
	w.eventually("the state", func() bool { state, _ := log.last(); return state == status.StateTransientDisconnect })
	w.eventually("the notice", func() bool { return len(w.stateNotices(management)) == 1 })
	require.GreaterOrEqual(t, time.Since(began), w.options.NoticeDelay)
	require.Equal(t, "State update for Anna Ahrens: TRANSIENT_DISCONNECT: The connection to Hangouts is lost; trying again.",
		strings.ReplaceAll(w.stateNotices(management)[0], "`", ""))
	tries := backend.runs.Load()
	w.eventually("more attempts", func() bool { return backend.runs.Load() >= tries+5 })
	require.Len(t, w.stateNotices(management), 1)

	backend.down.Store(false)
	w.eventually("the notice", func() bool { return len(w.stateNotices(management)) == 2 })
	require.Contains(t, w.stateNotices(management)[1], "CONNECTED")
}
