// Package nullhs is a small Matrix homeserver for tests, written to drive the real Matrix connector of a bridge: it
// keeps users, rooms, state, events, aliases, devices and media, answers at once, pushes to application services in
// order with retries, and does on demand what a real homeserver does at its worst: forget, refuse, answer late, restart.
//
// A Server runs in the process of the test (Start) or as a child process that can be killed (StartProcess). With a
// state file it goes on where it was. People act through package mxclient, which speaks plain client-server API and so
// works against this server and a real one alike; what only a test may do (faults, look inside, restart) is on Server.
//
// It follows Synapse where bridges notice: room ids without a server part (room version 12), transaction ids of sends
// cached per path and application service, durable only with a device id, what is lost when it restarts, and how an
// application service that is down is retried. It does not federate, encrypt, or judge more than simple power levels.
package nullhs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maunium.net/go/mautrix/appservice"
)

// Options configure a Server. The zero value is usable.
type Options struct {
	ServerName   string // default "test.localhost"
	SharedSecret string // of the registration endpoint for administrators, default "shared-secret"
	Listen       string // default "127.0.0.1:0"; the port is kept over Restart
	StateFile    string // journal of everything accepted; empty: memory only

	// Application services, as values or as YAML files. Files are read at each start, as a real server does.
	Registrations     []*appservice.Registration
	RegistrationFiles []string

	// LayAside has one event laid aside after each recovery of an application service: later ones are pushed before it, and
	// it comes only after the next outage. Synapse does so when an event arrives just as a recovery ends.
	LayAside bool

	RetryDelay time.Duration // first pause after a failed transaction, doubled up to 32 times; default 100 ms
	MaxUpload  int64         // bytes, default 50 MiB
}

func (o *Options) setDefaults() {
	if o.ServerName == "" {
		o.ServerName = "test.localhost"
	}
	if o.SharedSecret == "" {
		o.SharedSecret = "shared-secret"
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.RetryDelay == 0 {
		o.RetryDelay = 100 * time.Millisecond
	}
	if o.MaxUpload == 0 {
		o.MaxUpload = 50 << 20
	}
}

// Server is a homeserver. Its methods may be called from any goroutine.
type Server struct {
	opts    Options
	handler http.Handler

	mu      sync.Mutex
	data    *data
	journal *journal
	changed chan struct{} // closed and replaced at each change, for long polls
	life    context.Context
	end     context.CancelFunc // ends pushers and long polls of this life
	workers sync.WaitGroup
	http    *http.Server
	addr    string

	// What a restart forgets.
	txns       map[string]any // answers to sends by path and requester
	typing     map[string][]string
	typingEnds map[string]*int // by room and user: which timer ends the typing
	nonces     map[string]bool

	polls    atomic.Int32
	older    atomic.Int64 // ns; how much older pushed events look
	services []*service
	faults   []*Fault
	requests []Request
	sent     []Transaction
}

// New returns a server that does not listen yet: call Run, or use it as an http.Handler.
func New(opts Options) (*Server, error) {
	opts.setDefaults()
	s := &Server{opts: opts, data: newData()}
	s.handler = s.routes()
	if opts.StateFile != "" {
		var err error
		if s.journal, err = openJournal(opts.StateFile, s.data); err != nil {
			return nil, err
		}
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// Start runs a server on a free port of the loopback interface until the test ends.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s, err := New(opts)
	if err == nil {
		err = s.Run()
	}
	if err != nil {
		t.Fatalf("start homeserver: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// begin starts a life: fresh caches, application services, pushers.
func (s *Server) begin() error {
	services, err := loadServices(s.opts)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = make(chan struct{})
	s.life, s.end = context.WithCancel(context.Background())
	s.txns, s.typing, s.nonces = map[string]any{}, map[string][]string{}, map[string]bool{}
	s.typingEnds = map[string]*int{}
	s.services = services
	for _, as := range services {
		s.startService(as)
	}
	return nil
}

// Run listens and serves in the background.
func (s *Server) Run() error {
	addr := s.opts.Listen
	if s.addr != "" {
		addr = s.addr
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.addr = listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	server := s.http
	s.workers.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("nullhs: serve: %v", err))
		}
	})
	return nil
}

// URL is the base address of the client-server API.
func (s *Server) URL() string { return "http://" + s.addr }

// ServerName is the part of user ids and aliases after the colon.
func (s *Server) ServerName() string { return s.opts.ServerName }

// SharedSecret is the secret for registering users, as mxclient needs it.
func (s *Server) SharedSecret() string { return s.opts.SharedSecret }

// Stop ends the listener, all connections and the pushers at once: like a kill, what only memory held is gone. Users,
// rooms, events and what Synapse keeps in its database stay, for Resume.
func (s *Server) Stop() {
	s.mu.Lock()
	s.end()
	server := s.http
	s.http = nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
	s.workers.Wait()
}

// Resume starts again after Stop, on the same port, with registration files read anew.
func (s *Server) Resume() error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.Run()
}

// Restart is Stop and Resume. Lost, as in Synapse: transaction ids of sends without a device, typing, events not yet in
// a transaction to a reachable application service. Transactions of one that was down stay until the next new event.
func (s *Server) Restart() error {
	s.Stop()
	return s.Resume()
}

// Close ends the server for good.
func (s *Server) Close() {
	s.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.close()
	s.journal = nil
}

// AddRegistration makes an application service known to a running server.
func (s *Server) AddRegistration(reg *appservice.Registration) error {
	as, err := newService(reg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Registrations = append(s.opts.Registrations, reg)
	s.services = append(s.services, as)
	s.startService(as)
	return nil
}

// notify wakes the long polls. The caller holds the lock.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
