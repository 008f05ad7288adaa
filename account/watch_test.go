package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func (r *reader) shown() (shown []chat.AccountState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shown, r.states = r.states, nil
	return shown
}

func watched(t *testing.T, options func(*account.Options), test func(t *testing.T, b *bench, r *reader)) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.RefreshEvery = time.Hour
		options(&b.options)
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(45 * time.Second) // past the grace time
		r.shown()
		test(t, b, r)
	})
}

func hasReason(states []chat.AccountState, status chat.AccountStatus, reason string) bool {
	for _, s := range states {
		if s.Status == status && s.Reason == reason {
			return true
		}
	}
	return false
}

func TestSilentChannelIsMadeAnew(t *testing.T) {
	never := func(o *account.Options) { o.CatchupEvery, o.CompareEvery = 1000*time.Hour, 1000*time.Hour }
	watched(t, never, func(t *testing.T, b *bench, r *reader) {
		pass(time.Hour)
		require.Equal(t, 1, b.net.Runs(anna), "signs of life are enough")
		b.net.Silence(anna)
		b.net.Say(bob, duo, "not pushed")
		pass(2 * time.Minute)
		require.Empty(t, r.got(duo))
		pass(2 * time.Minute)
		require.Equal(t, 2, b.net.Runs(anna))
		require.Equal(t, []string{"not pushed"}, r.got(duo))
		require.True(t, hasReason(r.shown(), chat.Connecting, "the push channel is silent"))
		require.Equal(t, chat.Connected, b.session(anna).State().Status)
	})
}

// What is logged of an account's state at the level of a production log.
func TestStatesAreLogged(t *testing.T) {
	b := newBench(t)
	b.login(anna)
	b.stop()
	log := new(logLines)
	b.log = zerolog.New(log).Level(zerolog.InfoLevel)
	b.start()
	count := func(text string) (n int) {
		for _, line := range log.all() {
			if strings.Contains(line, text) {
				require.Contains(t, line, `"account":"`+string(anna)+`"`)
				n++
			}
		}
		return n
	}
	eventually(t, func() bool { return count("Account connected") == 1 }, "connected")
	b.net.Cut(anna)
	eventually(t, func() bool { return count("Account connected again") == 1 }, "connected again")
	b.caughtUp(anna)
	// Requests are refused while the channel stays up: the guard finds out.
	b.net.OnMark(func(chat.PersonID, int64) error { return chat.ErrBadCredentials })
	b.net.OnSync(func(chat.PersonID) error { return chat.ErrBadCredentials })
	require.NoError(t, b.session(anna).MarkRead(context.Background(), chat.Watermark{Conversation: duo, Time: 1}))
	eventually(t, func() bool { return count("credentials are bad") == 1 }, "refused")
	b.net.OnSync(nil)
	b.login(anna)
	eventually(t, func() bool { return count("Account connected again") == 2 }, "logged in again")
	b.net.Refuse(anna, true)
	eventually(t, func() bool { return count("credentials are bad") == 2 }, "the channel finds out")
	require.Equal(t, 3, count("Account connected"))
}

// logLines is a log.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

func (l *logLines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func TestDeafChannelIsMadeAnew(t *testing.T) {
	for name, options := range map[string]func(*account.Options){
		"by comparing":   func(o *account.Options) { o.CatchupEvery = 1000 * time.Hour },
		"by catching up": func(o *account.Options) { o.CompareEvery = 1000 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			watched(t, options, func(t *testing.T, b *bench, r *reader) {
				b.net.Deafen(anna)
				b.net.Say(bob, duo, "not pushed")
				pass(10 * time.Minute)
				require.Equal(t, []string{"not pushed"}, r.got(duo))
				require.Equal(t, 2, b.net.Runs(anna))
				require.True(t, hasReason(r.shown(), chat.Connecting, "events were not pushed"))
				b.net.Say(bob, duo, "pushed")
				pass(0)
				require.Equal(t, []string{"not pushed", "pushed"}, r.got(duo))
			})
		})
	}
}

func TestHearingChannelStays(t *testing.T) {
	watched(t, func(*account.Options) {}, func(t *testing.T, b *bench, r *reader) {
		all := numbered(120)
		for _, text := range all {
			b.net.Say(bob, duo, text)
			pass(time.Minute)
		}
		require.Equal(t, all, r.got(duo))
		require.Equal(t, 1, b.net.Runs(anna))
		require.Empty(t, r.shown())
	})
}

// A network that never pushes must not lead to a connection every two minutes.
func TestForcedConnectionsBecomeRare(t *testing.T) {
	watched(t, func(*account.Options) {}, func(t *testing.T, b *bench, r *reader) {
		all := numbered(240)
		for _, text := range all {
			b.net.Deafen(anna)
			b.net.Say(bob, duo, text)
			pass(time.Minute)
		}
		pass(10 * time.Minute)
		require.Equal(t, all, r.got(duo), "everything comes with catch-ups")
		require.Greater(t, b.net.Runs(anna), 4)
		require.Less(t, b.net.Runs(anna), 12)
	})
}

func TestBrokenChannelIsShown(t *testing.T) {
	watched(t, func(o *account.Options) { o.BackoffMin, o.BackoffMax = time.Minute, time.Minute }, func(t *testing.T, b *bench, r *reader) {
		b.net.Cut(anna)
		pass(time.Second)
		require.True(t, hasReason(r.shown(), chat.Disconnected, "channel cut"))
		pass(time.Minute)
		shown := r.shown()
		require.Equal(t, chat.Connected, shown[len(shown)-1].Status)
	})
}

func TestWhatABreakHidIsNoDeafness(t *testing.T) {
	watched(t, func(o *account.Options) { o.BackoffMin, o.BackoffMax = 2*time.Minute, 2*time.Minute }, func(t *testing.T, b *bench, r *reader) {
		b.net.Cut(anna)
		b.net.Say(bob, duo, "missed")
		pass(10 * time.Minute)
		require.Equal(t, []string{"missed"}, r.got(duo))
		require.Equal(t, 2, b.net.Runs(anna), "a connection after a break brings old events and is good")
	})
}

func TestConnectingThatDoesNotEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.login(anna)
		b.stop()
		var away atomic.Bool
		away.Store(true)
		n := &channelless{Network: b.net, away: &away}
		b.backend = n
		b.start()
		r := &reader{}
		b.attach(b.session(anna), r, "a")
		b.net.Say(bob, duo, "not pushed")
		pass(8 * time.Minute)
		away.Store(false) // a try would succeed, but the one that hangs goes on
		require.Empty(t, r.got(duo))
		require.Equal(t, int32(1), n.tries.Load())
		pass(6 * time.Minute)
		require.Equal(t, []string{"not pushed"}, r.got(duo))
		require.Equal(t, chat.Connected, b.session(anna).State().Status)
		pass(time.Hour)
		require.Equal(t, int32(2), n.tries.Load())
		away.Store(true)
		b.net.Cut(anna)
		pass(time.Hour)
		require.Greater(t, n.tries.Load(), int32(6), "it is tried again and again")
		require.Less(t, n.tries.Load(), int32(10))
	})
}

// The network hears that the person is there when they write, type or read with us, once a minute
// at most, and not by what they do elsewhere.
func TestActsMakeThePersonActive(t *testing.T) {
	for name, act := range map[string]func(s account.Session, n int) error{
		"writing": func(s account.Session, n int) error {
			return s.Submit(context.Background(), request(duo, fmt.Sprint(n), "hi"))
		},
		"typing": func(s account.Session, _ int) error {
			return s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: chat.TypingStarted})
		},
		"reading": func(s account.Session, n int) error {
			return s.MarkRead(context.Background(), chat.Watermark{Conversation: duo, Time: int64(n + 1)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				s := b.login(anna)
				b.net.Say(anna, duo, "from the phone")
				pass(time.Hour)
				require.Zero(t, b.net.Actives(anna))
				for n := range 3 {
					require.NoError(t, act(s, n))
				}
				pass(time.Second)
				require.Equal(t, 1, b.net.Actives(anna))
				pass(time.Minute)
				require.NoError(t, act(s, 3))
				pass(time.Second)
				require.Equal(t, 2, b.net.Actives(anna))
			})
		})
	}
}

// A conversation that has moved just now may still be pushed: that is no reason for a catch-up.
func TestAComparisonWaitsForPushes(t *testing.T) {
	watched(t, func(o *account.Options) { o.CatchupEvery = 1000 * time.Hour }, func(t *testing.T, b *bench, r *reader) {
		syncs := b.syncs()
		pass(74 * time.Second) // a second before the comparison
		b.net.HoldPushes(true)
		b.net.Say(bob, duo, "late")
		pass(2 * time.Second)
		b.net.HoldPushes(false)
		pass(time.Minute)
		require.Equal(t, []string{"late"}, r.got(duo))
		require.Zero(t, syncs.Load())
	})
}

// A conversation that no catch-up brings is looked for once.
func TestAComparisonAsksOnce(t *testing.T) {
	inTime(t, func(o *account.Options) { o.CatchupEvery = 1000 * time.Hour }, func(t *testing.T, b *bench, _ account.Session, n *slowNetwork) {
		syncs := b.syncs()
		first := int64(0)
		n.list = func(page account.ConversationPage) account.ConversationPage {
			if first == 0 {
				first = page.Time - time.Hour.Microseconds()
			}
			page.Conversations = append(page.Conversations, chat.ConversationDelta{ID: "elsewhere", SortTime: &first})
			return page
		}
		b.net.Say(bob, duo, "pushed")
		pass(time.Hour)
		require.EqualValues(t, 1, syncs.Load())
	})
}

// After a good while a channel that hears nothing is replaced as soon as the first time.
func TestForcedConnectionsAreForgotten(t *testing.T) {
	watched(t, func(*account.Options) {}, func(t *testing.T, b *bench, _ *reader) {
		deaf := func(minutes int) (connections int) {
			before := b.net.Runs(anna)
			for n := range minutes {
				b.net.Deafen(anna)
				b.net.Say(bob, duo, fmt.Sprint(n))
				pass(time.Minute)
			}
			return b.net.Runs(anna) - before
		}
		deaf(240)
		pass(3 * time.Hour)
		require.Greater(t, deaf(30), 2)
	})
}
