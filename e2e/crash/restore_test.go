package crash

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// backUp copies the bridge's database, as an operator does while the bridge runs.
func (w *world) backUp() {
	w.up()
	w.backups++
	w.backup = filepath.Join(w.Dir, fmt.Sprintf("backup-%d.db", w.backups))
	w.Backup(w.backup)
	w.note("backup %d", w.backups)
}

// up waits until the bridge has opened its database. Another process that has it alone would sync it behind the back of stage.PowerFailure.
func (w *world) up() { w.Bridge.WaitPort(w.IRCAddr) }

// restore ends the bridge and puts the last backup in the place of its database. Without one there is a new one, and some traffic after it.
func (w *world) restore(s step) {
	if w.backup == "" {
		w.backUp()
		w.awaitTraffic(5*time.Second, "mx", "carolmx", "bob", "carol", "irc")
	}
	from := w.backup
	if s.a>>16%2 == 0 {
		w.backup = "" // the next one is new
	}
	if s.a%3 == 0 {
		w.up() // before that it has no handler of the signal
		if code := w.Bridge.Terminate(); code != 0 {
			w.found(Problem{Kind: Ended, Where: "at SIGTERM", Detail: fmt.Sprintf("with %d", code)})
		}
	} else {
		w.Bridge.Kill9()
	}
	age := []time.Duration{0, 0, 0, time.Hour, 24 * time.Hour, 9 * 24 * time.Hour}[s.b%6]
	w.note("restores %s, %v old", filepath.Base(from), age)
	w.counts["of them restores of "+age.String()]++
	for _, change := range aging {
		require.NoError(w.t, stage.Exec(from, change, age.Microseconds()))
	}
	w.Restore(from)
	if age >= 24*time.Hour {
		w.null.ForgetSends()
	}
	if s.b>>8%4 == 0 {
		w.forgetPlace(from)
	}
	if s.b>>16%4 == 0 {
		w.control("fault", hangoutstest.Fault{Kind: hangoutstest.FaultClearCache, Endpoint: "conversations/syncallnewevents", Count: 1})
		w.counts["of them with a stale cursor"]++
	}
	w.setBack()
	w.Bridge.StartAgain()
}

// aging makes a backup older: what the bridge has noted of the time, except the times of messages, which the ends compare.
var aging = []string{
	"UPDATE account SET cursor_us=cursor_us-$1 WHERE cursor_us>0",
	"UPDATE consumer SET seen_us=seen_us-$1",
	"UPDATE outbox SET created_us=created_us-$1, closed_us=max(closed_us-$1, 0)",
	"UPDATE matrix_inbox SET received_us=received_us-$1",
	"UPDATE log SET logged_us=logged_us-$1",
}

// forgetPlace has the homeserver refuse the token of /sync that a backup has.
func (w *world) forgetPlace(backup string) {
	tokens, err := stage.ColumnOf(backup, "SELECT value FROM matrix_value WHERE name='sync_token'")
	require.NoError(w.t, err)
	for _, token := range tokens {
		w.null.Inject(nullhs.Fault{Path: "/sync", Query: "since=" + token, User: string(stage.Bot), Status: http.StatusBadRequest, Code: "M_UNKNOWN_POS"})
		w.counts["of them with an unknown token of /sync"]++
	}
}

// powerFailure kills the bridge and leaves of its database what a disk may hold: what was synced, or a part of the rest, too.
func (w *world) powerFailure(s step) {
	w.Bridge.Kill9()
	share := 0.0
	if s.b%2 == 0 && !w.fullSync {
		share = float64(s.b>>8%1000) / 1000
	}
	w.PowerFailure(share)
	gone := w.acknowledgedAndGone()
	w.note("power failure with %.3f of what was not synced; of the acknowledged Matrix messages are not in the database: %q", share, gone)
	w.unsynced += len(gone)
	if w.fullSync {
		for _, text := range gone {
			w.found(Problem{Kind: Lost, Where: "at a power failure", What: text, Detail: "although every transaction is synced"})
		}
	}
	w.setBack()
	time.Sleep(ms(s.a, 500))
	w.Bridge.StartAgain()
}

// acknowledgedAndGone are the messages that the homeserver has handed over and the inbox in the database does not have.
func (w *world) acknowledgedAndGone() (gone []string) {
	w.t.Helper()
	probe := filepath.Join(w.Dir, "probe.db")
	w.CopyFiles(probe)
	rows, err := stage.ColumnOf(probe, "SELECT event_id FROM matrix_inbox")
	require.NoError(w.t, err)
	handed := w.handedOver()
	for _, c := range conversations {
		for _, e := range w.timeline(w.rooms[c.key]) {
			text := w.pictured(e.Content.AsMessage())
			if sourceOf(text).matrix && handed[e.ID] > 0 && !slices.Contains(rows, string(e.ID)) {
				gone = append(gone, text)
			}
		}
	}
	return gone
}

// awaitTraffic waits a while until each of some sources has had a message accepted after the call.
func (w *world) awaitTraffic(limit time.Duration, names ...string) {
	before := w.written()
	wait.Holds(limit, func() bool {
		now := w.written()
		return !slices.ContainsFunc(names, func(name string) bool { return now[name] == before[name] })
	})
}

// written counts the accepted messages of each source.
func (w *world) written() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for name, conversations := range w.said {
		for _, list := range conversations {
			n[name] += len(list)
		}
	}
	return n
}

// setBack notes that the bridge may not know any more which read markers it has shown on IRC.
func (w *world) setBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ircMarks = append(w.ircMarks, Mark{})
	w.forgot = append(w.forgot, time.Now().UnixMilli())
}

// found notes a problem.
func (w *world) found(p Problem) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, p)
}
