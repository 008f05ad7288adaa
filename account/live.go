package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// session is one account: its connection, its outbox and its consumers.
//
// Locks are taken in this order: intake, outbox, marks or typing; session.mu;
// attachment; observers.
type session struct {
	m      *Manager
	id     chat.PersonID
	zlog   zerolog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	recent  ring
	known   snapshots
	intake  intake
	catchup catchupState
	outbox  outbox
	marks   marks
	typing  typing
	watch   watchdog
	quiet   quiet

	attaching sync.Mutex // one Attach or Forget at a time
	stating   sync.Mutex // one change of state at a time

	mu           sync.Mutex
	isStopped    bool
	self         chat.Person
	generation   int64
	conn         Connection
	dial         context.CancelFunc // ends the running Connection.Run
	began        time.Time          // when that did
	forced       string             // why dial was called though the connection seemed well
	state        chat.AccountState
	wasConnected bool
	attachments  map[ConsumerID]*attachment
	relogged     chan struct{} // closed at a new login
	acted        time.Time     // time of the last call of SetActive

	listed sync.Once
	ready  chan struct{} // closed when the conversations have been listed once
}

var _ Session = (*session)(nil)

func newSession(m *Manager, row *database.AccountRow) *session {
	log := m.zlog.With().Str("account", string(row.Self.ID)).Logger()
	ctx, cancel := context.WithCancel(log.WithContext(m.ctx))
	s := &session{
		m: m, id: row.Self.ID, zlog: log, ctx: ctx, cancel: cancel,
		self: row.Self, generation: row.Generation,
		attachments: make(map[ConsumerID]*attachment),
		relogged:    make(chan struct{}),
		ready:       make(chan struct{}),
	}
	if row.Cursor != 0 {
		s.setReady()
	}
	s.state = chat.AccountState{Status: chat.Connecting, Since: time.Now().UnixMicro()}
	if row.Status == chat.BadCredentials {
		s.state = chat.AccountState{Status: chat.BadCredentials, Reason: row.Reason, Since: time.Now().UnixMicro()}
	}
	s.known.init(s)
	s.intake.init(s)
	s.catchup.init(s)
	s.outbox.init(s)
	s.marks.init(s)
	s.typing.init(s)
	s.watch.init(s)
	s.open(row.Credentials)
	return s
}

// open makes the connection of stored credentials; bad ones are a state, not an error.
func (s *session) open(stored []byte) {
	conn, err := s.m.backend.Open(stored)
	if err != nil {
		s.zlog.Err(err).Msg("Stored credentials cannot be used")
		s.state = chat.AccountState{Status: chat.BadCredentials, Reason: "stored credentials cannot be used", Since: time.Now().UnixMicro()}
		conn = nil
	}
	s.conn = conn
}

func (s *session) start() {
	s.spawn(s.run)
	s.spawn(s.catchup.loop)
	s.spawn(s.typing.loop)
	s.spawn(s.typing.tell)
	s.spawn(s.watch.loop)
	s.outbox.start()
	s.marks.start()
}

// spawn runs fn in a goroutine that stop waits for; false means that the session has
// been stopped.
func (s *session) spawn(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped {
		return false
	}
	s.wg.Go(fn)
	return true
}

func (s *session) stop() {
	s.mu.Lock()
	s.isStopped = true
	attachments := make([]*attachment, 0, len(s.attachments))
	for _, a := range s.attachments {
		attachments = append(attachments, a)
	}
	s.mu.Unlock()
	s.cancel()
	for _, a := range attachments {
		a.Detach()
	}
	s.wg.Wait()
	if conn, _ := s.connection(); conn != nil {
		conn.Close()
	}
}

func (s *session) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isStopped
}

// relogin takes the credentials of a new login, if row has one.
func (s *session) relogin(row *database.AccountRow) {
	s.stating.Lock()
	defer s.stating.Unlock()
	s.mu.Lock()
	if row.Generation == s.generation {
		s.mu.Unlock()
		return
	}
	old := s.conn
	s.self, s.generation = row.Self, row.Generation
	s.state = chat.AccountState{Status: chat.Connecting, Since: time.Now().UnixMicro()}
	s.open(row.Credentials)
	close(s.relogged)
	s.relogged = make(chan struct{})
	if s.dial != nil {
		s.dial()
	}
	s.mu.Unlock()
	s.quiet.reset()
	s.intake.channel(false)
	if old != nil {
		old.Close()
	}
	s.announceState()
	s.outbox.wakeAll()
}

// isOf reports whether the session has the credentials of a login.
func (s *session) isOf(generation int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation == generation
}

// connection is the present connection and the login that it belongs to.
func (s *session) connection() (Connection, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn, s.generation
}

// reconnect gives the push channel up and makes a new one, because it cannot be trusted.
func (s *session) reconnect(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dial == nil || s.state.Status == chat.BadCredentials {
		return
	}
	s.zlog.Warn().Str("reason", reason).Msg("Connecting anew")
	s.forced = reason
	s.dial()
}

// run keeps the account connected until the session ends.
func (s *session) run() {
	pauses := s.m.options.backoff()
	rechecks := &backoff{min: s.m.options.Recheck, max: 12 * s.m.options.Recheck}
	// After a start refused credentials are tried at once: somebody may have mended the service.
	for first := true; s.ctx.Err() == nil; first = false {
		s.mu.Lock()
		conn, relogged, generation := s.conn, s.relogged, s.generation
		bad := conn == nil || s.state.Status == chat.BadCredentials
		ctx, cancel := context.WithCancel(s.ctx)
		s.dial, s.forced, s.began = cancel, "", time.Now()
		s.mu.Unlock()
		if !bad {
			rechecks.reset()
		} else if (conn == nil || !first) && !s.recheckDue(conn, relogged, rechecks) {
			cancel()
			pauses.reset()
			continue
		}
		err := conn.Run(ctx, &sink{s: s, generation: generation})
		again := ctx.Err() != nil // ended by a new login, by reconnect or by stop
		cancel()
		if bad && s.State().Status == chat.BadCredentials {
			continue
		}
		if again && !s.wasForced(generation) {
			continue
		}
		if time.Since(s.runBegan()) > s.m.options.BackoffMax {
			pauses.reset()
		}
		if !again {
			s.connectionLost(generation, err)
		}
		if errors.Is(err, chat.ErrBadCredentials) {
			continue
		}
		timer := time.NewTimer(pauses.pause(retryAfter(err)))
		select {
		case <-timer.C:
		case <-relogged:
			pauses.reset()
		case <-s.ctx.Done():
		}
		timer.Stop()
	}
}

// recheckDue waits until refused credentials are worth another try, since the refusal may have been
// the network's mistake. It is false when there is a new login instead.
func (s *session) recheckDue(conn Connection, relogged <-chan struct{}, pauses *backoff) bool {
	var due <-chan time.Time
	if conn != nil {
		due = time.After(pauses.pause(0))
	}
	select {
	case <-due:
		return true
	case <-relogged:
	case <-s.ctx.Done():
	}
	return false
}

// runBegan is when the present or latest connection began.
func (s *session) runBegan() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began
}

// wasForced takes note of a connection that reconnect has ended.
func (s *session) wasForced(generation int64) bool {
	s.mu.Lock()
	reason := s.forced
	s.mu.Unlock()
	if reason == "" {
		return false
	}
	s.channelDown(generation, chat.Connecting, reason)
	return true
}

func (s *session) connectionLost(generation int64, err error) {
	if errors.Is(err, chat.ErrBadCredentials) {
		s.zlog.Debug().Err(err).Msg("Credentials refused")
		s.channelDown(generation, chat.BadCredentials, refusedReason)
		return
	}
	s.zlog.Warn().Err(err).Msg("Connection lost, trying again")
	reason := "the connection ended"
	if err != nil {
		reason = err.Error()
	}
	s.channelDown(generation, chat.Disconnected, reason)
}

// maxReason limits the reason of a state in code points.
const maxReason = 500

// activeEvery is the shortest time between two calls of SetActive.
const activeEvery = time.Minute

const refusedReason = "the network refused the credentials; log in again"

// channelUp notes that a login's push channel is up; false means that a later login has
// replaced it. What was the matter stays shown until everything is caught up.
func (s *session) channelUp(generation int64) bool {
	s.stating.Lock()
	defer s.stating.Unlock()
	if _, now := s.connection(); now != generation {
		return false
	}
	s.intake.channel(true)
	if s.State().Status != chat.Connecting {
		s.putState(generation, chat.Connecting, "catching up")
	}
	return true
}

// channelDown notes that a login's push channel is down, and what is shown of that.
func (s *session) channelDown(generation int64, status chat.AccountStatus, reason string) {
	s.stating.Lock()
	defer s.stating.Unlock()
	if _, now := s.connection(); now == generation {
		s.intake.channel(false)
		s.putState(generation, status, reason)
	}
}

// setState changes what is shown of the account. generation is the login that it is
// about: news of a connection that a later login has replaced is dropped.
func (s *session) setState(generation int64, status chat.AccountStatus, reason string) {
	s.stating.Lock()
	defer s.stating.Unlock()
	s.putState(generation, status, reason)
}

// caughtUp notes that everything is known while the channel is up: only that is being
// connected. Until then a failed catch-up says why it takes so long.
func (s *session) caughtUp(err error) {
	s.stating.Lock()
	defer s.stating.Unlock()
	s.mu.Lock()
	generation, status := s.generation, s.state.Status
	s.mu.Unlock()
	if _, live := s.intake.state(); !live || status != chat.Connecting {
		return
	}
	if err != nil {
		s.putState(generation, chat.Connecting, "catching up failed: "+err.Error())
	} else {
		s.putState(generation, chat.Connected, "")
	}
}

// putState is setState with stating held.
func (s *session) putState(generation int64, status chat.AccountStatus, reason string) {
	reason = chat.CleanLine(reason, maxReason) // may quote the network
	s.mu.Lock()
	if generation != s.generation || (s.state.Status == status && s.state.Reason == reason) {
		s.mu.Unlock()
		return
	}
	changed := s.state.Status != status
	again := s.wasConnected
	s.wasConnected = again || status == chat.Connected
	s.state = chat.AccountState{Status: status, Reason: reason, Since: time.Now().UnixMicro()}
	s.mu.Unlock()
	switch {
	case changed && status == chat.Connected && again:
		s.zlog.Info().Msg("Account connected again")
	case changed && status == chat.Connected:
		s.zlog.Info().Msg("Account connected")
	case changed && status == chat.BadCredentials:
		s.zlog.Warn().Str("reason", reason).Msg("The account's credentials are bad, a new login is needed")
	}
	if err := s.m.db.Accounts().PutStatus(s.ctx, s.id, generation, status, reason); err != nil && s.ctx.Err() == nil {
		s.zlog.Err(err).Msg("Failed to store the account's state")
	}
	s.announceState()
	s.outbox.wakeAll()
}

func (s *session) announceState() {
	s.observe(func(o *observers) { o.state(s.state) })
}

// observe queues something for the observers of all attachments.
func (s *session) observe(put func(*observers)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attachments {
		if a.observers != nil {
			put(a.observers)
		}
	}
}

func (s *session) setReady() { s.listed.Do(func() { close(s.ready) }) }

// Ready implements Session.
func (s *session) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CaughtUp implements Session.
func (s *session) CaughtUp() bool { return s.catchup.done.Load() }

// ID implements Session.
func (s *session) ID() chat.PersonID { return s.id }

// State implements Session.
func (s *session) State() chat.AccountState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Self implements Session.
func (s *session) Self() chat.Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.self
}

// Features implements Session.
func (s *session) Features(c chat.Conversation) chat.Features { return s.m.backend.Features(c) }

// request returns the connection for one request, or why there is none.
func (s *session) request() (Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isStopped:
		return nil, chat.ErrUnknownAccount
	case s.conn == nil || s.state.Status == chat.BadCredentials:
		return nil, chat.ErrBadCredentials
	}
	return &guarded{Connection: s.conn, s: s, generation: s.generation}, nil
}

// active makes this the account's active client, since the person writes, types or reads here:
// at most every activeEvery, and a failure is only logged.
func (s *session) active() {
	conn, err := s.request()
	if err != nil {
		return
	}
	s.mu.Lock()
	due := time.Since(s.acted) > activeEvery
	if due {
		s.acted = time.Now()
	}
	s.mu.Unlock()
	if !due {
		return
	}
	s.spawn(func() {
		if err := conn.SetActive(s.ctx); err != nil {
			s.zlog.Debug().Err(err).Msg("Failed to become the active client")
		}
	})
}
