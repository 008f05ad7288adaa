package homeserver

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

const (
	// pollTime is how long one request of the watcher waits for nothing: less than proxies
	// let a connection be idle. Its answer may come pollGrace later.
	pollTime  = 30 * time.Second
	pollGrace = 30 * time.Second
	// lateAge is the age of an event, when it is pushed, that is a sign of an outage:
	// homeservers repeat what has failed after two seconds at the earliest.
	lateAge = 1900 * time.Millisecond
	// watcher is the user, beside the ghosts, whose requests end with the homeserver.
	watcher = "watch"
)

// reconciliation finds the events that the homeserver does not push, or not in order.
//
// When a homeserver is restarted, all that waits behind the transaction in flight is gone. When
// we could not be reached for a while, it first pushes what it has stored meanwhile; Synapse may
// lay one more event aside while it goes over to pushing directly: later ones overtake it, and
// it comes only after the next outage. So the reconciliation is in one of two states:
//
//	settled    Pushed events are handled at once. A round is due every hour.
//	unsettled  Pushed events are stored and held. Looks are due at once, then after pauses that
//	           double, and sooner when something is held, but never closer than the first pause.
//
// A round asks /sync, from the token of the previous one, what has come to all rooms of the bot. What
// it names and what is held are then handled once, in the order of /sync. Events that came after
// the question and are not named stay held in the unsettled state. During any round pushed events
// are held.
//
// A sign of an outage makes it unsettled: the start; the end of the long poll of a user of ours
// who is in no room, so that nothing but the homeserver's end ends it, and its return; a push
// that comes late by its age; a transaction that could not be stored; a round that fails. The
// first round that succeeds a while after the last sign settles it, and releases everything.
//
// A homeserver that refuses /sync is blind: nothing is held, and a round is tried every hour.
type reconciliation struct {
	c      *Connector
	inbox  *inbox
	poller *appservice.IntentAPI
	client *http.Client // of the poll: no connection is used twice, since Go would repeat the request silently
	every  time.Duration
	doubt  time.Duration // how long after a sign order is not trusted
	waits  time.Duration // how long pushed events wait for rounds that fail
	pause  time.Duration // the first
	log    zerolog.Logger

	wake chan struct{} // a round is due

	mu      sync.Mutex
	holding bool      // pushed events are held: not settled, or a round is running
	sign    time.Time // the last of an outage
	away    bool      // that sign was not a push: the homeserver may have to be asked to push
	blind   bool
	waiting time.Time // since when an event is held, zero if none is
}

func newReconciliation(c *Connector, base http.RoundTripper, o Options) *reconciliation {
	plain, ok := base.(*http.Transport)
	if !ok {
		plain = http.DefaultTransport.(*http.Transport)
	}
	plain = plain.Clone()
	plain.DisableKeepAlives = true
	return &reconciliation{
		c: c, inbox: c.inbox, client: &http.Client{Transport: plain, Timeout: pollTime + pollGrace}, wake: make(chan struct{}, 1),
		poller: c.AS.NewIntentAPI(c.Config.AppService.FormatUsername(watcher)),
		every:  cmp.Or(o.ReconcileEvery, time.Hour),
		doubt:  cmp.Or(o.UnsettledTime, 30*time.Second),
		waits:  cmp.Or(o.ReconcilePatience, time.Minute),
		pause:  cmp.Or(o.ReconcilePause, firstPause),
		log:    o.Log.With().Str("component", "reconciliation").Logger(),

		holding: true,
	}
}

// suspect notes a sign of an outage: what is pushed from now on is held. With away the
// homeserver may have to be asked to push.
func (r *reconciliation) suspect(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sign, r.away = time.Now(), r.away || away
	if !r.blind {
		r.holding = true
		r.roundSoon()
	}
}

// put stores events that were pushed, held if need be.
func (r *reconciliation) put(ctx context.Context, rows []database.InboxRow) error {
	held := false
	err := r.inbox.put(ctx, rows, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		held = r.holding
		return held
	})
	if held {
		r.mu.Lock()
		if r.waiting.IsZero() {
			r.waiting = time.Now()
		}
		r.mu.Unlock()
		r.roundSoon()
	}
	return err
}

func (r *reconciliation) roundSoon() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// settled reports whether pushed events are handled at once.
func (r *reconciliation) settled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.holding
}

// run runs a round whenever one is due, until ctx ends.
func (r *reconciliation) run(ctx context.Context) {
	ctx = r.log.WithContext(ctx)
	r.suspect(true) // the start
	r.mu.Lock()
	r.waiting = time.Now() // the previous run may have left something
	r.mu.Unlock()
	var watch sync.WaitGroup
	watch.Go(func() { r.watch(ctx) })
	defer watch.Wait()
	ping, failures := true, time.Duration(0)
	for ctx.Err() == nil {
		next := time.NewTimer(r.pause) // no round begins before
		err := r.round(ctx, ping)
		switch {
		case err == nil:
			failures = 0
		case Refused(err):
			err = r.giveUp(ctx)
		case ctx.Err() == nil:
			r.log.Debug().Err(err).Msg("Failed to ask for missing events, trying again")
			failures = max(r.pause, min(2*failures, longestPause, r.waits/2))
			r.goOn(ctx, err)
		}
		due := r.due(err, failures)
		ping = r.await(ctx, due)
		select {
		case <-next.C:
		case <-ctx.Done():
		}
	}
}

// due is how long after a round the next one is due if nothing happens.
func (r *reconciliation) due(err error, failures time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := time.Since(r.sign)
	switch {
	case err != nil:
		return failures
	case !r.holding:
		return r.every
	}
	return min(max(since, r.pause), max(r.doubt-since, r.pause), r.every)
}

// await waits until a round is due and reports whether the homeserver is to be asked to push:
// not when it is doing so.
func (r *reconciliation) await(ctx context.Context, due time.Duration) (ping bool) {
	timer := time.NewTimer(due)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.wake:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away
}

// round stores what was not pushed and releases what is held.
func (r *reconciliation) round(ctx context.Context, ping bool) error {
	select {
	case <-r.wake:
	default:
	}
	r.mu.Lock()
	r.away = false
	r.holding = true
	r.mu.Unlock()
	asked := r.inbox.position()
	since, err := r.inbox.store.SyncToken(ctx)
	if err != nil {
		return err
	}
	if ping {
		// After an outage the homeserver may not push anything before it is asked to.
		if err = r.c.ping(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1)); err != nil {
			r.log.Debug().Err(err).Msg("The homeserver does not reach us")
		}
	}
	rows, next, err := r.missed(ctx, since)
	if since != "" && Refused(err) {
		// Perhaps a token of a database that the homeserver has no more.
		if _, next, err = r.missed(ctx, ""); err == nil {
			r.log.Warn().Msg("The homeserver does not know the sync token; asking each room for its events since the latest known one")
			rows, err = r.sinceKnown(ctx, next)
		}
	}
	if err != nil {
		return err
	}
	r.setBlind(false)
	return r.release(ctx, rows, next, asked, func() bool { return time.Since(r.sign) >= r.doubt })
}

// release has the events that are named and those that are held handled: all, and none is held
// any more, if settles says so, or those up to a position. mu is held in settles.
func (r *reconciliation) release(ctx context.Context, named []database.InboxRow, token string, until int64, settles func() bool) error {
	settled := false
	return r.inbox.arrange(ctx, named, token, func() int64 {
		r.mu.Lock()
		defer r.mu.Unlock()
		if settled = settles(); settled {
			return math.MaxInt64
		}
		return until
	}, func(held int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.holding = !settled || !settles() // there may have been a sign meanwhile
		r.waiting = time.Time{}
		if held > 0 {
			r.waiting = time.Now()
			r.roundSoon()
		}
	})
}

func (r *reconciliation) setBlind(blind bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blind = blind
}

// giveUp handles held events without a round, now and until one succeeds.
func (r *reconciliation) giveUp(ctx context.Context) error {
	r.log.Warn().Msg("The homeserver does not say which events are missing; some may be lost when it is restarted")
	r.setBlind(true)
	return r.release(ctx, nil, "", math.MaxInt64, func() bool { return true })
}

// goOn takes a round that failed for a sign of an outage. A homeserver that pushes events but fails
// to name what is missing holds them up for a while only.
func (r *reconciliation) goOn(ctx context.Context, err error) {
	r.mu.Lock()
	r.sign, r.away = time.Now(), true
	late := !r.waiting.IsZero() && time.Since(r.waiting) > r.waits
	r.mu.Unlock()
	if !late {
		return
	}
	r.log.Warn().Err(err).Msg("The homeserver does not say which events are missing; going on with those that it pushed")
	_ = r.release(ctx, nil, "", math.MaxInt64, func() bool { return false })
}

// watch holds the poll that ends with the homeserver, until ctx ends.
func (r *reconciliation) watch(ctx context.Context) {
	ctx = r.log.Level(zerolog.PanicLevel).WithContext(ctx) // its end is no failure
	token, pause, broken := "", firstPause, false
	for ctx.Err() == nil {
		began := time.Now()
		next, err := r.poll(ctx, token)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if broken { // it is there again
				r.suspect(true)
			}
			if token != "" && time.Since(began) < firstPause {
				Sleep(ctx, firstPause) // a homeserver that does not let it wait
			}
			token, pause, broken = next, firstPause, false
			continue
		case Refused(err) && token == "":
			r.log.Warn().Err(err).Stringer("user", r.poller.UserID).Msg("The homeserver lets nobody watch it; after its restarts events come late")
			pause = r.every
		case Refused(err): // perhaps the token
		case !broken:
			r.log.Info().Msg("The homeserver may have been restarted; asking for events that it has forgotten")
			r.suspect(true)
			broken = true
		}
		token = ""
		Sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

// poll asks /sync for nothing, and waits for it when it has a token.
func (r *reconciliation) poll(ctx context.Context, token string) (next string, err error) {
	wait := pollTime
	if token == "" {
		wait = 0
		if err = r.poller.EnsureRegistered(ctx); err != nil {
			return "", err
		}
	}
	answer, err := r.sync(ctx, r.poller.Client, token, filterNothing, wait, r.client)
	if err != nil {
		return "", err
	}
	return answer.NextBatch, nil
}

// Sleep waits, or until ctx ends.
func Sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
