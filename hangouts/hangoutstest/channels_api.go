package hangoutstest

import (
	"fmt"
	"slices"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func (ss *session) info() ChannelInfo {
	out := ChannelInfo{
		SID: ss.sid, Account: ss.gaia, ClientID: ss.clientID, Polling: ss.poll != nil, Queued: len(ss.queue),
		Arrays: ss.nextArray, Services: []string{},
	}
	for name := range ss.services {
		out.Services = append(out.Services, name)
	}
	slices.Sort(out.Services)
	return out
}

// targetsLocked lists the sessions of an account (key, e-mail, gaia id), of a SID, or all for "".
func (s *Server) targetsLocked(name string) []*session {
	if ss := s.sessions[name]; ss != nil {
		return []*session{ss}
	}
	if name == "" {
		return slices.Clone(s.sessionOrder)
	}
	if p := s.world.person(name); p != nil {
		return s.sessionsOf(p.GaiaID)
	}
	return nil
}

// Drop interrupts the channels of an account (or one SID, or all for "") and returns how
// many. Errors: ErrInvalid.
func (s *Server) Drop(account string, how DropHow) (int, error) {
	if !how.valid() {
		return 0, fmt.Errorf("%w: drop %q", ErrInvalid, how)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, ss := range s.targetsLocked(account) {
		if ss.poll != nil || how.forgets() {
			s.dropSessionLocked(ss, how)
			n++
		}
	}
	return n, nil
}

// Push sends any state update to every subscribed client of a person; its header is
// overwritten. Errors: ErrNotFound.
func (s *Server) Push(account string, update *pb.StateUpdate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.world.person(account)
	if p == nil {
		return ErrNotFound
	}
	s.pushLocked(p.GaiaID, pushCustom, update, "")
	return nil
}

// PushPayload sends any text as the payload of service babel (protocol §5.9) to every
// channel of a person, subscribed or not, and returns to how many.
func (s *Server) PushPayload(account, payload string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	targets := s.targetsLocked(account)
	for _, ss := range targets {
		s.wrapLocked(ss, babelMember(payload))
	}
	return len(targets)
}

// PushArray sends any JSON text as a data array to every channel of a person and returns
// to how many.
func (s *Server) PushArray(account, data string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	targets := s.targetsLocked(account)
	for _, ss := range targets {
		s.enqueueLocked(ss, data)
	}
	return len(targets)
}
