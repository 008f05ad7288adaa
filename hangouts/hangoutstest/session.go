package hangoutstest

import (
	"slices"
	"time"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const (
	serviceBabel    = "babel"
	servicePresence = "babel_presence_last_seen"
)

// session is one BrowserChannel session (SID). Guarded by Server.mu.
type session struct {
	sid, gsid    string
	gaia         string
	pictures     pictures
	clientID     string
	clientIDSent bool
	services     map[string]bool
	queue        []queued // data arrays not yet written
	late         string   // an array that FaultReorder keeps for behind the next one
	held         []string // updates that FaultHold keeps for the next batch
	nextArray    int
	wrappers     int
	poll         *poll
	idleSince    time.Time // when the last poll ended; zero while one is open
	closeSaid    time.Time // when a poll last said Connection: close
	created      time.Time
}

// queued is a data array that waits for a poll.
type queued struct {
	data  string
	shift int  // of its array id against its place
	twice bool // written twice with one id
}

func (ss *session) subscribed() bool { return ss.services[serviceBabel] }

// poll is one open long poll.
type poll struct {
	wake chan struct{} // one slot: something to write, or end is set
	end  DropHow       // "" = go on
}

func (p *poll) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// DropHow says how a channel is interrupted; see [Server.Drop].
type DropHow string

const (
	// DropEnd ends the poll regularly; the SID lives on.
	DropEnd DropHow = "end"
	// DropTruncate cuts the chunked body; the SID is forgotten (protocol §5.7).
	DropTruncate DropHow = "truncate"
	// DropCut cuts the chunked body but keeps the SID.
	DropCut DropHow = "cut"
	// DropReset resets the TCP connection; the SID lives on (protocol §15.1).
	DropReset DropHow = "reset"
	// DropUnknownSID forgets the SID: the open poll ends regularly, the next one gets 400.
	DropUnknownSID DropHow = "unknown_sid"
	// DropMute keeps the poll open and writes nothing more to it, keep-alives included.
	DropMute DropHow = "mute"
	// dropReplaced ends a poll because a newer one took its place.
	dropReplaced DropHow = "replaced"
)

func (h DropHow) forgets() bool { return h == DropTruncate || h == DropUnknownSID }

func (h DropHow) valid() bool {
	return slices.Contains([]DropHow{DropEnd, DropTruncate, DropCut, DropReset, DropUnknownSID, DropMute}, h)
}

func (s *Server) newSessionLocked(p *person, at pictures) *session {
	ss := &session{
		sid: s.gen.sid(), gsid: s.gen.gsessionID(), gaia: p.GaiaID, pictures: at, clientID: s.gen.clientID(),
		services: map[string]bool{}, nextArray: 2, created: s.clock(), idleSince: s.clock(), closeSaid: s.clock(),
	}
	mine := s.sessionsOf(p.GaiaID)
	if len(mine) >= maxSessions {
		s.dropSessionLocked(mine[0], DropUnknownSID)
	}
	s.sessions[ss.sid] = ss
	s.sessionOrder = append(s.sessionOrder, ss)
	s.stats.Sessions++
	s.changedLocked()
	return ss
}

// sessionsOf lists an account's sessions, oldest first.
func (s *Server) sessionsOf(gaia string) []*session {
	var list []*session
	for _, ss := range s.sessionOrder {
		if ss.gaia == gaia {
			list = append(list, ss)
		}
	}
	return list
}

// subscribedLocked lists an account's sessions that get state updates.
func (s *Server) subscribedLocked(gaia string) []*session {
	return slices.DeleteFunc(s.sessionsOf(gaia), func(ss *session) bool { return !ss.subscribed() })
}

// dropSessionLocked interrupts a session; see DropHow.
func (s *Server) dropSessionLocked(ss *session, how DropHow) {
	if how.forgets() {
		delete(s.sessions, ss.sid)
		s.sessionOrder = slices.DeleteFunc(s.sessionOrder, func(x *session) bool { return x == ss })
		ss.queue = nil
		s.ephemeral(ss.gaia).lastSeenUS = s.nowLocked()
	}
	if ss.poll != nil {
		ss.poll.end = how
		ss.poll.signal()
	}
	s.changedLocked()
}

// enqueueLocked puts a data array on a session. Past the limit the SID is dropped: its
// client must synchronise anyway.
func (s *Server) enqueueLocked(ss *session, data string) {
	if s.sessions[ss.sid] != ss {
		return
	}
	if len(ss.queue) >= s.settings.QueueLimit {
		s.stats.Overflows++
		s.dropSessionLocked(ss, DropUnknownSID)
		return
	}
	q := queued{data: data}
	if ss.late != "" {
		q.shift = 1
		ss.queue = append(ss.queue, q, queued{data: ss.late, shift: -1})
		ss.late = ""
	} else {
		ss.queue = append(ss.queue, q)
	}
	if ss.poll != nil {
		ss.poll.signal()
	}
}

// wrapLocked puts a wrapper with the given members on a session.
func (s *Server) wrapLocked(ss *session, members string) {
	ss.wrappers++
	s.enqueueLocked(ss, wrap(ss.wrappers, uint64(s.clock().Add(s.clockOffset).UnixMilli()), members))
}

// activeStateLocked is the active client state as one client sees it (protocol §8.8).
func (s *Server) activeStateLocked(ss *session) pb.ActiveClientState {
	e := s.ephemeral(ss.gaia)
	switch {
	case e.activeClient == "" || !s.clock().Add(s.clockOffset).Before(e.activeUntil):
		return pb.ActiveClientState_ACTIVE_CLIENT_STATE_NO_ACTIVE
	case e.activeClient == ss.clientID:
		return pb.ActiveClientState_ACTIVE_CLIENT_STATE_IS_ACTIVE
	}
	return pb.ActiveClientState_ACTIVE_CLIENT_STATE_OTHER_ACTIVE
}

// expireSessionsLocked forgets sessions that had no poll for too long.
func (s *Server) expireSessionsLocked() {
	limit := s.settings.SessionIdle.Duration()
	for _, ss := range slices.Clone(s.sessionOrder) {
		if ss.poll == nil && s.clock().Sub(ss.idleSince) > limit {
			s.dropSessionLocked(ss, DropUnknownSID)
		}
	}
}
