package account

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// watchdog finds out when an account seems connected but hears nothing: the push channel
// brings no byte at all, or a catch-up brings what should have been pushed. Then, and when
// connecting does not come to an end, the channel is made anew.
type watchdog struct {
	s    *session
	last atomic.Int64 // ns; last sign of life of the push channel

	mu       sync.Mutex
	complete int       // the intake's epoch of which a catch-up has brought the beginning
	since    time.Time // when it had
	forced   int       // reconnections in a row that a missed event led to
	next     time.Time // no such reconnection before
	noted    map[chat.ConversationID]int64
	logins   int // credentials handed over
}

func (w *watchdog) init(s *session) {
	w.s, w.complete, w.noted = s, anyEpoch, make(map[chat.ConversationID]int64)
}

func (w *watchdog) alive() { w.last.Store(time.Now().UnixNano()) }

// loop watches until the session ends.
func (w *watchdog) loop() {
	o := w.s.m.options
	silence, compare := time.NewTicker(o.Silence/4), time.NewTicker(o.CompareEvery)
	defer silence.Stop()
	defer compare.Stop()
	down := time.Now() // since when a running connection has had no channel
	for {
		select {
		case <-w.s.ctx.Done():
			return
		case <-silence.C:
			now, quiet := time.Now(), time.Since(time.Unix(0, w.last.Load()))
			if began := w.s.runBegan(); began.After(down) {
				down = began
			}
			switch _, live := w.s.intake.state(); {
			case live && quiet > o.Silence:
				w.s.reconnect("the push channel is silent")
			case live:
				down = now
			case now.Sub(down) > o.ConnectTime:
				down = now
				w.s.reconnect("connecting takes too long")
			}
		case <-compare.C:
			if err := w.compare(w.s.ctx); err != nil && w.s.ctx.Err() == nil {
				w.s.zlog.Warn().Err(err).Msg("Failed to compare conversations")
			}
		}
	}
}

// heard reports whether everything up to now should be known: the channel is up, and a
// catch-up has brought what was before, more than the grace time ago.
func (w *watchdog) heard(epoch int, live bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return live && w.complete == epoch && time.Since(w.since) > w.s.m.options.DeafGrace
}

// compared is how many conversations are compared, the latest ones.
const compared = 20

// compare asks for the latest conversations. One that has moved without our knowledge is
// reason for a catch-up, which tells whether an event was missed.
func (w *watchdog) compare(ctx context.Context) error {
	if !w.heard(w.s.intake.state()) {
		return nil
	}
	conn, err := w.s.request()
	if err != nil {
		return err
	}
	page, err := conn.Conversations(ctx, 0, compared)
	if err != nil {
		return err
	}
	behind := false
	for _, d := range page.Conversations {
		if d.SortTime == nil || *d.SortTime > page.Time-w.s.m.options.DeafGrace.Microseconds() || w.noted[d.ID] >= *d.SortTime {
			continue
		}
		row, err := w.s.m.db.Snapshots().Conversation(ctx, w.s.id, d.ID)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return err
		}
		if err != nil || row.SortTime < *d.SortTime {
			behind, w.noted[d.ID] = true, *d.SortTime
		}
	}
	if !behind {
		return nil
	}
	return w.s.catchup.now(ctx)
}

// judge looks at what a complete catch-up has brought. clock is the network's time (µs) at
// its end. Events that happened well before it began should have been pushed.
func (w *watchdog) judge(run *catchupRun) {
	heard := w.heard(run.epoch, run.live)
	limit := run.clock - (time.Since(run.began) + w.s.m.options.DeafGrace).Microseconds()
	missed := false
	for _, e := range run.added {
		missed = missed || e.Time <= limit
	}
	w.mu.Lock()
	if w.complete != run.epoch {
		w.complete, w.since = run.epoch, time.Now()
	}
	if !heard {
		w.mu.Unlock()
		return
	}
	now := time.Now()
	force := missed && !now.Before(w.next)
	switch {
	case force:
		w.next = now.Add(min(w.s.m.options.CompareEvery<<w.forced, time.Hour))
		w.forced = min(w.forced+1, 10)
	case !missed && now.After(w.next):
		w.forced = 0
	}
	w.mu.Unlock()
	if force {
		w.s.reconnect("events were not pushed")
	}
}

// keep stores credentials that the network has changed, however long that takes; newer
// ones replace those that wait.
func (w *watchdog) keep(generation int64, stored []byte) {
	w.mu.Lock()
	w.logins++
	mine := w.logins
	w.mu.Unlock()
	put := func() error { return w.s.m.db.Accounts().PutCredentials(w.s.ctx, w.s.id, generation, stored) }
	err := put()
	if err == nil || w.s.ctx.Err() != nil {
		return
	}
	w.s.zlog.Err(err).Msg("Failed to store changed credentials, trying again")
	w.s.spawn(func() {
		pauses := w.s.m.options.backoff()
		for sleep(w.s.ctx, pauses.pause(0)) {
			w.mu.Lock()
			newest := w.logins == mine
			w.mu.Unlock()
			if !newest || put() == nil {
				return
			}
		}
	})
}
