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
)

const (
	// pollTime is how long one request of the watch waits for nothing: less than proxies
	// let a connection be idle.
	pollTime = 30 * time.Second
	// pollGrace is how much later its answer may come.
	pollGrace = 30 * time.Second
	// lookEvery is how often missing events are looked for while all seems well.
	lookEvery = time.Hour
	// unsettledTime is how long after the last sign of an outage the order of what is pushed
	// is not trusted.
	unsettledTime = 30 * time.Second
	// lookPatience is how long pushed events wait for a look that fails.
	lookPatience = time.Minute
	// lateAge is the age of an event, when it is pushed, that is such a sign: homeservers
	// repeat what has failed after two seconds at the earliest.
	lateAge = 1900 * time.Millisecond
)

// watch finds the events that the homeserver forgets to push to us, in two ways.
//
// When it is restarted, all that wait behind the transaction in flight are gone. A request
// that the homeserver never answers before its time ends with the homeserver.
//
// When we could not be reached for a while, it first pushes what it has stored meanwhile.
// Synapse may lay one more event aside while it goes over to pushing directly: later ones
// overtake it, and it comes only after the next outage. So for a while after the start and
// after each sign of an outage all that is pushed is held for a look.
//
// A look holds the inbox until /sync has named what should have come; both together are
// handled once, in the order of /sync. There is one every hour, too.
type watch struct {
	c     *Connector
	poll  *http.Client // no connection of it is used twice: Go would repeat the request silently
	inbox *inbox
	every time.Duration
	doubt time.Duration // how long after a sign of an outage order is not trusted
	waits time.Duration // how long pushed events wait for a look that fails
	log   zerolog.Logger

	mu    sync.Mutex
	sign  time.Time     // of the last sign of an outage
	blind bool          // this homeserver has no /sync for us
	due   chan struct{} // a look is
}

func newWatch(c *Connector, plain http.RoundTripper, o Options) *watch {
	return &watch{
		c: c, poll: newPollClient(plain), inbox: c.inbox, due: make(chan struct{}, 1),
		every: cmp.Or(o.LookEvery, lookEvery),
		doubt: cmp.Or(o.UnsettledTime, unsettledTime),
		waits: cmp.Or(o.LookPatience, lookPatience),
		log:   o.Log.With().Str("component", "homeserver watch").Logger(),
	}
}

// newPollClient makes the client for requests whose end matters.
func newPollClient(base http.RoundTripper) *http.Client {
	plain, ok := base.(*http.Transport)
	if !ok {
		plain = http.DefaultTransport.(*http.Transport)
	}
	plain = plain.Clone()
	plain.DisableKeepAlives = true
	return &http.Client{Transport: plain, Timeout: pollTime + pollGrace}
}

// run watches until ctx ends. The inbox is held when it begins.
func (w *watch) run(ctx context.Context) {
	ctx = w.log.WithContext(ctx)
	w.suspect()
	ping := true
	for ctx.Err() == nil {
		token, ok := w.catchUp(ctx, ping)
		unsettled, since := w.unsettled()
		switch {
		case !ok:
			ping = !w.awaitDue(ctx, w.every)
		case w.inbox.holds(): // some came too late for this look
			ping = false
			continue
		case unsettled:
			// What is laid aside last has nothing behind it that could tell.
			ping = w.await(ctx, token, min(max(since, firstPause), w.every))
		default:
			ping = w.await(ctx, token, w.every)
		}
		if ctx.Err() == nil {
			w.inbox.hold(ctx)
		}
	}
}

// suspect notes a sign of an outage.
func (w *watch) suspect() {
	w.mu.Lock()
	w.sign = time.Now()
	blind := w.blind
	w.mu.Unlock()
	if !blind {
		w.lookSoon()
	}
}

// unsettled reports whether events may be pushed out of order, and how long ago the last
// sign of that was.
func (w *watch) unsettled() (bool, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := time.Since(w.sign)
	return !w.blind && since < w.doubt, since
}

func (w *watch) setBlind(blind bool) {
	w.mu.Lock()
	w.blind = blind
	w.mu.Unlock()
}

func (w *watch) lookSoon() {
	select {
	case w.due <- struct{}{}:
	default:
	}
}

// awaitDue waits until a look is due, at most for a while, and reports which.
func (w *watch) awaitDue(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-w.due:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// catchUp has what is missing stored and lets the inbox go on. It tries until it succeeds;
// ok is false if the homeserver refuses. A homeserver that pushes events but fails to name
// what is missing holds them up for a minute at most.
func (w *watch) catchUp(ctx context.Context, ping bool) (token string, ok bool) {
	pause := firstPause
	for {
		token, err := w.lookOnce(ctx, ping)
		if err == nil || ctx.Err() != nil {
			w.setBlind(false)
			return token, err == nil
		}
		if Refused(err) {
			w.log.Warn().Err(err).Msg("The homeserver does not say which events are missing; some may be lost when it is restarted")
			w.setBlind(true)
			if err = w.inbox.release(ctx, nil, math.MaxInt64, ""); err == nil {
				return "", false
			}
		}
		if w.inbox.heldFor() > w.waits {
			w.log.Warn().Err(err).Msg("The homeserver does not say which events are missing; going on with those that it pushed")
			if w.inbox.release(ctx, nil, math.MaxInt64, "") == nil {
				w.inbox.hold(ctx)
			}
		}
		w.suspect()
		ping = true
		w.log.Debug().Err(err).Msg("Failed to ask for missing events, trying again")
		Sleep(ctx, pause)
		pause = min(2*pause, longestPause, max(w.waits/2, firstPause))
	}
}

func (w *watch) lookOnce(ctx context.Context, ping bool) (string, error) {
	select {
	case <-w.due:
	default:
	}
	until := w.inbox.position()
	since, err := w.inbox.store.SyncToken(ctx)
	if err != nil {
		return "", err
	}
	if ping {
		// After an outage the homeserver may not push anything before it is asked to.
		if err = w.c.ping(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1)); err != nil {
			w.log.Debug().Err(err).Msg("The homeserver does not reach us")
		}
	}
	rows, next, err := w.missed(ctx, since)
	if since != "" && Refused(err) {
		// Perhaps a token of a database that the homeserver has no more.
		if _, next, err = w.missed(ctx, ""); err == nil {
			w.log.Warn().Msg("The homeserver does not know where we were; looking for the latest event of each room that we know")
			rows, err = w.sinceKnown(ctx, next)
		}
	}
	if err != nil {
		return "", err
	}
	return next, w.inbox.release(ctx, rows, until, next)
}

// await returns when a look is due: the homeserver may have been restarted, the time is
// over, or, and then it is false, something was pushed that needs a look.
func (w *watch) await(ctx context.Context, token string, patience time.Duration) (ping bool) {
	until := time.Now().Add(patience)
	poll, cancel := context.WithCancel(w.log.Level(zerolog.PanicLevel).WithContext(ctx)) // its end is no failure
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.pollOn(poll, token, until) }()
	select {
	case <-w.due:
		return false
	case err := <-ended:
		switch {
		case err == nil || ctx.Err() != nil:
		case Refused(err):
			return !w.awaitDue(ctx, time.Until(until))
		default:
			w.suspect()
			w.log.Info().Msg("The homeserver may have been restarted; looking for events that it has forgotten")
		}
		return true
	}
}

// pollOn asks /sync for nothing again and again until a time; its error may tell that the
// homeserver has ended.
func (w *watch) pollOn(ctx context.Context, token string, until time.Time) error {
	for time.Now().Before(until) {
		wait := min(pollTime, time.Until(until))
		answer, err := w.sync(ctx, token, filterNothing, wait.Milliseconds(), w.poll)
		if err != nil {
			return err
		}
		token = answer.NextBatch
	}
	return nil
}

// Sleep waits, or until ctx ends.
func Sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
