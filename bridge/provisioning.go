package bridge

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"go.mau.fi/util/exhttp"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/id"
)

const (
	provisionPrefix = "/_matrix/provision/"
	// processAge is how long the framework keeps a login process.
	processAge = 30 * time.Minute
)

// provisioning guards the provisioning API. The framework finds the login process, the
// room or the message of a request by its id alone; here it has to be the asker's.
// mautrix: bridgev2/matrix/provisioning*.go, until it compares the user.
type provisioning struct {
	m         *Main
	framework http.Handler
	routes    *http.ServeMux

	mu        sync.Mutex
	processes map[string]process // by id
}

// process is a login process: whose it is and since when.
type process struct {
	user  id.UserID
	began time.Time
}

func newProvisioning(m *Main, framework http.Handler) *provisioning {
	p := &provisioning{m: m, framework: framework, routes: http.NewServeMux(), processes: map[string]process{}}
	p.routes.Handle("/", framework)
	p.routes.HandleFunc("POST "+provisionPrefix+"v3/login/start/{flow}", p.start)
	for path, owns := range map[string]func(*bridgev2.User, *http.Request) bool{
		"login/step/{process}/{rest...}":        p.ownsProcess,
		"login/client_http/{process}/{rest...}": p.ownsProcess,
		"login/cancel/{process}":                p.ownsProcess,
		"backfill/{room}":                       p.ownsRoom,
		"view_limited_media/{event}":            p.ownsEvent,
		"resolve_media/{event}":                 p.ownsEvent,
	} {
		p.routes.HandleFunc("POST "+provisionPrefix+"v3/"+path, func(w http.ResponseWriter, r *http.Request) {
			if !owns(m.Matrix.Provisioning.GetUser(r), r) {
				mautrix.MNotFound.WithMessage("Not found").Write(w)
				return
			}
			framework.ServeHTTP(w, r)
		})
	}
	return p
}

// ServeHTTP implements http.Handler. A request is authenticated as the framework does it,
// before anything is said about what it names.
func (p *provisioning) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		p.framework.ServeHTTP(w, r)
		return
	}
	exhttp.AddCORSHeaders(w)
	user := id.UserID(r.URL.Query().Get("user_id"))
	switch _, _, err := user.Parse(); {
	case !p.m.Running():
		mautrix.MUnknown.WithMessage("The bridge is starting").WithStatus(http.StatusServiceUnavailable).Write(w)
	case err != nil:
		mautrix.MInvalidParam.WithMessage("user_id is missing or no user id").Write(w)
	case user == p.m.Matrix.Bot.UserID || p.m.Bridge.IsGhostMXID(user):
		mautrix.MForbidden.WithMessage("The bridge's own users have no logins").Write(w)
	case !p.m.Config.Bridge.Permissions.Get(user).Login: // the framework would ask the server that a stranger names first
		mautrix.MForbidden.WithMessage("User does not have login permissions").Write(w)
	default:
		p.m.Matrix.Provisioning.AuthMiddleware(p.routes).ServeHTTP(w, r)
	}
}

// start notes whose login process the framework has begun.
func (p *provisioning) start(w http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	p.framework.ServeHTTP(answer, r)
	var begun struct {
		ID string `json:"login_id"`
	}
	if answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &begun) == nil && begun.ID != "" {
		p.mu.Lock()
		maps.DeleteFunc(p.processes, func(_ string, old process) bool { return time.Since(old.began) > processAge })
		p.processes[begun.ID] = process{p.m.Matrix.Provisioning.GetUser(r).MXID, time.Now()}
		p.mu.Unlock()
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (p *provisioning) ownsProcess(user *bridgev2.User, r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.processes[r.PathValue("process")].user == user.MXID
}

func (p *provisioning) ownsRoom(user *bridgev2.User, r *http.Request) bool {
	portal, err := p.m.Bridge.GetPortalByMXID(r.Context(), id.RoomID(r.PathValue("room")))
	return err == nil && portal != nil && p.m.connector.ownsPortal(r.Context(), user, portal.PortalKey)
}

func (p *provisioning) ownsEvent(user *bridgev2.User, r *http.Request) bool {
	message, err := p.m.Bridge.DB.Message.GetPartByMXID(r.Context(), id.EventID(r.PathValue("event")))
	return err == nil && message != nil && p.m.connector.ownsPortal(r.Context(), user, message.Room)
}
