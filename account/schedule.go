package account

import (
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// schedule is the part of a link that decides when catch-ups run, one at a time.
type schedule struct {
	catching  *catchup       // the one under way; nil if there is none
	wanted    bool           // one that has not begun
	asks      []chan<- error // who waits for that
	lastRun   time.Time      // when the latest began
	lastLook  time.Time
	failing   time.Time // since when they have failed; zero if the last has not
	notBefore time.Time // the network wants none before
	retryAt   time.Time
	retries   *backoff
	peopleAt  time.Time // when all people are looked up again; zero while they are
}

// want asks for a catch-up that begins after now.
func (l *link) want() {
	l.wanted = true
	if l.catching != nil && l.catching.look {
		l.catching.stop()
	}
}

// soon is want for what nobody waits for: it may come again and again, and the network gets a pause between.
func (l *link) soon() {
	if at := l.lastRun.Add(l.s.m.options.BackoffMin); time.Now().Before(at) {
		l.retryAt = at
	} else {
		l.want()
	}
}

// ask is want by others. The result of that catch-up is sent to done, which has room for it, unless it is nil.
type ask struct{ done chan<- error }

func (e ask) take(l *link) {
	if e.done != nil {
		l.asks = append(l.asks, e.done)
	}
	l.want()
}

// catchUp runs a catch-up that begins after the call and returns its result.
func (s *session) catchUp(ctx context.Context) error {
	done := make(chan error, 1)
	s.link.post(ask{done})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clock is the network's time, by which its events expire; ok is false until the first
// catch-up of the run.
func (s *session) clock() (now time.Time, ok bool) {
	v := s.link.shown.Load()
	return s.m.now().Add(v.ahead), v.caughtUp
}

// catchUpDue begins catch-ups when asked for, and regularly while connected so that the cursor
// stays young; and in between looks.
func (l *link) catchUpDue(a *agenda) {
	if l.catching != nil {
		return
	}
	if a.due(l.retryAt) || l.state.Status == chat.Connected && a.due(l.lastRun.Add(l.s.m.options.CatchupEvery)) {
		l.wanted = true
	}
	look := a.due(l.lastLook.Add(l.s.m.options.CompareEvery))
	if look {
		l.lastLook = a.now
	}
	switch {
	case l.wanted && (l.notBefore.IsZero() || a.due(l.notBefore)):
		r := l.begin(a.now)
		r.asks, l.asks = l.asks, nil
		l.wanted, l.notBefore, l.retryAt, l.lastRun = false, time.Time{}, time.Time{}, a.now
		l.keep = true
		l.s.spawn(r.run)
	case look && l.heard(l.epoch, l.live):
		r := l.begin(a.now)
		r.look = true
		l.s.spawn(func() { l.post(caughtUp{r, r.compareLatest(l.noted), false}) })
	}
}

// begin makes the catch-up or look that is under way from now on.
func (l *link) begin(now time.Time) *catchup {
	r := &catchup{s: l.s, began: now, epoch: l.epoch, live: l.live}
	r.ctx, r.stop = context.WithCancel(l.s.ctx)
	l.catching = r
	return r
}

// drain asks for the next update that was kept aside during a catch-up, whose error so far is
// err. When none is left, updates are logged as they come again. When pushes got lost since the
// catch-up began, or it has failed, nothing is let through; but one that keeps failing holds
// updates up only for so long.
type drain struct {
	run  *catchup
	err  error
	next *Update
}

func (d *drain) take(l *link) {
	r := d.run
	switch {
	case d.err == nil:
		l.synced(r)
		if r.epoch != l.epoch {
			r.again = true
			return
		}
	case l.failing.IsZero() || time.Since(l.failing) <= l.s.m.options.AsidePatience:
		return
	}
	if len(l.aside) > 0 {
		d.next, l.aside = &l.aside[0].update, l.aside[1:]
		return
	}
	r.again, l.dropped, l.aside = l.dropped, false, nil
	l.keep, l.failed = !l.live || r.again, new(int)
	if d.err == nil && !r.again {
		l.judge(r)
	}
}

// synced notes what a catch-up knows that has logged everything.
func (l *link) synced(r *catchup) {
	first := !l.caughtUp
	l.ahead, l.caughtUp = r.ahead, true
	l.publish()
	if first {
		l.s.setReady()
		l.s.outbox.wakeAll()
	}
}

// caughtUp is the end of a catch-up or look. unlogged says that an update that was kept aside is not in
// the log.
type caughtUp struct {
	run      *catchup
	err      error
	unlogged bool
}

func (e caughtUp) take(l *link) {
	e.run.stop()
	l.catching = nil
	l.dropped = l.dropped || e.unlogged // the next one brings it
	for _, done := range e.run.asks {
		done <- e.err
	}
	asked := l.wanted
	if e.err == nil && e.run.again {
		l.soon()
	}
	switch {
	case e.run.look && e.err != nil && !asked: // who asks ends a look
		l.s.zlog.Warn().Err(e.err).Msg("Failed to compare conversations")
	case e.run.look:
	case e.err != nil:
		l.catchUpFailed(e.err)
	default:
		l.retries.reset()
		l.failing = time.Time{}
		if !e.run.again && l.live && l.state.Status == chat.Connecting {
			l.setState(chat.Connected, "")
		}
	}
}

// catchUpFailed plans the next try. Somebody who asks for a catch-up, for example a new channel,
// has it sooner, but not before the network's own time.
func (l *link) catchUpFailed(err error) {
	if l.s.ctx.Err() != nil {
		return
	}
	now := time.Now()
	if l.live && l.state.Status == chat.Connecting {
		l.setState(chat.Connecting, "catching up failed: "+err.Error())
	}
	if l.failing.IsZero() {
		l.failing = now
	}
	l.s.zlog.Warn().Err(err).Msg("Catch-up failed, trying again")
	if l.isBad() {
		return
	}
	asked := retryAfter(err)
	whole := l.retries.pause(asked)
	l.notBefore = now.Add(min(whole, max(asked, l.s.m.options.BackoffMin)))
	l.retryAt = now.Add(whole)
}
