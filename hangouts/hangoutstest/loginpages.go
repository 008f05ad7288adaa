package hangoutstest

import (
	"fmt"
	"html/template"
	"maps"
	"net/http"
)

// login is one visit to the login pages (protocol §4.4).
type login struct {
	gaia     string // after the e-mail page
	password bool   // after the password page
}

const loginPage = `<!DOCTYPE html>
<html><head><title>Sign in</title></head><body>
{{if .Forms}}{{range .Forms}}<form id="{{.ID}}" action="{{.Action}}" method="post">
<input type="hidden" name="flow" value="{{$.Flow}}">
{{if .InputID}}<input id="{{.InputID}}" name="{{.InputName}}" type="{{.InputType}}">{{end}}
<input type="submit" name="signIn" value="Next">
</form>
{{end}}{{else if .Beyond}}<form id="challenge" action="{{.Beyond}}" method="post"><div id="{{.Mark}}">Confirm that it is you</div>
<input type="submit" name="signIn" value="Next"></form>{{else}}<p>One moment please...</p>{{end}}
</body></html>
`

var loginTemplate = template.Must(template.New("login").Parse(loginPage))

type loginForm struct{ ID, Action, InputID, InputName, InputType string }

var (
	emailForm    = loginForm{"gaia_loginform", "/signin/v1/lookup", "Email", "Email", "email"}
	passwordForm = loginForm{"gaia_loginform", "/signin/challenge/sl/password", "Passwd", "Passwd", "password"}
	totpChoice   = loginForm{"", "/signin/challenge/totp/2", "", "", ""}
	phoneChoice  = loginForm{"", "/signin/challenge/ipp/4", "", "", ""}
	totpForm     = loginForm{"challenge", "/signin/challenge/verify", "totpPin", "Pin", "tel"}
	phoneForm    = loginForm{"challenge", "/signin/challenge/verify", "idvPreregisteredPhonePin", "Pin", "tel"}
)

// beyondPages ask for what a client without a browser cannot give (protocol §4.4).
var beyondPages = map[string]loginForm{
	"captcha": {"captcha", "/signin/challenge/recaptcha/2", "", "", ""},
	"prompt":  {"prompt", "/signin/challenge/az/2", "", "", ""},
	"key":     {"key", "/signin/challenge/sk/2", "", "", ""},
}

func (s *Server) handleLoginPages(mux *http.ServeMux) {
	mux.HandleFunc("GET /o/oauth2/programmatic_auth", s.serveLoginStart)
	mux.HandleFunc("GET /o/oauth2/auth", s.serveLoginStart)
	mux.HandleFunc("POST /signin/v1/lookup", s.loginStep(func(w http.ResponseWriter, r *http.Request, l *login, p *person) []loginForm {
		l.gaia = ""
		if q := s.byEmail(r.PostForm.Get("Email")); q != nil {
			l.gaia = q.GaiaID
			return []loginForm{passwordForm}
		}
		return []loginForm{emailForm}
	}))
	mux.HandleFunc("POST /signin/challenge/sl/password", s.loginStep(func(w http.ResponseWriter, r *http.Request, l *login, p *person) []loginForm {
		if p == nil || r.PostForm.Get("Passwd") != p.Password {
			return []loginForm{passwordForm}
		}
		l.password = true
		switch p.Verification {
		case "totp":
			return []loginForm{totpForm}
		case "phone":
			return []loginForm{phoneForm}
		case "choice":
			return []loginForm{totpChoice, phoneChoice}
		}
		if page, ok := beyondPages[p.Verification]; ok {
			return []loginForm{page}
		}
		s.finishLogin(w, r, p)
		return nil
	}))
	choose := func(form loginForm) http.HandlerFunc {
		return s.loginStep(func(http.ResponseWriter, *http.Request, *login, *person) []loginForm { return []loginForm{form} })
	}
	mux.HandleFunc("POST /signin/challenge/totp/2", choose(totpForm))
	mux.HandleFunc("POST /signin/challenge/ipp/4", choose(phoneForm))
	mux.HandleFunc("POST /signin/challenge/verify", s.loginStep(func(w http.ResponseWriter, r *http.Request, l *login, p *person) []loginForm {
		if p == nil || !l.password || r.PostForm.Get("Pin") != p.VerificationCode {
			if p != nil && p.Verification == "phone" {
				return []loginForm{phoneForm}
			}
			return []loginForm{totpForm}
		}
		s.finishLogin(w, r, p)
		return nil
	}))
}

func (s *Server) byEmail(email string) *person {
	for _, p := range s.world.accounts() {
		if p.Email == email {
			return p
		}
	}
	return nil
}

func (s *Server) serveLoginStart(w http.ResponseWriter, r *http.Request) {
	faults := s.faults.takeAll(stageRequest, "", "account/login")
	if s.refuse(w, r, "account/login", "", faults) {
		return
	}
	s.note(r, "account/login", "", nil, http.StatusOK)
	if r.URL.Query().Get("client_id") == "" {
		http.Error(w, "invalid_client", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	if len(s.logins) >= maxCodes {
		s.logins = map[string]*login{}
	}
	flow := s.gen.urlSafe(30)
	s.logins[flow] = &login{}
	s.mu.Unlock()
	renderLogin(w, flow, []loginForm{emailForm})
}

// loginStep handles one submitted form; the step runs under the lock and returns the forms
// of the next page, none for the last.
func (s *Server) loginStep(step func(http.ResponseWriter, *http.Request, *login, *person) []loginForm) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxFormBody)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
			return
		}
		flow := r.PostForm.Get("flow")
		s.mu.Lock()
		l := s.logins[flow]
		gaia := ""
		if l != nil {
			gaia = l.gaia
		}
		s.mu.Unlock()
		faults := s.faults.takeAll(stageRequest, gaia, "account/login")
		if s.refuse(w, r, "account/login", gaia, faults) {
			return
		}
		s.note(r, "account/login", gaia, nil, http.StatusOK)
		if l == nil {
			http.Error(w, "This page has expired.", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		forms := step(w, r, l, s.world.people[gaia])
		s.mu.Unlock()
		renderLogin(w, flow, forms)
	}
}

// finishLogin hands out a single-use authorization code in the cookie oauth_code.
func (s *Server) finishLogin(w http.ResponseWriter, r *http.Request, p *person) {
	w.Header().Add("Set-Cookie", fmt.Sprintf("oauth_code=%s; Path=/", s.newCodeLocked(p)))
}

func (s *Server) newCodeLocked(p *person) string {
	if len(s.codes) >= maxCodes {
		maps.DeleteFunc(s.codes, func(string, string) bool { return true })
	}
	code := "4/" + s.gen.urlSafe(40)
	s.codes[code] = p.GaiaID
	return code
}

func renderLogin(w http.ResponseWriter, flow string, forms []loginForm) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	page := map[string]any{"Flow": flow, "Forms": forms}
	if len(forms) == 1 && beyondPages[forms[0].ID] == forms[0] {
		page = map[string]any{"Beyond": forms[0].Action, "Mark": forms[0].ID}
	}
	_ = loginTemplate.Execute(w, page)
}

// AuthorizationCode hands out a single-use code as the browser login would show it.
// Errors: ErrNotFound.
func (s *Server) AuthorizationCode(account string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.world.person(account)
	if p == nil || !p.Account {
		return "", ErrNotFound
	}
	return s.newCodeLocked(p), nil
}
