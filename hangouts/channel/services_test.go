package channel_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

func TestRefusedServicesMakeANewSession(t *testing.T) {
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"500":         func(w http.ResponseWriter) { w.WriteHeader(500) },
		"400":         func(w http.ResponseWriter) { w.WriteHeader(400) },
		"unknown SID": func(w http.ResponseWriter) { http.Error(w, "Unknown SID", 400) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, func(_ int, p *poll) { first(p); p.hold() })
			s.onServices = func(n int, w http.ResponseWriter) bool {
				if n > 2 {
					return false
				}
				refuse(w)
				return true
			}
			r := newRecorder()
			x := run(t, s, r, nil)
			r.until(t, 1, "subscribed")
			require.ErrorIs(t, x.end(), context.Canceled)
			creates, services, _ := s.count()
			require.Equal(t, []int{3, 3}, []int{creates, services})
			require.Equal(t, []string{
				"connect", "client lcsw_S1", "disconnect", "reconnect", "client lcsw_S2", "disconnect",
				"reconnect", "client lcsw_S3", "subscribed",
			}, r.all())
		})
	}
}

func TestServicesThatAlwaysFailGiveUp(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) { first(p); p.hold() })
	s.onServices = func(_ int, w http.ResponseWriter) bool { w.WriteHeader(503); return true }
	err := run(t, s, newRecorder(), func(c *channel.Config) { c.MaxRetries = 2 }).wait()
	require.ErrorIs(t, err, channel.ErrRetriesExhausted)
	require.ErrorIs(t, err, channel.ErrNotSubscribed)
}

func TestServicesRequestWithoutAnswerIsRepeated(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) { first(p); p.hold() })
	s.onServices = func(n int, w http.ResponseWriter) bool {
		if n <= 2 {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "subscribed")
	require.ErrorIs(t, x.end(), context.Canceled)
	creates, services, _ := s.count()
	require.Equal(t, []int{1, 3}, []int{creates, services})
}

func TestServiceErrorAddsServicesAgain(t *testing.T) {
	notReady := wrap(`{"4":{"1":{"1":"babel","2":"x"},"4":{"1":3,"2":"channel not ready: babel"}}}`)
	second := make(chan struct{})
	s := newScripted(t, func(_ int, p *poll) {
		first(p)
		p.send(arrays(4, notReady))
		<-second
		p.send(arrays(5, push("heard")))
		p.hold()
	})
	s.onServices = func(n int, _ http.ResponseWriter) bool {
		if n == 2 {
			close(second)
		}
		return false
	}
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "payload heard")
	r.until(t, 1, "subscribed")
	require.ErrorIs(t, x.end(), context.Canceled)
	creates, _, _ := s.count()
	require.Equal(t, 1, creates)
}

// TestRepeatedServiceErrorsMakeANewSession: each services request is answered with an error for each
// service, as a server does that is not ready.
func TestRepeatedServiceErrorsMakeANewSession(t *testing.T) {
	bad := wrap(`{"4":{"1":{"1":"babel"}}}`)
	asked := make(chan struct{}, 100)
	s := newScripted(t, func(n int, p *poll) {
		first(p)
		for id := 4; n == 1; id += 2 {
			select {
			case <-asked:
				p.send(arrays(id, bad, bad))
			case <-p.closed:
				return
			}
		}
		p.hold()
	})
	s.onServices = func(int, http.ResponseWriter) bool { asked <- struct{}{}; return false }
	r := newRecorder()
	x := run(t, s, r, func(c *channel.Config) { c.SubscribeDelay = 20 * time.Millisecond })
	r.until(t, 1, "client lcsw_S2")
	require.ErrorIs(t, x.end(), context.Canceled)
	_, services, _ := s.count()
	require.LessOrEqual(t, services, 6, "two errors of one request lead to one more request")
}

func TestMissingClientIDMakesANewSession(t *testing.T) {
	s := newScripted(t, func(n int, p *poll) {
		if n > 1 {
			first(p)
			p.hold()
			return
		}
		p.start()
		p.send(arrays(2, noop))
		p.hold()
	})
	r := newRecorder()
	x := run(t, s, r, func(c *channel.Config) { c.SubscribeTimeout = 50 * time.Millisecond })
	r.until(t, 1, "subscribed")
	require.ErrorIs(t, x.end(), context.Canceled)
	creates, _, _ := s.count()
	require.GreaterOrEqual(t, creates, 2)
}

func TestGaps(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) {
		p.start()
		p.send(arrays(2, noop, push("a")))
		p.send(arrays(5, push("b")))                                               // 4 is missing
		p.send(arrays(5, push("again")))                                           // repeated: handled, the events say what is new
		p.send(chunk(`[[6,["noop"]],7,[8],["x",["noop"]],[9,` + push("c") + `]]`)) // malformed entries
		p.send(chunk(`{}`))
		p.send(arrays(10, push("d")))
		p.hold()
	})
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "payload d")
	require.ErrorIs(t, x.end(), context.Canceled)
	require.Equal(t, []string{
		"connect", "payload a", "payload b", "gap", "payload again", "payload c", "gap", "gap", "payload d",
	}, r.all())
}

func TestOddArraysAreIgnored(t *testing.T) {
	odd := []string{
		`[]`, `[{}]`, `[{"p":5}]`, `[{"p":"no json"}]`, `[{"p":"[]"}]`, `[null]`, `["stop"]`, `[[1]]`, `[{"p":null}]`,
		wrap(`{"1":{"5":"S1"}}`), wrap(`{"2":{"2":null}}`), wrap(`{"2":null,"3":null,"4":null}`), wrap(`{"2":"x","3":[1]}`),
		wrap(`{"3":{"2":7},"2":{"1":"odd","2":"kept"}}`),
	}
	s := newScripted(t, func(_ int, p *poll) {
		p.start()
		p.send(arrays(2, append(odd, push("end"))...))
		p.hold()
	})
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "payload end")
	require.ErrorIs(t, x.end(), context.Canceled)
	require.Equal(t, []string{"connect", "payload kept", "payload end"}, r.all())
}
