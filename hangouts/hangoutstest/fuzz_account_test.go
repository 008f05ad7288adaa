package hangoutstest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAuthentication signs a request with any headers: whoever gets in has given the account's own
// SID and SAPISID, unquoted, and a hash that only their owner can make.
func FuzzAuthentication(f *testing.F) {
	s, cookies := fuzzServer(f)
	pair := "SID=" + cookies["SID"] + "; SAPISID=" + cookies["SAPISID"]
	f.Add(pair, "SAPISIDHASH 1577836800_"+testHash("1577836800", cookies["SAPISID"], "https://a.example"), "https://a.example")
	f.Add("SID=x; SAPISID="+cookies["SAPISID"], "SAPISIDHASH 1_"+testHash("1", cookies["SAPISID"], "o"), "o")
	f.Add(pair+"; X=1;;=; =2", "SAPISIDHASH 1577836800123_"+testHash("1577836800123", cookies["SAPISID"], "o")+" SAPISID1PHASH x", "o")
	f.Add(`SID="`+cookies["SID"]+`"; SAPISID="`+cookies["SAPISID"]+`"`, "SAPISIDHASH _", "")
	f.Fuzz(func(t *testing.T, cookie, authorization, origin string) {
		r := &http.Request{Header: http.Header{"Cookie": {cookie}, "Authorization": {authorization}, "Origin": {origin}}}
		p := s.authenticate(r)
		if p == nil {
			return
		}
		require.Contains(t, cookie, "SID="+p.Cookies["SID"])
		require.Contains(t, cookie, "SAPISID="+p.Cookies["SAPISID"])
		given := strings.Fields(authorization)[1]
		at, _, _ := strings.Cut(given, "_")
		require.NotEmpty(t, origin)
		require.Equal(t, at+"_"+testHash(at, p.Cookies["SAPISID"], origin), given)
	})
}

// FuzzTokens gives any text as a token: it is taken only when it is one that was signed.
func FuzzTokens(f *testing.F) {
	g := newGenerator(1, 1)
	f.Add(g.sign(accessTokenKind, "1001"), "1001")
	f.Add(g.sign(uberauthKind, "1001"), "")
	f.Add("ya29..", "\x00")
	f.Add("ya29.MTAwMQ.", "é")
	f.Fuzz(func(t *testing.T, token, subject string) {
		if who, ok := g.verify(accessTokenKind, token); ok {
			require.Equal(t, g.sign(accessTokenKind, who), token)
		}
		who, ok := g.verify(accessTokenKind, g.sign(accessTokenKind, subject))
		require.True(t, ok)
		require.Equal(t, subject, who)
		_, ok = g.verify(uberauthKind, g.sign(accessTokenKind, subject))
		require.False(t, ok, "a token of another kind")
	})
}

// FuzzAccountForms sends any form, query and bearer to the account endpoints: no cookie and no
// token for those who do not know the password, a code or a token.
func FuzzAccountForms(f *testing.F) {
	s, cookies := fuzzServer(f)
	paths := []string{"/o/oauth2/token", "/oauth2/v3/token", "/accounts/OAuthLogin", "/MergeSession", "/o/oauth2/programmatic_auth",
		"/signin/v1/lookup", "/signin/challenge/sl/password", "/signin/challenge/totp/2", "/signin/challenge/verify"}
	for i := range paths {
		f.Add(i, "grant_type=refresh_token&client_id=a&client_secret=b&refresh_token=1%2Fx&", "Bearer ya29.MTAwMQ.x")
		f.Add(i, "issueuberauth=1&uberauth=APh-MTAwMQ.x&client_id=a&scope=b", "")
		f.Add(i, "flow=x&Email=user1%40example.com&Passwd=wrong&Pin=000000", "Bearer ")
	}
	secrets := []string{cookies["SAPISID"], cookies["SID"], s.Account(0).RefreshToken(), s.Account(1).RefreshToken()}
	handler := s.handler()
	f.Fuzz(func(t *testing.T, which int, form, authorization string) {
		path := paths[uint(which)%uint(len(paths))]
		if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(form, url.QueryEscape(secret)) }) {
			return
		}
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			r := httptest.NewRequest(method, path, strings.NewReader(form))
			r.URL.RawQuery = form
			r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {authorization}}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			require.Contains(t, []int{200, 400, 401, 405}, w.Code)
			require.Empty(t, w.Header().Values("Set-Cookie"))
			answer := map[string]any{}
			if json.Unmarshal(w.Body.Bytes(), &answer) == nil {
				require.NotContains(t, answer, "access_token")
				require.NotContains(t, answer, "refresh_token")
			}
			require.NotContains(t, w.Body.String(), uberauthKind)
		}
	})
}

// FuzzUpload sends any body to both steps of an upload: a picture is kept only when it has the
// size that was announced, and then it is served as it came.
func FuzzUpload(f *testing.F) {
	s, cookies := fuzzServer(f)
	const announce = `{"protocolVersion":"0.8","createSessionRequest":{"fields":[{"external":{"name":"file","filename":"a.png","put":{},"size":3}}]}}`
	f.Add([]byte(announce), []byte("abc"))
	f.Add([]byte(announce), []byte("abcd"))
	f.Add([]byte(strings.Replace(announce, `"a.png"`, `"../\u0000é\"/😀"`, 1)), []byte("abc"))
	f.Add([]byte(strings.Replace(announce, `3`, `-3`, 1)), []byte("abcd"))
	f.Add([]byte(`{"createSessionRequest":{"fields":[{},{"external":null}]}}`), []byte(nil))
	f.Add([]byte(`[]`), []byte(nil))
	handler := s.handler()
	post := func(target, body string) (int, []byte) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, fuzzRequest(target, "application/octet-stream", body, cookies))
		return w.Code, w.Body.Bytes()
	}
	f.Fuzz(func(t *testing.T, first, data []byte) {
		defer func() { clear(s.world.photos) }()
		var answer struct {
			Status *struct {
				Transfers []struct {
					Put struct{ URL string } `json:"putInfo"`
				} `json:"externalFieldTransfers"`
				Info map[string]struct {
					Done struct {
						Specific struct{ URL, PhotoID string } `json:"customerSpecificInfo"`
					} `json:"completionInfo"`
				} `json:"additionalInfo"`
			} `json:"sessionStatus"`
			Error any `json:"errorMessage"`
		}
		code, body := post("/upload/photos/resumable?key=k", string(first))
		require.Contains(t, []int{200, 400}, code)
		if code != 200 {
			return
		}
		require.NoError(t, json.Unmarshal(body, &answer))
		require.NotEqual(t, answer.Status == nil, answer.Error == nil)
		if answer.Status == nil {
			return
		}
		target, err := url.Parse(answer.Status.Transfers[0].Put.URL)
		require.NoError(t, err)
		code, body = post(target.RequestURI()+"&key=k", string(data))
		require.Equal(t, 200, code)
		answer.Status, answer.Error = nil, nil
		require.NoError(t, json.Unmarshal(body, &answer))
		if answer.Status == nil {
			require.Empty(t, s.world.photos)
			return
		}
		require.Contains(t, string(first), strconv.Itoa(len(data)), "the size that was announced")
		address := answer.Status.Info[rupio].Done.Specific.URL
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, s.URL), nil))
		require.Equal(t, 200, w.Code, address)
		require.Equal(t, data, w.Body.Bytes())
	})
}

// FuzzProxyHead gives any bytes to the proxy: it opens tunnels and answers for Google's names only.
func FuzzProxyHead(f *testing.F) {
	for _, seed := range []string{
		"CONNECT accounts.google.com:443 HTTP/1.1\r\nHost: accounts.google.com:443\r\n\r\n",
		"CONNECT google.com.evil.example:443 HTTP/1.1\r\n\r\n", "CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "CONNECT accounts.google.com HTTP/1.0\r\n\r\n",
		"GET http://www.google.com/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET http://evil.example/ HTTP/1.1\r\nHost: www.google.com\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: www.google.com\r\n\r\n", "CONNECT evilgoogle.com:443 HTTP/1.1\r\n\r\n", "CONNECT CLIENTS6.GOOGLE.COM.:443 HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	handler := (&proxy{}).handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	f.Fuzz(func(t *testing.T, head []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		host := r.URL.Hostname()
		switch w.Code {
		case http.StatusForbidden:
			return
		case http.StatusNoContent:
			require.NotEqual(t, http.MethodConnect, r.Method)
		case http.StatusInternalServerError: // it would tunnel: the recorder cannot
			require.Equal(t, http.MethodConnect, r.Method)
			require.True(t, strings.HasSuffix(r.Host, ":443"), r.Host)
			host = strings.TrimSuffix(r.Host, ":443")
		default:
			t.Fatal(w.Code)
		}
		host = "." + strings.TrimSuffix(strings.ToLower(host), ".")
		require.True(t, strings.HasSuffix(host, ".google.com") || strings.HasSuffix(host, ".googleapis.com") ||
			strings.HasSuffix(host, ".googleusercontent.com"), host)
	})
}

// FuzzSegments cuts any text into segments: nothing of a plain one is lost, and markup only takes
// its signs away.
func FuzzSegments(f *testing.F) {
	for _, seed := range []string{"a\nb\r\n\r\nc", "see https://example.com/?a=b\"c", "**bold** _it_ ***", "https://x **", "\xff😀_é_", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want := strings.ReplaceAll(text, "\r\n", "\n")
		plain, marked := "", ""
		for _, s := range textSegments(text, false) {
			require.NotEmpty(t, s.GetText())
			plain += s.GetText()
		}
		for _, s := range textSegments(text, true) {
			require.NotEmpty(t, s.GetText())
			marked += s.GetText()
		}
		require.Equal(t, want, plain)
		strip := strings.NewReplacer("*", "", "_", "")
		require.Equal(t, strip.Replace(want), strip.Replace(marked))
	})
}

// FuzzFault reads any JSON as a fault: what is accepted happens as often as it says, where it says.
func FuzzFault(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"status","status":503,"retry_after":"2","endpoint":"conversations/*","count":2,"skip":1}`, `{"kind":"lose","endpoint":"push/event","count":-1}`,
		`{"kind":"status"}`, `{"kind":"delay","delay_ms":-5}`, `{"kind":"mute","endpoint":"[","id":"x"}`, `{"kind":"hold","account":"carol","skip":-1,"count":-7}`,
	} {
		f.Add(seed, "conversations/sendchatmessage")
		f.Add(seed, "push/event")
	}
	f.Fuzz(func(t *testing.T, text, endpoint string) {
		var fault Fault
		if json.Unmarshal([]byte(text), &fault) != nil {
			return
		}
		var set faultSet
		id, err := set.add(fault)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		require.NotEmpty(t, id)
		at, want := stageRequest, 0
		if strings.HasPrefix(endpoint, "push/") {
			at = stagePush
		}
		if fault.Skip < 4 && fault.matches(at, "", endpoint) {
			want = 4 - max(fault.Skip, 0)
			if n := max(fault.Count, 0); n > 0 || fault.Count == 0 {
				want = min(want, max(n, 1))
			}
		}
		hits := 0
		for range 4 {
			hits += len(set.takeAll(at, "", endpoint))
		}
		require.Equal(t, want, hits)
		gone := set.remove(id)
		require.Len(t, gone, 1)
		require.Equal(t, hits, gone[0].Hits)
		require.Empty(t, set.all())
	})
}
