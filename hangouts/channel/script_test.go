package channel_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

const (
	noop       = `["noop"]`
	wait       = time.Minute
	createBody = "[[0,[\"c\",\"%s\",\"\",8]\n]\n,[1,[{\"gsid\":\"G-%s\"}]]\n]\n"
)

// chunk frames a payload.
func chunk(payload string) string {
	return fmt.Sprintf("%d\n%s", len(utf16.Encode([]rune(payload))), payload)
}

// arrays is a chunk with entries numbered from id.
func arrays(id int, data ...string) string {
	parts := make([]string, len(data))
	for i, d := range data {
		parts[i] = fmt.Sprintf("[%d,%s]\n", id+i, d)
	}
	return chunk("[" + strings.Join(parts, ",") + "]\n")
}

func quote(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

// wrap is the data array of a wrapper.
func wrap(object string) string { return `[{"p":"` + quote(object) + `"}]` }

func clientID(id string) string { return wrap(`{"3":{"1":{"1":1},"2":"` + id + `"}}`) }

func push(text string) string {
	return wrap(`{"2":{"1":{"1":"babel","2":"conserver.google.com"},"2":"` + quote(text) + `"}}`)
}

// scripted is a server of which each test writes every byte.
type scripted struct {
	t   *testing.T
	srv *httptest.Server

	mu       sync.Mutex
	creates  int
	requests []*http.Request
	forms    []url.Values
	// onCreate and onServices may answer themselves; false means the usual answer.
	onCreate   func(n int, w http.ResponseWriter) bool
	onServices func(n int, w http.ResponseWriter) bool
	services   int
	polls      int
	onPoll     func(n int, p *poll)
}

// poll is one long poll; the script writes raw bytes of the HTTP answer.
type poll struct {
	conn   net.Conn
	rw     *bufio.ReadWriter
	sid    string
	closed <-chan struct{} // the client went away
}

func (p *poll) raw(text string) {
	_, _ = p.rw.WriteString(text)
	_ = p.rw.Flush()
}

func (p *poll) start() {
	p.raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
}

// send writes one HTTP chunk.
func (p *poll) send(text string) { p.raw(fmt.Sprintf("%x\r\n%s\r\n", len(text), text)) }

func (p *poll) end() { p.raw("0\r\n\r\n") }

func (p *poll) hold() { <-p.closed }

func newScripted(t *testing.T, onPoll func(n int, p *poll)) *scripted {
	s := &scripted{t: t, onPoll: onPoll}
	s.srv = httptest.NewServer(s)
	t.Cleanup(s.srv.Close)
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	sid := r.URL.Query().Get("SID")
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.forms = append(s.forms, form)
	var n int
	switch {
	case r.Method == http.MethodGet:
		s.polls++
		n = s.polls
	case sid == "":
		s.creates++
		n = s.creates
	default:
		s.services++
		n = s.services
	}
	s.mu.Unlock()
	switch {
	case r.Method == http.MethodGet:
		s.poll(n, w, sid)
	case sid == "":
		if s.onCreate == nil || !s.onCreate(n, w) {
			name := fmt.Sprintf("S%d", n)
			_, _ = io.WriteString(w, chunk(fmt.Sprintf(createBody, name, name)))
		}
	default:
		if s.onServices == nil || !s.onServices(n, w) {
			_, _ = io.WriteString(w, "7\n[1,3,0]")
		}
	}
}

func (s *scripted) poll(n int, w http.ResponseWriter, sid string) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn)
	}()
	s.onPoll(n, &poll{conn: conn, rw: rw, sid: sid, closed: closed})
	_ = conn.Close()
	<-closed
}

func (s *scripted) count() (creates, services, polls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.creates, s.services, s.polls
}

// recorder is a Handler that notes everything in words.
type recorder struct {
	mu     sync.Mutex
	words  []string
	grew   chan struct{}
	fail   error
	failAt string
	block  func()
}

func newRecorder() *recorder { return &recorder{grew: make(chan struct{}, 1)} }

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	r.words = append(r.words, fmt.Sprintf(format, args...))
	r.mu.Unlock()
	select {
	case r.grew <- struct{}{}:
	default:
	}
}

func (r *recorder) Connected(_ context.Context, again bool) error {
	if again {
		return r.noteAnd("reconnect")
	}
	return r.noteAnd("connect")
}

func (r *recorder) Disconnected(context.Context, error) error { return r.noteAnd("disconnect") }

func (r *recorder) ClientID(_ context.Context, id string) error { return r.noteAnd("client " + id) }

func (r *recorder) Subscribed(context.Context) error { return r.noteAnd("subscribed") }

func (r *recorder) Gap(context.Context) error { return r.noteAnd("gap") }

func (r *recorder) Payload(_ context.Context, p channel.Payload) error {
	if r.block != nil {
		r.block()
	}
	return r.noteAnd("payload " + p.Text)
}

// noteAnd fails when the test wants this word to fail.
func (r *recorder) noteAnd(word string) error {
	r.note("%s", word)
	if r.fail != nil && strings.HasPrefix(word, r.failAt) {
		return r.fail
	}
	return nil
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.words...)
}

// until waits until the notes contain a word n times.
func (r *recorder) until(t *testing.T, n int, word string) {
	t.Helper()
	limit := time.After(wait)
	for {
		have := 0
		for _, w := range r.all() {
			if w == word {
				have++
			}
		}
		if have >= n {
			return
		}
		select {
		case <-r.grew:
		case <-limit:
			require.FailNow(t, "timed out", "waiting for %d × %q, have %v", n, word, r.all())
		}
	}
}

// running is a channel under test.
type running struct {
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// run starts a channel with short delays against a script.
func run(t *testing.T, s *scripted, r *recorder, change func(*channel.Config)) *running {
	transport := &http.Transport{}
	client := &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := channel.Config{
		URL: s.srv.URL + "/bind", Do: client.Do, MaxRetries: channel.Unlimited,
		Backoff: func(int) time.Duration { return time.Millisecond }, SubscribeDelay: time.Millisecond,
		IdleTimeout: wait, RequestTimeout: wait, SubscribeTimeout: wait,
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &running{t: t, stop: cancel, done: make(chan error, 1)}
	go func() { x.done <- channel.New(cfg, r).Run(ctx) }()
	t.Cleanup(cancel)
	return x
}

// end cancels the channel and returns what Run gave.
func (x *running) end() error {
	x.stop()
	return x.wait()
}

func (x *running) wait() error {
	x.t.Helper()
	select {
	case err := <-x.done:
		return err
	case <-time.After(wait):
		require.FailNow(x.t, "Run did not return")
		return nil
	}
}
