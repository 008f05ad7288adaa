package irc

import (
	"net"
	"time"
)

// SetSettle sets how long changed conversations wait for the events that explain them.
func SetSettle(g *Gateway, d time.Duration) { g.settle = d }

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
