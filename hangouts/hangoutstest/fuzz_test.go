package hangoutstest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// fuzzServer is a server that is used without a network.
func fuzzServer(f testing.TB) (*Server, map[string]string) {
	s, err := Start(Options{Configure: func(set *Settings) { set.Bots = false }})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	return s, s.Account(0).Cookies()
}

// mirrored is a fuzzServer whose state file goes into a second world. A fresh one takes its place
// now and then, so that the world does not grow for ever; it has the same ids and cookies.
type mirrored struct {
	*Server
	file   bytes.Buffer
	kept   *world
	served int
}

// Close makes the buffer a state file.
func (m *mirrored) Close() error { return nil }

func (m *mirrored) Write(line []byte) (int, error) { return m.file.Write(line) }

func newMirrored(f *testing.F) *mirrored {
	m := &mirrored{}
	m.restart(f)
	f.Cleanup(func() { m.Server.Close() })
	return m
}

func (m *mirrored) restart(t testing.TB) {
	if m.Server != nil {
		m.Server.Close()
	}
	s, err := Start(Options{Configure: func(set *Settings) { set.Bots = false }})
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Server, m.kept, m.served = s, newWorld(), 0
	ops := []op{{Open: &openOp{s.world.generation, s.world.seed}}}
	for _, id := range s.world.peopleIDs {
		ops = append(ops, op{Person: s.world.people[id]})
	}
	for _, id := range s.world.convIDs {
		ops = append(ops, op{Conversation: s.world.convs[id].head()})
		for _, e := range s.world.convs[id].events {
			o, err := newEventOp(e.pb, e.cgid)
			require.NoError(t, err)
			ops = append(ops, op{Event: o})
		}
	}
	s.journal = &journal{file: m}
	require.NoError(t, s.journal.append(record{Ops: ops}))
}

// serve answers a request and loads what was kept of it. Now and then both worlds are compared.
func (m *mirrored) serve(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.Server.http.Handler.ServeHTTP(w, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := replay(strings.NewReader(journalFormat+"\n"+m.file.String()), m.kept)
	require.NoError(t, err)
	m.file.Reset()
	if m.served++; m.served%500 == 1 {
		m.kept.lastUS = m.world.lastUS
		require.Equal(t, picture(t, m.world), picture(t, m.kept))
	}
	return w
}

// FuzzAPI sends any body in any format to any endpoint: the answer is 200 or 400, and what it
// changed is in the state file.
func FuzzAPI(f *testing.F) {
	m := newMirrored(f)
	cookies := m.Account(0).Cookies()
	var names []string
	for name := range endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	id := m.Conversations()[0].ID
	for i := range names {
		f.Add(i, 0, []byte("\n\x00"))
		f.Add(i, 1, []byte(`[[],["`+id+`"],["`+id+`"],null,[["`+id+`"],1],[[[0,"x"]]],null,[["`+id+`"],2,2]]`))
		f.Add(i, 2, []byte(`{"conversation_id":{"id":"`+id+`"}}`))
	}
	f.Fuzz(func(t *testing.T, endpoint, format int, body []byte) {
		if m.served > 4000 {
			m.restart(t)
		}
		name := names[uint(endpoint)%uint(len(names))]
		alt := []string{"proto", "protojson", "json"}[uint(format)%3]
		kind := []string{"application/x-protobuf", "application/json+protobuf", "application/json"}[uint(format)%3]
		w := m.serve(t, fuzzRequest("/chat/v1/"+name+"?key=k&alt="+alt, kind, string(body), cookies))
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		if alt == "proto" && w.Code == 200 {
			require.NoError(t, proto.Unmarshal(w.Body.Bytes(), endpoints[name].newResponse()))
		}
	})
}

// FuzzChannel sends any query and body to the channel.
func FuzzChannel(f *testing.F) {
	s, cookies := fuzzServer(f)
	sum := "SAPISIDHASH 1_" + testHash("1", cookies["SAPISID"], "o")
	f.Add("VER=8&RID=1", []byte("count=1&req0_p=%7B%223%22%3A7%7D"))
	f.Add("SID=x&gsessionid=y", []byte("count=0"))
	f.Add("SID=", []byte("count=99999999999999999999"))
	handler := s.handler()
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		if _, err := url.ParseQuery(query); err != nil {
			return
		}
		r := httptest.NewRequest("POST", "/client-channel/channel/bind", strings.NewReader(string(body)))
		r.URL.RawQuery = query
		r.Header.Set("Cookie", "SID="+cookies["SID"]+"; SAPISID="+cookies["SAPISID"])
		r.Header.Set("Authorization", sum)
		r.Header.Set("Origin", "o")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

// FuzzControl sends any body to any verb that does not wait: no failure of the server, what it
// changed is in the state file, and all can be shown afterwards.
func FuzzControl(f *testing.F) {
	m := newMirrored(f)
	names := slices.DeleteFunc(verbNames(), func(n string) bool { return strings.HasPrefix(n, "wait") || n == "fault" })
	values := map[string]string{"as": `"carol"`, "account": `"user1"`, "conversation": `"team"`, "text": `"x"`, "texts": `["x","y"]`,
		"people": `["erin"]`, "name": `"n"`, "how": `"end"`, "data": `"AA=="`, "update": `{}`, "payload": `"null"`, "array": `["noop"]`}
	for i, name := range names {
		var fields []string
		for _, field := range fieldList(verbs[name].params, false) {
			if field, _, _ = strings.Cut(strings.Replace(field, "?", "", 1), " "); values[field] != "" {
				fields = append(fields, `"`+field+`":`+values[field])
			}
		}
		f.Add(i, []byte("{"+strings.Join(fields, ",")+"}"))
	}
	for _, seed := range []string{
		`{"as":"user1","conversation":"direct","message":{"message_content":{"attachment":[{"embed_item":{"plus_photo":{"url":"/x"}}}]}}}`,
		`{"as":"user1","conversation":"direct","message":{"annotation":[{"type":4}]}}`,
		`{"as":"user1","conversation":"direct","message":{"message_content":{"segment":[{"type":"SEGMENT_TYPE_LINK","text":"l"}]}}}`,
	} {
		f.Add(slices.Index(names, "send"), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, verb int, body []byte) {
		if m.served > 4000 {
			m.restart(t)
		}
		r := httptest.NewRequest("POST", controlPrefix+"/"+names[uint(verb)%uint(len(names))], strings.NewReader(string(body)))
		r.Host = "localhost"
		r.Header.Set("Content-Type", "application/json")
		if w := m.serve(t, r); w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		const recent = "/chat/v1/conversations/syncrecentconversations?key=k&alt=protojson"
		w := m.serve(t, fuzzRequest(recent, "application/json+protobuf", "[null,null,50,50,[1,2]]", m.Account(0).Cookies()))
		require.Equal(t, 200, w.Code, w.Body)
	})
}
