package hangouts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

// accounts is a scripted account service.
type accounts struct {
	srv *httptest.Server

	mu    sync.Mutex
	log   []string // method, path and form of each request
	token func(w http.ResponseWriter, form url.Values)
	uber  func(w http.ResponseWriter, r *http.Request)
	merge func(w http.ResponseWriter, r *http.Request)
	login func(w http.ResponseWriter, r *http.Request)
}

func newAccounts(t *testing.T) *accounts {
	a := &accounts{
		token: func(w http.ResponseWriter, _ url.Values) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"ya29.access","expires_in":3600,"token_type":"Bearer","refresh_token":"1/new"}`)
		},
		uber: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer ya29.access" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, "APh-uber/token+x=")
		},
		merge: func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"SID", "SAPISID", "__Secure-3PSID"} {
				w.Header().Add("Set-Cookie", name+"=v/"+name+"; Domain=.example.org; Path=/; Secure")
			}
			w.Header().Add("Set-Cookie", "OTHER=x; Domain=.other.org")
			w.Header().Add("Set-Cookie", "HOSTONLY=x")
			http.Redirect(w, r, "http://www.google.com", http.StatusFound)
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /o/oauth2/token", func(w http.ResponseWriter, r *http.Request) { a.token(w, r.PostForm) })
	mux.HandleFunc("GET /accounts/OAuthLogin", func(w http.ResponseWriter, r *http.Request) { a.uber(w, r) })
	mux.HandleFunc("GET /MergeSession", func(w http.ResponseWriter, r *http.Request) { a.merge(w, r) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.login(w, r) })
	a.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		a.mu.Lock()
		a.log = append(a.log, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, r.Form.Encode()))
		a.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.srv.Close)
	return a
}

func (a *accounts) config() hangouts.Config {
	return hangouts.Config{
		BaseURL: a.srv.URL, CookieDomain: ".example.org",
		OAuth: hangouts.OAuth{ClientID: "id.apps", ClientSecret: "secret"},
	}
}

// memory is a RefreshTokenStore without a file.
type memory struct{ token string }

func (m *memory) Get(context.Context) string          { return m.token }
func (m *memory) Set(_ context.Context, token string) { m.token = token }

// answers is a CredentialsPrompt that notes what it is asked.
type answers struct {
	asked []string
	fail  error
	url   string
}

func (p *answers) answer(what string) (string, error) {
	p.asked = append(p.asked, what)
	return "my " + what, p.fail
}
func (p *answers) Email(context.Context) (string, error)            { return p.answer("email") }
func (p *answers) Password(context.Context) (string, error)         { return p.answer("password") }
func (p *answers) VerificationCode(context.Context) (string, error) { return p.answer("code") }
func (p *answers) AuthorizationCode(_ context.Context, loginURL string) (string, error) {
	p.url = loginURL
	return p.answer("authorization")
}

func TestGetAuthWithRefreshToken(t *testing.T) {
	a := newAccounts(t)
	store := &memory{token: "1/rt"}
	cookies, err := hangouts.GetAuth(context.Background(), a.config(), nil, store, false)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"SID": "v/SID", "SAPISID": "v/SAPISID"}, cookies,
		"those of the domain, without the ones that upset the API")
	require.Equal(t, "1/rt", store.token)
	require.Equal(t, []string{
		"POST /o/oauth2/token client_id=id.apps&client_secret=secret&grant_type=refresh_token&refresh_token=1%2Frt",
		"GET /accounts/OAuthLogin issueuberauth=1&source=hangups",
		"GET /MergeSession continue=http%3A%2F%2Fwww.google.com&service=mail&uberauth=APh-uber%2Ftoken%2Bx%3D",
	}, a.log)

	cfg := a.config()
	cfg.CookieDomain = "" // with BaseURL: every cookie
	cookies, err = hangouts.GetAuth(context.Background(), cfg, nil, store, false)
	require.NoError(t, err)
	require.Len(t, cookies, 4)
}

func TestGetAuthManually(t *testing.T) {
	a := newAccounts(t)
	for name, store := range map[string]*memory{"no token": {}, "revoked token": {token: "1/revoked"}} {
		t.Run(name, func(t *testing.T) {
			a.log = nil
			good := a.token
			defer func() { a.token = good }()
			a.token = func(w http.ResponseWriter, form url.Values) {
				if form.Get("grant_type") == "refresh_token" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"Bad"}`)
					return
				}
				good(w, form)
			}
			prompt := &answers{}
			_, err := hangouts.GetAuth(context.Background(), a.config(), prompt, store, true)
			require.NoError(t, err)
			require.Equal(t, []string{"authorization"}, prompt.asked)
			require.Equal(t, a.srv.URL+"/o/oauth2/programmatic_auth?scope=https%3A%2F%2Fwww.google.com%2Faccounts%2FOAuthLogin"+
				"+https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email&client_id=id.apps&device_name=hangups", prompt.url)
			require.Equal(t, "1/new", store.token, "the refresh token is kept")
			require.Contains(t, a.log, "POST /o/oauth2/token client_id=id.apps&client_secret=secret&code=my+authorization&"+
				"grant_type=authorization_code&redirect_uri=urn%3Aietf%3Awg%3Aoauth%3A2.0%3Aoob")
		})
	}
}

// TestGetAuthFailures: what each step can answer, what the caller is told, and that nothing secret is in it.
func TestGetAuthFailures(t *testing.T) {
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = io.WriteString(w, body) }
	}
	token := func(code int, body string) func(http.ResponseWriter, url.Values) {
		return func(w http.ResponseWriter, _ url.Values) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	tests := []struct {
		name        string
		change      func(a *accounts)
		code        int
		reason      string
		unavailable bool
	}{
		{"token revoked", func(a *accounts) { a.token = token(400, `{"error":"invalid_grant"}`) }, 400, "invalid_grant", false},
		{"token error with 200", func(a *accounts) { a.token = token(200, `{"error":"invalid_client"}`) }, 0, "invalid_client", true},
		{"token without access token", func(a *accounts) { a.token = token(200, `{"x":"ya29.access"}`) }, 0, "", true},
		{"token not JSON", func(a *accounts) { a.token = token(200, `1/secret`) }, 0, "", true},
		{"token 503", func(a *accounts) { a.token = token(503, `busy 1/secret`) }, 503, "", true},
		{"token 429", func(a *accounts) { a.token = token(429, ``) }, 429, "", true},
		{"token cut", func(a *accounts) { a.token = func(w http.ResponseWriter, _ url.Values) { cut(w, nil) } }, 0, "", true},
		{"uberauth 401", func(a *accounts) { a.uber = status(401, "") }, 401, "", true},
		{"uberauth empty", func(a *accounts) { a.uber = status(200, "") }, 0, "", true},
		{"uberauth is a page", func(a *accounts) { a.uber = status(200, "<html>Sign in</html>") }, 0, "", true},
		{"uberauth cut", func(a *accounts) { a.uber = cut }, 0, "", true},
		{"merge 503", func(a *accounts) { a.merge = status(503, "") }, 503, "", true},
		{"merge 403", func(a *accounts) { a.merge = status(403, "") }, 403, "", true},
		{"merge without cookies", func(a *accounts) { a.merge = status(200, "") }, 0, "", true},
		{"merge cut", func(a *accounts) { a.merge = cut }, 0, "", true},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			a := newAccounts(t)
			c.change(a)
			cookies, err := hangouts.GetAuth(context.Background(), a.config(), nil, &memory{token: "1/secret"}, false)
			require.Nil(t, cookies)
			var auth *hangouts.GoogleAuthError
			require.ErrorAs(t, err, &auth)
			require.Equal(t, c.code, auth.Code, "%v", err)
			require.Equal(t, c.reason, auth.Reason)
			require.Equal(t, c.unavailable, auth.Unavailable(), "%v", err)
			for _, secret := range []string{"1/secret", "ya29", "APh-uber", "uberauth="} {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
	_, err := hangouts.GetAuth(context.Background(), hangouts.Config{BaseURL: "x"}, nil, &memory{}, false)
	require.ErrorIs(t, err, hangouts.ErrConfig)
}

func TestGetAuthPromptErrorPasses(t *testing.T) {
	a := newAccounts(t)
	cancelled := errors.New("user went away")
	_, err := hangouts.GetAuth(context.Background(), a.config(), &answers{fail: cancelled}, &memory{}, true)
	require.Equal(t, cancelled, err)
}

func TestRefreshTokenCache(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	ctx := context.Background()
	cache := hangouts.NewRefreshTokenCache(name)
	require.Empty(t, cache.Get(ctx))
	cache.Set(ctx, "1/one")
	require.NoError(t, os.Chmod(name, 0o644))
	cache.Set(ctx, "1/two")
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "1/two", string(raw), "exactly the token")
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.WriteFile(name, []byte(" 1/edited\r\n"), 0o600))
	require.Equal(t, "1/edited", cache.Get(ctx))
	left, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file is left")

	var logged bytes.Buffer
	bad := hangouts.NewRefreshTokenCache(filepath.Join(name, "impossible"))
	bad.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	bad.Set(ctx, "1/secret")
	require.Contains(t, logged.String(), "Failed to keep")
	require.NotContains(t, logged.String(), "1/secret")
	require.Empty(t, bad.Get(ctx))
}

func TestTerminalPrompt(t *testing.T) {
	in, typing, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	_, err = typing.WriteString("a@b.c\r\npass word\n123456\nlast")
	require.NoError(t, err)
	require.NoError(t, typing.Close())
	var out strings.Builder
	p := &hangouts.TerminalPrompt{In: in, Out: &out}
	ctx := context.Background()
	email, err := p.Email(ctx)
	require.NoError(t, err)
	password, err := p.Password(ctx)
	require.NoError(t, err)
	code, err := p.VerificationCode(ctx)
	require.NoError(t, err)
	authorization, err := p.AuthorizationCode(ctx, "https://login.example/")
	require.NoError(t, err)
	require.Equal(t, []string{"a@b.c", "pass word", "123456", "last"}, []string{email, password, code, authorization})
	require.Contains(t, out.String(), "https://login.example/")
	require.NotContains(t, out.String(), "pass word")
	_, err = p.Email(ctx)
	require.ErrorIs(t, err, io.EOF)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = p.Password(cancelled)
	require.ErrorIs(t, err, context.Canceled)
}

func TestGetAuthStdin(t *testing.T) {
	a := newAccounts(t)
	name := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(name, []byte("1/rt"), 0o600))
	cookies, err := hangouts.GetAuthStdin(context.Background(), a.config(), name, false)
	require.NoError(t, err)
	require.NotEmpty(t, cookies["SAPISID"])

	// Without a token it asks; the answers come from standard input.
	in, typing, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	_, err = typing.WriteString("4/code\n")
	require.NoError(t, err)
	require.NoError(t, typing.Close())
	oldIn, oldOut := os.Stdin, os.Stdout
	quiet, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer quiet.Close()
	os.Stdin, os.Stdout = in, quiet
	defer func() { os.Stdin, os.Stdout = oldIn, oldOut }()
	fresh := filepath.Join(t.TempDir(), "fresh")
	_, err = hangouts.GetAuthStdin(context.Background(), a.config(), fresh, true)
	require.NoError(t, err)
	raw, err := os.ReadFile(fresh)
	require.NoError(t, err)
	require.Equal(t, "1/new", string(raw))
}
