package account_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func (b *bench) mark(time int64, ref string) {
	b.t.Helper()
	require.NoError(b.t, b.session(anna).MarkRead(context.Background(),
		chat.Watermark{Conversation: duo, Time: time, Origin: chat.Origin{Side: chat.OriginMatrix, Ref: ref}}))
}

func (b *bench) markTimes() (times []int64) {
	for _, w := range b.net.Marks() {
		times = append(times, w.Time)
	}
	return times
}

func (r *reader) read() (marks []chat.Watermark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	marks, r.marks = r.marks, nil
	return marks
}

func slowMarks(t *testing.T, test func(t *testing.T, b *bench, r *reader)) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.MarkDelay = 0 // the default
		b.start()
		r := &reader{}
		b.attach(b.login(anna), r, "a")
		pass(time.Second)
		r.read()
		test(t, b, r)
	})
}

func TestWatermarksAreCoalesced(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, r *reader) {
		for i := range int64(9) {
			b.mark(100+i, fmt.Sprint(i))
			b.mark(50+i, "backwards")
			pass(50 * time.Millisecond)
		}
		require.Empty(t, b.net.Marks(), "not before 500 ms")
		pass(time.Second)
		require.Equal(t, []int64{108}, b.markTimes())
		require.Equal(t, []chat.Watermark{{Conversation: duo, Person: anna, Time: 108, Origin: chat.Origin{Side: chat.OriginMatrix, Ref: "8"}}}, r.read(),
			"told once, with its origin, though the network pushes it as well")
		b.mark(108, "again")
		b.mark(107, "again")
		pass(time.Second)
		require.Len(t, b.net.Marks(), 1)
	})
}

func TestWatermarkIsShownOnlyAfterTheAnswer(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, r *reader) {
		answer := make(chan error)
		b.net.OnMark(func(chat.PersonID, int64) error { return <-answer })
		b.mark(100, "1")
		time.Sleep(time.Second) // not pass: the network's lock is held by the fault
		require.Empty(t, r.read())
		b.mark(100, "outstanding")
		answer <- nil
		pass(time.Second)
		require.Len(t, r.read(), 1)
		require.Equal(t, []int64{100}, b.markTimes())
	})
}

func TestOutstandingWatermarkDropsNewsThatIsNot(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, r *reader) {
		b.mark(100, "1")
		b.net.Read(anna, duo, 90) // another client, meanwhile
		pass(100 * time.Millisecond)
		require.Empty(t, r.read())
		b.net.Read(anna, duo, 110)
		pass(100 * time.Millisecond)
		require.Equal(t, int64(110), r.read()[0].Time, "what is ahead is news")
	})
}

func TestRefusedWatermarkIsWithdrawn(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, r *reader) {
		var n atomic.Int32
		b.net.OnMark(func(chat.PersonID, int64) error {
			if n.Add(1) == 1 {
				return chat.ErrRefused
			}
			return nil
		})
		b.mark(100, "1")
		b.net.Read(anna, duo, 90)
		pass(501 * time.Millisecond)
		require.EqualValues(t, 1, n.Load())
		marks := r.read()
		require.Len(t, marks, 1, "what had been heard of another client counts now")
		require.Equal(t, int64(90), marks[0].Time)
		b.mark(100, "2")
		pass(time.Second)
		require.Equal(t, []int64{100}, b.markTimes(), "an equal one is tried again")
		require.Len(t, r.read(), 1)
	})
}

func TestWatermarkWaitsForTheNetwork(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, r *reader) {
		var n atomic.Int32
		b.net.OnMark(func(chat.PersonID, int64) error {
			if n.Add(1) < 4 {
				return &account.RetryAfter{After: time.Second, Err: chat.ErrUnavailable}
			}
			return nil
		})
		b.mark(100, "1")
		pass(30 * time.Second)
		require.Equal(t, []int64{100}, b.markTimes())
		require.Len(t, r.read(), 1)
	})
}

func TestOwnReadingElsewhereIsTold(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, r *reader) {
		b.net.Read(anna, duo, 70)
		pass(time.Second)
		require.Equal(t, []chat.Watermark{{Conversation: duo, Person: anna, Time: 70}}, r.read())
		b.net.Read(anna, duo, 60)
		pass(time.Second)
		require.Empty(t, r.read(), "only forward")
		b.mark(65, "behind")
		pass(time.Second)
		require.Empty(t, b.net.Marks())
	})
}
