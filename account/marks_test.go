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

func (b *bench) readMarker(origin chat.Origin) int64 {
	b.t.Helper()
	at, err := b.session(anna).ReadMarker(context.Background(), duo, origin)
	require.NoError(b.t, err)
	return at
}

// outstanding counts the watermarks that are stored as such.
func (b *bench) outstanding() (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow(context.Background(), `SELECT COUNT(*) FROM outstanding_mark`).Scan(&n))
	return n
}

var (
	phone  = chat.Origin{Side: chat.OriginIRC, Ref: "phone"}
	laptop = chat.Origin{Side: chat.OriginIRC, Ref: "laptop"}
)

func (b *bench) markFrom(origin chat.Origin, time int64) {
	b.t.Helper()
	require.NoError(b.t, b.session(anna).MarkRead(context.Background(), chat.Watermark{Conversation: duo, Time: time, Origin: origin}))
}

func unreachable(chat.PersonID, int64) error { return chat.ErrUnavailable }

// Nothing is written at a stop that a kill would not leave as well.
func TestOutstandingWatermarkOutlivesTheProgram(t *testing.T) {
	for name, c := range map[string]struct {
		then   func(chat.PersonID, int64) error
		sent   []int64
		marker int64
	}{
		"accepted in the next run": {nil, []int64{200}, 200},
		"refused in the next run":  {func(chat.PersonID, int64) error { return chat.ErrRefused }, nil, 50},
		"not reached in its time":  {unreachable, nil, 50},
	} {
		t.Run(name, func(t *testing.T) {
			slowMarks(t, func(t *testing.T, b *bench, r *reader) {
				b.net.Read(anna, duo, 50)
				pass(time.Second)
				b.net.OnMark(unreachable)
				b.markFrom(phone, 100)
				b.markFrom(laptop, 200)
				b.markFrom(phone, 150)
				pass(3 * time.Second)
				b.restart()
				require.EqualValues(t, 150, b.readMarker(phone), "what it has set itself")
				require.EqualValues(t, 200, b.readMarker(laptop))
				require.EqualValues(t, 50, b.readMarker(chat.Origin{Side: chat.OriginMatrix}), "not known to others yet")
				b.net.OnMark(c.then)
				again := &reader{}
				b.attach(b.session(anna), again, "a")
				pass(10 * time.Second)
				pass(2 * time.Minute)
				require.Equal(t, c.sent, b.markTimes())
				require.Zero(t, b.outstanding())
				for _, origin := range []chat.Origin{phone, laptop, {}} {
					require.EqualValues(t, c.marker, b.readMarker(origin))
				}
				var told []int64
				for _, w := range again.read() {
					told = append(told, w.Time)
				}
				require.Equal(t, c.sent, told, "told once it is accepted")
				b.restart()
				b.net.OnMark(nil)
				pass(time.Minute)
				require.Equal(t, c.sent, b.markTimes(), "settled for good")
			})
		})
	}
}

func TestReadMarkerOfTheOneWhoSetsIt(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, _ *reader) {
		b.markFrom(phone, 100)
		require.EqualValues(t, 100, b.readMarker(phone), "from the command on")
		require.EqualValues(t, 0, b.readMarker(laptop), "for others after the answer")
		pass(time.Second)
		require.EqualValues(t, 100, b.readMarker(laptop))
		require.Zero(t, b.outstanding())
		for i := range 200 {
			b.markFrom(chat.Origin{Side: chat.OriginMatrix, Ref: fmt.Sprint(i)}, int64(200+i))
		}
		require.Equal(t, 64, b.outstanding(), "bounded")
		pass(time.Second)
		require.Equal(t, []int64{100, 399}, b.markTimes())
		require.Zero(t, b.outstanding())
	})
}

func TestOutstandingWatermarkThatCannotBeReadAtOnce(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, _ *reader) {
		b.net.OnMark(unreachable)
		b.markFrom(phone, 100)
		b.stop()
		db := openDB(t, b.path)
		_, err := db.Exec(context.Background(), `ALTER TABLE outstanding_mark RENAME TO away`)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		b.start()
		pass(time.Second)
		_, err = b.db.Exec(context.Background(), `ALTER TABLE away RENAME TO outstanding_mark`)
		require.NoError(t, err)
		b.net.OnMark(nil)
		pass(10 * time.Second)
		require.Equal(t, []int64{100}, b.markTimes())
	})
}

// Each watermark has its own time to reach the network.
func TestALaterWatermarkWaitsAsLong(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, _ *reader) {
		answer := make(chan struct{})
		var there atomic.Bool
		b.net.OnMark(func(_ chat.PersonID, at int64) error {
			if at == 100 {
				<-answer
			} else if !there.Load() {
				return chat.ErrUnavailable
			}
			return nil
		})
		b.mark(100, "1")
		time.Sleep(15 * time.Second) // not pass: the network's lock is held by the fault
		b.mark(200, "2")
		close(answer)
		pass(10 * time.Second) // longer than a request may wait, since the first
		there.Store(true)
		pass(10 * time.Second)
		require.Equal(t, []int64{100, 200}, b.markTimes())
	})
}

// A watermark that the network has accepted counts, though it could not be stored.
func TestATakenWatermarkThatCannotBeStored(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, _ *reader) {
		b.net.HoldPushes(true)
		b.refuse("INSERT ON watermark")
		b.markFrom(phone, 100)
		pass(time.Second)
		require.Equal(t, []int64{100}, b.markTimes())
		require.EqualValues(t, 100, b.readMarker(laptop))
		b.markFrom(laptop, 90)
		pass(time.Second)
		require.Equal(t, []int64{100}, b.markTimes(), "only forward")
		b.markFrom(phone, 200)
		require.EqualValues(t, 100, b.readMarker(laptop))
	})
}
