package hangoutstest

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
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

// FuzzAPI sends any body in any format to any endpoint: the answer is 200 or 400.
func FuzzAPI(f *testing.F) {
	s, cookies := fuzzServer(f)
	sum := "SAPISIDHASH 1_" + testHash("1", cookies["SAPISID"], "o")
	var names []string
	for name := range endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	id := s.Conversations()[0].ID
	for i := range names {
		f.Add(i, 0, []byte("\n\x00"))
		f.Add(i, 1, []byte(`[[],["`+id+`"],["`+id+`"],null,[["`+id+`"],1],[[[0,"x"]]],null,[["`+id+`"],2,2]]`))
		f.Add(i, 2, []byte(`{"conversation_id":{"id":"`+id+`"}}`))
	}
	handler := s.handler()
	f.Fuzz(func(t *testing.T, endpoint, format int, body []byte) {
		name := names[uint(endpoint)%uint(len(names))]
		alt := []string{"proto", "protojson", "json"}[uint(format)%3]
		kind := []string{"application/x-protobuf", "application/json+protobuf", "application/json"}[uint(format)%3]
		r := httptest.NewRequest("POST", "/chat/v1/"+name+"?key=k&alt="+alt, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Cookie", "SID="+cookies["SID"]+"; SAPISID="+cookies["SAPISID"])
		r.Header.Set("Authorization", sum)
		r.Header.Set("Origin", "o")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
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

// FuzzControl sends any body to any verb that does not wait.
func FuzzControl(f *testing.F) {
	s, _ := fuzzServer(f)
	names := slices.DeleteFunc(verbNames(), func(n string) bool { return strings.HasPrefix(n, "wait") || n == "fault" })
	for i := range names {
		f.Add(i, []byte(`{"as":"carol","account":"user1","conversation":"team","text":"x","people":["erin"],"name":"n","how":"end"}`))
	}
	handler := s.handler()
	f.Fuzz(func(t *testing.T, verb int, body []byte) {
		r := httptest.NewRequest("POST", controlPrefix+"/"+names[uint(verb)%uint(len(names))], strings.NewReader(string(body)))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
