package hangouts

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Limits of what is read of an answer of the account service, in bytes: of a page, and of anything
// else; maxTags bounds the elements of a page, each of which costs far more than its text.
const (
	maxPage   = 512 << 10
	maxAnswer = 64 << 10
	maxTags   = 10_000
)

// countedPage fails with ErrResponse when a page gets too long or has too many elements.
type countedPage struct {
	body       io.Reader
	size, tags int
}

func (p *countedPage) Read(buf []byte) (int, error) {
	n, err := p.body.Read(buf)
	p.size += n
	p.tags += bytes.Count(buf[:n], []byte("<"))
	if p.size > maxPage || p.tags > maxTags {
		return 0, fmt.Errorf("%w: the page is too long", ErrResponse)
	}
	return n, err
}

// accountService talks to the endpoints of protocol §4. All steps of one log-in share one.
type accountService struct {
	cfg      Config
	http     *http.Client
	own      bool
	recorder *recorder
}

func newAccountService(cfg Config) (*accountService, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &accountService{cfg: cfg}
	a.http, a.own = cfg.httpClient()
	transport := a.http.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	a.recorder = &recorder{next: transport, userAgent: cfg.UserAgent}
	a.http.Transport = a.recorder
	if a.http.Jar, err = cookiejar.New(nil); err != nil {
		return nil, err
	}
	// The cookies come with the first answer, so a redirect to a host that may not have
	// them ends the way.
	a.http.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= 10 || !a.allowed(req.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return a, nil
}

func (a *accountService) close() {
	if t, ok := a.recorder.next.(*http.Transport); ok && a.own {
		t.CloseIdleConnections()
	}
}

// allowed reports whether cookies, passwords and tokens may go to an address: a trusted host, or
// the host of an account endpoint.
func (a *accountService) allowed(u *url.URL) bool {
	if a.cfg.trusted(u) {
		return true
	}
	e := a.cfg.Endpoints
	for _, address := range []string{e.Login, e.Token, e.OAuthLogin, e.Merge} {
		if known, err := url.Parse(address); err == nil && known.Scheme == u.Scheme && known.Host == u.Host {
			return true
		}
	}
	return false
}

// maxCookies bounds the cookies of a session; Google's have some thirty.
const maxCookies = 200

// recorder notes the cookies that answers set, with their domain, which a cookie jar does not
// give away.
type recorder struct {
	next      http.RoundTripper
	userAgent string

	mu      sync.Mutex
	cookies []*http.Cookie
}

// RoundTrip sends a request and notes the cookies of its answer.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", r.userAgent)
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cookies = append(r.cookies, resp.Cookies()...)
	r.cookies = r.cookies[:min(len(r.cookies), maxCookies)]
	return resp, nil
}

// upsetting are cookies of a log-in that made the chat API answer 429 (protocol §3.5).
var upsetting = map[string]bool{
	"__Secure-3PSID": true, "__Host-3PLSID": true, "__Secure-3PAPISID": true, "__Host-GAPS": true,
}

// session gives the cookies of a domain, or all when it is empty.
func (r *recorder) session(domain string) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	domain = strings.TrimPrefix(strings.ToLower(domain), ".")
	found := map[string]string{}
	for _, c := range r.cookies {
		if domain != "" && strings.TrimPrefix(strings.ToLower(c.Domain), ".") != domain || upsetting[c.Name] {
			continue
		}
		if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
			delete(found, c.Name)
			continue
		}
		found[c.Name] = c.Value
	}
	return found
}

// named gives the value of a cookie, whatever its domain.
func (r *recorder) named(name string) string { return r.session("")[name] }
