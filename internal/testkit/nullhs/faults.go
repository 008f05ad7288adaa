package nullhs

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// Fault makes requests fail. It fits a request when Method, Path, Query and User do.
type Fault struct {
	Method string // empty: any
	Path   string // a part of the URL's path, empty: any
	Query  string // a part of the URL's query, empty: any
	User   string // acting user of an application service (?user_id=), empty: any
	Times  int    // how many requests it takes; 0: all until it is removed

	Delay      time.Duration // before anything else happens
	Status     int           // answer with this status instead; 0: no answer of its own
	Code       string        // errcode of that answer, default M_LIMIT_EXCEEDED for 429, otherwise M_UNKNOWN
	RetryAfter time.Duration // of that answer
	Drop       bool          // close the connection instead of answering
	After      bool          // first do what was asked, then fail: accepted, but the answer is lost; or only late

	Seen func(*http.Request) `json:"-"` // is called for each request that it takes, before anything else; not in a process of its own
}

// Inject adds a fault and returns how to take it away. Faults are tried in the order of injection; one that has neither
// Status nor Drop only delays.
func (s *Server) Inject(f Fault) (remove func()) {
	fault := &f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dropFault(fault)
	}
}

// ClearFaults takes all faults away.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) dropFault(fault *Fault) {
	for i, f := range s.faults {
		if f == fault {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			return
		}
	}
}

// takeFault returns a copy of the first fault that fits, and counts it.
func (s *Server) takeFault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) ||
			!strings.Contains(r.URL.RawQuery, f.Query) || f.User != "" && f.User != r.URL.Query().Get("user_id") {
			continue
		}
		taken := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.dropFault(f)
			}
		}
		return &taken
	}
	return nil
}

func (f *Fault) serve(s *Server, w http.ResponseWriter, r *http.Request) {
	if f.Seen != nil {
		f.Seen(r)
	}
	if f.After && f.Status == 0 && !f.Drop {
		f.answerLate(s, w, r)
		return
	}
	if !f.wait(r) {
		return
	}
	if f.Status == 0 && !f.Drop {
		s.handler.ServeHTTP(w, r)
		return
	}
	if f.After {
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
	} else {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, s.opts.MaxUpload))
		s.note(r, "fault", requester{user: id.UserID(r.URL.Query().Get("user_id"))}, f.Status, time.Now())
	}
	if f.Drop {
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	}
	code := f.Code
	if code == "" && f.Status == http.StatusTooManyRequests {
		code = mautrix.MLimitExceeded.ErrCode
	} else if code == "" {
		code = mautrix.MUnknown.ErrCode
	}
	answer := mautrix.RespError{ErrCode: code, StatusCode: f.Status, Err: "injected by the test"}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
		answer = answer.WithExtraField("retry_after_ms", f.RetryAfter.Milliseconds())
	}
	answer.Write(w)
}

// wait is false if the client goes before the delay is over.
func (f *Fault) wait(r *http.Request) bool {
	select {
	case <-time.After(f.Delay):
		return true
	case <-r.Context().Done():
		return false
	}
}

func (f *Fault) answerLate(s *Server, w http.ResponseWriter, r *http.Request) {
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, r)
	if !f.wait(r) {
		return
	}
	maps.Copy(w.Header(), recorder.Header())
	w.WriteHeader(recorder.Code)
	_, _ = recorder.Body.WriteTo(w)
}

// Request is one request that was answered.
type Request struct {
	Method, Path string
	Query        string
	Route        string // pattern that handled it (SendRoute, …), "fault" or "unknown"
	User         id.UserID
	Device       string
	Status       int
	Began        time.Time
	Took         time.Duration
}

// maxRequests bounds the log of requests; the older half is forgotten at the limit.
const maxRequests = 200_000

func (s *Server) note(r *http.Request, route string, who requester, status int, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked(r, route, who, status, began)
}

func (s *Server) noteLocked(r *http.Request, route string, who requester, status int, began time.Time) {
	if len(s.requests) >= maxRequests {
		s.requests = append([]Request(nil), s.requests[maxRequests/2:]...)
	}
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, route, who.user, who.device, status, began, time.Since(began)})
}

// Requests returns the requests that fit, oldest first; nil fits all.
func (s *Server) Requests(fits func(Request) bool) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Request
	for _, r := range s.requests {
		if fits == nil || fits(r) {
			found = append(found, r)
		}
	}
	return found
}

// Sends counts the accepted requests that send a message, repeats of a transaction id included.
func (s *Server) Sends() int {
	return len(s.Requests(func(r Request) bool { return r.Route == SendRoute && r.Status == http.StatusOK }))
}
