package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
)

const (
	// pollTime is how long one request of the watch waits for nothing: less than proxies
	// let a connection be idle.
	pollTime = 30 * time.Second
	// pollGrace is how much later its answer may come.
	pollGrace = 30 * time.Second
	// lookEvery is how often missing events are looked for while all seems well.
	lookEvery = time.Hour
)

// watch finds the events that the homeserver forgets to push to us when it is restarted: all
// that wait behind the transaction in flight. A request that the homeserver never answers
// before its time ends with the homeserver. After that, at the start and every hour, the
// inbox is held until /sync has named what should have come, and both together are handled
// once, in the order of /sync.
type watch struct {
	bot   *mautrix.Client
	poll  *http.Client // no connection of it is used twice: Go would repeat the request silently
	inbox *inbox
	isOwn func(*event.Event) bool
	ping  func(context.Context) error
	every time.Duration
	log   zerolog.Logger
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
	for ctx.Err() == nil {
		token, ok := w.catchUp(ctx)
		if ok {
			ok = w.await(ctx, token)
		}
		if !ok {
			// This homeserver has no /sync for us.
			sleep(ctx, w.every)
		}
		if ctx.Err() == nil {
			w.inbox.hold(ctx)
		}
	}
}

// catchUp has what is missing stored and lets the inbox go on. It tries until it succeeds;
// ok is false if the homeserver refuses.
func (w *watch) catchUp(ctx context.Context) (token string, ok bool) {
	pause := firstPause
	for {
		token, err := w.lookOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return token, err == nil
		}
		var httpErr mautrix.HTTPError
		if errors.As(err, &httpErr) && refused(httpErr) {
			w.log.Warn().Err(err).Msg("The homeserver does not say which events are missing; some may be lost when it is restarted")
			if err = w.inbox.release(ctx, nil, ""); err == nil {
				return "", false
			}
		}
		w.log.Debug().Err(err).Msg("Failed to ask for missing events, trying again")
		sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

func (w *watch) lookOnce(ctx context.Context) (string, error) {
	since, err := w.inbox.store.SyncToken(ctx)
	if err != nil {
		return "", err
	}
	// After an outage the homeserver may not push anything before it is asked to.
	if err = w.ping(ctx); err != nil {
		w.log.Debug().Err(err).Msg("The homeserver does not reach us")
	}
	rows, next, err := w.missed(ctx, since)
	var httpErr mautrix.HTTPError
	if since != "" && errors.As(err, &httpErr) && refused(httpErr) {
		// Perhaps a token of a database that the homeserver has no more.
		if _, next, err = w.missed(ctx, ""); err == nil {
			w.log.Warn().Msg("The homeserver does not know where we were; events that it did not push stay lost")
		}
	}
	if err != nil {
		return "", err
	}
	return next, w.inbox.release(ctx, rows, next)
}

// await returns when the homeserver may have been restarted, or after an hour. It is false
// if the request is refused.
func (w *watch) await(ctx context.Context, token string) bool {
	until := time.Now().Add(w.every)
	quiet := w.log.Level(zerolog.PanicLevel).WithContext(ctx) // its end is no failure
	for time.Now().Before(until) {
		wait := min(pollTime, time.Until(until))
		answer, err := w.sync(quiet, token, filterNothing, wait.Milliseconds(), w.poll)
		var httpErr mautrix.HTTPError
		switch {
		case errors.As(err, &httpErr) && refused(httpErr):
			return false
		case err != nil:
			w.inbox.hold(ctx)
			if ctx.Err() == nil {
				w.log.Info().Msg("The homeserver may have been restarted; looking for events that it has forgotten")
			}
			return true
		}
		token = answer.NextBatch
	}
	return true
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
