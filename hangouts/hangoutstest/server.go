package hangoutstest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server is a running Hangouts-compatible server. All methods are safe for concurrent use.
type Server struct {
	// URL is the base of every endpoint, without a slash at the end.
	URL string
	// ControlURL is the base of the control interface.
	ControlURL string
	// ProxyURL is the address of the CONNECT proxy; empty without one.
	ProxyURL string

	log    *slog.Logger
	clock  func() time.Time
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	http   *http.Server
	proxy  *proxy
	// listenHost is the host name or address that was given to listen on.
	listenHost string
	faults     faultSet

	mu           sync.Mutex // guards all below
	closing      bool
	world        *world
	journal      *journal
	gen          *generator
	settings     Settings
	clockOffset  time.Duration
	sessions     map[string]*session // by SID
	sessionOrder []*session
	ephemera     map[string]*ephemeral // by gaia id
	codes        map[string]string     // authorization code to gaia id
	logins       map[string]*login
	uploads      map[string]*upload
	bots         map[string]chan botTask
	changed      chan struct{} // closed and replaced on every change
	requests     ring[*RequestInfo]
	deliveries   ring[Delivery]
	stats        Stats
}

// Stats counts what happened since the start.
type Stats struct {
	Requests  int `json:"requests"`
	Sessions  int `json:"sessions"`  // SIDs handed out
	Polls     int `json:"polls"`     // long polls opened
	Pushes    int `json:"pushes"`    // state updates put on channels
	Overflows int `json:"overflows"` // SIDs dropped because their queue was full
}

// New starts a server and panics when that fails, like httptest.NewServer.
func New(opts Options) *Server {
	s, err := Start(opts)
	if err != nil {
		panic("hangoutstest: " + err.Error())
	}
	return s
}

// Start starts a server. Errors: ErrScenario, ErrState, or that of a listener.
func Start(opts Options) (*Server, error) {
	s := &Server{
		log:      opts.Logger,
		clock:    opts.Clock,
		world:    newWorld(),
		settings: DefaultSettings(),
		sessions: map[string]*session{},
		ephemera: map[string]*ephemeral{},
		codes:    map[string]string{},
		logins:   map[string]*login{},
		uploads:  map[string]*upload{},
		bots:     map[string]chan botTask{},
		changed:  make(chan struct{}),
	}
	s.requests.limit, s.deliveries.limit = maxRequestLog, maxDeliveryLog
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if opts.Configure != nil {
		opts.Configure(&s.settings)
	}
	if err := s.load(opts); err != nil {
		s.journal.close()
		return nil, err
	}
	if err := s.listen(opts); err != nil {
		s.journal.close()
		return nil, err
	}
	return s, nil
}

// load replays the state file, or builds the scenario.
func (s *Server) load(opts Options) error {
	sc := opts.Scenario
	if sc == nil {
		sc = DefaultScenario()
	}
	seed := opts.Seed
	if sc.Seed != 0 {
		seed = sc.Seed
	}
	if seed == 0 {
		seed = 1
	}
	if opts.StateFile != "" {
		j, err := openJournal(opts.StateFile, s.world)
		if err != nil {
			return err
		}
		s.journal = j
	}
	if s.world.generation > 0 {
		seed = s.world.seed
	}
	s.gen = newGenerator(seed, s.world.generation)
	ops := []op{{Open: &openOp{Generation: s.world.generation + 1, Seed: seed}}}
	if len(s.world.people) == 0 {
		built, err := buildScenario(sc, opts.Accounts, s.gen, s.clock())
		if err != nil {
			return err
		}
		ops = append(ops, built...)
	}
	return s.commitLocked(ops...)
}

// commitLocked makes a change durable, then visible. Nothing is answered or pushed before.
func (s *Server) commitLocked(ops ...op) error {
	rec := record{US: s.world.lastUS, Ops: ops}
	if err := s.journal.append(rec); err != nil {
		s.log.Error("Failed to write the state file", "error", err)
		return errUnexpected
	}
	if err := s.world.apply(rec); err != nil {
		return err
	}
	s.changedLocked()
	return nil
}

// changedLocked wakes everybody who waits for a condition.
func (s *Server) changedLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) listen(opts Options) error {
	addr := opts.Listen
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if host, _, err := net.SplitHostPort(addr); err == nil {
		s.listenHost = strings.ToLower(host)
	}
	s.URL = "http://" + reachable(ln.Addr())
	s.ControlURL = s.URL + controlPrefix
	s.http = &http.Server{
		Handler:           s.counted(recorded(s.handler())),
		ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          discardLog(),
	}
	if opts.ProxyListen != "" {
		if err := s.startProxy(opts); err != nil {
			ln.Close()
			s.cancel()
			return err
		}
	}
	s.goFunc(func() { _ = s.http.Serve(ln) })
	s.goFunc(s.janitor)
	s.startBots()
	return nil
}

// reachable is an address that a client of this machine can use.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return addr.String()
}

// Close ends all connections and goroutines. The state file keeps what it has.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		s.wg.Wait()
		return
	}
	s.closing = true
	s.changedLocked()
	s.mu.Unlock()
	s.cancel()
	if s.proxy != nil {
		s.proxy.close()
	}
	s.http.Close()
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.close()
}

// goFunc starts a goroutine that Close waits for; it reports false when closing.
func (s *Server) goFunc(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goLocked(f)
}

func (s *Server) goLocked(f func()) bool {
	if s.closing {
		return false
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		f()
	}()
	return true
}

// after runs f under the lock after d, unless the server closes before. Called with the lock.
func (s *Server) after(d time.Duration, f func()) {
	s.goLocked(func() {
		if !sleep(s.ctx, d) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	})
}

// sleep waits for d and reports whether it passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// counted lets Close wait for running handlers.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closing {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.wg.Add(1)
		s.mu.Unlock()
		defer s.wg.Done()
		next.ServeHTTP(w, r)
	})
}

// janitor forgets sessions without a poll, and what was focused for a time.
func (s *Server) janitor() {
	for {
		s.mu.Lock()
		s.expireSessionsLocked()
		s.expireFocusLocked()
		wait := min(max(s.settings.SessionIdle.Duration()/4, 5*time.Millisecond), time.Second)
		s.mu.Unlock()
		if !sleep(s.ctx, wait) {
			return
		}
	}
}

// Configure changes settings; polls already open take a new interval with their next wait.
func (s *Server) Configure(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
}

// Settings returns the present settings.
func (s *Server) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// wait blocks until cond, which runs under the server's lock, is true. Errors: that of the
// context, or ErrClosed.
func (s *Server) wait(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		if cond() {
			s.mu.Unlock()
			return nil
		}
		if s.closing {
			s.mu.Unlock()
			return ErrClosed
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
