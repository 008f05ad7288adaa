package hangoutstest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func TestChannelSession(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	ch := c.create()
	require.Contains(t, c.cookies["S"], "cloudsearch-persist=")

	// Before the client id was sent services get a service error and are not added.
	resp, body := ch.services()
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "7\n[0,1,0]", body)
	p := ch.open()
	require.Equal(t, "[[2,[\"noop\"]]\n]\n", p.chunk())
	_, payloads := arrays(t, p.chunk())
	require.Equal(t, `channel not ready: babel`, between(payloads[0], `"4":{"1":3,"2":"`, `"`))
	p.chunk() // of the other service
	_, payloads = arrays(t, p.chunk())
	require.Regexp(t, `^\{"1":\{"1":\{"1":\{"1":1,"2":1\}\},"4":"\d{13}","5":"S3"\},"3":\{"1":\{"1":1\},"2":"lcsw_hangouts_[0-9A-F]{8}"\}\}$`, payloads[0])
	require.Zero(t, s.Account(0).Subscribed())

	// Now they count, and the first push is the own presence.
	_, body = ch.services()
	require.Equal(t, "7\n[1,5,0]", body)
	require.NotNil(t, p.update().GetSelfPresenceNotification())
	require.Equal(t, 1, s.Account(0).Subscribed())

	// Array ids go on over polls of the SID, and a regular end repeats nothing.
	_, err := s.Drop("", hangoutstest.DropEnd)
	require.NoError(t, err)
	require.Equal(t, io.EOF, p.end())
	require.Equal(t, "[[7,[\"noop\"]]\n]\n", ch.open().chunk())
}

func between(s, a, b string) string {
	_, rest, _ := strings.Cut(s, a)
	out, _, _ := strings.Cut(rest, b)
	return out
}

// TestUnknownSIDStatusLine looks at the bytes: the reason phrase is what clients test.
func TestUnknownSIDStatusLine(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	good := c.create()
	for name, query := range map[string]string{
		"unknown":       "SID=0123456789ABCDEF&gsessionid=" + good.gsid,
		"wrong session": "SID=" + good.sid + "&gsessionid=x",
		"empty":         "SID=",
		"none":          "",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			fmt.Fprintf(conn, "GET %s?VER=8&RID=rpc&%s HTTP/1.1\r\nHost: x\r\n", bindPath, query)
			require.NoError(t, c.headers().Write(conn))
			fmt.Fprint(conn, "\r\n")
			line, err := bufio.NewReader(conn).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 400 Unknown SID\r\n", line)
		})
	}
	resp, body := c.do("POST", bindPath+"?VER=8&RID=81188&SID=", form, "count=0")
	require.Equal(t, 400, resp.StatusCode, "an empty SID makes no new session")
	require.Equal(t, "Unknown SID", body)
	// The channel of one account is unknown to another.
	resp, _ = newRaw(t, s, 1).do("POST", bindPath+"?"+good.query(), form, servicesBody)
	require.Equal(t, "400 Unknown SID", resp.Status)
}

func TestMaps(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	service := url.QueryEscape(`{"3":{"1":{"1":"tango_service"}}}`)
	for _, x := range []struct {
		body   string
		status int
	}{
		{"count=0&ofs=0", 200}, {"count=0", 200}, {"", 200}, {"count=1&ofs=7&req0_p=" + service, 200},
		{"count=1&req0_other=x", 200}, {"count=1&req0_p=" + url.QueryEscape(`{"3":7}`), 200},
		{"count=2d&req0_p=x&req1_p=x", 400}, {"count=2&req0_p=" + service, 400}, {"count=-1", 400},
		{"req0_p=" + service, 400}, {"count=1&req1_p=" + service, 400}, {"count=1&req0_p=%7Bnot", 400},
		{"count=%zz", 400}, {"count=0&pad=" + strings.Repeat("x", 300<<10), 400},
	} {
		resp, _ := c.do("POST", bindPath+"?VER=8&RID=1", form, x.body)
		require.Equal(t, x.status, resp.StatusCode, "%.40s", x.body)
	}
}

func TestPushesBeforeServicesAreLost(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	ch := c.create()
	p := ch.open()
	p.chunk()
	p.chunk()
	_, err := s.Person("carol").Send("carol", "early")
	require.NoError(t, err)
	ch.services()
	require.NotNil(t, p.update().GetSelfPresenceNotification())
	_, err = s.Person("carol").Send("carol", "late")
	require.NoError(t, err)
	require.Equal(t, "late", text(p.event()))
}

func TestPresenceNeedsItsService(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	with := newRaw(t, s, 0).connect()
	c := newRaw(t, s, 0)
	without := c.create()
	p := without.open()
	p.chunk()
	p.chunk()
	c.do("POST", bindPath+"?"+without.query(), form, "count=1&ofs=0&req0_p="+url.QueryEscape(`{"3":{"1":{"1":"babel"}}}`))
	p.update()
	require.NoError(t, s.Person("carol").SetPresence(pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_NONE, "away"))
	_, err := s.Person("carol").Send("carol", "x")
	require.NoError(t, err)
	got := with.poll.update().GetPresenceNotification().GetPresence()
	require.Len(t, got, 1)
	require.False(t, got[0].GetPresence().GetReachable())
	require.NotNil(t, p.update().GetEventNotification(), "the presence came not here")
}

func TestSecondPollEndsTheFirst(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ch := newRaw(t, s, 0).connect()
	first := ch.poll
	second := ch.open()
	require.Equal(t, io.EOF, first.end())
	second.chunk()
	_, err := s.Person("carol").Send("carol", "x")
	require.NoError(t, err)
	require.Equal(t, "x", text(second.event()))
}

func TestQueueWhileNoPollIsOpen(t *testing.T) {
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.QueueLimit = 5 }})
	ch := newRaw(t, s, 0).connect()
	_, err := s.Drop("", hangoutstest.DropEnd)
	require.NoError(t, err)
	ch.poll.end()
	require.NoError(t, s.Account(0).WaitSubscribed(timeout(t), 0))
	for i := range 5 {
		_, err := s.Person("carol").Send("carol", fmt.Sprint("queued ", i))
		require.NoError(t, err)
	}
	p := ch.open()
	for i := range 5 {
		require.Equal(t, fmt.Sprint("queued ", i), text(p.event()), "each once, in order")
	}

	// One more than the limit drops the SID.
	_, err = s.Drop("", hangoutstest.DropEnd)
	require.NoError(t, err)
	p.end()
	require.NoError(t, s.Account(0).WaitSubscribed(timeout(t), 0))
	for range 6 {
		_, err := s.Person("carol").Send("carol", "x")
		require.NoError(t, err)
	}
	require.Equal(t, 1, s.Stats().Overflows)
	resp, _ := ch.c.do("GET", bindPath+"?RID=rpc&"+ch.query(), nil, "")
	require.Equal(t, "400 Unknown SID", resp.Status)
}

func TestMergedArrays(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ch := newRaw(t, s, 0).connect()
	_, err := s.Drop("", hangoutstest.DropEnd)
	require.NoError(t, err)
	ch.poll.end()
	require.NoError(t, s.Account(0).WaitSubscribed(timeout(t), 0))
	s.Configure(func(set *hangoutstest.Settings) { set.MergeArrays, set.RawUTF8 = true, true })
	for _, text := range []string{"é", "😀"} {
		_, err := s.Person("carol").Send("carol", text)
		require.NoError(t, err)
	}
	ids, payloads := arrays(t, ch.open().chunk())
	require.Equal(t, []int{5, 6, 7}, ids)
	require.Contains(t, payloads[1], `"é"`)
	require.Contains(t, payloads[2], `"😀"`)
}

func TestKeepAliveAndRegularEnd(t *testing.T) {
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.NoopInterval, set.PollDuration = 5, 400 }})
	p := newRaw(t, s, 0).connect().poll
	ids, _ := arrays(t, p.chunk())
	for i := range 3 {
		require.Equal(t, fmt.Sprintf("[[%d,[\"noop\"]]\n]\n", ids[0]+1+i), p.chunk())
	}
	require.Equal(t, io.EOF, p.end(), "the poll ends regularly by itself")
}

func TestIdleSessionIsForgotten(t *testing.T) {
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.SessionIdle = 20 }})
	ch := newRaw(t, s, 0).connect()
	require.Len(t, s.Channels(""), 1)
	ch.poll.body.Close()
	require.Eventually(t, func() bool { return len(s.Channels("")) == 0 }, waitTime, waitTick)
}

func TestConnectionClose(t *testing.T) {
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.CloseInterval = 1 }})
	c := newRaw(t, s, 0)
	ch := c.create()
	require.Eventually(t, func() bool {
		resp, err := c.send("GET", bindPath+"?RID=rpc&"+ch.query(), nil, nil)
		require.NoError(t, err)
		resp.Body.Close()
		return resp.Close
	}, waitTime, waitTick)
}

func TestDrops(t *testing.T) {
	for _, x := range []struct {
		how     hangoutstest.DropHow
		regular bool
		known   bool
	}{
		{hangoutstest.DropEnd, true, true}, {hangoutstest.DropCut, false, true}, {hangoutstest.DropReset, false, true},
		{hangoutstest.DropTruncate, false, false}, {hangoutstest.DropUnknownSID, true, false},
	} {
		t.Run(string(x.how), func(t *testing.T) {
			s := start(t, hangoutstest.Options{})
			ch := newRaw(t, s, 0).connect()
			n, err := s.Drop("user1", x.how)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, x.regular, ch.poll.end() == io.EOF)
			resp, err := ch.c.send("GET", bindPath+"?RID=rpc&"+ch.query(), nil, nil)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, x.known, resp.StatusCode == 200)
		})
	}
	_, err := start(t, hangoutstest.Options{}).Drop("", "softly")
	require.ErrorIs(t, err, hangoutstest.ErrInvalid)
}

func TestTerminate(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ch := newRaw(t, s, 0).connect()
	resp, _ := ch.c.do("GET", bindPath+"?RID=2&TYPE=terminate&"+ch.query(), nil, "")
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, io.EOF, ch.poll.end())
	require.Empty(t, s.Channels(""))
}

// TestSeveralClients: each client of an account gets every push; what one client does is
// not told to itself.
func TestSeveralClients(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	a, b, peer := newRaw(t, s, 0), newRaw(t, s, 0), newRaw(t, s, 1)
	pa, pb1, pp := a.connect().poll, b.connect().poll, peer.connect().poll
	id := conversation(t, s, "direct")

	require.Equal(t, ok, a.call("conversations/settyping", &pb.SetTypingRequest{
		ConversationId: &pb.ConversationId{Id: proto.String(id)}, Type: pb.TypingType_TYPING_TYPE_STARTED.Enum()}, &pb.SetTypingResponse{}))
	for _, p := range []*pollStream{pb1, pp} {
		n := p.update().GetTypingNotification()
		require.Equal(t, id, n.GetConversationId().GetId())
		require.Equal(t, s.Account(0).GaiaID(), n.GetSenderId().GetGaiaId())
	}

	created, status := a.message(id, "hello é😀", 42)
	require.Equal(t, ok, status)
	require.Equal(t, "42", created.GetSelfEventState().GetClientGeneratedId())
	for _, p := range []*pollStream{pa, pb1} {
		e := p.update().GetEventNotification().GetEvent()
		require.True(t, proto.Equal(created, e), "the own clients get what the answer had, and no typing before it")
	}
	e := pp.update().GetEventNotification().GetEvent()
	require.Equal(t, created.GetEventId(), e.GetEventId())
	require.Equal(t, "hello é😀", text(e))
	require.Nil(t, e.GetSelfEventState().ClientGeneratedId, "only the sender's copy has it")
	require.Equal(t, s.Account(1).GaiaID(), e.GetSelfEventState().GetUserId().GetGaiaId())
}

func TestRequestsWithoutCredentials(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	good := c.headers()
	quoted := strings.Replace(good.Get("Cookie"), c.cookies["SAPISID"], `"`+c.cookies["SAPISID"]+`"`, 1)
	for name, h := range map[string]http.Header{
		"no cookie":    {"Cookie": {""}},
		"no hash":      {"Authorization": {""}},
		"wrong hash":   {"Authorization": {good.Get("Authorization") + "0"}},
		"wrong origin": {"Origin": {"https://example.com"}},
		"no origin":    {"Origin": {""}},
		"quoted":       {"Cookie": {quoted}},
		"other SID":    {"Cookie": {strings.Replace(good.Get("Cookie"), "SID="+c.cookies["SID"], "SID=x", 2)}},
	} {
		for _, target := range []string{bindPath + "?VER=8", "/chat/v1/contacts/getselfinfo?alt=proto&key=k", "/upload/photos/resumable?key=k"} {
			resp, body := c.do("POST", target, h, "")
			require.Equal(t, 401, resp.StatusCode, "%s %s", name, target)
			require.Contains(t, body, `"authError"`)
		}
	}
	resp, _ := c.do("POST", bindPath+"?VER=8", http.Header{"Origin": {"https://talkgadget.google.com"}, "X-Origin": {origin}}, "")
	require.Equal(t, 200, resp.StatusCode, "either origin may match the hash")
	resp, _ = c.do("POST", bindPath+"?VER=8", http.Header{"Origin": nil, "X-Origin": {origin}}, "")
	require.Equal(t, 200, resp.StatusCode, "x-origin will do")
	s.Configure(func(set *hangoutstest.Settings) { set.AllowQuotedCookies = true })
	resp, _ = c.do("POST", bindPath+"?VER=8", http.Header{"Cookie": {quoted}}, "")
	require.Equal(t, 200, resp.StatusCode)
}
