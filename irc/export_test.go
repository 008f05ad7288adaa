package irc

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// SetSettle sets how long changed conversations wait for the events that explain them.
func SetSettle(g *Gateway, d time.Duration) { g.settle = d }

// SetConfirm sets how often a client is asked to confirm lines while they flow.
func SetConfirm(g *Gateway, d time.Duration) { g.confirm = d }

// SetSole sets how long a failure is reported to one session of a client only.
func SetSole(g *Gateway, d time.Duration) { g.sole = d }

// SetTypingRepeat sets how often typing is repeated to clients.
func SetTypingRepeat(g *Gateway, d time.Duration) { g.repeat = d }

// SetTypingSilence sets how long a client may be silent before it has paused, and then
// before it has stopped typing.
func SetTypingSilence(g *Gateway, pause, stop time.Duration) { g.silence, g.gone = pause, stop }

// CheckTokens does at once what is done every ten seconds.
func CheckTokens(g *Gateway) { g.dropRevoked(g.now().Add(2 * tokenCheckEvery)) }

// Serve serves a connection that did not come through a listener.
func Serve(g *Gateway, conn net.Conn) {
	s := newSession(g, conn)
	if g.admit(s) == "" {
		g.wg.Go(s.serve)
	}
}

// Queued is how many bytes wait to be written, in all.
func Queued(g *Gateway) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		s.queue.mu.Lock()
		n += s.queue.size
		s.queue.mu.Unlock()
	}
	return n
}

// PersonChanged tells all clients of an account about a person, as the account does.
func PersonChanged(g *Gateway, id chat.PersonID, p chat.Person) {
	g.mu.Lock()
	h := g.hubs[id]
	g.mu.Unlock()
	h.mu.Lock()
	clients := slices.Collect(maps.Values(h.clients))
	h.mu.Unlock()
	for _, c := range clients {
		c.PersonChanged(context.Background(), p)
	}
}

// OpenedElsewhere does what a message does that a slow session is shown: the channel is not hidden any more.
func OpenedElsewhere(g *Gateway, id chat.PersonID, conversation chat.ConversationID) (changed bool, err error) {
	g.mu.Lock()
	h := g.hubs[id]
	g.mu.Unlock()
	return h.names.SetHidden(context.Background(), conversation, false)
}

// Each runs something in every session of an account.
func Each(g *Gateway, id chat.PersonID, fn func()) {
	g.mu.Lock()
	h := g.hubs[id]
	g.mu.Unlock()
	h.each(func(*session) { fn() })
}

// ClientAddr is the address that limits count for.
func ClientAddr(a net.Addr) netip.Addr { return clientAddr(a) }

// Limiter counts failed logins at a time of its own.
type Limiter struct {
	*loginLimiter
	Now time.Time
}

// NewLimiter makes a limiter of failed logins.
func NewLimiter(l Limits) *Limiter {
	limiter := &Limiter{Now: time.Now()}
	limiter.loginLimiter = newLoginLimiter(l, func() time.Time { return limiter.Now })
	return limiter
}

// Failed counts a failed login and reports whether it is within the limits.
func (l *Limiter) Failed(addr netip.Addr, user string) bool { return l.failed(addr, user) }

// Size is how much is remembered, and how much may be.
func (l *Limiter) Size() (now, most int) { return len(l.buckets), maxBuckets + 2 }
