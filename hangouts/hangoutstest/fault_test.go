package hangoutstest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

const sendEndpoint = "conversations/sendchatmessage"

// sendRaw posts a message in pblite and returns what came back.
func sendRaw(c *raw, conversation, text string) (*http.Response, string, error) {
	resp, err := c.send("POST", "/chat/v1/"+sendEndpoint+"?alt=protojson&key=k", http.Header{"Content-Type": {"application/json+protobuf"}},
		[]byte(`[[],null,null,null,null,[[[0,"`+text+`"]]],null,[["`+conversation+`"]]]`))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// TestRequestFaults tells for each fault whether the message was accepted and what the client saw.
func TestRequestFaults(t *testing.T) {
	for _, x := range []struct {
		fault    hangoutstest.Fault
		accepted bool
		check    func(t *testing.T, resp *http.Response, body string, err error)
	}{
		{hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 429, RetryAfter: "7"}, false, func(t *testing.T, resp *http.Response, body string, err error) {
			require.NoError(t, err)
			require.Equal(t, 429, resp.StatusCode)
			require.Equal(t, "7", resp.Header.Get("Retry-After"))
			require.Contains(t, body, "rateLimitExceeded")
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503, Reason: "Back Soon"}, false, func(t *testing.T, resp *http.Response, body string, err error) {
			require.Equal(t, "503 Back Soon", resp.Status)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 401}, false, func(t *testing.T, resp *http.Response, body string, err error) {
			require.Equal(t, 401, resp.StatusCode)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultResponse, Status: 7, Description: "quota"}, false, func(t *testing.T, resp *http.Response, body string, err error) {
			require.True(t, strings.HasPrefix(body, `["cscmrp",[7,"quota",`), body)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultLoseRequest}, false, func(t *testing.T, resp *http.Response, body string, err error) {
			require.Error(t, err)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultSilence, Delay: 10}, false, func(t *testing.T, resp *http.Response, body string, err error) {
			require.Error(t, err)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultLoseAnswer}, true, func(t *testing.T, resp *http.Response, body string, err error) {
			require.Error(t, err)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultTruncate}, true, func(t *testing.T, resp *http.Response, body string, err error) {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.NotEmpty(t, body)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultDelay, Delay: 5}, true, func(t *testing.T, resp *http.Response, body string, err error) {
			require.True(t, strings.HasPrefix(body, `["cscmrp",[1,`), body)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultDelayAnswer, Delay: 5}, true, func(t *testing.T, resp *http.Response, body string, err error) {
			require.True(t, strings.HasPrefix(body, `["cscmrp",[1,`), body)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultNoHeader}, true, func(t *testing.T, resp *http.Response, body string, err error) {
			require.True(t, strings.HasPrefix(body, `["cscmrp",null,`), body)
		}},
		{hangoutstest.Fault{Kind: hangoutstest.FaultClose}, true, func(t *testing.T, resp *http.Response, body string, err error) {
			require.True(t, resp.Close)
		}},
	} {
		t.Run(string(x.fault.Kind), func(t *testing.T) {
			s := start(t, hangoutstest.Options{})
			x.fault.Account, x.fault.Endpoint = "user1@example.com", sendEndpoint
			id, err := s.Inject(x.fault)
			require.NoError(t, err)
			direct := conversation(t, s, "direct")
			// Another account and another endpoint are not hit.
			_, status := newRaw(t, s, 1).message(direct, "other account", 1)
			require.Equal(t, ok, status)
			c := newRaw(t, s, 0)
			require.Equal(t, ok, c.call("contacts/getselfinfo", &pb.GetSelfInfoRequest{}, &pb.GetSelfInfoResponse{}))
			before := len(s.Events(direct))
			resp, body, err := sendRaw(c, direct, "x")
			x.check(t, resp, body, err)
			after := len(s.Events(direct))
			require.Equal(t, x.accepted, after == before+1, "accepted")
			// Once only.
			_, status = c.message(direct, "again", 2)
			require.Equal(t, ok, status)
			faults := s.Faults()
			require.Len(t, faults, 1)
			require.Equal(t, id, faults[0].ID)
			require.Equal(t, 1, faults[0].Hits)
		})
	}
}

func TestBadBase64(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	_, err := s.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultBadBase64, Count: -1})
	require.NoError(t, err)
	_, body := c.do("POST", "/chat/v1/contacts/getselfinfo?alt=proto&key=k", nil, "")
	require.Contains(t, body, "not base64")
}

func TestFaultCountSkipAndRemoval(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	status := func() int {
		resp, _ := c.do("POST", "/chat/v1/contacts/getselfinfo?key=k", nil, "")
		return resp.StatusCode
	}
	_, err := s.Inject(hangoutstest.Fault{ID: "mine", Kind: hangoutstest.FaultStatus, Status: 500, Endpoint: "contacts/*", Skip: 1, Count: 2})
	require.NoError(t, err)
	var got []int
	for range 5 {
		got = append(got, status())
	}
	require.Equal(t, []int{200, 500, 500, 200, 200}, got)
	_, err = s.Inject(hangoutstest.Fault{ID: "forever", Kind: hangoutstest.FaultStatus, Status: 502, Count: -1})
	require.NoError(t, err)
	require.Equal(t, 502, status())
	require.Equal(t, 502, status())
	gone := s.RemoveFault("forever")
	require.Len(t, gone, 1)
	require.Equal(t, 2, gone[0].Hits)
	require.Equal(t, 200, status())
	require.Len(t, s.RemoveFault(""), 1)

	for _, bad := range []hangoutstest.Fault{{Kind: "boom"}, {Kind: hangoutstest.FaultStatus}, {Kind: hangoutstest.FaultDelay, Endpoint: "["}} {
		_, err := s.Inject(bad)
		require.ErrorIs(t, err, hangoutstest.ErrInvalid)
	}
	_, err = s.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultDelay, Account: "nobody"})
	require.ErrorIs(t, err, hangoutstest.ErrNotFound)
}

func TestSilenceEndsWithTheClient(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	_, err := s.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultSilence, Endpoint: sendEndpoint})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", c.base+"/chat/v1/"+sendEndpoint+"?key=k", strings.NewReader("x"))
	req.Header = c.headers()
	failed := make(chan error, 1)
	go func() {
		resp, err := c.http.Do(req)
		if err == nil {
			resp.Body.Close()
			err = errors.New("answered")
		}
		failed <- err
	}()
	require.NoError(t, s.WaitRequests(timeout(t), "", sendEndpoint, 1))
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	done := make(chan struct{})
	go func() {
		s.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("Close waits for the silent request")
	}
}

func TestChannelFaults(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	inject := func(f hangoutstest.Fault) {
		_, err := s.Inject(f)
		require.NoError(t, err)
	}
	ch := c.create()
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultUnknownSID, Endpoint: "channel/poll"})
	resp, _ := c.do("GET", bindPath+"?"+ch.query(), nil, "")
	require.Equal(t, "400 Unknown SID", resp.Status)
	require.Empty(t, s.Channels(""), "the SID is gone")

	inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 500, Endpoint: "channel/create"})
	resp, _ = c.do("POST", bindPath, form, "count=0")
	require.Equal(t, 500, resp.StatusCode)

	// Services refused: a service error comes, and no pushes.
	ch = c.create()
	p := ch.open()
	p.chunk()
	p.chunk()
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultRefuseServices, Endpoint: "channel/services"})
	resp, _ = ch.services()
	require.Equal(t, 200, resp.StatusCode)
	require.Contains(t, p.chunk(), "channel not ready")
	require.Zero(t, s.Account(0).Subscribed())

	// Byte by byte it is the same content.
	_, err := s.Drop("", hangoutstest.DropUnknownSID)
	require.NoError(t, err)
	p.end()
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultSplit, Endpoint: "channel/poll"})
	ch = c.connect()
	_, err = s.Person("carol").Send("carol", "bytewise 😀")
	require.NoError(t, err)
	require.Equal(t, "bytewise 😀", text(ch.poll.event()))

	// Mute: nothing comes at all until the poll ends.
	_, err = s.Drop("", hangoutstest.DropEnd)
	require.NoError(t, err)
	ch.poll.end()
	s.Configure(func(set *hangoutstest.Settings) { set.PollDuration, set.NoopInterval = 30, 1 })
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultMute, Endpoint: "channel/poll"})
	resp, body := c.do("GET", bindPath+"?"+ch.query(), nil, "")
	require.Equal(t, 200, resp.StatusCode)
	require.Empty(t, body)
}

// TestTruncatedPoll: a poll that breaks off inside a chunk keeps the SID, what was cut is lost.
func TestTruncatedPoll(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	ch := c.create()
	_, err := s.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultTruncate, Endpoint: "channel/poll"})
	require.NoError(t, err)
	p := ch.open()
	p.chunk()
	p.chunk()
	ch.services() // its first push is cut
	require.ErrorIs(t, p.end(), io.ErrUnexpectedEOF)
	require.NoError(t, s.Account(0).WaitSubscribed(timeout(t), 0))
	_, err = s.Person("carol").Send("carol", "next poll")
	require.NoError(t, err)
	require.Equal(t, "next poll", text(ch.open().event()))
}

// TestMutedPoll: an open poll falls silent, another one goes on where it stopped.
func TestMutedPoll(t *testing.T) {
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.NoopInterval = 5 }})
	ch := newRaw(t, s, 0).connect()
	muted := ch.poll
	n, err := s.Drop("user1", hangoutstest.DropMute)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = s.Person("carol").Send("carol", "unheard")
	require.NoError(t, err)
	require.Equal(t, "unheard", text(ch.open().event()))
	for chunk := range muted.chunks { // until it ends
		require.NotContains(t, chunk, "unheard")
	}
	require.Equal(t, io.EOF, muted.err)
}

func TestPushFaults(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	p := c.connect().poll
	push := func(kind hangoutstest.FaultKind, text string) {
		if kind != "" {
			_, err := s.Inject(hangoutstest.Fault{Kind: kind, Endpoint: "push/event", Account: "user1", Delay: 20})
			require.NoError(t, err)
		}
		_, err := s.Person("carol").Send("carol", text)
		require.NoError(t, err)
	}
	payload := func() string {
		_, payloads := arrays(t, p.chunk())
		require.Len(t, payloads, 1)
		return payloads[0]
	}
	push(hangoutstest.FaultLose, "lost")
	push("", "next")
	require.Contains(t, payload(), "next")
	push(hangoutstest.FaultDuplicate, "twice")
	require.Equal(t, payload(), payload())
	push(hangoutstest.FaultMalformed, "after a bad one")
	text := payload()
	require.True(t, strings.HasPrefix(text, `["cbu",[["header",`), text)
	require.Contains(t, text, "after a bad one", "in the same batch")
	push(hangoutstest.FaultGarbage, "replaced")
	require.False(t, strings.HasPrefix(payload(), `["cbu"`))
	push(hangoutstest.FaultUnknownTag, "tagged")
	require.True(t, strings.HasPrefix(payload(), `["xyz"`))
	require.Contains(t, payload(), "tagged")
	push(hangoutstest.FaultNullPayload, "null")
	require.Equal(t, "null", payload())
	require.Contains(t, payload(), `"null"`)
	push(hangoutstest.FaultHold, "held")
	push("", "with the next")
	text = payload()
	require.Less(t, strings.Index(text, "held"), strings.Index(text, "with the next"))
	push(hangoutstest.FaultDelay, "later")
	push("", "overtaken")
	require.Contains(t, payload(), "overtaken")
	require.Contains(t, payload(), "later")
	push(hangoutstest.FaultBothKeys, "both")
	raw := p.chunk()
	require.Contains(t, raw, c.clientID)
	require.Contains(t, raw, "both")

	// Any state update, payload or array at will.
	require.NoError(t, s.Push("user1", &pb.StateUpdate{StateUpdate: &pb.StateUpdate_BlockNotification{BlockNotification: &pb.BlockNotification{
		BlockStateChange: []*pb.BlockStateChange{{NewBlockState: pb.BlockState_BLOCK_STATE_BLOCK.Enum()}}}}}))
	require.Len(t, p.update().GetBlockNotification().GetBlockStateChange(), 1)
	require.Equal(t, 1, s.PushPayload("user1", `["n_nm"]`))
	require.Equal(t, `["n_nm"]`, payload())
	require.Equal(t, 1, s.PushArray("", `["stop"]`))
	require.Equal(t, `["stop"]`, payload())
	require.Zero(t, s.PushArray("user2", `["stop"]`))
	require.ErrorIs(t, s.Push("nobody", &pb.StateUpdate{}), hangoutstest.ErrNotFound)
}
