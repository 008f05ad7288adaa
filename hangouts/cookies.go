package hangouts

import (
	"maps"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode"
)

// cookies is a live jar for the trusted hosts. Unlike net/http's it writes values as they are:
// quoted ones were answered with 401 (protocol §3.5).
type cookies struct {
	mu     sync.Mutex
	domain string // of the session; empty takes every domain
	shared map[string]string
	hosts  map[string]map[string]string // set without a domain, by host

	replaced int // how often all were replaced
}

func newCookies(domain string, initial map[string]string) *cookies {
	shared := maps.Clone(initial)
	if shared == nil {
		shared = map[string]string{}
	}
	return &cookies{
		domain: strings.TrimPrefix(strings.ToLower(domain), "."),
		shared: shared, hosts: map[string]map[string]string{},
	}
}

// checkCookies returns a GoogleAuthError for cookies that cannot make a session: without SAPISID, or with a character that
// would end the cookie or the header, such as the line break behind a pasted value.
func checkCookies(all map[string]string) error {
	if all["SAPISID"] == "" {
		return &GoogleAuthError{Step: "cookie SAPISID is missing", Err: ErrRefused}
	}
	for name, value := range all {
		if strings.ContainsAny(name, "=; ") || strings.Contains(value, ";") || strings.ContainsFunc(name+value, unicode.IsControl) {
			return &GoogleAuthError{Step: "a cookie holds a character that none may hold", Err: ErrRefused}
		}
	}
	return nil
}

// header is the value of the Cookie header for a host, in order of names.
func (c *cookies) header(u *url.URL) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.shared)
	maps.Copy(all, c.hosts[u.Hostname()])
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(name + "=" + all[name])
	}
	return b.String()
}

func (c *cookies) get(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shared[name]
}

func (c *cookies) snapshot() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.shared)
}

// absorb takes the cookies that an answer sets, and reports whether those of the session
// changed.
func (c *cookies) absorb(resp *http.Response) (changed bool) {
	host := resp.Request.URL.Hostname()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cookie := range resp.Cookies() {
		jar := c.shared
		if cookie.Domain == "" && c.domain != "" && c.domain != strings.ToLower(host) {
			if c.hosts[host] == nil {
				c.hosts[host] = map[string]string{}
			}
			jar = c.hosts[host]
		}
		gone := cookie.MaxAge < 0 || !cookie.Expires.IsZero() && cookie.Expires.Before(time.Now())
		old, had := jar[cookie.Name]
		switch {
		case gone && had:
			delete(jar, cookie.Name)
		case !gone && !had && len(jar) >= maxCookies:
			continue
		case !gone && (!had || old != cookie.Value):
			jar[cookie.Name] = cookie.Value
		default:
			continue
		}
		if cookie.Domain != "" || c.domain == "" || c.domain == strings.ToLower(host) {
			changed = true
		}
	}
	return changed
}
