package irc

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Bounds of one session.
const (
	maxTasks        = 1024 // deliveries and changes that wait for the session
	maxEarlyLines   = 64   // lines before registration
	messageBurst    = 20
	messagesPerSec  = 4
	questionBurst   = 120 // clients ask MODE and WHO for every channel that they join
	questionsPerSec = 20
)

// tlsRecord is the first byte of a TLS connection.
const tlsRecord = 0x16

// session is one connection. Everything below "owned" belongs to the goroutine that runs
// serve; others reach it through post and tryPost.
type session struct {
	g      *Gateway
	id     string // random
	conn   net.Conn
	addr   netip.Addr
	log    zerolog.Logger
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	since  time.Time

	counted bool // has logged in; guarded by Gateway.mu

	queue  *sendQueue
	input  chan input
	tasks  chan func()
	done   chan struct{} // closed by end
	reason string        // why; set before done is closed
	once   sync.Once
	heard  atomic.Int64 // time of the last line, µs
	early  atomic.Bool  // not registered yet
	bound  atomic.Pointer[login]

	pingMu sync.Mutex
	pings  map[string]ping // PINGs sent and not answered

	// owned
	login        *login
	pass         *string
	nick         string
	userName     string
	realName     string
	registered   bool
	capVersion   int
	negotiating  bool
	caps         map[string]bool
	sasl         *sasl
	failures     int
	reply        *reply
	hub          *hub
	client       *client
	away         bool
	latinWarned  bool
	offlineTold  bool
	toldState    chat.AccountStatus
	views        map[chat.ConversationID]*view
	invites      map[chat.ConversationID]bool // invitations that were shown
	pending      map[string]string            // labels of the lines that this session has submitted and whose event has not come, by reference
	settling     map[chat.ConversationID]int
	typing       map[chat.ConversationID]ownTyping
	typingRound  map[typingKey]int // typing that is shown to the client
	typingCount  int
	batch        *inputBatch // an open batch of the client
	pingCount    int
	confirmation confirmation
	batchCount   int
	ctcpLimit    *rate.Limiter
}

// input is a line as the reader passes it on; tooLong stands for a line that was refused.
type input struct {
	line    *ircwire.Line
	tooLong bool
}

// ping is a PING that was sent.
type ping struct {
	sent     time.Time
	answered func() // nil for a mere sign of life; must not block
}

func newSession(g *Gateway, conn net.Conn) *session {
	s := &session{
		g: g, id: rand.Text(), conn: conn, addr: clientAddr(conn.RemoteAddr()), since: g.now(),
		log:   g.log.With().Stringer("remote", conn.RemoteAddr()).Logger(),
		queue: newSendQueue(g.cfg.Limits.SendQueue), input: make(chan input), tasks: make(chan func(), maxTasks),
		done: make(chan struct{}), pings: make(map[string]ping), caps: make(map[string]bool),
		views: make(map[chat.ConversationID]*view), invites: make(map[chat.ConversationID]bool), pending: make(map[string]string),
		settling: make(map[chat.ConversationID]int), typing: make(map[chat.ConversationID]ownTyping),
		typingRound: make(map[typingKey]int), confirmation: newConfirmation(), ctcpLimit: rate.NewLimiter(rate.Every(5*time.Second), 2),
	}
	s.ctx, s.cancel = context.WithCancel(s.log.WithContext(g.ctx))
	s.early.Store(true)
	s.heard.Store(g.now().UnixMicro())
	return s
}

// boundTo is what a session is logged in to; nil before registration.
func (s *session) boundTo() *login { return s.bound.Load() }

// end asks the session to end. It does not wait and may be called from anywhere.
func (s *session) end(reason string) {
	s.once.Do(func() {
		s.reason = reason
		close(s.done)
	})
}

// post hands fn to the session's goroutine, waiting for a place. It reports false if the
// session has ended.
func (s *session) post(fn func()) bool {
	select {
	case s.tasks <- fn:
		return true
	case <-s.done:
		return false
	}
}

// tryPost is post without waiting: a session that has no place left is too slow and ends.
func (s *session) tryPost(fn func()) {
	select {
	case s.tasks <- fn:
	default:
		s.end("Too slow: too much waits to be delivered")
	}
}

// serve runs the session until it ends and frees everything that it holds.
func (s *session) serve() {
	defer s.g.dismiss(s)
	var wg sync.WaitGroup
	wg.Go(s.read)
	wg.Go(s.write)
	s.loop()
	s.cancel()
	for id, own := range s.typing {
		if own.state != chat.TypingStopped {
			s.tellTyping(id, chat.TypingStopped)
		}
	}
	if s.client != nil {
		s.client.leave(s)
	}
	if s.hub != nil {
		s.hub.leave(s)
	}
	s.queue.put(ircwire.New("", "ERROR", "Closing link: "+s.reason).Encode())
	s.queue.close()
	wg.Wait()
	s.log.Debug().Str("reason", s.reason).Msg("IRC session ended")
}

func (s *session) loop() {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error().Any("panic", p).Bytes("stack", debug.Stack()).Msg("IRC session failed")
			s.end("Internal error")
		}
	}()
	tick := time.NewTicker(min(s.g.cfg.Limits.PingAfter, s.g.cfg.Limits.PingTimeout, s.g.cfg.Limits.RegisterIn) / 4)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		default:
		}
		select {
		case <-s.done:
			return
		case in := <-s.input:
			s.handle(in)
		case fn := <-s.tasks:
			fn()
		case <-tick.C:
			s.checkLife()
		}
	}
}

// read passes lines on until the connection ends. Lines that come too fast wait, and the
// client with them. PONGs are taken at once: deliveries wait for them.
func (s *session) read() {
	lines := ircwire.NewReader(s.conn, ircwire.MaxClientTags)
	messages, questions := rate.NewLimiter(messagesPerSec, messageBurst), rate.NewLimiter(questionsPerSec, questionBurst)
	if first, err := lines.Peek(); err == nil && first == tlsRecord {
		s.log.Info().Msg("A client speaks TLS on a port without TLS")
		s.end("This port does not speak TLS")
		return
	}
	for early := 0; ; {
		line, err := lines.Next()
		in := input{line: line, tooLong: errors.Is(err, ircwire.ErrTooLong)}
		switch {
		case errors.Is(err, ircwire.ErrMalformed):
			in.line = nil
		case errors.Is(err, ircwire.ErrEndless):
			s.end("Line without end")
			return
		case err != nil && !in.tooLong:
			s.end("Connection closed")
			return
		}
		if s.early.Load() {
			if early++; early > maxEarlyLines {
				s.end("Too many lines before registration")
				return
			}
		}
		limiter := questions
		if line != nil {
			s.heard.Store(s.g.now().UnixMicro())
			if line.Command == "PONG" {
				s.ponged(line)
				continue
			}
			// The lines of a batch are one message together.
			if (line.Command == "PRIVMSG" || line.Command == "NOTICE") && line.Tags["batch"] == "" {
				limiter = messages
			}
		}
		if limiter.Wait(s.ctx) != nil {
			return
		}
		if in.line == nil && !in.tooLong {
			continue
		}
		select {
		case s.input <- in:
		case <-s.done:
			return
		}
	}
}

// write writes what is queued, then closes the connection, which ends read too.
func (s *session) write() {
	defer s.conn.Close()
	// At the end there are only some seconds left, whatever the client does.
	stop := context.AfterFunc(s.ctx, func() { _ = s.conn.SetWriteDeadline(time.Now().Add(stopFlush)) })
	defer stop()
	err := s.queue.write(s.conn, func() time.Duration {
		if s.ctx.Err() != nil {
			return stopFlush
		}
		return s.g.cfg.Limits.WriteTimeout
	})
	if err != nil {
		s.end("Connection lost or too slow")
		s.queue.close()
	}
}

// checkLife ends sessions that do not register or answer in time, and asks silent ones
// for a sign of life.
func (s *session) checkLife() {
	now, limits := s.g.now(), s.g.cfg.Limits
	if !s.registered {
		if now.Sub(s.since) > limits.RegisterIn {
			s.end("Registration timed out")
		}
		return
	}
	s.pingMu.Lock()
	waiting := false
	var oldest time.Time
	for _, p := range s.pings {
		if !waiting || p.sent.Before(oldest) {
			waiting, oldest = true, p.sent
		}
	}
	s.pingMu.Unlock()
	heard := time.UnixMicro(s.heard.Load())
	switch {
	case waiting && now.Sub(oldest) > limits.PingTimeout:
		s.end("Ping timeout")
	case !waiting && now.Sub(heard) > limits.PingAfter:
		s.sendPing(nil)
	}
}

// sendPing asks the client for a PONG; answered (may be nil) is called when it comes.
func (s *session) sendPing(answered func()) {
	s.pingCount++
	token := "gw" + itoa(s.pingCount)
	s.pingMu.Lock()
	s.pings[token] = ping{sent: s.g.now(), answered: answered}
	s.pingMu.Unlock()
	s.send(ircwire.New("", "PING", token))
}

// ponged takes a PONG. A client may put the token into any of the parameters.
func (s *session) ponged(l *ircwire.Line) {
	s.pingMu.Lock()
	defer s.pingMu.Unlock()
	for _, token := range l.Params {
		if p, ok := s.pings[token]; ok {
			delete(s.pings, token)
			if p.answered != nil {
				p.answered()
			}
		}
	}
}
