package account

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// link owns an account's connection to the network: its state, the push channel, updates kept
// aside, catch-ups, the watchdog's clocks and typing. All of it belongs to the goroutine of run.
// Everybody else posts inputs and reads the published view. Its children (a run of the push
// channel, a catch-up, one request) only report. The owner never blocks: writes go to the
// database's writer, requests to children.
type link struct {
	s       *session
	inputs  chan input
	shown   atomic.Pointer[view]
	writing chan struct{} // one for each update that is neither logged nor kept aside

	view
	dialer
	intake
	schedule
	watchdog
	rotation
	typing    typing
	activated time.Time
}

// view is what others may know of a link.
type view struct {
	conn       Connection // nil: the stored credentials cannot be used
	generation int64
	self       chat.Person
	state      chat.AccountState
	quietUntil time.Time // the network wants no requests before
	refusals   int       // of the credentials, in a row
	caughtUp   bool      // everything before this run of the program is logged
	ahead      time.Duration
}

// input is something that has happened, for the owner to take into account.
type input interface{ take(l *link) }

// maxInputs is how many inputs wait; those who post more wait.
const maxInputs = 16

// maxWriting is how many updates of an account are on their way into the log before the channel waits.
const maxWriting = 64

func newLink(s *session, row *database.AccountRow) *link {
	l := &link{s: s, inputs: make(chan input, maxInputs), writing: make(chan struct{}, maxWriting)}
	l.self, l.generation = row.Self, row.Generation
	l.state = chat.AccountState{Status: chat.Connecting, Since: time.Now().UnixMicro()}
	if row.Status == chat.BadCredentials {
		l.state.Status, l.state.Reason = chat.BadCredentials, row.Reason
	}
	l.keep, l.complete, l.noted = true, noEpoch, make(map[chat.ConversationID]int64)
	l.pauses, l.retries = s.m.options.backoff(), s.m.options.backoff()
	l.rechecks = &backoff{min: s.m.options.Recheck, max: 12 * s.m.options.Recheck}
	l.typing.l = l
	l.open(row.Credentials)
	l.publish()
	return l
}

// publish shows the others the view as it is now.
func (l *link) publish() {
	v := l.view
	l.shown.Store(&v)
}

// post hands an input to the owner. It is dropped when the session has ended.
func (l *link) post(in input) {
	select {
	case l.inputs <- in:
	case <-l.s.ctx.Done():
	}
}

// call posts an input and returns once the owner has taken it; false means that the session has ended.
func (l *link) call(in input) bool {
	done := make(chan struct{})
	l.post(called{in, done})
	select {
	case <-done:
		return true
	case <-l.s.ctx.Done():
		return false
	}
}

type called struct {
	input
	done chan struct{}
}

func (c called) take(l *link) {
	c.input.take(l)
	close(c.done)
}

// run is the owner's goroutine.
func (l *link) run() {
	now := time.Now()
	l.lastRun, l.lastLook = now, now
	l.peopleAt = now.Add(l.s.m.options.CatchupEvery / 2)
	// After a start refused credentials are tried at once: the service may have been repaired.
	l.dialAt = now
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(l.advance())
		select {
		case <-l.s.ctx.Done():
			return
		case in := <-l.inputs:
			in.take(l)
		case <-timer.C:
		}
	}
}

// agenda says what is due at one moment, and when the next thing will be.
type agenda struct{ now, next time.Time }

// due reports whether a time has come; the zero time never does.
func (a *agenda) due(at time.Time) bool {
	switch {
	case at.IsZero():
		return false
	case !at.After(a.now):
		return true
	case at.Before(a.next):
		a.next = at
	}
	return false
}

// advance does what is due and returns how long nothing will be.
func (l *link) advance() time.Duration {
	a := &agenda{now: time.Now()}
	a.next = a.now.Add(time.Hour)
	l.dialDue(a)
	l.watchDue(a)
	l.catchUpDue(a)
	l.peopleDue(a)
	if a.due(l.saveAt) {
		l.save()
	}
	l.typing.due(a)
	return a.next.Sub(a.now)
}

// acted: the person did something at one of our sides. Where they wrote they type no more; "" if they did not write.
type acted struct{ wrote chat.ConversationID }

func (e acted) take(l *link) {
	l.typing.sent(e.wrote)
	l.activate()
}

// activeEvery is the shortest time between two calls of SetActive.
const activeEvery = time.Minute

// activate makes this the account's active client, at most every activeEvery.
func (l *link) activate() {
	conn, err := l.s.request()
	if err != nil || time.Since(l.activated) <= activeEvery {
		return
	}
	l.activated = time.Now()
	l.s.spawn(func() {
		if err := conn.SetActive(l.s.ctx); err != nil {
			l.s.zlog.Debug().Err(err).Msg("Failed to become the active client")
		}
	})
}

// rotation is the part of a link that keeps credentials that the network has changed.
type rotation struct {
	rotated *credentials // the newest
	saveAt  time.Time    // the next try
}

// credentials of a login have changed. They are kept however long storing them takes; newer ones
// replace those that wait.
type credentials struct {
	generation int64
	stored     []byte
}

func (c *credentials) take(l *link) {
	l.rotated = c
	l.save()
}

func (l *link) save() {
	c := l.rotated
	l.saveAt = time.Time{}
	l.s.m.db.WriteLater(l.s.ctx, func(ctx context.Context) error {
		return l.s.m.db.Accounts().PutCredentials(ctx, l.s.id, c.generation, c.stored)
	}, func(err error) { l.post(saved{err}) })
}

// saved is how storing credentials went.
type saved struct{ err error }

func (c saved) take(l *link) {
	if c.err != nil {
		l.s.zlog.Err(c.err).Msg("Failed to store changed credentials, trying again")
		l.saveAt = time.Now().Add(l.s.m.options.BackoffMin)
	}
}
