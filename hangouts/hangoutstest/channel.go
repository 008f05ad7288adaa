package hangoutstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const unknownSID = "Unknown SID"

// serveChannel is the BrowserChannel endpoint (protocol §5, §15).
func (s *Server) serveChannel(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	endpoint := "channel/create"
	switch {
	case r.Method == http.MethodGet:
		endpoint = "channel/poll"
	case query.Has("SID"):
		endpoint = "channel/services"
	}
	p := s.authenticate(r)
	if p == nil {
		s.note(r, endpoint, "", nil, http.StatusUnauthorized)
		httpError(w, http.StatusUnauthorized)
		return
	}
	faults := s.faults.takeAll(stageRequest, p.GaiaID, endpoint)
	ss, known := s.session(p, query)
	if pick(faults, FaultUnknownSID) != nil && known {
		s.mu.Lock()
		s.dropSessionLocked(ss, DropUnknownSID)
		s.mu.Unlock()
		known = false
	}
	if s.refuse(w, r, endpoint, p.GaiaID, faults) {
		return
	}
	if pick(faults, FaultClose) != nil {
		w.Header().Set("Connection", "close")
	}
	info := s.note(r, endpoint, p.GaiaID, nil, http.StatusOK)
	switch {
	case endpoint != "channel/create" && !known:
		s.setStatus(info, http.StatusBadRequest)
		rawStatus(w, http.StatusBadRequest, unknownSID, "")
	case query.Get("TYPE") == "terminate":
		s.mu.Lock()
		s.dropSessionLocked(ss, DropUnknownSID)
		s.mu.Unlock()
	case r.Method == http.MethodGet:
		s.servePoll(w, r, ss, faults)
	case r.Method == http.MethodPost:
		s.serveMaps(w, r, p, ss, faults, info)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// session finds the session of a request; SID and gsessionid must belong together.
func (s *Server) session(p *person, query url.Values) (*session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.sessions[query.Get("SID")]
	if ss == nil || ss.gaia != p.GaiaID || ss.gsid != query.Get("gsessionid") {
		return nil, false
	}
	return ss, true
}

// serveMaps handles a POST: it creates a session when ss is nil and applies the maps.
func (s *Server) serveMaps(w http.ResponseWriter, r *http.Request, p *person, ss *session, faults []*Fault, info *RequestInfo) {
	services, err := readMaps(w, r)
	if err != nil {
		s.setStatus(info, http.StatusBadRequest)
		httpError(w, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	var answer string
	raw := s.settings.RawUTF8
	if ss == nil {
		ss = s.newSessionLocked(p, s.picturesFor(r))
		w.Header().Add("Set-Cookie", s.cookie(r, "S", "cloudsearch-persist="+ss.gsid))
		answer = createAnswer(ss.sid, ss.gsid)
	}
	s.subscribeServicesLocked(ss, services, pick(faults, FaultRefuseServices) != nil)
	if answer == "" {
		back := 0
		if ss.poll != nil {
			back = 1
		}
		answer = fmt.Sprintf("[%d,%d,0]", back, ss.nextArray-1)
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	s.answer(w, r, frame(answer, raw), faults)
}

// readMaps parses a forward channel body (protocol §5.3) and returns the services named.
func readMaps(w http.ResponseWriter, r *http.Request) ([]string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxChannelBody))
	if err != nil {
		return nil, fmt.Errorf("read maps: %w", err)
	}
	if len(body) == 0 {
		return nil, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("parse maps: %w", err)
	}
	count := 0
	if text := form.Get("count"); text != "" {
		if count, err = strconv.Atoi(text); err != nil || count < 0 || count > maxMaps {
			return nil, fmt.Errorf("%w: count %q", ErrInvalid, text)
		}
	}
	numbers := map[int]bool{}
	for key := range form {
		var n int
		if _, err := fmt.Sscanf(key, "req%d_", &n); err == nil {
			numbers[n] = true
		}
	}
	if len(numbers) != count {
		return nil, fmt.Errorf("%w: count %d for %d maps", ErrInvalid, count, len(numbers))
	}
	var services []string
	for i := range count {
		if !numbers[i] {
			return nil, fmt.Errorf("%w: map %d is missing", ErrInvalid, i)
		}
		service, err := serviceOf(form.Get(fmt.Sprintf("req%d_p", i)))
		if err != nil {
			return nil, err
		}
		if service != "" {
			services = append(services, service)
		}
	}
	return services, nil
}

// serviceOf reads {"3":{"1":{"1":"<service>"}}}; other maps name no service.
func serviceOf(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var m struct {
		Three struct {
			One struct {
				One string `json:"1"`
			} `json:"1"`
		} `json:"3"`
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) {
			return "", nil
		}
		return "", fmt.Errorf("parse map: %w", err)
	}
	return m.Three.One.One, nil
}

// subscribeServicesLocked adds services, or answers with a service error on the channel
// before the client id was sent (protocol §15).
func (s *Server) subscribeServicesLocked(ss *session, services []string, refuse bool) {
	for _, name := range services {
		if refuse || !ss.clientIDSent {
			s.wrapLocked(ss, serviceErrorMember(name))
			continue
		}
		if len(ss.services) < 20 {
			ss.services[name] = true
		}
	}
	if refuse || !ss.clientIDSent || !contains(services, serviceBabel) {
		return
	}
	s.pushSelfPresenceLocked(ss.gaia, ss)
	s.changedLocked()
}

// pushSelfPresenceLocked tells a person's clients their own presence; only one of them when only is set.
func (s *Server) pushSelfPresenceLocked(gaia string, only *session) {
	for _, ss := range s.subscribedLocked(gaia) {
		if only != nil && ss != only {
			continue
		}
		state := s.ephemeral(gaia).presenceType
		p := s.world.people[gaia]
		n := &pb.SelfPresenceNotification{
			ClientPresenceState: &pb.ClientPresenceState{
				Identifier: &pb.ClientIdentifier{Resource: proto.String(ss.clientID)}, State: &state,
			},
			DesktopOffSetting: &pb.DesktopOffSetting{DesktopOff: proto.Bool(p.DesktopOff)},
			DesktopOffState:   &pb.DesktopOffState{DesktopOff: proto.Bool(p.DesktopOff), Version: proto.Uint64(0)},
		}
		if p.DoNotDisturbUS != 0 {
			n.DoNotDisturbSetting = &pb.DoNotDisturbSetting{
				DoNotDisturb: proto.Bool(p.DoNotDisturbUS > s.world.lastUS), ExpirationTimestamp: proto.Uint64(p.DoNotDisturbUS),
				Version: proto.Uint64(0),
			}
		}
		if p.StatusMessage != "" {
			n.MoodState = &pb.MoodState{StatusMessage: s.presence(p).GetStatusMessage()}
		}
		s.pushToLocked(ss, pushSelfPresence, &pb.StateUpdate{
			StateUpdate: &pb.StateUpdate_SelfPresenceNotification{SelfPresenceNotification: n}})
	}
}
