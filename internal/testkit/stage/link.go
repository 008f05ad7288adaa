package stage

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Link is a TCP proxy in front of one peer whose connections a test can disturb. Its methods may be called from any
// goroutine.
type Link struct {
	// Addr is where the link listens, "127.0.0.1:port".
	Addr string

	target   string
	listener net.Listener
	workers  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	pipes    map[*pipe]bool
	stalls   time.Time // beginning of the present or last stall
	stalled  time.Time // nothing is passed on before
	refusing time.Time // new connections are answered with status until then
	status   int
	armed    bool // the connection that carries byte number left+1 is cut after byte left
	left     int
}

// pipe is one connection through the link.
type pipe struct{ client, server *net.TCPConn }

// cut resets both sides.
func (p *pipe) cut() {
	for _, conn := range []*net.TCPConn{p.client, p.server} {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
}

// NewLink makes a link to a TCP address, which need not listen yet. It ends with the test.
func NewLink(t testing.TB, target string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for a link: %v", err)
	}
	l := &Link{Addr: listener.Addr().String(), target: target, listener: listener, pipes: map[*pipe]bool{}}
	l.workers.Go(l.accept)
	t.Cleanup(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		_ = listener.Close()
		l.Cut()
		l.workers.Wait()
	})
	return l
}

// URL is the link's address for HTTP.
func (l *Link) URL() string { return "http://" + l.Addr }

// Cut resets all connections; new ones are possible at once.
func (l *Link) Cut() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.pipes)
	for p := range l.pipes {
		p.cut()
		delete(l.pipes, p)
	}
	return n
}

// Truncate lets n more bytes through, counted over all connections and both directions, and resets the connection that
// carries the next one.
func (l *Link) Truncate(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.left = true, n
}

// LongestStall bounds how long anything is held back, also by stalls that follow each other closely: less than the 5 s
// after which a request that nobody has seen counts as not sent.
const LongestStall = 4500 * time.Millisecond

// Stall holds everything back for a while, at most LongestStall.
func (l *Link) Stall(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.After(l.stalled.Add(2 * stallCheck)) { // what was held back has passed
		l.stalls = now
	}
	l.stalled = now.Add(d)
	if latest := l.stalls.Add(LongestStall); l.stalled.After(latest) {
		l.stalled = latest
	}
}

// stallCheck is how often it is looked whether a stall is over.
const stallCheck = 50 * time.Millisecond

// Refuse cuts all connections and answers new ones for a while with an HTTP status.
func (l *Link) Refuse(status int, d time.Duration) {
	l.mu.Lock()
	l.status, l.refusing = status, time.Now().Add(d)
	l.mu.Unlock()
	l.Cut()
}

// Calm ends everything that was asked for.
func (l *Link) Calm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.stalled, l.refusing = false, time.Time{}, time.Time{}
}

func (l *Link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.workers.Go(func() { l.serve(conn.(*net.TCPConn)) })
	}
}

func (l *Link) serve(client *net.TCPConn) {
	l.mu.Lock()
	refused := 0
	if time.Now().Before(l.refusing) {
		refused = l.status
	}
	l.mu.Unlock()
	if refused != 0 {
		refuse(client, refused)
		return
	}
	conn, err := net.DialTimeout("tcp", l.target, 5*time.Second)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	p := &pipe{client, conn.(*net.TCPConn)}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		p.cut()
		return
	}
	l.pipes[p] = true
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.pass(p, p.client, p.server) })
	both.Go(func() { l.pass(p, p.server, p.client) })
	both.Wait()
	_ = p.client.Close()
	_ = p.server.Close()
	l.mu.Lock()
	delete(l.pipes, p)
	l.mu.Unlock()
}

// refuse answers a connection with a status, whatever it asks.
func refuse(conn net.Conn, status int) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = conn.Read(make([]byte, 64<<10))
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status))
}

// pass copies one direction until it ends; then the other side hears of the end.
func (l *Link) pass(p *pipe, from, to *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		l.waitStall()
		allowed, cut := l.allow(n)
		if _, werr := to.Write(buf[:allowed]); werr != nil || cut {
			p.cut()
			return
		}
		if err == io.EOF {
			_ = to.CloseWrite()
			return
		} else if err != nil {
			p.cut()
			return
		}
	}
}

// allow says how many of n bytes may pass and whether the connection ends with them.
func (l *Link) allow(n int) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.armed {
		return n, false
	}
	if n <= l.left {
		l.left -= n
		return n, false
	}
	l.armed = false
	return l.left, true
}

func (l *Link) waitStall() {
	for {
		l.mu.Lock()
		left := time.Until(l.stalled)
		closed := l.closed
		l.mu.Unlock()
		if left <= 0 || closed {
			return
		}
		time.Sleep(min(left, stallCheck))
	}
}
