package hangoutstest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// controlled is a server, a client with an open poll, and a way to call verbs.
func controlled(t *testing.T) (*hangoutstest.Server, *raw, *pollStream, func(verb, body string, out any)) {
	t.Helper()
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	return s, c, c.connect().poll, func(verb, body string, out any) {
		t.Helper()
		control(t, s.ControlURL, verb, body, out)
	}
}

func TestControlMessages(t *testing.T) {
	s, _, p, call := controlled(t)
	var e hangoutstest.EventInfo
	call("wait-subscribed", `{"account":"user1","count":1}`, nil)
	call("send", `{"as":"carol","conversation":"carol","text":"hi\nthere"}`, &e)
	require.Equal(t, e.EventID, p.event().GetEventId())
	require.Equal(t, s.Person("carol").GaiaID(), e.Sender)
	call("send", `{"as":"carol@example.com","conversation":"carol","text":"**b**","markdown":true,"me":true}`, &e)
	got := p.event().GetChatMessage()
	require.True(t, got.GetMessageContent().GetSegment()[0].GetFormatting().GetBold())
	require.Equal(t, int32(4), got.GetAnnotation()[0].GetType())
	call("send", `{"as":"carol","conversation":"carol","message":{"message_content":{"segment":[{"type":"SEGMENT_TYPE_TEXT","text":"given"}]}}}`, &e)
	require.Equal(t, "given", text(p.event()))
	var many []hangoutstest.EventInfo
	call("send-many", `{"as":"dave","conversation":"team","texts":["1","2","3"]}`, &many)
	require.Len(t, many, 3)
	require.Equal(t, "1", text(p.event()))
	call("photo", `{"as":"carol","conversation":"carol","name":"x.png","data":"`+base64.StdEncoding.EncodeToString([]byte("png"))+`"}`, nil)
	var photos []hangoutstest.PhotoInfo
	call("photos", `{}`, &photos)
	require.Len(t, photos, 1)
	require.Equal(t, []any{"x.png", 3, fmt.Sprintf("%x", sha256.Sum256([]byte("png")))}, []any{photos[0].Name, photos[0].Size, photos[0].SHA256})
	call("typing", `{"as":"carol","conversation":"carol","type":"paused"}`, nil)
	call("focus", `{"as":"carol","conversation":"carol"}`, nil)
	call("watermark", `{"as":"carol","conversation":"carol"}`, nil)
	for {
		u := p.update()
		if n := u.GetTypingNotification(); n != nil {
			require.Equal(t, "TYPING_TYPE_PAUSED", n.GetType().String())
		}
		if n := u.GetWatermarkNotification(); n != nil {
			require.Greater(t, n.GetLatestReadTimestamp(), e.TimestampUS)
			break
		}
	}
}

func TestControlPeople(t *testing.T) {
	s, _, p, call := controlled(t)
	var e hangoutstest.EventInfo
	var made map[string]string
	call("create", `{"as":"carol","group":true,"name":"G","people":["user1","erin"]}`, &made)
	call("rename", `{"as":"carol","conversation":"`+made["conversation_id"]+`","name":"H"}`, &e)
	require.Equal(t, "rename", e.Kind)
	call("add", `{"as":"carol","conversation":"`+made["conversation_id"]+`","people":["dave"]}`, &e)
	require.Equal(t, []string{s.Person("dave").GaiaID()}, e.Members)
	call("remove", `{"as":"carol","conversation":"`+made["conversation_id"]+`","people":["dave"]}`, nil)
	call("leave", `{"as":"erin","conversation":"`+made["conversation_id"]+`"}`, nil)
	call("call", `{"as":"carol","conversation":"carol","type":"end"}`, &e)
	require.Equal(t, "call", e.Kind)
	call("presence", `{"as":"carol","type":"none","text":"gone"}`, nil)
	call("profile", `{"as":"carol","name":"Caroline"}`, nil)
	require.Equal(t, "Caroline", s.People()[2].Name)
	var account hangoutstest.AccountInfo
	call("add-person", `{"key":"new","email":"new@example.com","account":true}`, &account)
	require.NotEmpty(t, account.RefreshToken)

	call("push", `{"account":"user1","update":{"delete_notification":{"conversation_id":{"id":"x"}}}}`, nil)
	for p.update().GetDeleteNotification() == nil {
	}
	var n map[string]int
	call("push-payload", `{"account":"user1","payload":"null"}`, &n)
	require.Equal(t, 1, n["channels"])
	call("push-array", `{"account":"user1","array":["noop"]}`, &n)
	call("drop", `{"account":"user1","how":"end"}`, &n)
	require.Equal(t, 1, n["channels"])

}

func TestControlFaultsAndSettings(t *testing.T) {
	s, c, _, call := controlled(t)
	var made map[string]string
	call("add-person", `{"key":"new","email":"new@example.com","account":true}`, nil)
	call("fault", `{"kind":"status","status":500,"endpoint":"contacts/getselfinfo"}`, &made)
	resp, _ := c.do("POST", "/chat/v1/contacts/getselfinfo?key=k", nil, "")
	require.Equal(t, 500, resp.StatusCode)
	var faults []hangoutstest.Fault
	call("faults", "", &faults)
	require.Equal(t, 1, faults[0].Hits)
	call("clear-faults", `{"id":"`+made["id"]+`"}`, &faults)
	require.Len(t, faults, 1)
	call("revoke-tokens", `{"account":"new"}`, nil)
	call("code", `{"account":"new"}`, &made)
	require.True(t, strings.HasPrefix(made["code"], "4/"))
	call("invalidate-cookies", `{"account":"new"}`, nil)
	var set hangoutstest.Settings
	call("config", `{"dedup":false,"noop_ms":5}`, &set)
	require.False(t, set.Dedup)
	require.Equal(t, set, s.Settings())
	require.Equal(t, hangoutstest.Millis(5), set.NoopInterval)
	require.True(t, set.Bots, "the rest stays")
	var now map[string]uint64
	call("clock", `{"advance_ms":1000}`, &now)
	require.NotZero(t, now["us"])

}

func TestControlState(t *testing.T) {
	s, _, _, call := controlled(t)
	call("send-many", `{"as":"dave","conversation":"team","texts":["1","2","3"]}`, nil)
	var list []map[string]any
	for _, verb := range []string{"accounts", "people", "conversations"} {
		call(verb, "", &list)
		require.NotEmpty(t, list, verb)
	}
	call("channels", `{"account":"user1"}`, &list)
	require.Len(t, list, 1)
	var log struct {
		List []map[string]any `json:"list"`
		Next int              `json:"next"`
	}
	for _, verb := range []string{"events", "requests", "deliveries"} {
		call(verb, "", &log)
		require.NotEmpty(t, log.List, verb)
		call(verb, `{"since":`+strconv.Itoa(log.Next-1)+`}`, &log)
		require.Len(t, log.List, 1, verb)
	}
	call("events", `{"conversation":"team","since":1}`, &log)
	require.Equal(t, "dave", keyOf(s, log.List[1]["sender"].(string)))
	var stats hangoutstest.Stats
	call("stats", "", &stats)
	require.Equal(t, s.Stats(), stats)
	call("wait-events", `{"conversation":"team","count":5}`, nil)
	call("wait-requests", `{"account":"user1","endpoint":"channel/create","count":1}`, nil)
	var help map[string]string
	call("help", "", &help)
	for name := range help {
		require.Contains(t, hangoutstest.ControlHelp(), "  "+name+" ")
	}
	// The help names each parameter with its type.
	require.Equal(t, "{as string, conversation string, text? string, markdown? bool, me? bool, message? ChatMessage}: "+
		"send a message: a text, or a ChatMessage in protobuf JSON", help["send"])
	require.Equal(t, "{account string, count int, timeout_ms? ms}: wait for that many clients with open, subscribed channels", help["wait-subscribed"])
	require.Contains(t, help["drop"], "how end|truncate|cut|reset|unknown_sid|mute")
	require.Contains(t, help["config"], "{dedup? bool, bots? bool, bot_delay_ms? ms,")
	require.Contains(t, help["photo"], "data base64")
	require.Equal(t, "{}: counters", help["stats"])
}

// TestControlShowsWholeRequests: headers and body of each request, also of one that is refused.
func TestControlShowsWholeRequests(t *testing.T) {
	s, c, _, call := controlled(t)
	_, next := s.Requests(0)
	_, _ = c.do("POST", "/chat/v1/contacts/getselfinfo?alt=json&key=k", http.Header{"Content-Type": {"application/json"}, "X-Mine": {"a", "b"}}, `[[]`)
	_, _ = c.do("POST", "/chat/v1/contacts/getselfinfo", http.Header{"Cookie": {""}}, "no session")
	_, _ = c.do("POST", "/upload/photos/resumable?key=k", nil, strings.Repeat("long", 10_000))
	var log struct {
		List []struct {
			Status int
			Header http.Header
			Body   []byte
		}
	}
	call("requests", `{"since":`+strconv.Itoa(next)+`}`, &log)
	require.Len(t, log.List, 3)
	require.Equal(t, "[[]", string(log.List[0].Body))
	require.Equal(t, []string{"a", "b"}, log.List[0].Header["X-Mine"])
	require.Contains(t, log.List[0].Header.Get("Cookie"), "SAPISID=")
	require.Equal(t, 401, log.List[1].Status)
	require.Equal(t, "no session", string(log.List[1].Body))
	require.Equal(t, strings.Repeat("long", 4096), string(log.List[2].Body))
}

// TestControlIsClosedToWebPages: whatever a page in a browser on this machine can send is refused.
func TestControlIsClosedToWebPages(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	asJSON := http.Header{"Content-Type": {"application/json"}}
	with := func(name, value string) http.Header {
		header := asJSON.Clone()
		header.Set(name, value)
		return header
	}
	address, err := url.Parse(s.ControlURL)
	require.NoError(t, err)
	for _, x := range []struct {
		method, host string
		header       http.Header
		status       int
	}{
		{"POST", "", asJSON, 200}, {"POST", "localhost:" + address.Port(), asJSON, 200}, {"POST", "127.0.0.1", asJSON, 200},
		{"POST", "[::1]:80", asJSON, 200}, {"POST", "", with("Content-Type", "application/json; charset=utf-8"), 200},
		{"POST", "evil.example", asJSON, 403}, {"POST", "evil.example:" + address.Port(), asJSON, 403}, {"POST", "localhost.evil.example", asJSON, 403},
		{"POST", "127.0.0.1.evil.example", asJSON, 403}, {"POST", "192.0.2.1", asJSON, 403},
		{"POST", "", with("Origin", "https://evil.example"), 403}, {"POST", "", with("Origin", "null"), 403},
		{"POST", "", with("Origin", "http://"+address.Host), 403}, {"POST", "", with("Sec-Fetch-Site", "same-origin"), 403},
		{"POST", "", with("Sec-Fetch-Mode", "no-cors"), 403}, {"OPTIONS", "", with("Origin", "https://evil.example"), 403},
		{"POST", "", with("Content-Type", "text/plain"), 415}, {"POST", "", with("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"POST", "", nil, 415}, {"GET", "", asJSON, 405}, {"OPTIONS", "", asJSON, 405},
	} {
		req, err := http.NewRequestWithContext(t.Context(), x.method, s.ControlURL+"/accounts", strings.NewReader("{}"))
		require.NoError(t, err)
		req.Host = x.host
		req.Header = x.header.Clone()
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, x.status, resp.StatusCode, "%s %q %v: %s", x.method, x.host, x.header, body)
		require.Equal(t, x.status == 200, strings.Contains(string(body), "refresh_token"), "%s", body)
	}
}

func keyOf(s *hangoutstest.Server, gaia string) string {
	for _, p := range s.People() {
		if p.GaiaID == gaia {
			return p.Key
		}
	}
	return ""
}

func TestControlErrors(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	for _, x := range []struct {
		verb, body string
		status     int
	}{
		{"nothing", "", 400}, {"send", "{", 400}, {"send", `{"as":"nobody"}`, 404},
		// Strict: what a verb does not know, or what follows, is not left out in silence.
		{"send", `{"as":"carol","conversation":"team","text":"x","markdwon":true}`, 400}, {"send", `{"as":"carol","conversation":"team","text":"x"} {}`, 400},
		{"send", `{"as":"carol","conversation":"team","text":7}`, 400}, {"send", `[]`, 400}, {"send", `"x"`, 400}, {"send", `{"account":"carol"}`, 400},
		{"accounts", `{"account":"user1"}`, 400}, {"accounts", `{}x`, 400}, {"help", `{"verb":"send"}`, 400}, {"config", `{"noop":1}`, 400},
		{"config", `{"dedup":false}{`, 400}, {"fault", `{"kind":"delay","delay":1}`, 400}, {"add-person", `{"key":"n","mail":"x"}`, 400},
		{"push", `{"account":"user1","update":{},"x":1}`, 400}, {"events", `{"since":"1"}`, 400}, {"drop", `{"how":"end","sid":"x"}`, 400}, {"send", `{"as":"carol","conversation":"none","text":"x"}`, 404},
		{"send", `{"as":"erin","conversation":"team","text":"x"}`, 404}, {"send", `{"as":"carol","conversation":"team","message":{"x":1}}`, 400},
		{"send", `{"as":"carol","conversation":"team","message":{}}`, 400},
		{"send-many", `{"as":"nobody"}`, 404}, {"send-many", `{"as":"carol","conversation":"none","texts":["x"]}`, 404},
		{"add", `{"as":"carol","conversation":"team","people":["nobody"]}`, 404}, {"add", `{"as":"carol","conversation":"carol","people":["erin"]}`, 400},
		{"remove", `{"as":"carol","conversation":"team","people":[]}`, 400}, {"remove", `{"as":"carol","conversation":"team","people":["erin"]}`, 400},
		{"typing", `{"as":"carol","conversation":"team","type":"loudly"}`, 400}, {"call", `{"as":"carol","conversation":"team","type":"x"}`, 400},
		{"focus", `{"as":"carol","conversation":"team","type":"x"}`, 400}, {"presence", `{"as":"carol","type":"x"}`, 400},
		{"create", `{"as":"nobody"}`, 404}, {"create", `{"as":"carol","people":["nobody"]}`, 404}, {"create", `{"as":"carol"}`, 400},
		{"add-person", `{"key":7}`, 400}, {"add-person", `{"key":"carol"}`, 400}, {"add-person", `{}`, 400}, {"add-person", `{"key":"n","contacts":["nobody"]}`, 404},
		{"push", `{"account":"user1","update":{"x":1}}`, 400}, {"push", `{"account":"nobody","update":{}}`, 404},
		{"fault", `{"kind":"x"}`, 400}, {"fault", `{"kind":7}`, 400}, {"fault", `{"kind":"delay","account":"nobody"}`, 404},
		{"drop", `{"how":"x"}`, 400}, {"invalidate-cookies", `{"account":"nobody"}`, 404}, {"revoke-tokens", `{}`, 404}, {"code", `{"account":"carol"}`, 404},
		{"config", `{"dedup":7}`, 400}, {"config", `{"dedup":false,"noop_ms":-1}`, 400}, {"config", `{"poll_ms":0}`, 400}, {"config", `{"dedup":false,"queue_limit":0}`, 400},
		{"config", `{"sync_lag_ms":99999999999999999}`, 400}, {"config", `{"sync_max_events":-1}`, 400}, {"clock", `{"advance_ms":-1}`, 400},
		{"fault", `{"kind":"delay","delay_ms":-1}`, 400}, {"wait-events", `{"conversation":"team","timeout_ms":-1}`, 400}, {"wait-subscribed", `{"account":"user1","count":5,"timeout_ms":5}`, 408},
		{"wait-subscribed", `{"account":"nobody"}`, 404}, {"wait-requests", `{"account":"nobody"}`, 404},
		{"wait-events", `{"conversation":"team","count":500,"timeout_ms":5}`, 408},
	} {
		status, body := controlStatus(t, s.ControlURL, x.verb, x.body)
		require.Equal(t, x.status, status, "%s %s: %s", x.verb, x.body, body)
		require.Contains(t, body, `{"error":`)
		require.Equal(t, 1, strings.Count(body, "\n"), "one line: %s", body)
	}
	require.True(t, s.Settings().Dedup, "a bad change changes nothing")
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	ca, scenario := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "scenario.json")
	require.NoError(t, os.WriteFile(scenario, []byte(`{"people":[{"email":"solo@example.com","account":true}]}`), 0o600))
	p := run(t, "--scenario", scenario, "--accounts", "3", "--proxy", "127.0.0.1:0", "--ca-out", ca, "--seed", "5", "--dedup=false")
	require.Len(t, p.line.Accounts, 3)
	require.Equal(t, "solo@example.com", p.line.Accounts[0].Email)
	require.NotEmpty(t, p.line.Accounts[0].Cookies["SAPISID"])
	require.NotEmpty(t, p.line.ProxyURL)
	pem, err := os.ReadFile(ca)
	require.NoError(t, err)
	require.Contains(t, string(pem), "BEGIN CERTIFICATE")
	var set hangoutstest.Settings
	control(t, p.line.ControlURL, "config", "", &set)
	require.False(t, set.Dedup)
	q := run(t, "--scenario", scenario, "--accounts", "3", "--seed", "5")
	require.Equal(t, p.line.Accounts, q.line.Accounts, "the same seed gives the same world")
	q = run(t, "--scenario", scenario, "--accounts", "3", "--seed", "6")
	require.NotEqual(t, p.line.Accounts, q.line.Accounts)

	for _, x := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--help"}, 0, "Control interface"},
		{[]string{"--help"}, 0, `"history": [{"from": "bob"`},
		{[]string{"--help"}, 0, "wrong_length"},
		{[]string{"--help"}, 0, "repeat_array"},
		{[]string{"--help"}, 0, hangoutstest.ControlHelp()},
		{[]string{"extra"}, 2, "unexpected"},
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"--accounts", "-1"}, 2, "--accounts"},
		{[]string{"--proxy", "127.0.0.1:0"}, 2, "go together"},
		{[]string{"--noop-ms", "0"}, 2, "positive"},
		{[]string{"--poll-ms", "99999999999999999"}, 2, "century"},
		{[]string{"--scenario", filepath.Join(dir, "none")}, 1, "no such file"},
		{[]string{"--listen", strings.TrimPrefix(p.line.BaseURL, "http://")}, 1, "in use"},
		{[]string{"--listen", "127.0.0.1:0", "--proxy", strings.TrimPrefix(p.line.BaseURL, "http://"), "--ca-out", ca}, 1, "in use"},
		{[]string{"--state", dir}, 1, "state"},
		{[]string{"--proxy", "127.0.0.1:0", "--ca-out", filepath.Join(dir, "no", "ca")}, 1, "certificate"},
	} {
		var stdout, stderr bytes.Buffer
		status := hangoutstest.Main(t.Context(), x.args, &stdout, &stderr)
		require.Equal(t, x.status, status, "%v: %s", x.args, stderr.String())
		require.Contains(t, stderr.String(), x.says)
		require.Empty(t, stdout.String())
	}
}
