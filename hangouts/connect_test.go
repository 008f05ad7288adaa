package hangouts_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// diary notes the events of a client in words.
type diary struct {
	mu    sync.Mutex
	words []string
}

func (d *diary) note(word string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.words = append(d.words, word)
	return nil
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.words, " ")
}

// observe attaches a diary to all events of a client.
func observe(t *testing.T, c *hangouts.Client) *diary {
	d := &diary{}
	require.NoError(t, c.OnConnect.AddObserver(hangouts.Observe(func(context.Context, hangouts.Connected) error { return d.note("connect") })))
	require.NoError(t, c.OnReconnect.AddObserver(hangouts.Observe(func(context.Context, hangouts.Connected) error { return d.note("reconnect") })))
	require.NoError(t, c.OnSubscribed.AddObserver(hangouts.Observe(func(context.Context, hangouts.Subscribed) error { return d.note("subscribed") })))
	require.NoError(t, c.OnGap.AddObserver(hangouts.Observe(func(context.Context, hangouts.Gap) error { return d.note("gap") })))
	require.NoError(t, c.OnDisconnect.AddObserver(hangouts.Observe(func(_ context.Context, e hangouts.Disconnected) error {
		var network *hangouts.NetworkError
		require.ErrorAs(t, e.Err, &network)
		return d.note("disconnect")
	})))
	require.NoError(t, c.OnBatch.AddObserver(hangouts.Observe(func(_ context.Context, batch []*pb.StateUpdate) error {
		var words []string
		for _, u := range batch {
			words = append(words, describe(u))
		}
		return d.note("batch(" + strings.Join(words, ",") + ")")
	})))
	require.NoError(t, c.OnStateUpdate.AddObserver(hangouts.Observe(func(_ context.Context, u *pb.StateUpdate) error {
		return d.note(describe(u))
	})))
	return d
}

func describe(u *pb.StateUpdate) string {
	switch n := u.GetStateUpdate().(type) {
	case *pb.StateUpdate_EventNotification:
		return "event:" + n.EventNotification.GetEvent().GetEventId()
	case *pb.StateUpdate_TypingNotification:
		return "typing"
	case *pb.StateUpdate_WatermarkNotification:
		return "watermark"
	}
	return "other"
}

func event(id string) string {
	return `[[1,null,"-1",null,5],null,[[["C"],["2","2"],7,null,null,0,[null,[],[[[0,"hi"]],[]]],null,null,null,null,"` + id + `"]]]`
}

const typing = `[[2,null,"-1",null,5],null,null,null,[["C"],["2","2"],7,1]]`

func TestConnectEvents(t *testing.T) {
	s := newScript(t)
	cut := make(chan struct{})
	var activity atomic.Int32
	s.poll = func(n int, p *stream) {
		p.start()
		if n == 1 {
			p.push(`["cbu",[` + event("one") + `,` + typing + `]]`)
			p.until(cut)
			panic(http.ErrAbortHandler)
		}
		p.push(`["cbu",[` + event("two") + `]]`)
		p.hold()
	}
	c := s.client(t, nil)
	c.OnActivity = func() { activity.Add(1) }
	d := observe(t, c)
	result := connect(t, c)
	eventually(t, func() bool {
		return strings.Count(d.String(), "subscribed") == 1 && strings.Contains(d.String(), "typing typing") || strings.Contains(d.String(), "event:one typing")
	})
	require.ErrorIs(t, c.Connect(context.Background()), hangouts.ErrConnected)
	require.Equal(t, "lcsw_hangouts_0A1B2C3D", c.ClientID())
	require.Equal(t, pb.ActiveClientState_ACTIVE_CLIENT_STATE_OTHER_ACTIVE, c.ActiveClientState())
	eventually(t, func() bool { return strings.Contains(d.String(), "subscribed") })
	close(cut)
	eventually(t, func() bool {
		return strings.Contains(d.String(), "event:two") && strings.Count(d.String(), "subscribed") == 2
	})
	c.Disconnect()
	require.NoError(t, result())

	words := strings.ReplaceAll(d.String(), "subscribed ", "")
	words = strings.TrimSuffix(words, " subscribed")
	require.Equal(t, "connect batch(event:one,typing) event:one typing disconnect reconnect batch(event:two) event:two", words)
	require.Positive(t, activity.Load())
	polls := s.seen("/client-channel/channel/bind?CI=0")
	require.Equal(t, "S=cloudsearch-persist=abc123; SAPISID=sapisid/EfGh-04_x; SID=s=1", polls[0].header.Get("Cookie"),
		"the cookie of the creating answer pins the backend")
	require.NotEmpty(t, polls[0].header.Get("Authorization"))
	require.Equal(t, "cloudsearch-persist=abc123", c.Cookies()["S"])
}

// TestMalformedUpdates: one bad update is left out, the rest of its batch is delivered, and the
// owner is told to synchronise.
func TestMalformedUpdates(t *testing.T) {
	for name, bad := range map[string]string{
		"not a message":               `7`,
		"null":                        `null`,
		"left out":                    ``,
		"empty":                       `[]`,
		"event without id":            `[[1],null,[[["C"],["2"],7]]]`,
		"event without time":          `[[1],null,[[["C"],["2"],"soon",null,null,null,null,null,null,null,null,"x"]]]`,
		"event of no one":             `[[1],null,[[null,["2"],7,null,null,null,null,null,null,null,null,"x"]]]`,
		"typing nowhere":              `[null,null,null,null,[5,["2"],7,1]]`,
		"watermark nowhere":           `[null,null,null,null,null,null,null,[["2"],null,7]]`,
		"only values that do not fit": `["x",7]`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.poll = func(_ int, p *stream) {
				p.start()
				p.push(`["cbu",[` + event("a") + `,` + bad + `,` + typing + `]]`)
				p.hold()
			}
			c := s.client(t, nil)
			d := observe(t, c)
			connect(t, c)
			eventually(t, func() bool { return strings.Contains(d.String(), "gap") })
			require.Contains(t, d.String(), "batch(event:a,typing) event:a typing gap")
		})
	}
}

func TestOddPayloads(t *testing.T) {
	s := newScript(t)
	s.poll = func(_ int, p *stream) {
		p.start()
		for _, payload := range []string{
			`null`, `["n_nm",null,null,"tid"]`, `[]`, `["cbu"]`, `["cbu",[]]`, `["cbu",null]`, `{"cbu":1}`, `nonsense`, ``, `[["cbu"]]`,
			`["cbu",[` + event("cut") + `]`, // not JSON: lost
			`["cbu",{"1":[` + event("object") + `]}]`,
			`["cbu",[` + event("odd value")[:len(event("odd value"))-1] + `,null,null,null,null,null,null,null,null,null,["C",9]]]]`,
			`["cbu",[` + event("end") + `]]`,
		} {
			p.push(payload)
		}
		p.hold()
	}
	c := s.client(t, nil)
	d := observe(t, c)
	connect(t, c)
	eventually(t, func() bool { return strings.Contains(d.String(), "event:end") })
	words := strings.ReplaceAll(strings.ReplaceAll(d.String(), " subscribed", ""), " gap", "")
	require.Equal(t, "connect batch(event:object) event:object batch(event:odd value) event:odd value batch(event:end) event:end", words)
	require.Contains(t, strings.ReplaceAll(d.String(), " subscribed", ""), "gap batch(event:object)", "what is lost is reported")
}

func TestChannelArrayVectors(t *testing.T) {
	type vector struct {
		ID, Why   string
		ArrayJSON string `json:"array_json"`
		Expected  struct {
			ClientID     *string               `json:"client_id"`
			SentMaps     [][]map[string]string `json:"sent_maps"`
			StateUpdates []json.RawMessage     `json:"state_updates"`
			ActiveState  *int32                `json:"active_client_state"`
		}
	}
	for _, v := range vectors[vector](t, "channel_array", 6) {
		t.Run(v.ID, func(t *testing.T) {
			s := newScript(t)
			s.poll = func(_ int, p *stream) {
				p.array(v.ArrayJSON)
				p.push(`["cbu",[` + event("end") + `]]`)
				p.hold()
			}
			c := s.client(t, nil)
			var updates []*pb.StateUpdate
			var state pb.ActiveClientState
			done := make(chan struct{})
			require.NoError(t, c.OnStateUpdate.AddObserver(hangouts.Observe(func(_ context.Context, u *pb.StateUpdate) error {
				if describe(u) == "event:end" {
					close(done)
					return nil
				}
				updates, state = append(updates, u), c.ActiveClientState()
				return nil
			})))
			connect(t, c)
			select {
			case <-done:
			case <-time.After(wait):
				require.FailNow(t, "the update behind the array did not come")
			}
			require.Len(t, updates, len(v.Expected.StateUpdates))
			for i, text := range v.Expected.StateUpdates {
				var want pb.StateUpdate
				require.NoError(t, protojson.Unmarshal(text, &want))
				require.True(t, proto.Equal(&want, updates[i]), "%v", updates[i])
			}
			if v.Expected.ActiveState != nil {
				require.EqualValues(t, *v.Expected.ActiveState, state)
			}
			if v.Expected.ClientID != nil {
				require.Equal(t, *v.Expected.ClientID, c.ClientID())
			} else {
				require.Empty(t, c.ClientID())
			}
			posts := func() []seen { return s.seen("/client-channel/channel/bind?RID=81188&SID=") }
			for range v.Expected.SentMaps {
				eventually(t, func() bool { return len(posts()) == len(v.Expected.SentMaps) })
				require.Contains(t, string(posts()[0].body), "req1_p=%7B%223%22%3A+%7B%221%22%3A+%7B%221%22%3A+%22babel_presence_last_seen%22%7D%7D%7D")
			}
			if len(v.Expected.SentMaps) == 0 {
				require.Empty(t, posts())
			}
		})
	}
}

func TestObserverErrorEndsConnect(t *testing.T) {
	s := newScript(t)
	s.poll = func(_ int, p *stream) {
		p.start()
		p.push(`["cbu",[` + event("one") + `]]`)
		p.hold()
	}
	c := s.client(t, nil)
	full := errors.New("disk full")
	require.NoError(t, c.OnBatch.AddObserver(hangouts.Observe(func(context.Context, []*pb.StateUpdate) error { return full })))
	require.ErrorIs(t, connect(t, c)(), full)
}

func TestConnectGivesUp(t *testing.T) {
	for _, tt := range []struct {
		code int
		is   error
	}{{503, nil}, {401, hangouts.ErrUnauthorized}, {429, hangouts.ErrRateLimited}} {
		s := newScript(t)
		s.create = func(w http.ResponseWriter) bool { w.WriteHeader(tt.code); return true }
		c := s.client(t, nil)
		d := observe(t, c)
		err := c.Connect(context.Background())
		var network *hangouts.NetworkError
		require.ErrorAs(t, err, &network)
		require.Equal(t, tt.code, network.Code)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is)
		}
		require.Empty(t, d.String())
	}
}

func TestConnectContextAndAgain(t *testing.T) {
	s := newScript(t)
	s.poll = func(_ int, p *stream) { p.start(); p.hold() }
	c := s.client(t, nil)
	d := observe(t, c)
	for range 2 {
		ctx, cancel := context.WithCancel(context.Background())
		o := hangouts.Observe(func(context.Context, hangouts.Connected) error { cancel(); return nil })
		require.NoError(t, c.OnConnect.AddObserver(o))
		require.ErrorIs(t, c.Connect(ctx), context.Canceled)
		require.NoError(t, c.OnConnect.RemoveObserver(o))
	}
	require.Equal(t, "connect connect", d.String(), "on_connect is fired anew, on_disconnect not at all")
	c.Disconnect() // without Connect: nothing
}

// TestNoGoroutineLeft: when Connect has returned, nothing of it runs on, connections included.
func TestNoGoroutineLeft(t *testing.T) {
	s := newScript(t)
	s.poll = func(_ int, p *stream) { p.start(); p.hold() }
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		reply(w, &pb.GetSelfInfoResponse{ResponseHeader: okHeader()})
	}
	before := goleak.IgnoreCurrent()
	stop := errors.New("enough")
	for name, end := range map[string]func(*hangouts.Client) error{
		"Disconnect": func(c *hangouts.Client) error { c.Disconnect(); return nil }, "observer": func(*hangouts.Client) error { return stop },
	} {
		c, err := hangouts.New(hangouts.Config{BaseURL: s.srv.URL}, testCookies)
		require.NoError(t, err)
		require.NoError(t, c.OnSubscribed.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Subscribed) error {
			_, err := c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
			require.NoError(t, err)
			return end(c)
		})))
		if err := c.Connect(context.Background()); name == "observer" {
			require.ErrorIs(t, err, stop)
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, goleak.Find(before), name)
	}
}

func TestDisconnectFromObserver(t *testing.T) {
	s := newScript(t)
	s.poll = func(_ int, p *stream) { p.start(); p.hold() }
	c := s.client(t, nil)
	require.NoError(t, c.OnConnect.AddObserver(hangouts.Observe(func(context.Context, hangouts.Connected) error {
		c.Disconnect()
		return nil
	})))
	require.NoError(t, connect(t, c)())
}

func TestSetActive(t *testing.T) {
	s := newScript(t)
	other := make(chan struct{})
	s.poll = func(_ int, p *stream) {
		p.start()
		p.until(other)
		p.push(`["cbu",[` + typing + `]]`)
		p.hold()
	}
	var mu sync.Mutex
	var requests []*pb.SetActiveClientRequest
	emails := []string{"ada@example.com", "second@example.com"}
	s.api = func(w http.ResponseWriter, r *http.Request, body []byte) {
		if strings.Contains(r.URL.Path, "getselfinfo") {
			reply(w, &pb.GetSelfInfoResponse{ResponseHeader: okHeader(), SelfEntity: &pb.Entity{
				Properties: &pb.EntityProperties{Email: emails, CanonicalEmail: proto.String("canonical@example.com")},
			}})
			return
		}
		var req pb.SetActiveClientRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			w.WriteHeader(400)
			return
		}
		mu.Lock()
		requests = append(requests, &req)
		mu.Unlock()
		reply(w, &pb.SetActiveClientResponse{ResponseHeader: okHeader()})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(requests) }
	ctx := context.Background()

	early := s.client(t, nil)
	require.ErrorIs(t, early.SetActive(ctx), hangouts.ErrNoClientID)
	require.Zero(t, count())

	c := s.client(t, nil)
	connect(t, c)
	eventually(t, func() bool { return c.ClientID() != "" })
	for range 5 {
		require.NoError(t, c.SetActive(ctx))
	}
	require.Equal(t, 1, count(), "once a minute")
	require.Equal(t, "ada@example.com/lcsw_hangouts_0A1B2C3D", requests[0].GetFullJid())
	require.True(t, requests[0].GetIsActive())
	require.EqualValues(t, 120, requests[0].GetTimeoutSecs())

	close(other)
	eventually(t, func() bool {
		return c.ActiveClientState() == pb.ActiveClientState_ACTIVE_CLIENT_STATE_OTHER_ACTIVE
	})
	require.NoError(t, c.SetActive(ctx))
	require.NoError(t, c.SetActive(ctx))
	require.Equal(t, 2, count(), "another client became active")
	require.Len(t, s.seen("/chat/v1/contacts/getselfinfo"), 2, "asked once per client")
}
