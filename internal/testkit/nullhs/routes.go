package nullhs

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// call is one request on its way through a handler.
type call struct {
	*http.Request
	body []byte
	who  requester
	w    *statusWriter // for answers that are not JSON, and the status of those that are
}

// requester is who makes a request: a person, or an application service acting as one of its users.
type requester struct {
	user    id.UserID
	device  string
	service *service // nil for a person
	token   string
}

// key names the requester in the cache of transaction ids. As in Synapse the user is no part of it for an application
// service: the same path through two ghosts is one transaction.
func (r requester) key() string {
	if r.service != nil {
		return "service " + r.service.reg.ID
	}
	return "user " + string(r.user)
}

// endpoint handles a call and returns what is answered as JSON. Unless free, it runs under the server's lock.
type endpoint struct {
	pattern string
	handle  func(s *Server, c *call) (any, error)
	open    bool // no access token needed
	free    bool // runs without the lock
}

// raw is the result of a handler that has written its answer itself.
type raw struct{}

type object = map[string]any

const (
	clientV3 = "/_matrix/client/v3"
	clientV1 = "/_matrix/client/v1"
	room3    = clientV3 + "/rooms/{room}"
)

// SendRoute is the Route of a message sent, as Requests shows it.
const SendRoute = "PUT " + room3 + "/send/{type}/{txn}"

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, table := range [][]endpoint{sessionEndpoints, roomEndpoints, stateEndpoints, sendEndpoints, readEndpoints, accountEndpoints, mediaEndpoints} {
		for _, e := range table {
			mux.HandleFunc(e.pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(e, w, r) })
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.note(r, "unknown", requester{}, http.StatusNotFound, time.Now())
		mautrix.MUnrecognized.WithMessage("nullhs does not know %s %s", r.Method, r.URL.Path).Write(w)
	})
	return mux
}

// ServeHTTP answers one request of the client-server API, after the faults that tests have asked for.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if fault := s.takeFault(r); fault != nil {
		fault.serve(s, w, r)
		return
	}
	s.handler.ServeHTTP(w, r)
}

// statusWriter remembers the status for the log of requests.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (s *Server) serve(e endpoint, rw http.ResponseWriter, r *http.Request) {
	w := &statusWriter{rw, http.StatusOK}
	c := &call{Request: r, w: w}
	answer, err := s.handle(e, c)
	matrixErr, status := asMatrix(err, w.status)
	if err != nil {
		matrixErr.Write(w)
	} else if answer != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}
}

// asMatrix is the form in which an error is answered, and the status.
func asMatrix(err error, status int) (matrixErr mautrix.RespError, _ int) {
	if err == nil {
		return matrixErr, status
	}
	if !errors.As(err, &matrixErr) {
		matrixErr = mautrix.MUnknown.WithMessage("%v", err)
	}
	return matrixErr, matrixErr.StatusCode
}

// handle runs the endpoint and encodes its answer, while the lock still protects what it shares, and
// notes the request in the same moment: who sees what it did finds it noted. A nil answer without an
// error has been written already.
func (s *Server) handle(e endpoint, c *call) (answer json.RawMessage, err error) {
	began := time.Now()
	body, err := io.ReadAll(io.LimitReader(c.Body, s.opts.MaxUpload+1))
	if err != nil {
		err = mautrix.MNotJSON.WithMessage("Failed to read request: %v", err)
	}
	c.body = body
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		_, status := asMatrix(err, c.w.status)
		s.noteLocked(c.Request, e.pattern, c.who, status, began)
	}()
	if err == nil && !e.open {
		c.who, err = s.authenticate(c.Request)
	}
	switch {
	case err != nil:
	case e.free:
		s.mu.Unlock()
		answer, err = encode(e.handle(s, c))
		s.mu.Lock()
	default:
		defer s.flush()
		answer, err = encode(e.handle(s, c))
	}
	return answer, err
}

func encode(answer any, err error) (json.RawMessage, error) {
	if err != nil || answer == (raw{}) {
		return nil, err
	}
	return json.Marshal(answer)
}

// authenticate finds out who asks. The caller holds the lock.
func (s *Server) authenticate(r *http.Request) (requester, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return requester{}, mautrix.MMissingToken.WithMessage("Missing access token")
	}
	if owner, known := s.data.tokens[token]; known {
		return requester{user: owner.user, device: owner.device, token: token}, nil
	}
	for _, as := range s.services {
		if as.reg.AppToken == token {
			return s.authenticateService(as, r)
		}
	}
	return requester{}, mautrix.MUnknownToken.WithMessage("Unrecognised access token").WithExtraField("soft_logout", false)
}

func (s *Server) authenticateService(as *service, r *http.Request) (requester, error) {
	who := requester{service: as, user: s.userID(as.reg.SenderLocalpart), device: r.URL.Query().Get("device_id")}
	if asked := id.UserID(r.URL.Query().Get("user_id")); asked != "" && asked != who.user {
		if !as.users.match(string(asked)) {
			return who, mautrix.MForbidden.WithMessage("Application service cannot masquerade as %s", asked)
		}
		if s.data.users[asked] == nil && !strings.HasSuffix(r.URL.Path, "/register") {
			return who, mautrix.MForbidden.WithMessage("Application service has not registered this user (%s)", asked)
		}
		who.user = asked
	}
	if who.device != "" {
		u := s.data.users[who.user]
		if _, known := u.devices[who.device]; !known && !strings.Contains(r.URL.Path, "/devices/") {
			return who, mautrix.RespError{ErrCode: "M_UNKNOWN_DEVICE", StatusCode: http.StatusBadRequest, Err: "Application service trying to use a device that doesn't exist"}
		}
	}
	return who, nil
}

func (s *Server) userID(localpart string) id.UserID {
	return id.NewUserID(localpart, s.opts.ServerName)
}

// decode reads the JSON body; an empty body is an empty object.
func (c *call) decode(into any) error {
	if len(c.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return mautrix.MNotJSON.WithMessage("Content not JSON: %v", err)
	}
	return nil
}

// content returns the JSON body, which must be an object.
func (c *call) content() (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := c.decode(&fields); err != nil {
		return nil, mautrix.MBadJSON.WithMessage("Content must be a JSON object: %v", err)
	}
	if len(c.body) == 0 {
		return json.RawMessage("{}"), nil
	}
	return json.RawMessage(c.body), nil
}
