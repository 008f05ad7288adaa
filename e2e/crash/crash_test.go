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

// What is counted apart until the program promises more; CRASH_STRICT=1 makes all of it failures, CRASH_STRICT=0 nothing.
const (
	homeserverLossFails = true  // messages that the homeserver forgot or delayed in a restart, before it handed them over
	overtakingFails     = false // an own message's answer is faster than the push of what came a moment before it
	withdrawalFails     = false // a read marker set on IRC steps back in a crash: it is outstanding in memory only
)

func strict(otherwise bool) bool {
	if text := os.Getenv("CRASH_STRICT"); text != "" {
		return text != "0"
	}
	return otherwise
}

// settling bounds how long the ends may take to become complete after the last fault.
const settling = 150 * time.Second

// Bridge, Hangouts server and homeserver are killed and connections broken while four people write in three
// conversations. CRASH_KILLS and CRASH_MESSAGES make it longer; SEED repeats a run.
func TestNothingLostInCrashes(t *testing.T) {
	n, messages := number(t, "CRASH_KILLS", 12), number(t, "CRASH_MESSAGES", 200)
	w := newWorld(t, seed(t), false, 5*time.Minute+time.Duration(n)*10*time.Second)
	w.run(plan(w.seed, n, kills, others), messages)
}

// Synapse is killed three times while the same people write.
func TestNothingLostWhenSynapseIsKilled(t *testing.T) {
	w := newWorld(t, seed(t), true, 8*time.Minute)
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
	for _, end := range []string{"on Hangouts", "in Matrix"} {
		require.NotEmpty(w.t, w.marks[end], "a run without watermarks %s proves nothing", end)
	}
}

// readToTheEnd has Bob read everything when nothing fails any more: that must show in Matrix.
func (w *world) readToTheEnd() {
	w.t.Helper()
	for _, c := range conversations {
		w.control("watermark", map[string]any{"as": "bob", "conversation": c.key})
		w.Eventually(time.Minute, "Bob's receipt at the end of "+c.room, func() bool {
			receipt := w.Alice.Receipt(w.rooms[c.key], w.ghost("bob"))
			return slices.ContainsFunc(w.timeline(w.rooms[c.key]), func(e *event.Event) bool {
				return e.ID == receipt && strings.HasSuffix(e.Content.AsMessage().Body, " end") // one of the closing messages
			})
		})
	}
}

// complete says whether nothing more is to be expected. What the homeserver has forgotten may still be found for a while.
func (v verdict) complete(waited time.Duration) bool {
	lost := slices.ContainsFunc(v.problems, func(p Problem) bool { return p.Kind == Lost })
	return !lost && (len(v.byHomeserver) == 0 || waited > 90*time.Second)
}

// report prints the counts and fails the test for every problem.
func (w *world) report(v verdict, took, settled time.Duration) {
	w.t.Helper()
	killed, total := 0, 0
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(w.counts)) {
		faults = append(faults, fmt.Sprintf("%d %s", w.counts[name], name))
		if strings.HasPrefix(name, "kill") {
			killed += w.counts[name]
		}
	}
	for _, n := range v.accepted {
		total += n
	}
	welcomes, repeats := w.irc.Counts()
	w.t.Logf("SEED=%d: %d kill points, %d messages accepted %v (%d on IRC unconfirmed, %d of them not there), %v; all there %v after the last fault", w.seed, killed, total,
		v.accepted, v.unconfirmed, v.absent, took.Round(time.Second), settled.Round(time.Second))
	w.t.Logf("faults: %s", strings.Join(faults, ", "))
	w.t.Logf("IRC connected %d times, %d messages repeated with a known msgid; hangups has seen %s", welcomes, repeats, v.hangups)
	w.t.Logf("counted apart: %d lost or delayed by the homeserver, %d overtaken by the answer to an own message, %d read markers withdrawn",
		len(v.byHomeserver), len(v.overtaken), len(v.withdrawn))
	w.t.Logf("found: %s", Summary(v.problems))
	problems := slices.Clone(v.problems)
	var all strings.Builder
	for _, p := range v.problems {
		fmt.Fprintln(&all, p)
	}
	for _, apart := range []struct {
		what  string
		found []Problem
		fails bool
	}{{"by the homeserver: ", v.byHomeserver, homeserverLossFails}, {"", v.overtaken, overtakingFails}, {"", v.withdrawn, withdrawalFails}} {
		for _, p := range apart.found {
			fmt.Fprintf(&all, "%s%s\n", apart.what, p)
		}
		if strict(apart.fails) {
			problems = append(problems, apart.found...)
		}
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
