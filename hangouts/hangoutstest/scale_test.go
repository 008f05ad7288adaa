package hangoutstest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// wireClient is a push channel on a bare connection, without goroutines of its own.
type wireClient struct {
	conn net.Conn
	body *bufio.Reader
}

// openWire creates a channel, opens its poll and adds the services.
func openWire(t *testing.T, shared *http.Client, s *hangoutstest.Server, account int, until time.Time) *wireClient {
	c := &raw{t: t, base: s.URL, cookies: s.Account(account).Cookies(), http: shared}
	ch := c.create()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(until))
	var head strings.Builder
	require.NoError(t, c.headers().Write(&head))
	_, err = fmt.Fprintf(conn, "GET %s?RID=rpc&TYPE=xmlhttp&%s HTTP/1.1\r\nHost: x\r\n%s\r\n", bindPath, ch.query(), head.String())
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	w := &wireClient{conn: conn, body: bufio.NewReaderSize(resp.Body, 1024)}
	require.NoError(t, w.until("lcsw_hangouts_"))
	answer, _ := ch.services()
	require.Equal(t, 200, answer.StatusCode)
	return w
}

// until reads chunks up to one with a text.
func (w *wireClient) until(text string) error {
	for {
		chunk, err := readChunk(w.body)
		if err != nil {
			return err
		}
		if strings.Contains(chunk, text) {
			return nil
		}
	}
}

// TestManyChannels: 2 000 channels of as many accounts are open at once, and each gets its pushes.
func TestManyChannels(t *testing.T) {
	const channels = 2000
	s := start(t, hangoutstest.Options{Accounts: channels})
	shared := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}
	t.Cleanup(shared.CloseIdleConnections)
	clients := make([]*wireClient, channels)
	until := time.Now().Add(4 * time.Minute) // for all that follows
	inParallel(t, channels, func(i int) { clients[i] = openWire(t, shared, s, i, until) })
	require.Len(t, s.Channels(""), channels)
	for round := range 2 {
		accounts := s.Accounts()
		inParallel(t, channels, func(i int) {
			if err := s.Push(accounts[i].GaiaID, &pb.StateUpdate{Conversation: &pb.Conversation{Name: proto.String(fmt.Sprintf("push %d for %d.", round, i))}}); err != nil {
				t.Error(err)
			}
		})
		inParallel(t, channels, func(i int) {
			if err := clients[i].until(fmt.Sprintf("push %d for %d.", round, i)); err != nil {
				t.Errorf("channel %d: %v", i, err)
			}
		})
	}
	require.Zero(t, s.Stats().Overflows)
}

// inParallel calls f for each number below n, sixteen at a time, and no more after a failure. Calls
// may end their goroutine.
func inParallel(t *testing.T, n int, f func(i int)) {
	t.Helper()
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for !t.Failed() {
				i := int(taken.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// TestConcurrentUse: everybody does everything at once; afterwards every endpoint tells the same.
func TestConcurrentUse(t *testing.T) {
	const people, each = 8, 15
	s := start(t, hangoutstest.Options{Accounts: people, Configure: func(set *hangoutstest.Settings) { set.Bots = false }})
	id := conversation(t, s, "team")
	for i := 2; i < people; i++ {
		_, _ = s.Account(0).Add("team", s.Account(i).GaiaID())
	}
	before := len(s.Events("team"))
	inParallel(t, people*each, func(n int) {
		c := newRaw(t, s, n%people)
		if _, status := c.message(id, fmt.Sprintf("message %d", n), uint64(n+1)); status != ok {
			t.Errorf("status %v", status)
		}
		c.call("conversations/settyping", &pb.SetTypingRequest{ConversationId: &pb.ConversationId{Id: &id}, Type: pb.TypingType_TYPING_TYPE_STARTED.Enum()}, &pb.SetTypingResponse{})
		c.call("conversations/updatewatermark", &pb.UpdateWatermarkRequest{ConversationId: &pb.ConversationId{Id: &id}, LastReadTimestamp: proto.Uint64(s.Now())}, &pb.UpdateWatermarkResponse{})
		s.Conversations()
	})
	var want []string
	for _, e := range s.Events("team") {
		want = append(want, e.EventID)
	}
	require.Len(t, want[before:], people*each)
	for account := range people {
		c := newRaw(t, s, account)
		page := &pb.GetConversationResponse{}
		require.Equal(t, ok, c.call("conversations/getconversation", &pb.GetConversationRequest{
			ConversationSpec: &pb.ConversationSpec{ConversationId: &pb.ConversationId{Id: &id}}, MaxEventsPerConversation: proto.Uint64(1000),
		}, page))
		synced := &pb.SyncAllNewEventsResponse{}
		require.Equal(t, ok, c.call("conversations/syncallnewevents", &pb.SyncAllNewEventsRequest{
			LastSyncTimestamp: proto.Uint64(1), MaxResponseSizeBytes: proto.Uint64(1 << 22),
		}, synced))
		var paged, new []string
		for _, e := range page.GetConversationState().GetEvent() {
			paged = append(paged, e.GetEventId())
		}
		for _, state := range synced.GetConversationState() {
			if state.GetConversationId().GetId() == id {
				for _, e := range state.GetEvent() {
					new = append(new, e.GetEventId())
				}
			}
		}
		require.Equal(t, paged, new, "history and synchronisation agree")
		require.Subset(t, want, paged)
		require.Equal(t, want[before:], paged[len(paged)-people*each:], "in the order of the server")
	}
}

// TestWireFaults: what the faults of the byte stream put on the wire.
func TestWireFaults(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	carol := s.Person("carol")
	inject := func(f hangoutstest.Fault) {
		_, err := s.Inject(f)
		require.NoError(t, err)
	}
	send := func(text string) {
		_, err := carol.Send("carol", text)
		require.NoError(t, err)
	}
	next := func(ch *channel) (id int, payload string) {
		for {
			ids, payloads := arrays(t, ch.poll.chunk())
			if strings.HasPrefix(payloads[0], `["cbu"`) {
				return ids[0], payloads[0]
			}
		}
	}
	ch := c.connect()
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultRepeatArray, Endpoint: "push/event"})
	send("twice")
	first, text := next(ch)
	second, again := next(ch)
	require.Equal(t, first, second)
	require.Equal(t, text, again)

	inject(hangoutstest.Fault{Kind: hangoutstest.FaultReorder, Endpoint: "push/event"})
	send("early")
	send("late")
	third, text := next(ch)
	require.Contains(t, text, "late")
	fourth, text := next(ch)
	require.Contains(t, text, "early")
	require.Equal(t, []int{first + 2, first + 1}, []int{third, fourth})

	poll := func() io.Reader {
		resp, err := c.send("GET", bindPath+"?RID=rpc&TYPE=xmlhttp&"+ch.query(), nil, nil)
		require.NoError(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		return resp.Body
	}
	for cut := 1; cut <= 30; cut++ {
		_, err := s.Drop("", hangoutstest.DropEnd)
		require.NoError(t, err)
		inject(hangoutstest.Fault{Kind: hangoutstest.FaultTruncate, Limit: cut, Endpoint: "channel/poll"})
		body := poll()
		send("something to cut")
		got, err := io.ReadAll(body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Len(t, got, cut)
	}
	for _, by := range []int{7, -3} {
		ch = c.connect()
		_, err := s.Drop(ch.sid, hangoutstest.DropEnd)
		require.NoError(t, err)
		inject(hangoutstest.Fault{Kind: hangoutstest.FaultWrongLength, Limit: by, Endpoint: "channel/poll"})
		r := bufio.NewReader(poll())
		_, err = readChunk(r)
		require.NoError(t, err, "the noop is whole")
		send("of the wrong length")
		var announced int
		_, err = fmt.Fscanf(r, "%d\n", &announced)
		require.NoError(t, err)
		payload := make([]byte, announced-by)
		_, err = io.ReadFull(r, payload)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(payload), "]\n]\n"), "by %d: %s", by, payload)
	}
}
