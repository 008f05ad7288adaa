// Package ircclient has two kinds of IRC clients for tests: Client, which speaks lines and says exactly what came, and
// Irssi and WeeChat, which drive the real programs in a terminal and look at what a person would see.
package ircclient

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long methods wait for something to happen when no other time is named.
const Patience = 20 * time.Second

// maxLine is the longest line that the client accepts: 8191 bytes of tags, 512 of message, and a margin, so that a
// server's mistake is seen as a line and not as a cut.
const maxLine = 64 << 10

// Client is one IRC connection. Methods that cannot go on fail the test. Only the goroutine of the test calls them.
type Client struct {
	t    testing.TB
	conn net.Conn
	nick string

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each line and at the end
	lines    []Line
	next     int   // first line that no method has returned or skipped
	closed   error // why reading ended
	holdPong bool
	pings    int
}

// Dial connects without TLS.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		t.Fatalf("connect to IRC server: %v", err)
	}
	return Over(t, conn)
}

// DialTLS connects with TLS.
func DialTLS(t testing.TB, addr string, config *tls.Config) *Client {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", addr, config)
	if err != nil {
		t.Fatalf("connect to IRC server with TLS: %v", err)
	}
	return Over(t, conn)
}

// Over speaks IRC over a connection that is there already; it is closed with the test.
func Over(t testing.TB, conn net.Conn) *Client {
	c := &Client{t: t, conn: conn, changed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
		if t.Failed() {
			t.Logf("lines to %s:\n%s", c.nick, c.transcript())
		}
	})
	return c
}

func (c *Client) read() {
	in := bufio.NewReaderSize(c.conn, maxLine)
	for {
		text, err := in.ReadSlice('\n')
		c.mu.Lock()
		if err != nil {
			c.closed = err
		} else {
			line := ParseLine(strings.TrimRight(string(text), "\r\n"))
			c.lines = append(c.lines, line)
			if line.Command == "PING" {
				c.pings++
				if !c.holdPong {
					_, _ = fmt.Fprintf(c.conn, "PONG :%s\r\n", line.Last())
				}
			}
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Send writes one line; the end of line is added.
func (c *Client) Send(format string, args ...any) {
	c.t.Helper()
	c.SendRaw(fmt.Sprintf(format, args...) + "\r\n")
}

// SendRaw writes bytes as they are.
func (c *Client) SendRaw(data string) {
	c.t.Helper()
	_ = c.conn.SetWriteDeadline(time.Now().Add(Patience))
	if _, err := c.conn.Write([]byte(data)); err != nil {
		c.t.Fatalf("send %q: %v", data, err)
	}
}

// HoldPong stops the automatic answers to PING, or starts them again. PINGs held back stay unanswered.
func (c *Client) HoldPong(hold bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holdPong = hold
}

// Pings counts the PINGs so far.
func (c *Client) Pings() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pings
}

// Expect takes the next line, PINGs left out, which must be this command with these first parameters ("*" fits all).
func (c *Client) Expect(command string, params ...string) Line {
	c.t.Helper()
	for {
		line := c.take(fmt.Sprint(command, " ", params))
		if line.Command == "PING" && command != "PING" {
			continue
		}
		if !line.Is(command, params...) {
			c.t.Fatalf("got %q, want %s %q", line.Raw, command, params)
		}
		return line
	}
}

// Await skips lines until one is this command with these first parameters ("*" fits all) and returns it.
func (c *Client) Await(command string, params ...string) Line {
	c.t.Helper()
	return c.AwaitFunc(fmt.Sprint(command, " ", params), func(l Line) bool { return l.Is(command, params...) })
}

// AwaitFunc skips lines until one fits and returns it.
func (c *Client) AwaitFunc(what string, fits func(Line) bool) Line {
	c.t.Helper()
	for {
		if line := c.take(what); fits(line) {
			return line
		}
	}
}

// take returns the next line.
func (c *Client) take(what string) Line {
	c.t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		if c.next < len(c.lines) {
			line := c.lines[c.next]
			c.next++
			c.mu.Unlock()
			return line
		}
		changed, closed := c.changed, c.closed
		c.mu.Unlock()
		if closed != nil {
			c.t.Fatalf("the connection ended (%v) while waiting for %s", closed, what)
		}
		select {
		case <-changed:
		case <-deadline.C:
			c.t.Fatalf("nothing came within %v while waiting for %s", Patience, what)
		}
	}
}

// Roundtrip sends a PING, waits for its answer, and returns all lines that came before it: what the server had to say
// to everything sent so far.
func (c *Client) Roundtrip() []Line {
	c.t.Helper()
	token := fmt.Sprintf("roundtrip-%d", time.Now().UnixNano())
	c.Send("PING %s", token)
	var before []Line
	for {
		line := c.take("PONG " + token)
		if line.Command == "PONG" && line.Last() == token {
			return before
		}
		if line.Command != "PING" {
			before = append(before, line)
		}
	}
}

// ExpectNone makes a Roundtrip and fails the test when a line of this kind came.
func (c *Client) ExpectNone(command string, params ...string) {
	c.t.Helper()
	for _, line := range c.Roundtrip() {
		if line.Is(command, params...) {
			c.t.Fatalf("got %q, which should not come", line.Raw)
		}
	}
}

// WaitClosed waits until the server has closed the connection; lines before that are skipped.
func (c *Client) WaitClosed() {
	c.t.Helper()
	deadline := time.After(Patience)
	for {
		c.mu.Lock()
		changed, closed := c.changed, c.closed
		c.next = len(c.lines)
		c.mu.Unlock()
		if closed != nil {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			c.t.Fatalf("the connection is still open after %v", Patience)
		}
	}
}

// Close closes the connection without a QUIT.
func (c *Client) Close() { _ = c.conn.Close() }

// Lines returns everything that came so far, lines already returned included.
func (c *Client) Lines() []Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Line(nil), c.lines...)
}

func (c *Client) transcript() string {
	lines := c.Lines()
	var b strings.Builder
	for _, line := range lines[max(0, len(lines)-60):] {
		fmt.Fprintln(&b, line.Raw)
	}
	return b.String()
}
