package channel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// first plays the usual start of a session: noop, client id.
func first(p *poll) {
	p.start()
	p.send(arrays(2, noop))
	p.send(arrays(3, clientID("lcsw_"+p.sid)))
}

func TestSession(t *testing.T) {
	s := newScripted(t, func(n int, p *poll) {
		switch n {
		case 1:
			first(p)
			text := arrays(4, noop, push("é😀"))
			for i := range len(text) {
				p.send(text[i : i+1])
			}
			p.end()
		default:
			p.start()
			p.send(arrays(6, push("two"), push("three")))
			p.hold()
		}
	})
	r := newRecorder()
	var bytes atomic.Int64
	x := run(t, s, r, func(c *channel.Config) { c.OnBytes = func(n int) { bytes.Add(int64(n)) } })
	r.until(t, 1, "payload three")
	r.until(t, 1, "subscribed")
	require.ErrorIs(t, x.end(), context.Canceled)

	var order []string
	for _, w := range r.all() {
		if w != "subscribed" { // comes at any time after the client id
			order = append(order, w)
		}
	}
	require.Equal(t, []string{"connect", "client lcsw_S1", "payload é😀", "payload two", "payload three"}, order)
	require.Greater(t, bytes.Load(), int64(100))

	create, poll := s.requests[0], s.requests[1]
	require.Equal(t, "/bind?RID=81188&VER=8&ctype=hangouts", create.RequestURI)
	require.Equal(t, "application/x-www-form-urlencoded", create.Header.Get("Content-Type"))
	require.Equal(t, "/bind?CI=0&RID=rpc&SID=S1&TYPE=xmlhttp&VER=8&ctype=hangouts&gsessionid=G-S1&t=1", poll.RequestURI)
	require.Equal(t, "identity", poll.Header.Get("Accept-Encoding"))
	for i, req := range s.requests {
		if req.Method == http.MethodPost && i > 0 {
			require.Equal(t, "/bind?RID=81188&SID=S1&VER=8&ctype=hangouts&gsessionid=G-S1", req.RequestURI)
			require.EqualValues(t, 172, req.ContentLength, "the reference's body has 172 bytes")
			require.Equal(t, "2", s.forms[i].Get("count"))
			require.Equal(t, "0", s.forms[i].Get("ofs"))
			require.Equal(t, `{"3": {"1": {"1": "babel"}}}`, s.forms[i].Get("req0_p"))
			require.Equal(t, `{"3": {"1": {"1": "babel_presence_last_seen"}}}`, s.forms[i].Get("req1_p"))
		}
	}
}

func TestWireSessionVector(t *testing.T) {
	v := loadVectors(t).WireSession
	s := newScripted(t, func(n int, p *poll) {
		p.start()
		if n == 1 {
			for _, write := range v.WritesHex {
				p.send(string(unhex(t, write)))
			}
			p.end()
			return
		}
		p.hold()
	})
	s.onCreate = func(_ int, w http.ResponseWriter) bool {
		_, _ = w.Write(unhex(t, v.CreateHex))
		return true
	}
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "subscribed")
	r.until(t, 1, "client lcsw_hangouts0A1B2C3D")
	require.Eventually(t, func() bool { _, _, polls := s.count(); return polls == 2 }, wait, time.Millisecond)
	require.ErrorIs(t, x.end(), context.Canceled)
	payloads := 0
	for _, w := range r.all() {
		if strings.HasPrefix(w, `payload ["cbu",`) {
			payloads++
		}
	}
	require.Equal(t, 2, payloads)
	require.NotContains(t, r.all(), "gap")
	require.NotContains(t, r.all(), "disconnect")
}

// TestRecovery breaks the first long poll in each way and watches what follows.
func TestRecovery(t *testing.T) {
	rawEnd := func(answer string) func(*poll) {
		return func(p *poll) { p.raw(answer) }
	}
	tests := []struct {
		name       string
		broken     func(p *poll)
		newSession bool
		connected  bool // before it broke
	}{
		{"unknown SID by reason", rawEnd("HTTP/1.1 400 Unknown SID\r\nContent-Length: 0\r\n\r\n"), true, false},
		{"unknown SID by body", rawEnd("HTTP/1.1 400 Bad Request\r\nContent-Length: 28\r\n\r\n<html>Unknown SID</html>\r\n\r\n"), true, false},
		{"other 400", rawEnd("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), false, false},
		{"500", rawEnd("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), false, false},
		{"closed before headers", func(*poll) {}, false, false},
		{"no HTTP", rawEnd("nonsense\r\n\r\n"), false, false},
		{"redirect is not followed", rawEnd("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), false, false},
		{"401 once", rawEnd("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), true, false},
		{"truncated chunked body", func(p *poll) { first(p) }, true, true},
		{"truncated length body", rawEnd("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + arrays(2, noop)), true, true},
		{"reset", func(p *poll) {
			first(p)
			_ = p.conn.(*net.TCPConn).SetLinger(0)
		}, true, true},
		{"regular end inside a chunk", func(p *poll) { p.start(); p.send(arrays(2, noop) + "12\nabc"); p.end() }, true, true},
		{"junk", func(p *poll) { p.start(); p.send(arrays(2, noop) + "junk"); p.hold() }, true, true},
		{"invalid UTF-8", func(p *poll) { p.start(); p.send(arrays(2, noop) + "2\n\xff\xff"); p.hold() }, true, true},
		{"chunk too large", func(p *poll) { p.start(); p.send(arrays(2, noop) + "1000001\n"); p.hold() }, true, true},
		{"silence after data", func(p *poll) { first(p); p.hold() }, false, true},
		{"silence before headers", func(p *poll) { p.hold() }, false, false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := newScripted(t, func(n int, p *poll) {
				if n == 1 {
					c.broken(p)
					return
				}
				first(p)
				p.send(arrays(4, push("after")))
				p.send(arrays(5, noop))
				p.hold()
			})
			r := newRecorder()
			x := run(t, s, r, func(cfg *channel.Config) {
				cfg.MaxChunk = 1_000_000
				if strings.HasPrefix(c.name, "silence") {
					cfg.IdleTimeout = 50 * time.Millisecond
				}
			})
			r.until(t, 1, "payload after")
			require.ErrorIs(t, x.end(), context.Canceled)
			creates, _, _ := s.count()
			if c.newSession {
				require.GreaterOrEqual(t, creates, 2)
			} else {
				require.Equal(t, 1, creates, "the SID is kept")
			}
			words := strings.Join(r.all(), " ")
			if c.connected {
				require.Regexp(t, "^connect .*disconnect.*reconnect .*payload after", words)
			} else {
				require.Regexp(t, "^connect .*payload after", words)
				if !strings.HasPrefix(c.name, "silence") {
					require.NotContains(t, words, "disconnect")
				}
			}
		})
	}
}

func TestGivesUp(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) { p.raw("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") })
	var delays []int
	x := run(t, s, newRecorder(), func(c *channel.Config) {
		c.MaxRetries = 3
		c.Backoff = func(n int) time.Duration { delays = append(delays, n); return 0 }
	})
	err := x.wait()
	require.ErrorIs(t, err, channel.ErrRetriesExhausted)
	var status *channel.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, 503, status.Code)
	require.Equal(t, "Busy", status.Reason)
	require.Equal(t, []int{1, 2, 3}, delays)
	creates, _, polls := s.count()
	require.Equal(t, 1, creates)
	require.Equal(t, 4, polls, "max retries plus one")
}

func TestFirstChunkResetsRetries(t *testing.T) {
	s := newScripted(t, func(n int, p *poll) {
		if n <= 6 {
			first(p) // then cut
			return
		}
		p.raw("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	})
	var delays []int
	r := newRecorder()
	x := run(t, s, r, func(c *channel.Config) {
		c.MaxRetries = 2
		c.Backoff = func(n int) time.Duration { delays = append(delays, n); return 0 }
	})
	require.ErrorIs(t, x.wait(), channel.ErrRetriesExhausted)
	require.Equal(t, []int{1, 1, 1, 1, 1, 1, 2}, delays)
	_, _, polls := s.count()
	require.Equal(t, 8, polls)
}

func TestCreationFailureIsRetried(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) { first(p); p.hold() })
	s.onCreate = func(n int, w http.ResponseWriter) bool {
		switch n {
		case 1:
			http.Error(w, "", http.StatusBadGateway)
		case 2:
			_, _ = io.WriteString(w, "12\nnot json....")
		case 3:
			_, _ = io.WriteString(w, strings.Repeat("9", 2<<20))
		default:
			return false
		}
		return true
	}
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "subscribed")
	require.ErrorIs(t, x.end(), context.Canceled)
	creates, _, polls := s.count()
	require.Equal(t, []int{4, 1}, []int{creates, polls})
}

func TestUnauthorizedEndsRun(t *testing.T) {
	unauthorized := "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
	check := func(t *testing.T, s *scripted, want [3]int) {
		err := run(t, s, newRecorder(), nil).wait()
		var status *channel.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, 401, status.Code)
		require.NotErrorIs(t, err, channel.ErrRetriesExhausted)
		creates, services, polls := s.count()
		require.Equal(t, want, [3]int{creates, services, polls})
	}
	t.Run("poll", func(t *testing.T) {
		check(t, newScripted(t, func(_ int, p *poll) { p.raw(unauthorized) }), [3]int{2, 0, 2})
	})
	t.Run("create", func(t *testing.T) {
		s := newScripted(t, func(_ int, p *poll) { p.hold() })
		s.onCreate = func(_ int, w http.ResponseWriter) bool { w.WriteHeader(401); return true }
		check(t, s, [3]int{2, 0, 0})
	})
	t.Run("services", func(t *testing.T) {
		s := newScripted(t, func(_ int, p *poll) { first(p); p.hold() })
		s.onServices = func(_ int, w http.ResponseWriter) bool { w.WriteHeader(401); return true }
		check(t, s, [3]int{2, 2, 2})
	})
}

func TestRetryAfter(t *testing.T) {
	s := newScripted(t, func(n int, p *poll) {
		if n == 1 {
			p.raw("HTTP/1.1 429 Slow down\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")
			return
		}
		first(p)
		p.hold()
	})
	// The bound on Retry-After makes the wait short; without it this test would hang.
	r := newRecorder()
	started := time.Now()
	x := run(t, s, r, func(c *channel.Config) { c.MaxBackoff = 80 * time.Millisecond })
	r.until(t, 1, "connect")
	require.GreaterOrEqual(t, time.Since(started), 80*time.Millisecond, "Retry-After is honoured up to the bound")
	require.ErrorIs(t, x.end(), context.Canceled)
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 120 ": 2 * time.Minute, "-1": 0, "soon": 0, "99999999999999999999": 0,
		"Wed, 01 Jan 2020 00:01:00 GMT": time.Minute, "Tue, 31 Dec 2019 23:59:00 GMT": 0,
	} {
		require.Equal(t, want, channel.ParseRetryAfter(http.Header{"Retry-After": {value}}, now), value)
	}
}

func TestDefaultDelays(t *testing.T) {
	require.Equal(t, []time.Duration{2, 4, 8, 16, 32}, channel.Delays(channel.Config{}, 5))
	require.Equal(t, []time.Duration{3, 9, 10, 10}, channel.Delays(channel.Config{BackoffBase: 3, MaxBackoff: 10 * time.Second}, 4))
	require.Equal(t, time.Duration(300), channel.Delays(channel.Config{}, 2000)[1999], "no overflow")
	d := channel.Delays(channel.Config{Jitter: 1}, 1)[0]
	require.True(t, d >= 2 && d <= 4, "%d", d)
}

func TestHandlerErrorEndsRun(t *testing.T) {
	for _, word := range []string{"connect", "client", "subscribed", "payload", "gap", "disconnect"} {
		t.Run(word, func(t *testing.T) {
			s := newScripted(t, func(_ int, p *poll) {
				first(p)
				p.send(arrays(4, push("one")))
				if word == "subscribed" {
					p.hold()
				}
				p.send(arrays(9, push("two"), push("three")))
			})
			r := newRecorder()
			r.fail, r.failAt = errors.New("disk full"), word
			require.ErrorIs(t, run(t, s, r, nil).wait(), r.fail)
			words := r.all()
			require.True(t, strings.HasPrefix(words[len(words)-1], word), "nothing follows the failure: %v", words)
		})
	}
}

func TestSlowHandlerIsNotIdle(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) {
		first(p)
		p.send(arrays(4, push("one")))
		p.send(arrays(5, noop))
		p.send(arrays(6, push("two")))
		p.hold()
	})
	r := newRecorder()
	released := make(chan struct{})
	r.block = func() { <-released }
	x := run(t, s, r, func(c *channel.Config) { c.IdleTimeout = 300 * time.Millisecond })
	time.AfterFunc(600*time.Millisecond, func() { close(released) })
	r.until(t, 1, "payload two")
	require.NotContains(t, r.all(), "disconnect")
	require.ErrorIs(t, x.end(), context.Canceled)
}

func TestErrorTextsHoldNoSession(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) {})
	err := run(t, s, newRecorder(), func(c *channel.Config) { c.MaxRetries = 0 }).wait()
	require.ErrorIs(t, err, channel.ErrRetriesExhausted)
	require.NotContains(t, err.Error(), "S1")
	require.NotContains(t, err.Error(), "G-")
}

// TestShortPollsAreSlowedDown: a proxy that ends every poll at once must not cause a busy loop.
func TestShortPollsAreSlowedDown(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) {
		p.start()
		p.send(chunk(`[[2,["noop"]]]`))
		p.end()
	})
	started := time.Now()
	x := run(t, s, newRecorder(), nil)
	require.Eventually(t, func() bool { _, _, polls := s.count(); return polls >= 5 }, wait, time.Millisecond)
	require.GreaterOrEqual(t, time.Since(started), time.Second)
	require.ErrorIs(t, x.end(), context.Canceled)
}

// TestReaderEndsWithItsPoll: a poll that is left while the server goes on, in the middle of a chunk,
// leaves no goroutine and no connection behind, although the context lives.
func TestReaderEndsWithItsPoll(t *testing.T) {
	before := goleak.IgnoreCurrent()
	half := "99\nonly the beginning of a chunk"
	stop := errors.New("enough")
	for name, c := range map[string]struct {
		failAt   string
		services func(n int, w http.ResponseWriter) bool
		polls    int
	}{
		"handler fails": {failAt: "payload stop", polls: 1},
		"services refused": {failAt: "subscribed", polls: 2, services: func(n int, w http.ResponseWriter) bool {
			if n == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return n == 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			left := make(chan int, 2)
			s := newScripted(t, func(n int, p *poll) {
				first(p)
				if c.services == nil {
					p.send(arrays(4, push("stop")))
				}
				p.send(half)
				p.hold()
				left <- n
			})
			s.onServices = c.services
			r := newRecorder()
			r.fail, r.failAt = stop, c.failAt
			cfg := channel.Config{
				URL: s.srv.URL + "/bind", Do: (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do,
				MaxRetries: channel.Unlimited, Backoff: func(int) time.Duration { return time.Millisecond },
			}
			require.ErrorIs(t, channel.New(cfg, r).Run(context.Background()), stop)
			for n := range c.polls {
				select {
				case <-left:
				case <-time.After(wait):
					require.FailNow(t, "a poll is still open", "%d of %d ended", n, c.polls)
				}
			}
			s.srv.Close()
			require.NoError(t, goleak.Find(before))
		})
	}
}
