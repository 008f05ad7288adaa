package account_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// inBubble runs a test on a clock that stands still while anybody works: sleeping costs
// nothing and takes exactly as long as asked.
func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		test(t, newBench(t, func(o *account.Options) { o.RefreshEvery = time.Minute }))
	})
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// typed returns what a reader was told about a person since the last call.
func (r *reader) typed(person chat.PersonID) (states []chat.TypingState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, typing := range r.typings {
		if typing.Person == person {
			states = append(states, typing.State)
		}
	}
	r.typings = nil
	return states
}

// told returns what the network was told of a conversation's typing.
func (b *bench) told(id chat.ConversationID) (states []chat.TypingState) {
	for _, typing := range b.net.Typings() {
		if typing.Conversation == id {
			states = append(states, typing.State)
		}
	}
	return states
}

type states = []chat.TypingState

const (
	started = chat.TypingStarted
	stopped = chat.TypingStopped
)

func TestIncomingTypingEndsByItself(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		b.net.Type(bob, duo, started)
		pass(5 * time.Second)
		b.net.Type(bob, duo, started)
		pass(0)
		require.Equal(t, states{started}, r.typed(bob), "a repeat that comes soon is not told")
		pass(29 * time.Second)
		require.Empty(t, r.typed(bob), "30 s count from the repeat")
		b.net.Type(bob, duo, started)
		pass(0)
		require.Equal(t, states{started}, r.typed(bob), "a late one is, so that the sides can refresh")
		pass(31 * time.Second)
		require.Equal(t, states{stopped}, r.typed(bob))
		b.net.Type(bob, duo, stopped)
		pass(time.Minute)
		require.Empty(t, r.typed(bob), "it has ended already")
	})
}

func TestIncomingTypingEndsByStoppedOrMessage(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		b.net.Type(bob, duo, started)
		pass(time.Second)
		b.net.Type(bob, duo, stopped)
		pass(0)
		require.Equal(t, states{started, stopped}, r.typed(bob))
		b.net.Type(bob, duo, started)
		pass(time.Second)
		b.net.Say(bob, duo, "done")
		pass(0)
		require.Equal(t, states{started, stopped}, r.typed(bob))
		b.net.Say(bob, duo, "more")
		pass(time.Minute)
		require.Empty(t, r.typed(bob), "nothing to end")

		// A catch-up that brings the message once more does not end what began after it.
		b.net.Type(bob, duo, started)
		pass(time.Second)
		r.typed(bob)
		b.net.Cut(anna)
		pass(5 * time.Second)
		require.Empty(t, r.typed(bob))
	})
}

func TestOutgoingTypingIsRepeatedAndBounded(t *testing.T) {
	typing := func(b *bench, state chat.TypingState, lasting bool) {
		require.NoError(b.t, b.session(anna).SetTyping(context.Background(), chat.Typing{Conversation: duo, State: state,
			Lasting: lasting, Origin: chat.Origin{Side: chat.OriginMatrix, Ref: "@anna:test"}}))
		pass(0)
	}
	t.Run("repeated by the side", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.login(anna)
			for range 10 { // 45 s of repeats
				typing(b, started, false)
				pass(5 * time.Second)
			}
			require.Equal(t, states{started, started, started}, b.told(duo), "every 20 s")
			typing(b, stopped, false)
			typing(b, stopped, false)
			pass(time.Minute)
			require.Equal(t, states{started, started, started, stopped}, b.told(duo))
		})
	})
	t.Run("forgotten by the side", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.login(anna)
			typing(b, started, false)
			pass(29 * time.Second)
			require.Equal(t, states{started, started}, b.told(duo))
			pass(2 * time.Second)
			require.Equal(t, states{started, started, stopped}, b.told(duo))
			pass(10 * time.Minute)
			require.Len(t, b.told(duo), 3)
		})
	})
	t.Run("lasting", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.login(anna)
			typing(b, started, true)
			pass(110 * time.Second)
			require.Equal(t, states{started, started, started, started, started, started}, b.told(duo), "at 0, 20, … 100 s")
			pass(11 * time.Second)
			require.Equal(t, stopped, b.told(duo)[6], "after 2 min at most")
			pass(10 * time.Minute)
			require.Len(t, b.told(duo), 7)
		})
	})
}

func TestOutgoingTypingEndsByAMessage(t *testing.T) {
	for name, send := range map[string]func(b *bench){
		"of a side": func(b *bench) {
			require.NoError(b.t, b.session(anna).Submit(context.Background(), request(duo, "1", "hi")))
		},
		"of another client": func(b *bench) { b.net.Say(anna, duo, "hi") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				r := &reader{}
				s := b.login(anna)
				b.attach(s, r, "a")
				require.NoError(t, s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: started, Lasting: true}))
				pass(time.Second)
				send(b)
				pass(time.Minute)
				require.Equal(t, states{started}, b.told(duo), "the message ends it for everybody")
				require.Equal(t, states{started, stopped}, r.typed(anna))
			})
		})
	}
}

func TestTypingOfTwoSidesIsOne(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := &reader{}
		s := b.login(anna)
		b.attach(s, r, "a")
		matrix, irc := chat.Origin{Side: chat.OriginMatrix}, chat.Origin{Side: chat.OriginIRC, Ref: "phone"}
		set := func(origin chat.Origin, state chat.TypingState) {
			require.NoError(t, s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: state, Origin: origin}))
			pass(time.Second)
		}
		set(matrix, started)
		set(irc, started)
		set(irc, chat.TypingPaused)
		set(irc, stopped)
		require.Equal(t, states{started}, b.told(duo))
		r.mu.Lock()
		require.Len(t, r.typings, 1, "the other consumers learn of it")
		require.Equal(t, matrix, r.typings[0].Origin, "and the one it came from can drop it")
		require.Equal(t, anna, r.typings[0].Person)
		r.mu.Unlock()
		set(matrix, stopped)
		require.Equal(t, states{started, stopped}, b.told(duo))
	})
}

// When the one whose typing is shown stops and another goes on, that one's is shown: also
// to the first.
func TestTypingPassesFromOneSideToAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := &reader{}
		s := b.login(anna)
		b.attach(s, r, "a")
		matrix, irc := chat.Origin{Side: chat.OriginMatrix}, chat.Origin{Side: chat.OriginIRC, Ref: "phone"}
		set := func(origin chat.Origin, state chat.TypingState) {
			require.NoError(t, s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: state, Origin: origin}))
			pass(time.Second)
		}
		set(matrix, started)
		set(irc, started)
		set(matrix, stopped)
		set(irc, chat.TypingPaused)
		set(irc, stopped)
		r.mu.Lock()
		defer r.mu.Unlock()
		type shown struct {
			state  chat.TypingState
			origin chat.Origin
		}
		var told []shown
		for _, typing := range r.typings {
			told = append(told, shown{typing.State, typing.Origin})
		}
		require.Equal(t, []shown{{started, matrix}, {started, irc}, {chat.TypingPaused, irc}, {stopped, irc}}, told)
		require.Equal(t, states{started, chat.TypingPaused, stopped}, b.told(duo), "for the others nothing has changed in between")
	})
}

func TestOwnTypingElsewhereIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		b.net.Type(anna, duo, started)
		pass(31 * time.Second)
		require.Equal(t, states{started, stopped}, r.typed(anna))
		require.Empty(t, b.told(duo))
	})
}

func TestFirstStopIsToldEvenIfNothingBegan(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		for range 3 {
			require.NoError(t, s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: stopped}))
			pass(time.Second)
		}
		require.Equal(t, states{stopped}, b.told(duo), "an earlier run may have begun")
	})
}

func TestTypingNeedsAnAccountThatWorks(t *testing.T) {
	b := newBench(t)
	s := b.login(anna)
	b.net.Refuse(anna, true)
	eventually(t, func() bool { return s.State().Status == chat.BadCredentials }, "refused")
	require.ErrorIs(t, s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: started}), chat.ErrBadCredentials)
	require.NoError(t, b.m.Remove(context.Background(), anna))
	require.ErrorIs(t, s.SetTyping(context.Background(), chat.Typing{Conversation: duo, State: started}), chat.ErrUnknownAccount)
}

var _ account.Observer = (*reader)(nil)

// Typing waits neither for a catch-up nor for whatever holds the database's write lock.
func TestTypingDoesNotWaitForACatchUp(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		done := make(chan struct{})
		b.net.OnSync(func(chat.PersonID) error { <-done; return nil })
		b.net.Cut(anna)
		pass(time.Second)
		require.True(t, b.net.Subscribed(anna), "catching up")
		b.net.Type(bob, duo, started)
		pass(0)
		require.Equal(t, states{started}, r.typed(bob))
		close(done)
	})
}
