package stage

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// Errors of IRC.Say.
var (
	// ErrUnconfirmed means that the connection broke before the server had answered a line.
	ErrUnconfirmed = errors.New("line not confirmed")
	// ErrRefused means that the server has refused a line.
	ErrRefused = errors.New("line refused")
)

// ircCaps is what IRC asks for.
const ircCaps = "sasl message-tags server-time batch echo-message labeled-response account-tag draft/read-marker standard-replies"

// IRC is an IRC client that lives through everything: it connects again whenever its connection ends, answers PINGs, and
// knows a repeated message by its msgid. Its methods may be called from any goroutine.
type IRC struct {
	addr, user, password string
	cancel               context.CancelFunc
	done                 chan struct{}
	seen                 func(ircclient.Line) // optional, set before Start

	mu       sync.Mutex
	conn     net.Conn // nil while not welcomed
	lost     chan struct{}
	changed  chan struct{}
	labels   int
	waiting  map[string]chan ircclient.Line
	ids      map[string]bool
	messages []ircclient.Line
	marks    []ircclient.Line
	told     []string
	welcomes int
	repeats  int
}

// StartIRC connects as a user with a password of `irc-password` until Close. seen may be nil; it is called for each line.
func StartIRC(addr, user, password string, seen func(ircclient.Line)) *IRC {
	ctx, cancel := context.WithCancel(context.Background())
	c := &IRC{addr: addr, user: user, password: password, cancel: cancel, done: make(chan struct{}), seen: seen,
		changed: make(chan struct{}), waiting: map[string]chan ircclient.Line{}, ids: map[string]bool{}}
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			pause := 50 * time.Millisecond
			if c.live(ctx) {
				pause = refusedPause
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
	return c
}

// Close ends the client.
func (c *IRC) Close() {
	c.cancel()
	<-c.done
}

// refusedPause is how long the client waits after its password was refused.
const refusedPause = 300 * time.Millisecond

// live is one connection from its beginning to its end. refused reports whether the server does not let the client in.
func (c *IRC) live(ctx context.Context) (refused bool) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer c.over(conn)
	fmt.Fprintf(conn, "CAP LS 302\r\nCAP REQ :%s\r\nNICK %s\r\nUSER %s 0 * :%s\r\nAUTHENTICATE PLAIN\r\n", ircCaps, c.user, c.user, c.user)
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		// The server asks for a sign of life after a while; a connection that is silent for longer is dead.
		_ = conn.SetReadDeadline(time.Now().Add(3 * time.Minute))
		raw, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		l := ircclient.ParseLine(strings.TrimRight(raw, "\r\n"))
		c.line(conn, l)
		if l.Command == "904" {
			return true
		}
	}
}

// over forgets a connection.
func (c *IRC) over(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = nil
	if c.lost != nil {
		close(c.lost)
		c.lost = nil
	}
	c.notify()
}

func (c *IRC) line(conn net.Conn, l ircclient.Line) {
	switch l.Command {
	case "PING":
		fmt.Fprintf(conn, "PONG :%s\r\n", l.Last())
	case "AUTHENTICATE":
		secret := base64.StdEncoding.EncodeToString([]byte("\x00" + c.user + "\x00" + c.password))
		fmt.Fprintf(conn, "AUTHENTICATE %s\r\n", secret)
	case "903":
		fmt.Fprint(conn, "CAP END\r\n")
	}
	if c.seen != nil {
		c.seen(l)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch l.Command {
	case "001":
		c.conn, c.lost = conn, make(chan struct{})
		c.welcomes++
	case "PRIVMSG":
		if id := l.Tags["msgid"]; id != "" && c.ids[id] {
			c.repeats++
		} else {
			c.ids[id] = true
			c.messages = append(c.messages, l)
		}
	case "MARKREAD":
		c.marks = append(c.marks, l)
	case "NOTICE", "FAIL", "904", "ERROR", "404":
		if len(c.told) < 10_000 {
			c.told = append(c.told, l.Raw)
		}
	}
	if ch := c.waiting[l.Tags["label"]]; ch != nil {
		delete(c.waiting, l.Tags["label"])
		ch <- l
	}
	c.notify()
}

// notify wakes those who wait; mu is held.
func (c *IRC) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// WaitFor waits until cond, which is asked again after every line. Errors: the context's.
func (c *IRC) WaitFor(ctx context.Context, cond func() bool) error {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Connected says whether the server has welcomed the present connection.
func (c *IRC) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil
}

// Say sends a text, when connected, and waits for the answer to its label: the echo with its msgid or an ACK. Errors:
// ErrUnconfirmed, ErrRefused, the context's before the line was written.
func (c *IRC) Say(ctx context.Context, target, text string) error {
	if err := c.WaitFor(ctx, c.Connected); err != nil {
		return err
	}
	c.mu.Lock()
	conn, lost := c.conn, c.lost
	if conn == nil {
		c.mu.Unlock()
		return fmt.Errorf("%w: not sent, connection lost", ErrRefused)
	}
	c.labels++
	label := fmt.Sprintf("l%d", c.labels)
	answer := make(chan ircclient.Line, 1)
	c.waiting[label] = answer
	c.mu.Unlock()
	fmt.Fprintf(conn, "@label=%s PRIVMSG %s :%s\r\n", label, target, text)
	select {
	case l := <-answer:
		if l.Command == "PRIVMSG" || l.Command == "ACK" {
			return nil
		}
		return fmt.Errorf("%w: %s", ErrRefused, l.Raw)
	case <-lost:
		return ErrUnconfirmed
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnconfirmed, ctx.Err())
	}
}

// Send writes a line if the client is connected and waits for nothing.
func (c *IRC) Send(line string) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		fmt.Fprintf(conn, "%s\r\n", line)
	}
}

// Messages are all PRIVMSGs so far, each msgid once, in the order in which they first came.
func (c *IRC) Messages() []ircclient.Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ircclient.Line(nil), c.messages...)
}

// Marks are all MARKREAD lines so far.
func (c *IRC) Marks() []ircclient.Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]ircclient.Line(nil), c.marks...)
}

// Told are the notices and errors of the server so far.
func (c *IRC) Told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.told...)
}

// Counts are the number of connections that were welcomed and of messages that came again with a known msgid.
func (c *IRC) Counts() (welcomes, repeats int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcomes, c.repeats
}
