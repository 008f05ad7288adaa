package hangoutstest

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"
)

// servePoll is one long poll of a session (protocol §5.7, §15): a noop at once, then the
// client id on the first poll, then arrays as they come, noops between, and a regular end.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, ss *session, faults []*Fault) {
	p := s.openPoll(w, ss)
	if p == nil {
		rawStatus(w, http.StatusBadRequest, unknownSID, "")
		return
	}
	defer s.closePoll(ss, p)
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, no-store")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	if rc.Flush() != nil {
		return
	}
	out := &pollWriter{w: w, rc: rc, bytewise: pick(faults, FaultSplit) != nil}
	if f := pick(faults, FaultTruncate); f != nil && f.Limit > 0 {
		out.limited, out.left = true, f.Limit
	}
	truncate := pick(faults, FaultTruncate) != nil && !out.limited
	wrong := pick(faults, FaultWrongLength)
	mute := pick(faults, FaultMute) != nil
	ended := time.NewTimer(s.Settings().PollDuration.Duration())
	defer ended.Stop()
	for noop, opened := true, false; ; opened = true {
		if !mute {
			data := s.nextChunks(ss, p, noop)
			if wrong != nil && opened && len(data) > 0 {
				data, wrong = wrongLength(data, wrong.Limit), nil
			}
			cut := truncate && opened && len(data) > 0
			if cut {
				data = data[:len(data)/2]
			}
			if _, err := out.Write(data); err != nil {
				if out.limited && out.left == 0 {
					cutConnection(w, false)
				}
				return
			}
			if cut {
				cutConnection(w, false)
				return
			}
		}
		if s.pollEnds(w, p) {
			return
		}
		keepAlive := time.NewTimer(max(s.Settings().NoopInterval.Duration(), time.Millisecond))
		noop = false
		select {
		case <-p.wake:
		case <-keepAlive.C:
			noop = true
		case <-ended.C:
			keepAlive.Stop()
			return
		case <-r.Context().Done():
			keepAlive.Stop()
			return
		}
		keepAlive.Stop()
	}
}

// openPoll makes a new poll the only one of its session; nil when the SID has just gone.
func (s *Server) openPoll(w http.ResponseWriter, ss *session) *poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[ss.sid] != ss {
		return nil
	}
	if old := ss.poll; old != nil {
		old.end = dropReplaced
		old.signal()
	}
	p := &poll{wake: make(chan struct{}, 1)}
	ss.poll = p
	ss.idleSince = time.Time{}
	s.stats.Polls++
	if every := s.settings.CloseInterval.Duration(); every > 0 && s.clock().Sub(ss.closeSaid) >= every {
		ss.closeSaid = s.clock()
		w.Header().Set("Connection", "close")
	}
	if !ss.clientIDSent {
		ss.clientIDSent = true
		s.wrapLocked(ss, clientIDMember(ss.clientID))
	}
	s.changedLocked()
	return p
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wrongLength changes the length that the first chunk announces.
func wrongLength(data []byte, by int) []byte {
	head, rest, found := bytes.Cut(data, []byte("\n"))
	length, err := strconv.Atoi(string(head))
	if !found || err != nil {
		return data
	}
	if by == 0 {
		by = 5
	}
	return append([]byte(strconv.Itoa(max(length+by, 0))+"\n"), rest...)
}

func (s *Server) closePoll(ss *session, p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.poll == p {
		ss.poll = nil
		ss.idleSince = s.clock()
		s.ephemeral(ss.gaia).lastSeenUS = s.nowLocked()
	}
	s.changedLocked()
}

// nextChunks takes everything queued, each array in a chunk of its own, after a noop when
// one is due. An array counts as delivered from here on (protocol §5.6).
func (s *Server) nextChunks(ss *session, p *poll, noop bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.poll != p || p.end == dropReplaced || p.end == DropMute {
		return nil // what is queued waits for the next poll
	}
	var list []queued
	if noop {
		list = append(list, queued{data: noopArray})
	}
	// A cut in between loses what was queued, as a cut of the real connection would.
	list = append(list, ss.queue...)
	ss.queue = nil
	var arrays []array
	for _, q := range list {
		id := ss.nextArray + q.shift
		for range 1 + bit(q.twice) {
			arrays = append(arrays, array{id, q.data})
			s.deliveries.add(Delivery{SID: ss.sid, Account: ss.gaia, Array: id, Data: q.data})
		}
		ss.nextArray++
	}
	if s.settings.MergeArrays && len(arrays) > 0 {
		return frame(chunkPayload(arrays...), s.settings.RawUTF8)
	}
	var out []byte
	for _, a := range arrays {
		out = append(out, frame(chunkPayload(a), s.settings.RawUTF8)...)
	}
	return out
}

// pollEnds ends the poll when it was told to, in the way it was told.
func (s *Server) pollEnds(w http.ResponseWriter, p *poll) bool {
	s.mu.Lock()
	how := p.end
	s.mu.Unlock()
	switch how {
	case "", DropMute:
		return false
	case DropTruncate, DropCut:
		cutConnection(w, false)
	case DropReset:
		cutConnection(w, true)
	}
	return true
}

// pollWriter writes and flushes, byte by byte when asked to, and fails when its limit is reached.
type pollWriter struct {
	w        io.Writer
	rc       *http.ResponseController
	bytewise bool
	limited  bool
	left     int
}

func (pw *pollWriter) Write(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if pw.limited {
		if len(data) >= pw.left {
			data, pw.left = data[:pw.left], 0
			_, _ = pw.w.Write(data)
			_ = pw.rc.Flush()
			return len(data), io.ErrShortWrite
		}
		pw.left -= len(data)
	}
	if !pw.bytewise {
		n, err := pw.w.Write(data)
		if err == nil {
			err = pw.rc.Flush()
		}
		return n, err
	}
	for i := range data {
		if _, err := pw.w.Write(data[i : i+1]); err != nil {
			return i, err
		}
		if err := pw.rc.Flush(); err != nil {
			return i, err
		}
	}
	return len(data), nil
}
