package crash

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// step is one fault with its random numbers, drawn before the run.
type step struct {
	fault string
	pause time.Duration // before
	await bool          // wait first until something has come through since the step before
	a, b  uint64
}

// kills are the faults that kill, with their weights; others the rest; thorough those that come in every run.
var (
	kills = []weighted{{"kill bridge", 10}, {"kill hangouts", 5}, {"kill homeserver", 4}, {"kill bridge twice", 2}, {"kill homeserver with events under way", 1}, {"kill bridge and homeserver", 1}, {"kill bridge and hangouts", 1},
		{restoreFault, 4}, {powerFault, 3}}
	others = []weighted{{"cut", 4}, {"truncate", 4}, {"stall", 2}, {"refuse", 3}, {"homeserver error", 3}, {"homeserver loses answer", 3}, {"hangouts fault", 5}, {"drop channel", 3},
		{backupFault, 2}, {"log out alice", 1}, {"log out carol", 1}, {"revoke IRC", 1}}
	thorough = []string{restoreFault, powerFault, "log out alice", "log out carol", "revoke IRC"}
)

// Faults of several places.
const (
	backupFault  = "backup"
	restoreFault = "restore backup"
	powerFault   = "power failure"
)

// isKill reports whether a fault counts as a kill point.
func isKill(fault string) bool {
	return strings.HasPrefix(fault, "kill") || fault == restoreFault || fault == powerFault
}

type weighted struct {
	name   string
	weight int
}

func pick(random *rand.Rand, list []weighted) string {
	total := 0
	for _, w := range list {
		total += w.weight
	}
	n := random.IntN(total)
	for _, w := range list {
		if n -= w.weight; n < 0 {
			return w.name
		}
	}
	panic("unreachable")
}

// plan draws faults until so many of them kill. The faults in always come besides, in random places.
func plan(seed uint64, n int, killing, other []weighted, always ...string) (steps []step) {
	random := rand.New(rand.NewPCG(seed, 0))
	draw := func() step {
		return step{pause: time.Duration(random.IntN(700)) * time.Millisecond, await: random.IntN(10) < 7, a: random.Uint64(), b: random.Uint64()}
	}
	n -= len(slices.DeleteFunc(slices.Clone(always), func(fault string) bool { return !isKill(fault) }))
	for n > 0 {
		s := draw()
		if len(other) == 0 || random.IntN(100) < 55 {
			s.fault = pick(random, killing)
			n--
		} else {
			s.fault = pick(random, other)
		}
		steps = append(steps, s)
	}
	for _, fault := range always {
		s := draw()
		s.fault = fault
		steps = slices.Insert(steps, random.IntN(len(steps)+1), s)
	}
	return steps
}

// breakThings does what a plan says. It belongs to the goroutine of the test.
func (w *world) breakThings(steps []step) {
	w.t.Helper()
	for n, s := range steps {
		time.Sleep(s.pause)
		if s.await {
			before := w.progress.Load()
			for deadline := time.Now().Add(6 * time.Second); w.progress.Load() == before && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond)
			}
		}
		if !w.Bridge.Running() {
			w.mu.Lock()
			w.ended = append(w.ended, Problem{Kind: Ended, Where: "before fault", What: s.fault, Detail: "see bridge.log"})
			w.mu.Unlock()
			w.note("the bridge is gone")
			w.Bridge.StartAgain()
		}
		w.note("fault %d: %s %d %d", n, s.fault, s.a, s.b)
		w.counts[s.fault]++
		w.do(s)
		w.note("fault %d done", n)
	}
}

func ms(n uint64, limit uint64) time.Duration { return time.Duration(n%limit) * time.Millisecond }

// failing are parts of the homeserver's paths at which it fails.
var failing = []string{"/send/", "/send/", "/upload/", "/state/"}

var linkNames = []string{"hangouts", "homeserver", "appservice", "irc"}

func (w *world) do(s step) {
	link := w.links[linkNames[s.a%4]]
	switch s.fault {
	case "kill bridge":
		w.kill(s, w.Bridge)
	case "kill hangouts":
		w.kill(s, w.hangouts)
	case "kill homeserver":
		w.kill(s, w.home)
	case "kill homeserver with events under way":
		w.links["appservice"].Stall(time.Second)
		time.Sleep(ms(s.b, 900))
		w.kill(s, w.home)
	case "kill bridge twice":
		w.kill(s, w.Bridge)
		time.Sleep(ms(s.b, 400))
		w.kill(s, w.Bridge)
	case "kill bridge and homeserver":
		w.kill(s, w.Bridge, w.home)
	case "kill bridge and hangouts":
		w.kill(s, w.hangouts, w.Bridge)
	case backupFault:
		w.backUp()
	case restoreFault:
		w.restore(s)
	case powerFault:
		w.powerFailure(s)
	case "log out alice":
		w.absence(s, "mx")
	case "log out carol":
		w.absence(s, "carolmx")
	case "revoke IRC":
		w.absence(s, "irc")
	case "cut":
		link.Cut()
	case "truncate":
		link.Truncate(int(s.b % 3000))
	case "stall":
		link.Stall(ms(s.b, uint64(stage.LongestStall/time.Millisecond)))
	case "refuse":
		link.Refuse([]int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}[s.b%4], ms(s.b>>8, 1500))
	case "homeserver error":
		w.null.Inject(nullhs.Fault{Path: failing[s.a>>8%4], Times: 1 + int(s.a%4), Status: []int{500, 502, 503, 429}[s.b%4]})
	case "homeserver loses answer":
		w.null.Inject(nullhs.Fault{Path: failing[s.a>>8%4], Times: 1 + int(s.a%2), Drop: true, After: s.b%3 > 0})
	case "hangouts fault":
		w.hangoutsFault(s)
	case "drop channel":
		how := []hangoutstest.DropHow{hangoutstest.DropEnd, hangoutstest.DropTruncate, hangoutstest.DropCut, hangoutstest.DropReset, hangoutstest.DropUnknownSID}
		w.control("drop", map[string]any{"account": "alice", "how": how[s.a%uint64(len(how))]})
	default:
		w.t.Fatalf("unknown fault %q", s.fault)
	}
}

// killed is a program that can be killed.
type killed interface {
	Kill9()
	StartAgain()
}

func (w *world) kill(s step, programs ...killed) {
	for _, p := range programs {
		p.Kill9()
	}
	time.Sleep(ms(s.a, 500))
	for _, p := range programs {
		p.StartAgain()
	}
}

// hangoutsFault makes requests of Alice's account fail.
func (w *world) hangoutsFault(s step) {
	kinds := []hangoutstest.Fault{
		{Kind: hangoutstest.FaultStatus, Status: 500}, {Kind: hangoutstest.FaultStatus, Status: 503},
		{Kind: hangoutstest.FaultLoseAnswer}, {Kind: hangoutstest.FaultLoseRequest}, {Kind: hangoutstest.FaultTruncate},
		{Kind: hangoutstest.FaultDelayAnswer, Delay: hangoutstest.Millis(s.b % 4000)},
	}
	endpoints := []string{"conversations/sendchatmessage", "conversations/sendchatmessage", "conversations/*", "channel/*", "upload/*", "upload/*"}
	f := kinds[s.a%uint64(len(kinds))]
	f.Account, f.Endpoint, f.Count = "alice", endpoints[(s.a>>16)%6], 1+int(s.b>>16)%3
	if (s.a>>32)%5 == 0 {
		f = hangoutstest.Fault{Kind: hangoutstest.FaultDuplicate, Account: "alice", Endpoint: "push/event", Count: 3}
	}
	w.control("fault", f)
}

// control asks the Hangouts server, which runs.
func (w *world) control(verb string, params any) {
	w.t.Helper()
	if err := w.hangouts.Control(w.ctx, verb, params, nil); err != nil {
		w.t.Fatalf("control interface: %v", err)
	}
}

// calm ends all faults.
func (w *world) calm() {
	w.t.Helper()
	for _, l := range w.links {
		l.Calm()
	}
	w.control("clear-faults", nil)
	if w.null != nil {
		w.null.ClearFaults()
	}
	if !w.Bridge.Running() {
		w.ended = append(w.ended, Problem{Kind: Ended, Where: "at the end", Detail: "see bridge.log"})
		w.Bridge.StartAgain()
	}
}
