package hangouts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// oauthScopes are asked for at log-in; redirectURI is what the code grant names (protocol §4.2).
const (
	oauthScopes = "https%3A%2F%2Fwww.google.com%2Faccounts%2FOAuthLogin+https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email"
	redirectURI = "urn:ietf:wg:oauth:2.0:oob"
)

// GetAuth logs in and returns the session's cookies (protocol §4.1): with the refresh token of the
// store, or, when there is none or it is refused, by asking prompt; the refresh token of that
// log-in is stored. With manual set it asks for an authorization code, otherwise for e-mail,
// password and verification code. A nil prompt forbids asking, a nil store keeps nothing. It returns a GoogleAuthError, the
// error of the prompt, or ErrConfig.
func GetAuth(ctx context.Context, cfg Config, prompt CredentialsPrompt, store RefreshTokenStore, manual bool) (map[string]string, error) {
	a, err := newAccountService(cfg)
	if err != nil {
		return nil, err
	}
	defer a.close()
	if store == nil {
		store = (*RefreshTokenCache)(nil)
	}
	access, err := a.refresh(ctx, store.Get(ctx))
	if err != nil {
		var auth *GoogleAuthError
		if prompt == nil || ctx.Err() != nil || errors.As(err, &auth) && auth.Unavailable() {
			return nil, err
		}
		code, err := a.authorizationCode(ctx, prompt, manual)
		if err != nil {
			return nil, err
		}
		var refresh string
		if access, refresh, err = a.exchange(ctx, code); err != nil {
			return nil, err
		}
		store.Set(ctx, refresh)
	}
	return a.sessionCookies(ctx, access)
}

// LoginURL is the address of the page on which a person logs in by hand (protocol §4.2).
func LoginURL(cfg Config) (string, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return "", err
	}
	return cfg.loginURL(), nil
}

func (c *Config) loginURL() string {
	return c.Endpoints.Login + "?scope=" + oauthScopes + "&client_id=" + url.QueryEscape(c.OAuth.ClientID) +
		"&device_name=" + url.QueryEscape(c.OAuth.DeviceName)
}

func (a *accountService) authorizationCode(ctx context.Context, prompt CredentialsPrompt, manual bool) (string, error) {
	if !manual {
		return a.credentialLogin(ctx, prompt)
	}
	code, err := prompt.AuthorizationCode(ctx, a.cfg.loginURL())
	return strings.TrimSpace(code), err
}

func (a *accountService) oauth() *oauth2.Config {
	return &oauth2.Config{
		ClientID: a.cfg.OAuth.ClientID, ClientSecret: a.cfg.OAuth.ClientSecret, RedirectURL: redirectURI,
		Endpoint: oauth2.Endpoint{TokenURL: a.cfg.Endpoints.Token, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// tokenClient reads little of an answer: package oauth2 takes all of it apart.
func (a *accountService) tokenClient() *http.Client {
	client := *a.http
	client.Transport = briefly{a.http.Transport}
	return &client
}

// briefly cuts answers off after maxAnswer bytes.
type briefly struct{ next http.RoundTripper }

func (b briefly) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// refresh trades a refresh token for an access token (protocol §4.3).
func (a *accountService) refresh(ctx context.Context, token string) (access string, err error) {
	if token == "" {
		return "", &GoogleAuthError{Step: "no refresh token", Err: ErrRefused}
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.RequestTimeout)
	defer cancel()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, a.tokenClient())
	got, err := a.oauth().TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	if err != nil {
		return "", tokenError(err)
	}
	return got.AccessToken, nil
}

// exchange trades an authorization code for both tokens.
func (a *accountService) exchange(ctx context.Context, code string) (access, refresh string, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.RequestTimeout)
	defer cancel()
	got, err := a.oauth().Exchange(context.WithValue(ctx, oauth2.HTTPClient, a.tokenClient()), code)
	if err != nil {
		return "", "", tokenError(err)
	}
	if got.RefreshToken == "" {
		return "", "", &GoogleAuthError{Step: "token request", Err: fmt.Errorf("%w: no refresh token", ErrResponse)}
	}
	return got.AccessToken, got.RefreshToken, nil
}

// tokenError keeps status and error code. The text of the answer stays out.
func tokenError(err error) error {
	const step = "token request"
	var retrieve *oauth2.RetrieveError
	var urlError *url.Error
	switch {
	case errors.As(err, &retrieve):
		e := &GoogleAuthError{Step: step, Reason: word(errorCode(retrieve))}
		if retrieve.Response != nil && retrieve.Response.StatusCode != http.StatusOK {
			e.Code = retrieve.Response.StatusCode
		}
		return e
	case errors.As(err, &urlError):
		return &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	return &GoogleAuthError{Step: step, Err: ErrResponse}
}

// errorCode is the error code of an answer, also of one that is not declared to be JSON.
func errorCode(e *oauth2.RetrieveError) string {
	var answer struct {
		Error string `json:"error"`
	}
	if e.ErrorCode == "" && json.Unmarshal(e.Body, &answer) == nil {
		return answer.Error
	}
	return e.ErrorCode
}

// sessionCookies trades an access token for the session's cookies (protocol §4.5).
func (a *accountService) sessionCookies(ctx context.Context, access string) (map[string]string, error) {
	const login, merge = "OAuthLogin request", "MergeSession request"
	answer, err := a.bearer(ctx, login, access, a.cfg.Endpoints.OAuthLogin, url.Values{
		"source": {"hangups"}, "issueuberauth": {"1"},
	})
	if err != nil {
		return nil, err
	}
	if answer == "" || len(answer) > maxUberauth || strings.Trim(answer, uberauthLetters) != "" {
		return nil, &GoogleAuthError{Step: login, Err: ErrResponse}
	}
	_, err = a.bearer(ctx, merge, access, a.cfg.Endpoints.Merge, url.Values{
		"service": {"mail"}, "continue": {a.cfg.Endpoints.MergeContinue}, "uberauth": {answer},
	})
	if err != nil {
		return nil, err
	}
	cookies := a.recorder.session(a.cfg.CookieDomain)
	if len(cookies) == 0 {
		return nil, &GoogleAuthError{Step: "failed to find session cookies"}
	}
	return cookies, nil
}

const (
	// maxUberauth limits an uberauth in bytes; real ones have some hundred.
	maxUberauth     = 16 << 10
	uberauthLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=:%"
)

// bearer sends a GET with the access token and returns the beginning of the body, "" for a redirect
// that was not followed.
func (a *accountService) bearer(ctx context.Context, step, access, address string, query url.Values) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.RequestTimeout)
	defer cancel()
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+separator+query.Encode(), nil)
	if err != nil {
		return "", &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := a.http.Do(req)
	if err != nil {
		return "", &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return "", &GoogleAuthError{Step: step, Code: resp.StatusCode}
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return "", nil // a way that ended at a host which may not have the token
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxUberauth+1))
	if err != nil {
		return "", &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	return strings.TrimRight(string(body), "\r\n"), nil
}
