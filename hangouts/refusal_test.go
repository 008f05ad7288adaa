package hangouts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

// oddAnswers is what can come from something that is not the account service in good order.
func oddAnswers(t *testing.T) map[string]http.HandlerFunc {
	text := func(code int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	other := httptest.NewServer(text(200, "text/html", "<html>Welcome to our network</html>"))
	t.Cleanup(other.Close)
	answers := map[string]http.HandlerFunc{
		"page":             text(200, "text/html", "<html>Sign in</html>"),
		"empty":            text(200, "application/json", ""),
		"malformed JSON":   text(200, "application/json", `{"access_token":`),
		"JSON array":       text(200, "application/json", `[1,2]`),
		"other object":     text(200, "application/json", `{"status":"ok"}`),
		"deep":             text(200, "application/json", strings.Repeat("[", 1<<20)),
		"refusal with 404": text(404, "application/json", `{"error":"invalid_grant"}`),
		"refusal with 503": text(503, "application/json", `{"error":"invalid_grant"}`),
		"huge":             func(w http.ResponseWriter, _ *http.Request) { writeMuch(w, 8<<20) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		},
		"stalled": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"redirect to itself": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
		"redirect elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) },
		"kept elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
	}
	for _, code := range []int{201, 204, 300, 304, 400, 401, 402, 403, 404, 405, 407, 408, 410, 411, 413, 418, 421, 425, 426, 429, 431, 451, 500, 501, 502, 503, 504, 507, 511, 599} {
		answers[fmt.Sprint(code)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for _, code := range []string{"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "server_error", "temporarily_unavailable", "slow_down", "rate_limit_exceeded", "INVALID_GRANT", ""} {
		for _, status := range []int{200, 400, 401, 403} {
			answers[fmt.Sprintf("error %q with %d", code, status)] = text(status, "application/json", fmt.Sprintf(`{"error":%q}`, code))
		}
	}
	return answers
}

func writeMuch(w http.ResponseWriter, size int) {
	block := []byte(strings.Repeat("x", 64<<10))
	for n := 0; n < size; n += len(block) {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// TestOnlyARefusalIsFinal: whatever a step of the log-in answers, it can be tried again, unless it
// is the token endpoint's definite refusal.
func TestOnlyARefusalIsFinal(t *testing.T) {
	answers := oddAnswers(t)
	for step, path := range map[string]string{"token": "/o/oauth2/token", "uberauth": "/accounts/OAuthLogin", "merge": "/MergeSession"} {
		t.Run(step, func(t *testing.T) {
			a := newAccounts(t)
			var answer atomic.Pointer[http.HandlerFunc]
			service := a.srv.Config.Handler
			a.srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == path {
					(*answer.Load())(w, r)
					return
				}
				service.ServeHTTP(w, r)
			})
			for name, one := range answers {
				answer.Store(&one)
				cfg := a.config()
				if name == "stalled" {
					cfg.RequestTimeout = 50 * time.Millisecond
				}
				err := getAuth(cfg)
				var auth *hangouts.GoogleAuthError
				require.ErrorAs(t, err, &auth, name)
				require.True(t, auth.Unavailable(), "%s: %v", name, err)
			}
		})
	}
	for name, answer := range map[string]string{"400": "400", "401": "401", "200": "200"} {
		t.Run("refusal with "+name, func(t *testing.T) {
			a := newAccounts(t)
			a.token = func(w http.ResponseWriter, _ url.Values) {
				w.Header().Set("Content-Type", "application/json")
				var code int
				_, _ = fmt.Sscan(answer, &code)
				w.WriteHeader(code)
				_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`)
			}
			var auth *hangouts.GoogleAuthError
			require.ErrorAs(t, getAuth(a.config()), &auth)
			require.False(t, auth.Unavailable(), "%v", auth)
		})
	}
}

func getAuth(cfg hangouts.Config) error {
	_, err := hangouts.GetAuth(context.Background(), cfg, nil, &memory{token: "1/secret"}, false)
	return err
}

// TestUnreachableIsNoRefusal: no connection, no such host, no TLS and a certificate of somebody else.
func TestUnreachableIsNoRefusal(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	defer stranger.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, base := range map[string]string{
		"refused": closed.URL, "unknown host": "http://no-such-host.invalid", "stranger's certificate": stranger.URL,
		"no TLS": strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			var auth *hangouts.GoogleAuthError
			err := getAuth(hangouts.Config{BaseURL: base, ConnectTimeout: 5 * time.Second})
			require.ErrorAs(t, err, &auth)
			require.True(t, auth.Unavailable(), "%v", err)
		})
	}
}

// TestServiceOutOfOrderAsksNobody: a person is asked for credentials when the token is refused, not
// when the service cannot be asked.
func TestServiceOutOfOrderAsksNobody(t *testing.T) {
	a := newAccounts(t)
	a.token = func(w http.ResponseWriter, _ url.Values) { w.WriteHeader(http.StatusNotFound) }
	prompt, store := &answers{}, &memory{token: "1/good"}
	_, err := hangouts.GetAuth(context.Background(), a.config(), prompt, store, true)
	var auth *hangouts.GoogleAuthError
	require.True(t, errors.As(err, &auth) && auth.Unavailable(), "%v", err)
	require.Empty(t, prompt.asked)
	require.Equal(t, "1/good", store.token)
}
