package account

import (
	"context"
	"errors"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// dialer is the part of a link that runs the connection.
type dialer struct {
	hangUp   context.CancelFunc // ends the run of the connection; nil while there is none
	hungUp   bool               // it was called: what that run says of its channel is void
	forced   string             // why, though the connection seemed well
	began    time.Time          // when the latest run did
	down     time.Time          // since when it has had no channel
	dialAt   time.Time          // when the connection is to run
	pauses   *backoff
	rechecks *backoff // of refused credentials: the refusal may have been the network's mistake

	wasConnected bool
}

// open makes the connection of stored credentials; bad ones are a state, not an error.
func (l *link) open(stored []byte) {
	conn, err := l.s.m.backend.Open(stored)
	if err != nil {
		l.s.zlog.Err(err).Msg("Stored credentials cannot be used")
		l.state = chat.AccountState{Status: chat.BadCredentials, Reason: "stored credentials cannot be used", Since: time.Now().UnixMicro()}
		conn = nil
	}
	l.conn = conn
}

func (l *link) isBad() bool { return l.conn == nil || l.state.Status == chat.BadCredentials }

// dialDue runs the connection when its time has come.
func (l *link) dialDue(a *agenda) {
	if l.hangUp != nil || l.conn == nil || !a.due(l.dialAt) {
		return
	}
	if !l.isBad() {
		l.rechecks.reset()
	}
	ctx, cancel := context.WithCancel(l.s.ctx)
	l.hangUp, l.hungUp, l.forced = cancel, false, ""
	l.began, l.down, l.dialAt = a.now, a.now, time.Time{}
	conn, sink := l.conn, &sink{l, l.generation}
	l.s.spawn(func() { l.post(ended{conn.Run(ctx, sink)}) })
}

// hang ends the run of the connection; reason says why if it seemed well. What that run still
// pushes waits for a catch-up: its channel may break unheard before.
func (l *link) hang(reason string) {
	if l.hangUp != nil {
		l.hungUp, l.forced = true, reason
		l.channel(false)
		l.hangUp()
	}
}

// reconnect gives the run of the connection up for a new one, because it cannot be trusted.
func (l *link) reconnect(reason string) {
	l.s.zlog.Warn().Str("reason", reason).Msg("Reconnecting")
	l.hang(reason)
}

// ended: the run of the connection is over.
type ended struct{ err error }

func (e ended) take(l *link) {
	l.hangUp()
	l.hangUp = nil
	l.channel(false)
	now := time.Now()
	switch {
	case l.isBad():
	case l.forced != "":
		l.setState(chat.Connecting, l.forced)
	case !l.hungUp:
		l.connectionLost(e.err)
	}
	switch {
	case l.isBad():
		l.dialAt = now.Add(l.rechecks.pause(0))
	case l.hungUp && l.forced == "": // by a new login
		l.dialAt = now
	default:
		if now.Sub(l.began) > l.s.m.options.BackoffMax {
			l.pauses.reset()
		}
		l.dialAt = now.Add(l.pauses.pause(retryAfter(e.err)))
	}
}

const refusedReason = "the network refused the credentials; log in again"

func (l *link) connectionLost(err error) {
	if errors.Is(err, chat.ErrBadCredentials) {
		l.s.zlog.Debug().Err(err).Msg("Credentials refused")
		l.setState(chat.BadCredentials, refusedReason)
		return
	}
	l.s.zlog.Warn().Err(err).Msg("Connection lost, trying again")
	reason := "the connection ended"
	if err != nil {
		reason = err.Error()
	}
	l.setState(chat.Disconnected, reason)
}

// relogin: the account was logged in once more.
type relogin struct{ row *database.AccountRow }

func (r relogin) take(l *link) {
	old := l.conn
	l.self, l.generation = r.row.Self, r.row.Generation
	l.state = chat.AccountState{Status: chat.Connecting, Since: time.Now().UnixMicro()}
	l.open(r.row.Credentials)
	l.quietUntil, l.refusals = time.Time{}, 0
	l.notBefore, l.dialAt = time.Time{}, time.Now()
	l.hang("")
	l.announce()
	if old != nil {
		old.Close()
	}
}

// subscribed: a login's push channel is up. From here on pushes are kept aside until a catch-up
// has brought what came before them, which makes the account connected. Until then the former
// trouble stays shown.
type subscribed struct{ generation int64 }

func (e subscribed) take(l *link) {
	if e.generation != l.generation || l.hungUp {
		return
	}
	l.last = time.Now()
	l.channel(true)
	if l.state.Status != chat.Connecting {
		l.setState(chat.Connecting, "catching up")
	}
	l.want()
}

// lost: a login's push channel is down and being repaired. Answers to requests must not overtake
// what was not pushed.
type lost struct{ generation int64 }

func (e lost) take(l *link) {
	if e.generation == l.generation && !l.hungUp {
		l.channel(false)
		l.setState(chat.Connecting, "the push channel broke")
	}
}

// answered is the outcome of a request that says something about the account.
type answered struct {
	generation int64
	err        error
}

func (e answered) take(l *link) {
	if e.generation != l.generation {
		return
	}
	if after := min(retryAfter(e.err), longestQuiet); after > 0 {
		if until := time.Now().Add(after); until.After(l.quietUntil) {
			l.quietUntil = until
		}
	}
	switch {
	case e.err == nil:
		l.refusals = 0
	case errors.Is(e.err, chat.ErrBadCredentials):
		l.refusals++
	}
	l.publish()
	switch {
	case l.isBad():
	case l.refusals >= maxRefusals:
		l.setState(chat.BadCredentials, refusedReason)
		l.hang("")
	case l.refusals > 0:
		l.want() // asks once more
	}
}

// maxReason limits the reason of a state in code points.
const maxReason = 500

// setState changes what is shown of the account.
func (l *link) setState(status chat.AccountStatus, reason string) {
	reason = chat.CleanLine(reason, maxReason) // may quote the network
	if l.state.Status == status && l.state.Reason == reason {
		return
	}
	changed := l.state.Status != status
	l.state = chat.AccountState{Status: status, Reason: reason, Since: time.Now().UnixMicro()}
	switch {
	case changed && status == chat.Connected && l.wasConnected:
		l.s.zlog.Info().Msg("Account connected again")
	case changed && status == chat.Connected:
		l.s.zlog.Info().Msg("Account connected")
	case changed && status == chat.BadCredentials:
		l.s.zlog.Warn().Str("reason", reason).Msg("The account's credentials are bad, a new login is needed")
	}
	l.wasConnected = l.wasConnected || status == chat.Connected
	generation := l.generation
	l.s.m.db.WriteLater(l.s.ctx, func(ctx context.Context) error {
		return l.s.m.db.Accounts().PutStatus(ctx, l.s.id, generation, status, reason)
	}, func(err error) {
		if err != nil && l.s.ctx.Err() == nil {
			l.s.zlog.Err(err).Msg("Failed to store the account's state")
		}
	})
	l.announce()
}

// announce shows the account's state to everybody.
func (l *link) announce() {
	l.publish()
	state := l.state
	l.s.observe(func(o *observers) { o.state(state) })
	l.s.outbox.wakeAll()
}
