package account

import (
	"errors"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// watchdog is the part of a link that reconnects an account that seems connected but is deaf: the push
// channel brings no byte at all, or a catch-up brings what should have been pushed. It also
// reconnects when connecting takes too long.
type watchdog struct {
	last     time.Time                     // sign of life of the push channel
	complete int                           // the epoch of which a catch-up has brought the beginning
	since    time.Time                     // when it had
	missed   int                           // reconnections in a row that a missed event led to
	next     time.Time                     // no such reconnection before
	noted    map[chat.ConversationID]int64 // of the look under way
}

// noEpoch is none of the intake's.
const noEpoch = -1

// alive: the push channel has brought something.
type alive struct{}

func (alive) take(l *link) { l.last = time.Now() }

// watchDue reconnects a channel that is silent, and a connection that gets none.
func (l *link) watchDue(a *agenda) {
	switch {
	case l.hangUp == nil || l.hungUp:
	case l.live:
		if a.due(l.last.Add(l.s.m.options.Silence)) {
			l.reconnect("the push channel is silent")
		}
	case a.due(l.down.Add(l.s.m.options.ConnectTime)):
		l.down = a.now
		l.reconnect("connecting takes too long")
	}
}

// heard reports whether everything up to now should be known: the channel is up, and a
// catch-up has brought what was before, more than the grace time ago.
func (l *link) heard(epoch int, live bool) bool {
	return live && l.complete == epoch && time.Since(l.since) > l.s.m.options.DeafGrace
}

// judge looks at what a complete catch-up of the present epoch has brought. Events that happened well before it began
// should have been pushed.
func (l *link) judge(run *catchup) {
	heard := l.heard(run.epoch, run.live)
	now := time.Now()
	limit := run.clock - (now.Sub(run.began) + l.s.m.options.DeafGrace).Microseconds()
	missed := false
	for _, e := range run.added {
		missed = missed || e.Time <= limit
	}
	if l.complete != run.epoch {
		l.complete, l.since = run.epoch, now
	}
	switch {
	case !heard:
	case missed && !now.Before(l.next):
		l.next = now.Add(min(l.s.m.options.CompareEvery<<l.missed, time.Hour))
		l.missed = min(l.missed+1, 10)
		l.reconnect("events were not pushed")
	case !missed && now.After(l.next):
		l.missed = 0
	}
}

// compared is how many conversations are compared, the latest ones.
const compared = 20

// compareLatest asks for the latest conversations. One that has moved without our knowledge is
// reason for a catch-up, which tells whether an event was missed; noted remembers it (µs), so that it is
// reason for one only.
func (r *catchup) compareLatest(noted map[chat.ConversationID]int64) error {
	conn, err := r.s.request()
	if err != nil {
		return err
	}
	page, err := conn.Conversations(r.ctx, 0, compared)
	if err != nil {
		return err
	}
	for _, d := range page.Conversations {
		if d.SortTime == nil || *d.SortTime > page.Time-r.s.m.options.DeafGrace.Microseconds() || noted[d.ID] >= *d.SortTime {
			continue
		}
		row, err := r.s.m.db.Snapshots().Conversation(r.ctx, r.s.id, d.ID)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return err
		}
		if err != nil || row.SortTime < *d.SortTime {
			r.again, noted[d.ID] = true, *d.SortTime
		}
	}
	return nil
}
