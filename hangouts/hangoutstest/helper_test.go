package hangoutstest_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// serverEnv makes the test binary run as the command line server.
const serverEnv = "HANGOUTSTEST_RUN_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		os.Exit(hangoutstest.Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

const (
	origin      = "https://hangouts.google.com"
	bindPath    = "/client-channel/channel/bind"
	ok          = pb.ResponseStatus_RESPONSE_STATUS_OK
	invalid     = pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST
	noSuchPlace = pb.ResponseStatus_RESPONSE_STATUS_INVALID_CONVERSATION

	waitTime = time.Minute
	waitTick = 5 * time.Millisecond
)

// start runs a server for a test.
func start(t testing.TB, opts hangoutstest.Options) *hangoutstest.Server {
	t.Helper()
	s, err := hangoutstest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func timeout(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// raw is a client made of nothing but net/http: it shares no code with the server.
type raw struct {
	t        testing.TB
	base     string
	cookies  map[string]string
	clientID string
	http     *http.Client
}

func newRaw(t testing.TB, s *hangoutstest.Server, account int) *raw {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &raw{t: t, base: s.URL, cookies: s.Account(account).Cookies(), http: &http.Client{Transport: transport}}
}

func (c *raw) headers() http.Header {
	sum := sha1.Sum([]byte("1577836800 " + c.cookies["SAPISID"] + " " + origin))
	var pairs []string
	for name, value := range c.cookies {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return http.Header{
		"Authorization":   {"SAPISIDHASH 1577836800_" + hex.EncodeToString(sum[:])},
		"Origin":          {origin},
		"X-Goog-Authuser": {"0"},
		"Cookie":          {strings.Join(pairs, "; ")},
	}
}

// send makes a request; header values override the usual ones.
func (c *raw) send(method, target string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(timeout(c.t), method, c.base+target, bytes.NewReader(body))
	require.NoError(c.t, err)
	req.Header = c.headers()
	for name, values := range header {
		req.Header[name] = values
	}
	return c.http.Do(req)
}

func (c *raw) do(method, target string, header http.Header, body string) (*http.Response, string) {
	c.t.Helper()
	resp, err := c.send(method, target, header, []byte(body))
	require.NoError(c.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp, string(data)
}

// call makes a chat API request in the way of the reference and returns the response status.
func (c *raw) call(endpoint string, req, resp proto.Message) pb.ResponseStatus {
	c.t.Helper()
	header := &pb.RequestHeader{ClientVersion: &pb.ClientVersion{
		ClientId: pb.ClientId_CLIENT_ID_WEB_HANGOUTS.Enum(), MajorVersion: proto.String("raw")}}
	if c.clientID != "" {
		header.ClientIdentifier = &pb.ClientIdentifier{Resource: proto.String(c.clientID)}
	}
	req.ProtoReflect().Set(req.ProtoReflect().Descriptor().Fields().ByName("request_header"),
		protoreflect.ValueOfMessage(header.ProtoReflect()))
	body, err := proto.Marshal(req)
	require.NoError(c.t, err)
	res, text := c.do("POST", "/chat/v1/"+endpoint+"?alt=proto&key=k", http.Header{
		"Content-Type": {"application/x-protobuf"}, "X-Goog-Encode-Response-If-Executable": {"base64"}}, string(body))
	require.Equal(c.t, 200, res.StatusCode, text)
	data, err := base64.StdEncoding.DecodeString(text)
	require.NoError(c.t, err)
	require.NoError(c.t, proto.Unmarshal(data, resp))
	rh := resp.ProtoReflect().Get(resp.ProtoReflect().Descriptor().Fields().ByName("response_header")).Message().Interface().(*pb.ResponseHeader)
	require.NotZero(c.t, rh.GetCurrentServerTime())
	return rh.GetStatus()
}

// message sends a text and returns the created event.
func (c *raw) message(conversation, text string, cgid uint64) (*pb.Event, pb.ResponseStatus) {
	c.t.Helper()
	resp := &pb.SendChatMessageResponse{}
	status := c.call("conversations/sendchatmessage", &pb.SendChatMessageRequest{
		MessageContent:     &pb.MessageContent{Segment: []*pb.Segment{{Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: proto.String(text)}}},
		EventRequestHeader: eventHeader(conversation, cgid),
	}, resp)
	return resp.CreatedEvent, status
}

func eventHeader(conversation string, cgid uint64) *pb.EventRequestHeader {
	return &pb.EventRequestHeader{
		ConversationId: &pb.ConversationId{Id: proto.String(conversation)}, ClientGeneratedId: proto.Uint64(cgid),
		ExpectedOtr: pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD.Enum(),
	}
}

// channel is a push channel of a raw client.
type channel struct {
	c         *raw
	sid, gsid string
	poll      *pollStream
}

func (c *raw) create() *channel {
	c.t.Helper()
	resp, body := c.do("POST", bindPath+"?VER=8&RID=81188&ctype=hangouts", form, "count=0&ofs=0")
	require.Equal(c.t, 200, resp.StatusCode, body)
	ids := createBody.FindStringSubmatch(body)
	require.NotNil(c.t, ids, body)
	for _, cookie := range resp.Cookies() {
		c.cookies[cookie.Name] = cookie.Value
	}
	return &channel{c: c, sid: ids[1], gsid: ids[2]}
}

var createBody = regexp.MustCompile(`^79\n\[\[0,\["c","([0-9A-F]{16})","",8\]\n\]\n,\[1,\[\{"gsid":"([A-Za-z0-9_-]{22})"\}\]\]\n\]\n$`)

var form = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

func (ch *channel) query() string {
	return url.Values{"VER": {"8"}, "gsessionid": {ch.gsid}, "SID": {ch.sid}, "ctype": {"hangouts"}, "CI": {"0"}, "t": {"1"}}.Encode()
}

// open starts a long poll.
func (ch *channel) open() *pollStream {
	ch.c.t.Helper()
	resp, err := ch.c.send("GET", bindPath+"?RID=rpc&TYPE=xmlhttp&"+ch.query(), nil, nil)
	require.NoError(ch.c.t, err)
	require.Equal(ch.c.t, 200, resp.StatusCode)
	ch.poll = newPollStream(ch.c.t, resp)
	return ch.poll
}

const servicesBody = "count=2&ofs=0&req0_p=%7B%223%22%3A+%7B%221%22%3A+%7B%221%22%3A+%22babel%22%7D%7D%7D&req1_p=%7B%223%22%3A+%7B%221%22%3A+%7B%221%22%3A+%22babel_presence_last_seen%22%7D%7D%7D"

func (ch *channel) services() (*http.Response, string) {
	ch.c.t.Helper()
	return ch.c.do("POST", bindPath+"?VER=8&RID=81188&ctype=hangouts&"+ch.query(), form, servicesBody)
}

// connect creates a channel, polls, and adds the services; the first push is taken off.
func (c *raw) connect() *channel {
	c.t.Helper()
	ch := c.create()
	p := ch.open()
	require.Equal(c.t, "[[2,[\"noop\"]]\n]\n", p.chunk())
	text := p.chunk()
	at := strings.Index(text, "lcsw_hangouts_")
	require.Positive(c.t, at, text)
	c.clientID = text[at : at+len("lcsw_hangouts_")+8]
	resp, _ := ch.services()
	require.Equal(c.t, 200, resp.StatusCode)
	require.NotNil(c.t, p.update().GetSelfPresenceNotification())
	return ch
}

// pollStream reads the chunks of a poll with a reader of its own.
type pollStream struct {
	t      testing.TB
	body   io.ReadCloser
	chunks chan string
	err    error // set before chunks is closed, read after; io.EOF is a regular end
	header http.Header
	left   []*pb.StateUpdate
}

func newPollStream(t testing.TB, resp *http.Response) *pollStream {
	p := &pollStream{t: t, body: resp.Body, chunks: make(chan string, 10000), header: resp.Header}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(p.chunks)
		r := bufio.NewReader(resp.Body)
		for {
			text, err := readChunk(r)
			if err != nil {
				p.err = err
				return
			}
			p.chunks <- text
		}
	})
	t.Cleanup(func() {
		resp.Body.Close()
		wg.Wait()
	})
	return p
}

// readChunk reads digits, a line feed, and so many UTF-16 units.
func readChunk(r *bufio.Reader) (string, error) {
	head, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	units, err := strconv.Atoi(strings.TrimSuffix(head, "\n"))
	if err != nil {
		return "", err
	}
	var sb strings.Builder
	for units > 0 {
		c, _, err := r.ReadRune()
		if err != nil {
			return "", io.ErrUnexpectedEOF
		}
		units--
		if c >= 0x10000 {
			units--
		}
		sb.WriteRune(c)
	}
	return sb.String(), nil
}

// chunk waits for the next chunk.
func (p *pollStream) chunk() string {
	p.t.Helper()
	select {
	case text, open := <-p.chunks:
		if !open {
			require.Fail(p.t, "the poll ended", "%v", p.err)
		}
		return text
	case <-time.After(time.Minute):
		p.t.Fatal("no chunk")
		return ""
	}
}

// end waits for the end of the poll and returns its error; io.EOF is a regular end.
func (p *pollStream) end() error {
	p.t.Helper()
	for {
		select {
		case _, open := <-p.chunks:
			if !open {
				return p.err
			}
		case <-time.After(time.Minute):
			p.t.Fatal("the poll does not end")
		}
	}
}

// arrays decodes a chunk.
func arrays(t testing.TB, chunk string) (ids []int, payloads []string) {
	t.Helper()
	var list [][2]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(chunk), &list), chunk)
	for _, entry := range list {
		var id int
		require.NoError(t, json.Unmarshal(entry[0], &id))
		ids = append(ids, id)
		var wrapped []struct {
			P string `json:"p"`
		}
		if json.Unmarshal(entry[1], &wrapped) != nil {
			payloads = append(payloads, string(entry[1]))
			continue
		}
		var w map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(wrapped[0].P), &w))
		var two struct {
			Payload string `json:"2"`
		}
		if w["2"] == nil {
			payloads = append(payloads, wrapped[0].P)
			continue
		}
		require.NoError(t, json.Unmarshal(w["2"], &two))
		payloads = append(payloads, two.Payload)
	}
	return ids, payloads
}

// update waits for the next state update, over noops.
func (p *pollStream) update() *pb.StateUpdate {
	p.t.Helper()
	for len(p.left) == 0 {
		_, payloads := arrays(p.t, p.chunk())
		for _, text := range payloads {
			if !strings.HasPrefix(text, `["cbu"`) {
				continue
			}
			batch := &pb.BatchUpdate{}
			_, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal([]byte(text), batch)
			require.NoError(p.t, err)
			p.left = append(p.left, batch.GetStateUpdate()...)
		}
	}
	u := p.left[0]
	p.left = p.left[1:]
	return u
}

// event waits for the next event notification, over other updates.
func (p *pollStream) event() *pb.Event {
	p.t.Helper()
	for {
		if e := p.update().GetEventNotification().GetEvent(); e != nil {
			return e
		}
	}
}

func text(e *pb.Event) string {
	var sb strings.Builder
	for _, s := range e.GetChatMessage().GetMessageContent().GetSegment() {
		sb.WriteString(s.GetText())
	}
	return sb.String()
}

func conversation(t testing.TB, s *hangoutstest.Server, key string) string {
	t.Helper()
	c, found := s.Conversation(key)
	require.True(t, found, key)
	return c.ID
}
