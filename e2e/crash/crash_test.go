package crash

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
)

// settling bounds how long the ends may take to become complete after the last fault.
const settling = 150 * time.Second

// Bridge, Hangouts server and homeserver are killed and connections broken while four people, two of them with accounts of the bridge, write in three
// conversations. CRASH_KILLS and CRASH_MESSAGES make it longer; SEED repeats a run.
func TestNothingLostInCrashes(t *testing.T) {
	n, messages := number(t, "CRASH_KILLS", 12), number(t, "CRASH_MESSAGES", 200)
	w := newWorld(t, seed(t), false, false, 5*time.Minute+time.Duration(n)*15*time.Second)
	w.run(plan(w.seed, n, kills, others, thorough...), messages)
}

// A power failure takes nothing from a database that syncs every transaction.
func TestPowerFailureWithFullSync(t *testing.T) {
	w := newWorld(t, seed(t), false, true, 8*time.Minute)
	w.run(plan(w.seed, 3, []weighted{{powerFault, 1}}, nil), 80)
}

// Synapse is killed three times while the same people write.
func TestNothingLostWhenSynapseIsKilled(t *testing.T) {
	w := newWorld(t, seed(t), true, false, 8*time.Minute)
	w.run(plan(w.seed, 3, []weighted{{"kill homeserver", 1}}, nil), 120)
}

// run has the faults happen while everybody writes, waits until all is quiet, and judges.
func (w *world) run(steps []step, messages int) {
	w.t.Helper()
	w.t.Logf("SEED=%d: %d faults", w.seed, len(steps))
	began := time.Now()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		w.read(ctx)
	}()
	s := w.start(messages, max(10*time.Second, time.Duration(len(steps))*1100*time.Millisecond))
	w.breakThings(steps)
	w.calm()
	w.faulted.Store(true)
	require.NoError(w.t, s.wait(), "SEED=%d", w.seed)
	require.NoError(w.t, w.closing(), "SEED=%d", w.seed)
	w.note("all written")
	settled := time.Now()
	v := w.judge()
	for !v.complete(time.Since(settled)) && time.Since(settled) < settling {
		time.Sleep(time.Second)
		v = w.judge()
		w.note("not complete: %q", v.problems)
	}
	took := time.Since(settled)
	w.readToTheEnd()
	time.Sleep(3 * time.Second) // what comes twice may come late
	cancel()
	<-reading
	v = w.judge()
	w.report(v, time.Since(began), took)
	for _, src := range sources {
		require.NotZero(w.t, v.accepted[src.name], "a run without messages of %s proves nothing", src.name)
	}
	for _, d := range []deed{shows, renames, moves} {
		require.NotZero(w.t, w.done[d], "a run without pictures, new names or people proves nothing of them")
	}
	for _, end := range []string{"on Hangouts", "in Matrix"} {
		require.NotEmpty(w.t, w.marks[end], "a run without watermarks %s proves nothing", end)
	}
}

// readToTheEnd has Bob write once more and everybody read it when nothing fails any more: Bob on Hangouts, which must show
// in Matrix; Alice in Matrix and, the one-to-one conversation, on IRC, which must show on Hangouts and on IRC.
func (w *world) readToTheEnd() {
	w.t.Helper()
	w.ending.Store(true)
	const text = "bob last"
	for _, c := range conversations {
		require.NoError(w.t, w.one(sources[bob], act{conversation: c.key, text: text}))
		room := w.rooms[c.key]
		var last *event.Event
		w.Eventually(time.Minute, "the last message in "+c.room, func() bool {
			timeline := w.timeline(room)
			last = timeline[len(timeline)-1]
			return last.Content.AsMessage().Body == text && w.lastOnIRC(c.irc) == last.Timestamp
		})
		w.control("watermark", map[string]any{"as": "bob", "conversation": c.key})
		w.Eventually(time.Minute, "Bob's receipt at the end of "+c.room, func() bool {
			return w.Alice.Receipt(room, w.inMatrix(w.gaia["bob"])) == last.ID
		})
		require.Less(w.t, w.watermark(c.key, "alice"), last.Timestamp, "nobody has read it for her")
		if c.key == "direct" {
			w.markOnIRC(c.irc, last.Timestamp)
		} else {
			require.NoError(w.t, w.Alice.Matrix.MarkRead(w.ctx, room, last.ID))
		}
		w.Eventually(time.Minute, "Alice's watermark at the end of "+c.room+" on Hangouts", func() bool {
			return w.watermark(c.key, "alice") == last.Timestamp
		})
		w.Eventually(time.Minute, "Alice's read marker at the end of "+c.irc+" on IRC", func() bool {
			return w.toldMarker(c.key) == last.Timestamp
		})
	}
}

// complete says whether nothing more is to be expected. What the homeserver has forgotten may still be found for a while.
func (v verdict) complete(waited time.Duration) bool {
	lost := slices.ContainsFunc(v.problems, func(p Problem) bool { return p.Kind == Lost || p.Kind == Differs })
	return !lost && (len(v.byHomeserver) == 0 || waited > 90*time.Second)
}

// report prints the counts and fails the test for every problem.
func (w *world) report(v verdict, took, settled time.Duration) {
	w.t.Helper()
	killed, total := 0, 0
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(w.counts)) {
		faults = append(faults, fmt.Sprintf("%d %s", w.counts[name], name))
		if isKill(name) {
			killed += w.counts[name]
		}
	}
	for _, n := range v.accepted {
		total += n
	}
	welcomes, repeats := w.irc.Counts()
	w.t.Logf("SEED=%d: %d kill points, %d messages accepted %v (%d on IRC unconfirmed, %d of them not there), %v; all there %v after the last fault", w.seed, killed, total,
		v.accepted, v.unconfirmed, v.absent, took.Round(time.Second), settled.Round(time.Second))
	loaded := 0
	for name, n := range v.photos {
		if sourceOf(name).matrix {
			loaded += n - 1
		}
	}
	w.t.Logf("of the messages %d pictures, %d new names, %d people added or removed; pictures uploaded again %d times to the homeserver, %d times to Hangouts; %d messages in Matrix after a change that was made later",
		w.done[shows], w.done[renames], w.done[moves], v.uploadedAgain, loaded, v.early)
	w.t.Logf("faults: %s", strings.Join(faults, ", "))
	w.t.Logf("power failures took %d acknowledged Matrix messages from the database; restores and power failures set back %d read markers on IRC", w.unsynced, SetBack(w.ircMarks))
	w.t.Logf("IRC connected %d times, %d messages repeated with a known msgid; hangups has seen %s", welcomes, repeats, v.hangups)
	w.t.Logf("found: %s", Summary(append(slices.Clone(v.problems), v.byHomeserver...)))
	problems := slices.Clone(v.problems)
	for _, p := range v.byHomeserver {
		p.Detail = strings.TrimSpace(p.Detail + " (by the homeserver, which was killed before it handed it over)")
		problems = append(problems, p)
	}
	var all strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&all, p)
	}
	_ = os.WriteFile(filepath.Join(w.Dir, "problems.txt"), []byte(all.String()), 0o600)
	for i, p := range problems {
		if i == 40 {
			w.t.Errorf("… %d more in %s", len(problems)-i, filepath.Join(w.Dir, "problems.txt"))
			break
		}
		w.t.Errorf("SEED=%d: %s", w.seed, p)
	}
}
