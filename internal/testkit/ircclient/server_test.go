package ircclient_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// tinyServer is just enough IRC for one client at a time: capabilities, SASL PLAIN or PASS, one channel "#family" with
// alice in it. It keeps every line that clients send.
type tinyServer struct {
	addr string

	mu       sync.Mutex
	received []string
	session
}

// session is the state of one connection.
type session struct {
	conn                        net.Conn
	nick, password              string
	account                     string // logged in by SASL
	negotiating, user, welcomed bool
}

const sessionPassword = "secret-password"

func startTinyServer(t *testing.T) *tinyServer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tinyServer{addr: listener.Addr().String()}
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.session = session{conn: conn}
			s.mu.Unlock()
			handlers.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		if s.conn != nil {
			_ = s.conn.Close()
		}
		s.mu.Unlock()
		handlers.Wait()
	})
	return s
}

func (s *tinyServer) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewScanner(conn); in.Scan(); {
		s.mu.Lock()
		s.received = append(s.received, in.Text())
		s.handle(ircclient.ParseLine(in.Text()))
		s.mu.Unlock()
	}
}

// say sends a line to the client. The caller holds the lock.
func (s *tinyServer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.conn, format+"\r\n", args...)
}

// push sends a line as of its own accord.
func (s *tinyServer) push(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say(format, args...)
}

func (s *tinyServer) handle(l ircclient.Line) {
	switch l.Command {
	case "CAP":
		switch l.Param(0) {
		case "LS":
			s.negotiating = true
			s.say(":tiny CAP * LS * :message-tags server-time")
			s.say(":tiny CAP * LS :sasl=PLAIN echo-message")
		case "REQ":
			s.say(":tiny CAP * ACK :%s", l.Last())
		case "END":
			s.negotiating = false
		}
	case "PASS":
		s.password = l.Last()
	case "NICK":
		s.nick = l.Last()
	case "USER":
		s.user = true
	case "AUTHENTICATE":
		if l.Last() == "PLAIN" {
			s.say("AUTHENTICATE +")
		} else if data, _ := base64.StdEncoding.DecodeString(l.Last()); strings.HasSuffix(string(data), "\x00bob\x00"+sessionPassword) {
			s.account = "bob"
			s.say(":tiny 900 * * bob :logged in")
			s.say(":tiny 903 * :SASL authentication successful")
		} else {
			s.say(":tiny 904 * :SASL authentication failed")
		}
	case "PING":
		s.say(":tiny PONG tiny %s", l.Last())
	case "JOIN":
		if s.welcomed {
			s.join()
		} else { // irssi probes
			s.say(":tiny 451 * :You have not registered")
		}
	case "MODE":
		s.say(":tiny 324 %s #family +nt", s.nick)
	case "WHO":
		s.say(":tiny 352 %s #family u h tiny alice H :0 Alice", s.nick)
		s.say(":tiny 315 %s #family :End of WHO", s.nick)
	case "QUIT":
		s.say("ERROR :bye")
	}
	if !s.welcomed && !s.negotiating && s.user && s.nick != "" {
		s.welcome()
	}
}

func (s *tinyServer) welcome() {
	if s.account == "" && s.password != sessionPassword {
		s.say(":tiny 464 %s :Password incorrect", s.nick)
		s.say("ERROR :go away")
		_ = s.conn.Close()
		return
	}
	s.welcomed = true
	s.say(":tiny 001 %s :Welcome", s.nick)
	s.say(":tiny 005 %s CHANTYPES=# CASEMAPPING=ascii :are supported", s.nick)
	s.say(":tiny 376 %s :End of MOTD", s.nick)
	s.join()
}

func (s *tinyServer) join() {
	s.say(":%s!u@h JOIN #family", s.nick)
	s.say(":tiny 332 %s #family :Dinner plans", s.nick)
	s.say(":tiny 353 %s = #family :%s alice", s.nick, s.nick)
	s.say(":tiny 366 %s #family :End of NAMES", s.nick)
}

// got says whether a client has sent a line that contains text.
func (s *tinyServer) got(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.received {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}
