package hangoutstest

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// refuse applies the faults that come before a request is accepted and reports whether
// they answered it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, endpoint, gaia string, faults []*Fault) bool {
	if len(faults) > 0 && r.Body != nil {
		// The server notices that a client went away only once the body is read.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUploadBody))
		if err != nil {
			httpError(w, http.StatusBadRequest)
			return true
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if f := pick(faults, FaultDelay); f != nil && !sleep(r.Context(), f.Delay.Duration()) {
		return true
	}
	if f := pick(faults, FaultSilence); f != nil {
		s.note(r, endpoint, gaia, nil, 0)
		if f.Delay > 0 {
			sleep(r.Context(), f.Delay.Duration())
		} else {
			<-r.Context().Done()
		}
		cutConnection(w, false)
		return true
	}
	if pick(faults, FaultLoseRequest) != nil {
		s.note(r, endpoint, gaia, nil, 0)
		cutConnection(w, true)
		return true
	}
	if f := pick(faults, FaultStatus); f != nil {
		s.note(r, endpoint, gaia, nil, f.Status)
		if f.Reason != "" {
			rawStatus(w, f.Status, f.Reason, f.RetryAfter)
			return true
		}
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		httpError(w, f.Status)
		return true
	}
	return false
}

// answer writes a body, or loses it the way a fault wants.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, body []byte, faults []*Fault) {
	if f := pick(faults, FaultDelayAnswer); f != nil && !sleep(r.Context(), f.Delay.Duration()) {
		return
	}
	if pick(faults, FaultLoseAnswer) != nil {
		cutConnection(w, true)
		return
	}
	if pick(faults, FaultClose) != nil {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if pick(faults, FaultTruncate) != nil {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		cutConnection(w, false)
		return
	}
	_, _ = w.Write(body)
}
