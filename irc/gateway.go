package irc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Periods of the gateway's own work.
const (
	tokenCheckEvery = 10 * time.Second
	stopFlush       = 2 * time.Second // time to write out what is queued at the end
	soleReport      = 20 * time.Second
)

// Gateway is the IRC server.
type Gateway struct {
	cfg      Config
	cfgErr   error
	accounts account.Accounts
	tokens   *database.IRCTokenStore
	names    *database.IRCNameStore
	log      zerolog.Logger
	logins   *loginLimiter
	now      func() time.Time
	started  time.Time
	settle   time.Duration // how long a changed conversation waits for the events that explain it
	repeat   time.Duration // of typing, towards clients
	confirm  time.Duration // how often a client is asked to confirm lines while they flow
	sole     time.Duration // how long a failure is reported to one session of a client only
	silence  time.Duration // after which a client that types has paused
	gone     time.Duration // and after this it has stopped

	ctx       context.Context
	cancel    context.CancelFunc
	stopWatch func()
	wg        sync.WaitGroup

	loading sync.Mutex // held while a hub is made; before mu

	mu        sync.Mutex
	stopped   bool
	listeners []net.Listener
	sessions  map[*session]struct{}
	waiting   []*session         // those that have not logged in, oldest first
	counted   int                // those that have
	perAddr   map[netip.Addr]int // the same by address
	hubs      map[chat.PersonID]*hub
}

// NewGateway makes a gateway; Start opens it. accounts must be started.
func NewGateway(cfg Config, accounts account.Accounts, db *database.DB, log zerolog.Logger) *Gateway {
	g := &Gateway{accounts: accounts, tokens: db.IRCTokens(), names: db.IRCNames(),
		log: log, now: time.Now, settle: 1500 * time.Millisecond, repeat: typingRepeat, sole: soleReport, confirm: confirmEvery, silence: typingSilence, gone: typingGone,
		sessions: make(map[*session]struct{}), perAddr: make(map[netip.Addr]int), hubs: make(map[chat.PersonID]*hub)}
	g.cfg, g.cfgErr = cfg.WithDefaults()
	g.logins = newLoginLimiter(g.cfg.Limits, func() time.Time { return g.now() })
	return g
}

// Start listens on the configured addresses and returns. Errors wrap ErrConfig or, when
// an address is taken, ErrInUse; then nothing is left open. ctx carries values only: Stop
// ends the gateway.
func (g *Gateway) Start(ctx context.Context) error {
	if g.cfgErr != nil {
		return g.cfgErr
	}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.started = g.now()
	for _, addr := range g.cfg.Listen {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			g.closeListeners()
			g.cancel()
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("irc: %w: another program listens on %s; stop it or change irc.listen", ErrInUse, addr)
			}
			return fmt.Errorf("irc: listen on %s: %w", addr, err)
		}
		g.listeners = append(g.listeners, l)
	}
	g.stopWatch = g.accounts.Watch(g.accountChanged)
	for _, l := range g.listeners {
		g.log.Info().Stringer("address", l.Addr()).Msg("IRC gateway listens")
		g.wg.Go(func() { g.accept(l) })
	}
	g.wg.Go(g.checkTokens)
	return nil
}

// Addrs returns the addresses listened on.
func (g *Gateway) Addrs() []net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []net.Addr
	for _, l := range g.listeners {
		out = append(out, l.Addr())
	}
	return out
}

// Stop says goodbye to all clients, closes everything and waits for it. What clients have
// not confirmed is delivered again after the next start.
func (g *Gateway) Stop() {
	g.mu.Lock()
	if g.stopped || g.ctx == nil {
		g.mu.Unlock()
		return
	}
	g.stopped = true
	for s := range g.sessions {
		s.end("Server is shutting down")
	}
	g.mu.Unlock()
	if g.stopWatch != nil {
		g.stopWatch()
	}
	g.closeListeners()
	g.cancel()
	g.wg.Wait()
}

func (g *Gateway) closeListeners() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.listeners {
		_ = l.Close()
	}
}

func (g *Gateway) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if g.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			g.log.Warn().Err(err).Msg("Failed to accept a connection") // out of descriptors, for example
			select {
			case <-time.After(100 * time.Millisecond):
			case <-g.ctx.Done():
			}
			continue
		}
		s := newSession(g, conn)
		if reason := g.admit(s); reason != "" {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = fmt.Fprintf(conn, "ERROR :Closing link: %s\r\n", reason)
			_ = conn.Close()
			continue
		}
		g.wg.Go(s.serve)
	}
}

// admit takes a connection in, or returns why not. It has not logged in yet: there may be as many of
// those as of others, and the oldest makes room, so that idle ones keep nobody out.
func (g *Gateway) admit(s *session) (refusal string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return "server is shutting down"
	}
	g.sessions[s] = struct{}{}
	g.waiting = append(g.waiting, s)
	from, most := make(map[netip.Addr]int), s.addr
	for _, w := range g.waiting {
		from[w.addr]++
	}
	if from[s.addr] > g.cfg.Limits.PerAddress {
		g.makeRoom(s.addr)
	} else if len(g.waiting) > g.cfg.Limits.Connections {
		for addr, n := range from {
			if n > from[most] {
				most = addr
			}
		}
		g.makeRoom(most)
	}
	return ""
}

// makeRoom ends the oldest connection of an address that has not logged in.
func (g *Gateway) makeRoom(addr netip.Addr) {
	i := slices.IndexFunc(g.waiting, func(w *session) bool { return w.addr == addr })
	g.waiting[i].end("Too many connections that have not logged in")
	g.waiting = slices.Delete(g.waiting, i, i+1)
}

// promote counts a connection that gave the right password, or returns why there is no place.
func (g *Gateway) promote(s *session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, s)
	switch {
	case i < 0:
		return errLate
	case g.counted >= g.cfg.Limits.Connections:
		return errFull
	case g.perAddr[s.addr] >= g.cfg.Limits.PerAddress:
		return errAddress
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	g.counted++
	g.perAddr[s.addr]++
	s.counted = true
	return nil
}

func (g *Gateway) dismiss(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
	if i := slices.Index(g.waiting, s); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	if !s.counted {
		return
	}
	g.counted--
	if g.perAddr[s.addr]--; g.perAddr[s.addr] <= 0 {
		delete(g.perAddr, s.addr)
	}
}

// accountChanged ends the sessions of those who lost their grant, or the account.
func (g *Gateway) accountChanged(c account.Change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		l := s.boundTo()
		if l == nil || l.account.ID() != c.Account {
			continue
		}
		if c.Removed {
			s.end("The account was removed")
		} else if c.Revoked != nil && c.Revoked.User == (account.User{Side: chat.OriginIRC, ID: l.user}) {
			s.end("Access to the account was revoked")
		}
	}
	if h := g.hubs[c.Account]; c.Removed && h != nil {
		h.cancel()
		delete(g.hubs, c.Account)
	}
}

// checkTokens ends the sessions whose password was revoked, also by another process.
func (g *Gateway) checkTokens() {
	tick := time.NewTicker(tokenCheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.dropRevoked(g.now())
		case <-g.ctx.Done():
			return
		}
	}
}

func (g *Gateway) dropRevoked(now time.Time) {
	tokens, err := g.tokens.List(g.ctx, "")
	if err != nil {
		if g.ctx.Err() == nil {
			g.log.Err(err).Msg("Failed to check passwords")
		}
		return
	}
	valid := make(map[string]bool, len(tokens))
	for _, t := range tokens {
		valid[t.Hash] = true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		// A password issued after the list was read belongs to a session younger than it.
		if l := s.boundTo(); l != nil && !valid[l.token] && now.Sub(s.since) > tokenCheckEvery {
			s.end("Your password was revoked")
		}
	}
}

// hub returns the hub of an account.
func (g *Gateway) hub(ctx context.Context, s account.Session) (*hub, error) {
	g.loading.Lock()
	defer g.loading.Unlock()
	g.mu.Lock()
	h := g.hubs[s.ID()]
	g.mu.Unlock()
	if h != nil && h.account == s {
		return h, nil
	}
	h, err := newHub(ctx, g, s)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.hubs[s.ID()] = h
	g.mu.Unlock()
	return h, nil
}
