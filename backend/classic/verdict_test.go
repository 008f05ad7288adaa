package classic_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// The endpoints that a login and a renewal need.
const (
	tokenPath    = "/o/oauth2/token"
	uberauthPath = "/accounts/OAuthLogin"
	mergePath    = "/MergeSession"
	selfPath     = "/chat/v1/contacts/getselfinfo"
	channelPath  = "/client-channel/channel/bind"
)

// between stands between the program and the server and answers in its place.
type between struct {
	next *http.Transport

	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by path
}

func newBetween(t *testing.T) *between {
	b := &between{next: &http.Transport{}, answers: make(map[string]http.HandlerFunc)}
	t.Cleanup(b.next.CloseIdleConnections)
	return b
}

// set answers in the place of the server; nil is the server again.
func (b *between) set(path string, answer http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[path] = answer
}

var errCut = errors.New("connection cut")

func (b *between) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	b.mu.Lock()
	answer := b.answers[req.URL.Path]
	b.mu.Unlock()
	if answer == nil {
		return b.next.RoundTrip(req)
	}
	defer func() {
		if recover() != nil {
			resp, err = nil, errCut
		}
	}()
	w := httptest.NewRecorder()
	answer(w, req)
	resp = w.Result()
	resp.Request = req
	return resp, nil
}

func answer(code int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// undecided are answers from which nothing follows for the credentials.
var undecided = map[string]http.HandlerFunc{
	"404":          answer(404, "text/html", "<html>Not Found</html>"),
	"403":          answer(403, "text/html", ""),
	"405":          answer(405, "text/html", ""),
	"407":          answer(407, "text/html", ""),
	"429":          answer(429, "text/html", ""),
	"500":          answer(500, "text/html", ""),
	"503":          answer(503, "text/html", ""),
	"page":         answer(200, "text/html", "<html>Welcome to our network</html>"),
	"empty":        answer(200, "application/json", ""),
	"malformed":    answer(200, "application/json", `{"access_token":`),
	"other object": answer(200, "application/json", `{"status":"ok"}`),
	"redirect": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://portal.invalid/", http.StatusFound)
	},
	"invalid client": answer(400, "application/json", `{"error":"invalid_client"}`),
	"cut":            func(http.ResponseWriter, *http.Request) { panic(errCut) },
}

// TestOnlyARefusalRefusesALogin: what each step of a login may answer, and whether the person is
// told that the credentials are bad or that the service cannot be asked.
func TestOnlyARefusalRefusesALogin(t *testing.T) {
	srv, err := hangoutstest.Start(hangoutstest.Options{})
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	way := newBetween(t)
	backend := classic.New(hangouts.Config{BaseURL: srv.URL, HTTPClient: &http.Client{Transport: way}, Attempts: 1})
	byToken := chat.Credentials{RefreshToken: srv.Account(0).RefreshToken()}
	byCookies := chat.Credentials{Cookies: srv.Account(0).Cookies()}
	refusal := answer(400, "application/json", `{"error":"invalid_grant"}`)
	refused := answer(401, "text/html", "")
	type trial struct {
		credentials chat.Credentials
		path        string
		answer      http.HandlerFunc
		want        error
	}
	trials := map[string]trial{
		"token refused":           {byToken, tokenPath, refusal, chat.ErrBadCredentials},
		"uberauth refused":        {byToken, uberauthPath, refused, chat.ErrUnavailable},
		"merge refused":           {byToken, mergePath, refused, chat.ErrUnavailable},
		"new cookies refused":     {byToken, selfPath, refused, chat.ErrUnavailable},
		"cookies refused":         {byCookies, selfPath, refused, chat.ErrBadCredentials},
		"no SAPISID":              {chat.Credentials{Cookies: map[string]string{"SID": "x"}}, "", nil, chat.ErrBadCredentials},
		"cookie with a line end":  {chat.Credentials{Cookies: map[string]string{"SAPISID": "x\r\nHost: y"}}, "", nil, chat.ErrBadCredentials},
		"cookie with an odd name": {chat.Credentials{Cookies: map[string]string{"SAPISID": "x", "a b": "y"}}, "", nil, chat.ErrBadCredentials},
		"other cookies from the page": {byToken, mergePath, func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "portal", Value: "1"})
		}, chat.ErrUnavailable},
	}
	for name, odd := range undecided {
		for _, path := range []string{tokenPath, uberauthPath, mergePath, selfPath} {
			trials[name+" from "+path] = trial{byToken, path, odd, chat.ErrUnavailable}
		}
		trials[name+" for cookies"] = trial{byCookies, selfPath, odd, chat.ErrUnavailable}
	}
	for name, c := range trials {
		t.Run(name, func(t *testing.T) {
			way.set(c.path, c.answer)
			defer way.set(c.path, nil)
			_, err := backend.Authenticate(t.Context(), c.credentials)
			require.ErrorIs(t, err, c.want)
			for _, other := range []error{chat.ErrBadCredentials, chat.ErrUnavailable} {
				require.Equal(t, errors.Is(c.want, other), errors.Is(err, other), "%v", err)
			}
			require.False(t, bytes.Contains([]byte(fmt.Sprint(err)), []byte(srv.Account(0).RefreshToken())))
		})
	}
	for _, credentials := range []chat.Credentials{byToken, byCookies} {
		_, err = backend.Authenticate(t.Context(), credentials)
		require.NoError(t, err)
	}
}

// behind makes a rig with something in between.
func behind(t *testing.T, change func(*account.Options)) (*rig, *between) {
	way := newBetween(t)
	return newRigWith(t, func(_ *hangoutstest.Options, config *hangouts.Config, options *account.Options) {
		config.HTTPClient, config.MaxRetries = &http.Client{Transport: way}, hangouts.Retries(0)
		change(options)
	}), way
}

// expire makes the account need a renewal.
func (r *rig) expire() {
	r.t.Helper()
	require.NoError(r.t, r.srv.InvalidateCookies(string(r.session.ID())))
	_, err := r.srv.Drop(string(r.session.ID()), hangoutstest.DropTruncate)
	require.NoError(r.t, err)
}

// TestRenewalGoesOnUntilTheServiceAnswers: cookies that expire while the account service is out of
// order are no bad credentials; the account says that it tries again, and connects by itself.
func TestRenewalGoesOnUntilTheServiceAnswers(t *testing.T) {
	r, way := behind(t, func(*account.Options) {})
	for name, path := range map[string]string{
		"404": tokenPath, "page": tokenPath, "empty": tokenPath, "redirect": tokenPath, "cut": tokenPath, "403": uberauthPath, "503": mergePath,
	} {
		r.reader.forget()
		way.set(path, undecided[name])
		r.expire()
		r.eventually(func() bool { return r.reader.was(chat.Disconnected, "google login") }, name+" is shown with its reason")
		way.set(path, nil)
		r.eventually(func() bool { return r.session.State().Status == chat.Connected }, name+" is over")
		require.False(t, r.reader.was(chat.BadCredentials, ""), name)
	}
	r.say("team", "still there")
	r.expect(r.conversation("team"), "still there")
}

// TestWrongVerdictHeals: a refusal that was a mistake of the network ends without a new login, also
// after a restart.
func TestWrongVerdictHeals(t *testing.T) {
	r, way := behind(t, func(o *account.Options) { o.Recheck = 50 * time.Millisecond })
	for _, restarted := range []bool{false, true} {
		way.set(tokenPath, answer(400, "application/json", `{"error":"invalid_grant"}`))
		r.expire()
		r.eventually(func() bool { return r.session.State().Status == chat.BadCredentials }, "refused")
		require.True(t, strings.Contains(r.session.State().Reason, "log in again"))
		if restarted {
			r.restart(func() {})
			require.Equal(t, chat.BadCredentials, r.session.State().Status)
		}
		way.set(tokenPath, nil)
		r.eventually(func() bool { return r.session.State().Status == chat.Connected }, "connected")
	}
	way.set(channelPath, answer(401, "text/html", ""))
	r.expire()
	r.eventually(func() bool { return r.session.State().Status == chat.Disconnected }, "refused though the cookies are new")
	way.set(channelPath, nil)
	r.eventually(func() bool { return r.session.State().Status == chat.Connected }, "connected")
}
