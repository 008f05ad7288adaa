package hangouts

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// answers is a transport that gives one answer after the other, then empty ones, and notes the requests.
type answers struct {
	list []http.Response
	body [][]byte
	sent []*http.Request
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	n := len(a.sent)
	a.sent = append(a.sent, r)
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}}
	var body []byte
	if n < len(a.list) {
		resp = &http.Response{StatusCode: a.list[n].StatusCode, Status: a.list[n].Status, Header: a.list[n].Header.Clone()}
	}
	if n < len(a.body) {
		body = a.body[n]
	}
	resp.Body, resp.Request = io.NopCloser(bytes.NewReader(body)), r
	return resp, nil
}

// FuzzAccountAnswers gives any answers to the steps of a log-in: cookies come only of the session's
// domain, and no error tells what an answer said.
func FuzzAccountAnswers(f *testing.F) {
	const token = `{"access_token":"SECRETaccess","expires_in":3600,"token_type":"Bearer","refresh_token":"SECRETr"}`
	f.Add(200, []byte(token), []byte("SECRETuber\n"), "SAPISID=SECRETs; Domain=.google.com; Path=/")
	for _, cookie := range []string{"__Secure-3PSID=x; Domain=.google.com", "SAPISID=x; Domain=evil.example", "SAPISID=x"} {
		f.Add(200, []byte(token), []byte("SECRETuber"), cookie)
	}
	f.Add(400, []byte(`{"error":"invalid_grant","error_description":"SECRET"}`), []byte(nil), "")
	f.Add(200, []byte(`{"access_token":"a\u000ab","expires_in":"soon"}`), []byte("<html>SECRET"), "a=b; Domain=evil.example")
	f.Add(302, []byte("SECRET"), []byte("x y"), "SAPISID=; Domain=GOOGLE.com; Max-Age=-1")
	f.Fuzz(func(t *testing.T, status int, first, second []byte, cookie string) {
		if status < 200 || status > 599 {
			return
		}
		transport := &answers{
			list: []http.Response{
				{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}}, {StatusCode: 200},
				{StatusCode: 200, Header: http.Header{"Set-Cookie": {cookie}}},
			},
			body: [][]byte{first, second},
		}
		a, err := newAccountService(Config{HTTPClient: &http.Client{Transport: transport}})
		require.NoError(t, err)
		access, err := a.refresh(context.Background(), "1/x")
		var cookies map[string]string
		if err == nil {
			require.NotEmpty(t, access)
			require.Equal(t, http.StatusOK, status/100*100)
			cookies, err = a.sessionCookies(context.Background(), access)
		}
		if err != nil {
			var auth *GoogleAuthError
			require.ErrorAs(t, err, &auth)
			require.NotContains(t, err.Error(), "SECRET")
			return
		}
		require.NotEmpty(t, cookies)
		for name, value := range cookies {
			require.Contains(t, cookie, name+"=")
			require.Contains(t, cookie, value)
			require.False(t, upsetting[name])
		}
		require.Contains(t, strings.ToLower(cookie), "google.com")
		uberauth := transport.sent[2].URL.Query().Get("uberauth")
		require.Equal(t, strings.TrimRight(string(second), "\r\n"), uberauth)
	})
}

// FuzzSetCookie lets answers set any cookies: the next header has them as they are, in one line,
// and those of one host go to no other.
func FuzzSetCookie(f *testing.F) {
	for _, seed := range []string{
		"S=cloudsearch-persist=abc123; Domain=.google.com; Path=/", "SAPISID=ab/c==; Domain=google.com", `Q="quoted"; Path=/`,
		"S=; Max-Age=0", "A=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=.google.com", "=x", "A=\x00\r\nX: y", "A=b; Domain=evil.example",
	} {
		f.Add(seed, seed)
	}
	clients, uploads := &url.URL{Host: "clients6.google.com"}, &url.URL{Host: "docs.google.com:443"}
	f.Fuzz(func(t *testing.T, one, two string) {
		c := newCookies(".google.com", map[string]string{"SAPISID": "x"})
		for _, line := range []string{one, two} {
			resp := &http.Response{Header: http.Header{"Set-Cookie": {line}}, Request: &http.Request{URL: clients}}
			before := c.snapshot()
			require.Equal(t, c.absorb(resp), !sameCookies(before, c.snapshot()))
		}
		header, shared := c.header(clients), c.snapshot()
		require.NotContains(t, header, "\r")
		require.NotContains(t, header, "\n")
		got := map[string]string{}
		for _, pair := range strings.Split(header, "; ") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				got[name] = value
			}
		}
		for name, value := range shared {
			if _, own := c.hosts["clients6.google.com"][name]; !own {
				require.Equal(t, value, got[name])
			}
		}
		others := strings.Split(c.header(uploads), "; ")
		if len(shared) > 0 {
			require.Len(t, others, len(shared), "a cookie of one host went to another")
		}
	})
}

func sameCookies(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if other, ok := b[name]; !ok || other != value {
			return false
		}
	}
	return true
}

// FuzzUploadAnswers gives any answers to an upload: the data goes to a trusted host or nowhere, and
// what is returned can be put into a message.
func FuzzUploadAnswers(f *testing.F) {
	open := func(address string) []byte {
		return []byte(`{"sessionStatus":{"state":"OPEN","externalFieldTransfers":[{"putInfo":{"url":"` + address + `"}}]}}`)
	}
	const done = `{"sessionStatus":{"additionalInfo":{"uploader_service.GoogleRupioAdditionalInfo":{"completionInfo":{"customerSpecificInfo":{"photoid":"611","url":"https://lh3.example/x"}}}}}}`
	f.Add(200, open("https://docs.google.com/upload?upload_id=x&file_id=000"), []byte(done))
	f.Add(200, open("https://evil.example/?x=.google.com"), []byte(done))
	f.Add(200, open("http://docs.google.com/"), []byte(`{"sessionStatus":{}}`))
	f.Add(200, open("https://user@docs.google.com:99999/%zz"), []byte(`{"errorMessage":{"reason":"REJECTED"}}`))
	f.Add(503, []byte(`{"sessionStatus":null}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, status int, first, second []byte) {
		if status < 200 || status > 599 {
			return
		}
		transport := &answers{list: []http.Response{{StatusCode: status}, {StatusCode: 200}}, body: [][]byte{first, second}}
		c, err := New(Config{HTTPClient: &http.Client{Transport: transport}, Attempts: 1}, map[string]string{"SAPISID": "x"})
		require.NoError(t, err)
		image, err := c.UploadImage(context.Background(), strings.NewReader("pixels"), "a.png")
		for _, r := range transport.sent {
			require.Equal(t, "https", r.URL.Scheme)
			require.True(t, strings.HasSuffix(strings.ToLower(r.URL.Hostname()), ".google.com"), r.URL.Host)
		}
		var network *NetworkError
		switch {
		case err == nil:
			require.Len(t, transport.sent, 2)
			require.NotEmpty(t, image.Photo().GetPhoto().GetPhotoId())
		case errors.As(err, &network):
			require.NotEmpty(t, err.Error())
		default:
			require.ErrorIs(t, err, ErrUntrustedHost)
			require.Len(t, transport.sent, 1)
		}
	})
}

// FuzzDownload fetches any address that leads to any other: only media hosts are asked, without
// anything secret, and the name of the file is one that can be used as it is.
func FuzzDownload(f *testing.F) {
	f.Add("https://lh3.googleusercontent.com/x", "https://docs.google.com/y", `inline; filename="../../etc/pix\\el.png"`)
	f.Add("//lh3.googleusercontent.com/x", "//evil.example", `attachment; filename*=UTF-8''%ff%2e%2e%2f`)
	f.Add("https://u:p@docs.google.com/x", "/", "attachment; filename=..")
	f.Add("http://lh3.googleusercontent.com", "http://docs.google.com", "filename=\x00")
	f.Add("https://evilgoogleusercontent.com/", "", `a; filename="a/b\c"; filename="d"`)
	f.Fuzz(func(t *testing.T, address, location, disposition string) {
		transport := &answers{
			list: []http.Response{
				{StatusCode: 302, Header: http.Header{"Location": {location}}},
				{StatusCode: 200, Header: http.Header{"Content-Disposition": {disposition}}},
			},
			body: [][]byte{nil, []byte("pixels")},
		}
		c, err := New(Config{HTTPClient: &http.Client{Transport: transport}}, map[string]string{"SAPISID": "SECRET"})
		require.NoError(t, err)
		got, err := c.Download(context.Background(), address, 0)
		for _, r := range transport.sent {
			host := strings.ToLower(r.URL.Hostname())
			require.True(t, strings.HasSuffix(host, ".google.com") || strings.HasSuffix(host, ".googleusercontent.com"), host)
			require.Equal(t, "https", r.URL.Scheme)
			for _, secret := range []string{"Cookie", "Authorization", "Referer", "Origin"} {
				require.Empty(t, r.Header.Get(secret))
			}
		}
		if err != nil {
			var network *NetworkError
			require.True(t, errors.Is(err, ErrMediaHost) || errors.As(err, &network), err)
			return
		}
		require.Equal(t, "pixels", string(got.Data))
		require.True(t, utf8.ValidString(got.Filename))
		require.LessOrEqual(t, len(got.Filename), 255)
		require.NotContains(t, []string{".", ".."}, got.Filename)
		require.False(t, strings.ContainsAny(got.Filename, "/\\\r\n\x00"))
	})
}

// FuzzConfig takes any base address and any other address: the endpoints below the base are
// trusted, and nothing on another host.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:16680", "https://Chat.Example/x/", "http://[::1]:1", "ftp://x", "//x", "http://", "http://u:p@h?x#y", "http://.google.com"} {
		f.Add(seed, "http://127.0.0.1:16680/x")
		f.Add(seed, "https://h.google.com:444/")
	}
	f.Fuzz(func(t *testing.T, base, other string) {
		cfg, err := Config{BaseURL: base}.withDefaults()
		if err != nil {
			require.ErrorIs(t, err, ErrConfig)
			return
		}
		for _, address := range []string{cfg.Endpoints.Channel, cfg.Endpoints.API, cfg.Endpoints.Upload} {
			u, err := url.Parse(address)
			require.NoError(t, err)
			if base != "" {
				require.True(t, cfg.trusted(u), address)
			}
		}
		u, err := url.Parse(other)
		if err != nil || !cfg.trusted(u) {
			return
		}
		if base == "" {
			require.True(t, strings.HasSuffix(strings.ToLower(u.Hostname()), ".google.com"), other)
			return
		}
		known, err := url.Parse(base)
		require.NoError(t, err)
		require.True(t, strings.EqualFold(known.Host, u.Host) || strings.EqualFold(known.Host, u.Hostname()), other)
	})
}

// FuzzRefreshToken reads any file as that of a refresh token: what comes out can be kept and read
// again.
func FuzzRefreshToken(f *testing.F) {
	for _, seed := range []string{"1/abc", " 1/abc\r\n", "", "\x00", "a\nb", strings.Repeat("x", maxToken+5)} {
		f.Add([]byte(seed))
	}
	file := filepath.Join(f.TempDir(), "token")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(file, content, 0o600))
		cache := NewRefreshTokenCache(file)
		token := cache.Get(context.Background())
		require.LessOrEqual(t, len(token), maxToken)
		require.Equal(t, strings.TrimSpace(token), token)
		cache.Set(context.Background(), token)
		require.Equal(t, token, cache.Get(context.Background()))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	})
}
