package hangoutstest

import "time"

// nowLocked hands out a time in µs that is greater than every one before: of events and of
// answers alike. So an event after an answer is always later than its current_server_time.
func (s *Server) nowLocked() uint64 {
	us := max(uint64(s.clock().Add(s.clockOffset).UnixMicro()), s.world.lastUS+1)
	s.world.lastUS = us
	return us
}

// century is how far Advance moves the clock altogether.
const century = 100 * 365 * 24 * time.Hour

// Advance moves the server's clock forward, for expiry and lag tests, by a century at most. It is
// not kept in the state file; event times still only grow after a restart.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clockOffset = min(s.clockOffset+min(max(d, 0), century), century)
}

// Now returns the server's time in µs; no event has or gets it.
func (s *Server) Now() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}
