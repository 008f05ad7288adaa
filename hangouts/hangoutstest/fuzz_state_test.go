package hangoutstest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var fuzzTime = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)

// FuzzScenario reads any file as a scenario: what is accepted can be written and read again, builds
// the same world each time, and that world can be kept and loaded like a state file.
func FuzzScenario(f *testing.F) {
	for _, sc := range []*Scenario{DefaultScenario(), DemoScenario()} {
		text, err := json.Marshal(sc)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, seed := range []string{
		`{"seed":3,"people":[{"key":"a","account":true,"email":"a@x","contacts":["b"]},{"key":"b","phone":"+1555","off_network":true}],
		 "conversations":[{"key":"k","id":"UgxGiven4AaABAQ","members":["a","b"],"filler":3,"unread":{"a":2},"quiet_for":["a"],"invited_only":["b"],
		  "history":[{"from":"b","text":"x","at_us":1577800805123456},{"from":"a","rename":"r","at":"2019-01-02T00:00:00Z"},{"from":"b","me":true,"photo":"p","ago":"2h"}]}]}`,
		`{"people":[],"conversations":[{"members":[],"filler":1}]}`,
		`{"people":[{"key":"a"},{"key":"b"}],"conversations":[{"members":["a","b"],"unread":{"a":-3},"history":[{"from":"a","at_us":1}]}]}`,
		`{"people":[{"key":"a"},{"key":"b"}],"conversations":[{"members":["a","b"],"history":[{"from":"a","at_us":1}]}]}`,
		`{"people":[]} x`, `{"people":[{"nmae":1}]}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		sc, err := readScenario(bytes.NewReader(file))
		if err != nil {
			require.ErrorIs(t, err, ErrScenario)
			return
		}
		text, err := json.Marshal(sc)
		if err != nil {
			t.Skip("a time that JSON cannot hold")
		}
		again, err := readScenario(bytes.NewReader(text))
		require.NoError(t, err)
		same, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(text), string(same))
		fuzzBuild(t, sc, again)
	})
}

// fuzzBuild builds a scenario and the same one, read again.
func fuzzBuild(t *testing.T, sc, again *Scenario) {
	filler := 0
	for _, c := range sc.Conversations {
		filler += c.Filler
	}
	if filler > 1000 {
		return
	}
	ops, err := buildScenario(sc, 2, newGenerator(1, 1), fuzzTime)
	if err != nil {
		require.ErrorIs(t, err, ErrScenario)
		return
	}
	same, err := buildScenario(again, 2, newGenerator(1, 1), fuzzTime)
	require.NoError(t, err)
	line, err := json.Marshal(record{Ops: ops})
	require.NoError(t, err)
	sameLine, err := json.Marshal(record{Ops: same})
	require.NoError(t, err)
	require.Equal(t, string(line), string(sameLine))

	live, kept := newWorld(), newWorld()
	require.NoError(t, live.apply(record{Ops: ops}))
	_, err = replay(strings.NewReader(journalFormat+"\n"+string(line)+"\n"), kept)
	require.NoError(t, err)
	require.Equal(t, picture(t, live), picture(t, kept))
	require.GreaterOrEqual(t, len(live.accounts()), 2)
	for _, c := range live.convs {
		require.Less(t, c.CreatedUS, uint64(fuzzTime.UnixMicro())+uint64(len(ops)))
	}
	serveWorld(t, kept)
}

// FuzzState reads any file as a state file: what is not refused gives a world that a server can
// serve, is the same when it is loaded again, and stays so without the torn end.
func FuzzState(f *testing.F) {
	file := filepath.Join(f.TempDir(), "state")
	s, err := Start(Options{StateFile: file, Configure: func(set *Settings) { set.Bots = false }})
	require.NoError(f, err)
	_, err = s.Person("carol").SendPhoto("team", "x", "a.png", []byte("pixels"))
	require.NoError(f, err)
	_, err = s.Person("carol").Rename("team", "Renamed")
	require.NoError(f, err)
	require.NoError(f, s.Account(1).Read("direct", 0))
	s.Close()
	whole, err := os.ReadFile(file)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	const person = `{"person":{"gaia_id":"1","key":"a","account":true,"cookies":{"SID":"s","SAPISID":"x"}}}`
	for _, ops := range []string{
		`{"conversation":{"id":"C","type":2,"members":[null]}}`, person,
		person + `,{"conversation":{"id":"C","type":2,"members":[{"gaia_id":"1","status":2}]}},{"event":{"pb":"CgMKAUMSAgoBGAU=","cgid":7}}`,
		`{"open":{"generation":1,"seed":1}},{"read":{"conversation":"C","gaia_id":"1","us":7}},{"photo":{"id":"6"}},{"invitation":"a"}`,
		`{"authority":{"cert":"AA==","key":"AA=="}}`, `{"event":{"pb":"%"}}`,
	} {
		f.Add([]byte(journalFormat + "\n" + `{"us":5,"ops":[` + ops + `]}` + "\n"))
	}
	f.Add([]byte("SQLite format 3"))
	f.Add([]byte(journalFormat[:9]))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, file []byte) {
		w := newWorld()
		good, err := replay(bytes.NewReader(file), w)
		if err != nil {
			require.ErrorIs(t, err, ErrState)
			return
		}
		require.LessOrEqual(t, good, int64(len(file)))
		if good == 0 {
			require.True(t, strings.HasPrefix(journalFormat+"\n", string(file)), "a foreign file would be overwritten")
			return
		}
		again := newWorld()
		length, err := replay(bytes.NewReader(file[:good]), again)
		require.NoError(t, err)
		require.Equal(t, good, length)
		require.Equal(t, picture(t, w), picture(t, again))
		serveWorld(t, w)
	})
}

// picture is everything in a world, as text.
func picture(t *testing.T, w *world) string {
	var events []string
	for _, id := range w.convIDs {
		for _, e := range w.convs[id].events {
			o, err := newEventOp(e.pb, e.cgid)
			require.NoError(t, err)
			events = append(events, id+o.PB)
		}
	}
	text, err := json.Marshal([]any{w.people, w.peopleIDs, w.convs, w.convIDs, w.photos, w.authority, w.invited, w.generation, w.seed, w.lastUS, events})
	require.NoError(t, err)
	return string(text)
}

// serveWorld asks a server with a world for all that its accounts may see.
func serveWorld(t *testing.T, w *world) {
	s := &Server{
		clock: func() time.Time { return fuzzTime }, log: slog.New(slog.DiscardHandler), world: w, settings: DefaultSettings(), gen: newGenerator(1, 9),
		sessions: map[string]*session{}, ephemera: map[string]*ephemeral{}, changed: make(chan struct{}),
	}
	handler := s.handler()
	for _, p := range w.accounts() {
		if w.bySAPISID[p.Cookies["SAPISID"]] != p || !headerValue(p.Cookies) {
			continue
		}
		id, err := json.Marshal(firstConversation(w, p))
		require.NoError(t, err)
		for name, body := range map[string]string{
			"conversations/syncrecentconversations": `[null,null,50,50,[1,2]]`,
			"conversations/syncallnewevents":        `[null,1,null,null,null,null,null,1000000]`,
			"contacts/getselfinfo":                  `[]`,
			"contacts/getsuggestedentities":         `[null,null,null,9]`,
			"conversations/getconversation":         `[null,[[` + string(id) + `]],1,1,null,9]`,
		} {
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, fuzzRequest("/chat/v1/"+name+"?key=k&alt=protojson", "application/json+protobuf", body, p.Cookies))
			require.Equal(t, http.StatusOK, got.Code, "%s: %s", name, got.Body)
		}
	}
	before := s.world.lastUS
	require.Greater(t, s.nowLocked(), before, "times only grow")
}

func firstConversation(w *world, p *person) string {
	for _, id := range w.convIDs {
		if w.convs[id].anyMember(p.GaiaID) != nil {
			return id
		}
	}
	return ""
}

func headerValue(cookies map[string]string) bool {
	return !strings.ContainsAny(cookies["SID"]+cookies["SAPISID"], " ;\"\r\n")
}

// fuzzRequest is a POST with an account's cookies.
func fuzzRequest(target, kind, body string, cookies map[string]string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header = http.Header{
		"Content-Type": {kind}, "Origin": {"o"}, "Cookie": {"SID=" + cookies["SID"] + "; SAPISID=" + cookies["SAPISID"]},
		"Authorization": {"SAPISIDHASH 1_" + testHash("1", cookies["SAPISID"], "o")},
	}
	return r
}
