package hangoutstest

import (
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"strings"
)

// authenticate checks cookies and authorization header of a channel, chat API or upload
// request (protocol §3.4, §3.5, §15) and returns the account, or nil.
func (s *Server) authenticate(r *http.Request) *person {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.signedInLocked(r)
	if p == nil {
		return nil
	}
	for _, origin := range []string{r.Header.Get("Origin"), r.Header.Get("X-Origin")} {
		if validHash(r.Header.Get("Authorization"), p.Cookies["SAPISID"], origin) {
			return p
		}
	}
	return nil
}

// signedInLocked returns the account of a request's cookies, or nil.
func (s *Server) signedInLocked(r *http.Request) *person {
	cookies := rawCookies(r.Header)
	if s.settings.AllowQuotedCookies {
		for name, value := range cookies {
			cookies[name] = strings.Trim(value, `"`)
		}
	}
	p := s.world.bySAPISID[cookies["SAPISID"]]
	if p == nil || cookies["SID"] != p.Cookies["SID"] {
		return nil
	}
	return p
}

// rawCookies reads the Cookie header without unquoting values: the service refused quoted ones.
func rawCookies(h http.Header) map[string]string {
	cookies := map[string]string{}
	for _, line := range h.Values("Cookie") {
		for _, pair := range strings.Split(line, ";") {
			name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if ok {
				cookies[name] = value
			}
		}
	}
	return cookies
}

// validHash recomputes SAPISIDHASH from the time in the header itself: neither its unit nor
// its age matters (protocol §3.4).
func validHash(header, sapisid, origin string) bool {
	fields := strings.Fields(header)
	if len(fields) < 2 || fields[0] != "SAPISIDHASH" || origin == "" {
		return false
	}
	t, hash, ok := strings.Cut(fields[1], "_")
	if !ok || t == "" {
		return false
	}
	sum := sha1.Sum([]byte(t + " " + sapisid + " " + origin))
	return hash == hex.EncodeToString(sum[:])
}
