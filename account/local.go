package account

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// session is one account: its link to the network, its log, its outbox and its consumers.
//
// Locks are taken in this order: outbox, marks; session.mu; attachment; observers.
type session struct {
	m      *Manager
	id     chat.PersonID
	zlog   zerolog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	link   *link
	recent ring
	known  snapshots
	past   past
	outbox outbox
	marks  marks
	ready  chan struct{} // closed when the conversations have been listed once

	attaching sync.Mutex // one Attach or Forget at a time

	mu          sync.Mutex
	isStopped   bool
	attachments map[ConsumerID]*attachment
}

var _ Session = (*session)(nil)

func newSession(m *Manager, row *database.AccountRow) *session {
	log := m.zlog.With().Str("account", string(row.Self.ID)).Logger()
	ctx, cancel := context.WithCancel(log.WithContext(m.ctx))
	s := &session{m: m, id: row.Self.ID, zlog: log, ctx: ctx, cancel: cancel,
		attachments: make(map[ConsumerID]*attachment), ready: make(chan struct{})}
	if row.Cursor != 0 {
		s.setReady()
	}
	s.known.init(s)
	s.outbox.init(s)
	s.marks.init(s)
	s.link = newLink(s, row)
	return s
}

func (s *session) start() {
	s.spawn(s.link.run)
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
	if conn := s.link.shown.Load().conn; conn != nil {
		conn.Close()
	}
}

func (s *session) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isStopped
}

// isOf reports whether the session has the credentials of a login.
func (s *session) isOf(generation int64) bool { return s.link.shown.Load().generation == generation }

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

// setReady is called once at most before start, and by the link.
func (s *session) setReady() {
	select {
	case <-s.ready:
	default:
		close(s.ready)
	}
}

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
func (s *session) CaughtUp() bool { return s.link.shown.Load().caughtUp }

// ID implements Session.
func (s *session) ID() chat.PersonID { return s.id }

// State implements Session.
func (s *session) State() chat.AccountState { return s.link.shown.Load().state }

// Self implements Session.
func (s *session) Self() chat.Person { return s.link.shown.Load().self }

// Features implements Session.
func (s *session) Features(c chat.Conversation) chat.Features { return s.m.backend.Features(c) }

// request returns the connection for one request, or why there is none.
func (s *session) request() (Connection, error) {
	v := s.link.shown.Load()
	switch {
	case s.stopped():
		return nil, chat.ErrUnknownAccount
	case v.conn == nil || v.state.Status == chat.BadCredentials:
		return nil, chat.ErrBadCredentials
	}
	return &guarded{Connection: v.conn, l: s.link, generation: v.generation}, nil
}
