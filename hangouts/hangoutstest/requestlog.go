package hangoutstest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"
)

// RequestInfo is one request as the server saw it.
type RequestInfo struct {
	Number   int       `json:"number"`
	Time     time.Time `json:"time"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Query    string    `json:"query,omitempty"`
	Endpoint string    `json:"endpoint"`
	// Account is the gaia id; empty when the request was not authenticated.
	Account string      `json:"account,omitempty"`
	Header  http.Header `json:"-"`
	// Body is what was sent, at most its first 16 KiB.
	Body []byte `json:"-"`
	// Message is the decoded request of the chat API, or nil.
	Message proto.Message `json:"-"`
	// Status is the HTTP status answered.
	Status int `json:"status"`
}

// note logs a request for inspection, with its credentials: those of a test server are no secrets.
func (s *Server) note(r *http.Request, endpoint, gaia string, m proto.Message, status int) *RequestInfo {
	info := &RequestInfo{
		Time: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Endpoint: endpoint,
		Account: gaia, Header: r.Header.Clone(), Body: bodyOf(r), Message: m, Status: status,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	info.Number = s.stats.Requests
	s.stats.Requests++
	s.requests.add(info)
	s.changedLocked()
	s.log.Debug("Request", "endpoint", endpoint, "account", gaia, "status", status)
	return info
}

type bodyKey struct{}

// recorded reads the beginning of each body ahead, so that requests which are refused show theirs too.
func recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		head, err := io.ReadAll(io.LimitReader(r.Body, maxBodyLog))
		rest := io.Reader(r.Body)
		if err != nil {
			rest = failingReader{err}
		}
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, head))
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), rest), r.Body}
		next.ServeHTTP(w, r)
	})
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func bodyOf(r *http.Request) []byte {
	head, _ := r.Context().Value(bodyKey{}).([]byte)
	return head
}

func (s *Server) setStatus(info *RequestInfo, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info.Status = status
}

// Requests returns the requests from number n on (at least the newest 5000 are kept) and
// the number to go on with.
func (s *Server) Requests(n int) ([]RequestInfo, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, next := s.requests.since(n)
	out := make([]RequestInfo, len(list))
	for i, p := range list {
		out[i] = *p
	}
	return out, next
}
