package hangouts_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const wait = time.Minute

var testCookies = map[string]string{"SAPISID": "sapisid/EfGh-04_x", "SID": "s=1"}

// seen is a request as it came in.
type seen struct {
	path   string // with query
	header http.Header
	body   []byte
}

// script is a server of which each test writes the answers: api by path below /chat/v1/, and
// the chunks of each long poll.
type script struct {
	srv *httptest.Server

	mu       sync.Mutex
	requests []seen

	api    func(w http.ResponseWriter, r *http.Request, body []byte)
	create func(w http.ResponseWriter) bool
	poll   func(n int, p *stream)
	polls  int
}

// stream is a long poll.
type stream struct {
	w    http.ResponseWriter
	gone <-chan struct{}
	next int
}

func (s *stream) raw(text string) {
	_, _ = io.WriteString(s.w, text)
	_ = http.NewResponseController(s.w).Flush()
}

// array sends one data array in a chunk.
func (s *stream) array(data string) {
	payload := fmt.Sprintf("[[%d,%s]\n]\n", s.next, data)
	s.next++
	s.raw(fmt.Sprintf("%d\n%s", len(utf16.Encode([]rune(payload))), payload))
}

func (s *stream) wrapper(object string) {
	text, _ := json.Marshal(object)
	s.array(`[{"p":` + string(text) + `}]`)
}

// push sends a payload of the chat service.
func (s *stream) push(payload string) {
	text, _ := json.Marshal(payload)
	s.wrapper(`{"2":{"1":{"1":"babel","2":"conserver.google.com"},"2":` + string(text) + `}}`)
}

func (s *stream) start() {
	s.array(`["noop"]`)
	s.wrapper(`{"3":{"1":{"1":1},"2":"lcsw_hangouts_0A1B2C3D"}}`)
}

func (s *stream) hold() { <-s.gone }

// until waits for the test, or for the client to go away.
func (s *stream) until(c <-chan struct{}) {
	select {
	case <-c:
	case <-s.gone:
	}
}

func newScript(t *testing.T) *script {
	s := &script{}
	s.srv = httptest.NewServer(s)
	t.Cleanup(s.srv.Close)
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, seen{r.URL.RequestURI(), r.Header, body})
	poll := r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/client-channel/")
	if poll {
		s.polls++
	}
	n := s.polls
	s.mu.Unlock()
	switch {
	case poll:
		s.poll(n, &stream{w: w, gone: r.Context().Done(), next: 2})
	case strings.HasPrefix(r.URL.Path, "/client-channel/") && r.URL.Query().Get("SID") == "":
		if s.create == nil || !s.create(w) {
			w.Header().Add("Set-Cookie", "S=cloudsearch-persist=abc123; Domain=127.0.0.1; Path=/")
			_, _ = io.WriteString(w, "50\n"+`[[0,["c","A1","",8]],[1,[{"gsid":"gsessionid1"}]]]`)
		}
	case strings.HasPrefix(r.URL.Path, "/client-channel/"):
		_, _ = io.WriteString(w, "7\n[1,3,0]")
	default:
		s.api(w, r, body)
	}
}

func (s *script) seen(path string) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []seen
	for _, r := range s.requests {
		if strings.HasPrefix(r.path, path) {
			list = append(list, r)
		}
	}
	return list
}

// client makes a client of the script.
func (s *script) client(t *testing.T, change func(*hangouts.Config)) *hangouts.Client {
	t.Helper()
	cfg := hangouts.Config{
		BaseURL: s.srv.URL, APIKey: "test-key", ClientVersion: "hangups-0.4.18", MaxRetries: hangouts.Retries(2),
		RetryBackoffBase: 0.001, Attempts: 3,
	}
	if change != nil {
		change(&cfg)
	}
	c, err := hangouts.New(cfg, testCookies)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// reply writes an answer as the service does.
func reply(w http.ResponseWriter, m proto.Message) {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString(raw))
}

func okHeader() *pb.ResponseHeader {
	return &pb.ResponseHeader{Status: pb.ResponseStatus_RESPONSE_STATUS_OK.Enum(), CurrentServerTime: proto.Uint64(7)}
}

// eventually waits for a condition.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, wait, time.Millisecond)
}

// connect runs Connect until the test ends and returns what it gave.
func connect(t *testing.T, c *hangouts.Client) (result func() error) {
	done := make(chan error, 1)
	go func() { done <- c.Connect(context.Background()) }()
	var once sync.Once
	var err error
	result = func() error {
		once.Do(func() {
			select {
			case err = <-done:
			case <-time.After(wait):
				require.FailNow(t, "Connect did not return")
			}
		})
		return err
	}
	t.Cleanup(func() {
		c.Disconnect()
		_ = result()
	})
	return result
}

// vectors gives one group of the vectors.
func vectors[T any](t testing.TB, group string, want int) []T {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	groups := map[string]json.RawMessage{}
	require.NoError(t, json.Unmarshal(raw, &groups))
	var list []T
	require.NoError(t, json.Unmarshal(groups[group], &list))
	require.Len(t, list, want)
	return list
}
