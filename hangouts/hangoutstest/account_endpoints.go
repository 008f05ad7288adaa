package hangoutstest

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
)

const (
	accessTokenKind = "ya29."
	uberauthKind    = "APh-"
	// maxRefreshTokens per account; the oldest stops working.
	maxRefreshTokens = 50
)

// handler routes every path of Google's hosts: they do not clash (design, Command line).
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /o/oauth2/token", s.serveToken)
	mux.HandleFunc("POST /oauth2/v3/token", s.serveToken)
	mux.HandleFunc("POST /oauth2/v4/token", s.serveToken)
	mux.HandleFunc("POST /token", s.serveToken)
	mux.HandleFunc("/accounts/OAuthLogin", s.serveUberauth)
	mux.HandleFunc("GET /MergeSession", s.serveMerge)
	s.handleLoginPages(mux)
	s.handleWebClient(mux)
	mux.HandleFunc("/client-channel/channel/bind", s.serveChannel)
	mux.HandleFunc("/chat/v1/", s.serveAPI)
	mux.HandleFunc("POST /upload/photos/resumable", s.serveUpload)
	mux.HandleFunc("GET /photos/{id}/{name}", s.servePhoto)
	mux.HandleFunc("GET /avatars/{name}", s.serveAvatar)
	s.handleControl(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("Hangouts-compatible test server\n"))
	})
	return mux
}

// cookie is a Set-Cookie value. Below google.com it gets that domain; elsewhere none, which
// clients take for the host itself (protocol §4.5).
func (s *Server) cookie(r *http.Request, name, value string) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	domain := ""
	if strings.HasSuffix(host, ".google.com") {
		domain = "; Domain=.google.com"
	}
	return name + "=" + value + domain + "; Path=/"
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

func invalidGrant(w http.ResponseWriter, description string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": description})
}

// serveToken trades a refresh token or an authorization code (protocol §4.3).
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBody)
	if err := r.ParseForm(); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	form := r.PostForm
	grant := form.Get("grant_type")
	s.mu.Lock()
	var p *person
	if grant == "authorization_code" {
		p = s.world.people[s.codes[form.Get("code")]]
	} else {
		p = s.byRefreshTokenLocked(form.Get("refresh_token"))
	}
	s.mu.Unlock()
	gaia := ""
	if p != nil {
		gaia = p.GaiaID
	}
	faults := s.faults.takeAll(stageRequest, gaia, "account/token")
	if s.refuse(w, r, "account/token", gaia, faults) {
		return
	}
	s.note(r, "account/token", gaia, nil, http.StatusOK)
	switch {
	case form.Get("client_id") == "" || form.Get("client_secret") == "":
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_client"})
		return
	case grant != "refresh_token" && grant != "authorization_code":
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	case p == nil:
		invalidGrant(w, "Token has been expired or revoked.")
		return
	}
	answer := map[string]any{"expires_in": 3600, "token_type": "Bearer"}
	s.mu.Lock()
	answer["access_token"] = s.gen.sign(accessTokenKind, gaia)
	if grant == "authorization_code" {
		token, err := s.redeemLocked(gaia, form.Get("code"))
		if err != nil {
			s.mu.Unlock()
			invalidGrant(w, "Code was already redeemed.")
			return
		}
		answer["refresh_token"] = token
	}
	s.mu.Unlock()
	body, _ := json.Marshal(answer)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	s.answer(w, r, body, faults)
}

func (s *Server) byRefreshTokenLocked(token string) *person {
	for _, id := range s.world.peopleIDs {
		if p := s.world.people[id]; p.Account && token != "" && slices.Contains(p.RefreshTokens, token) {
			return p
		}
	}
	return nil
}

// redeemLocked uses up an authorization code and stores a new refresh token.
func (s *Server) redeemLocked(gaia, code string) (string, error) {
	if s.codes[code] != gaia {
		return "", ErrNotFound
	}
	delete(s.codes, code)
	p := s.world.people[gaia].clone()
	token := "1/" + s.gen.urlSafe(43)
	p.RefreshTokens = append(p.RefreshTokens, token)
	p.RefreshTokens = p.RefreshTokens[max(len(p.RefreshTokens)-maxRefreshTokens, 0):]
	return token, s.commitLocked(op{Person: p})
}

// bearer returns the account of an access token in the Authorization header.
func (s *Server) bearer(r *http.Request) *person {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gaia, ok := s.gen.verify(accessTokenKind, token)
	if !ok {
		return nil
	}
	return s.world.people[gaia]
}

// serveUberauth trades an access token for an uberauth (protocol §4.5).
func (s *Server) serveUberauth(w http.ResponseWriter, r *http.Request) {
	p := s.bearer(r)
	gaia := ""
	if p != nil {
		gaia = p.GaiaID
	}
	faults := s.faults.takeAll(stageRequest, gaia, "account/uberauth")
	if s.refuse(w, r, "account/uberauth", gaia, faults) {
		return
	}
	if p == nil || r.URL.Query().Get("issueuberauth") == "" {
		s.note(r, "account/uberauth", gaia, nil, http.StatusUnauthorized)
		httpError(w, http.StatusUnauthorized)
		return
	}
	s.note(r, "account/uberauth", gaia, nil, http.StatusOK)
	s.mu.Lock()
	uber := s.gen.sign(uberauthKind, gaia)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.answer(w, r, []byte(uber), faults)
}

// serveMerge trades an uberauth for cookies (protocol §4.5). Without parameters it is a
// warm-up that always succeeds (§15.1).
func (s *Server) serveMerge(w http.ResponseWriter, r *http.Request) {
	uber := r.URL.Query().Get("uberauth")
	s.mu.Lock()
	gaia, ok := s.gen.verify(uberauthKind, uber)
	p := s.world.people[gaia]
	s.mu.Unlock()
	faults := s.faults.takeAll(stageRequest, gaia, "account/merge")
	if s.refuse(w, r, "account/merge", gaia, faults) {
		return
	}
	switch {
	case r.URL.RawQuery == "":
		s.note(r, "account/merge", "", nil, http.StatusOK)
	case !ok || p == nil:
		s.note(r, "account/merge", "", nil, http.StatusUnauthorized)
		httpError(w, http.StatusUnauthorized)
		return
	default:
		s.note(r, "account/merge", gaia, nil, http.StatusOK)
		for _, name := range []string{"SID", "HSID", "SSID", "APISID", "SAPISID"} {
			w.Header().Add("Set-Cookie", s.cookie(r, name, p.Cookies[name]))
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.answer(w, r, []byte("<html><body>Merged.</body></html>"), faults)
}

// InvalidateCookies makes an account's cookies worthless: requests get 401 until somebody
// logs in again. Open polls end. Errors: ErrNotFound.
func (s *Server) InvalidateCookies(account string) error {
	return s.changeAccount(account, func(p *person) {
		p.Cookies = s.gen.cookies()
	}, true)
}

// RevokeTokens makes an account's refresh tokens worthless. Errors: ErrNotFound.
func (s *Server) RevokeTokens(account string) error {
	return s.changeAccount(account, func(p *person) { p.RefreshTokens = nil }, false)
}

func (s *Server) changeAccount(account string, change func(*person), endPolls bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.world.person(account)
	if p == nil || !p.Account {
		return ErrNotFound
	}
	q := p.clone()
	change(q)
	if err := s.commitLocked(op{Person: q}); err != nil {
		return err
	}
	if endPolls {
		for _, ss := range s.sessionsOf(p.GaiaID) {
			s.dropSessionLocked(ss, DropEnd)
		}
	}
	return nil
}
