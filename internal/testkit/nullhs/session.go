package nullhs

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// sessionEndpoints: who one is, and getting there.
var sessionEndpoints = []endpoint{
	{pattern: "GET /health", open: true, handle: func(*Server, *call) (any, error) { return object{}, nil }},
	{pattern: "GET /_matrix/client/versions", open: true, handle: (*Server).getVersions},
	{pattern: "GET " + clientV3 + "/capabilities", handle: (*Server).getCapabilities},
	{pattern: "GET " + clientV3 + "/account/whoami", handle: (*Server).whoami},
	{pattern: "GET " + clientV3 + "/login", open: true, handle: (*Server).getLogin},
	{pattern: "POST " + clientV3 + "/login", open: true, handle: (*Server).postLogin},
	{pattern: "POST " + clientV3 + "/logout", handle: (*Server).logout},
	{pattern: "POST " + clientV3 + "/register", handle: (*Server).registerService},
	{pattern: "GET /_synapse/admin/v1/register", open: true, handle: (*Server).adminNonce},
	{pattern: "POST /_synapse/admin/v1/register", open: true, handle: (*Server).adminRegister},
	{pattern: "GET " + clientV3 + "/devices", handle: (*Server).getDevices},
	{pattern: "GET " + clientV3 + "/devices/{device}", handle: (*Server).getDevice},
	{pattern: "PUT " + clientV3 + "/devices/{device}", handle: (*Server).putDevice},
	{pattern: "DELETE " + clientV3 + "/devices/{device}", handle: (*Server).deleteDevice},
	{pattern: "POST " + clientV1 + "/appservice/{service}/ping", free: true, handle: (*Server).pingService},
}

func (s *Server) getVersions(*call) (any, error) {
	return object{
		"versions":          []string{"v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11", "v1.12", "v1.13", "v1.14", "v1.15"},
		"unstable_features": object{"fi.mau.msc2659.stable": true, "org.matrix.msc3916.stable": true},
	}, nil
}

func (s *Server) getCapabilities(*call) (any, error) {
	return object{"capabilities": object{
		"m.change_password": object{"enabled": false},
		"m.room_versions":   object{"default": "12", "available": object{"10": "stable", "11": "stable", "12": "stable"}},
	}}, nil
}

func (s *Server) whoami(c *call) (any, error) {
	answer := object{"user_id": c.who.user, "is_guest": false}
	if c.who.device != "" {
		answer["device_id"] = c.who.device
	}
	return answer, nil
}

func (s *Server) getLogin(*call) (any, error) {
	return object{"flows": []object{{"type": "m.login.password"}, {"type": "m.login.application_service"}}}, nil
}

func (s *Server) postLogin(c *call) (any, error) {
	var req struct {
		Type, User, Password string
		Identifier           struct{ User string }
		DeviceID             string `json:"device_id"`
	}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	name := id.UserID(req.Identifier.User)
	if name == "" {
		name = id.UserID(req.User)
	}
	if !strings.HasPrefix(string(name), "@") {
		name = s.userID(string(name))
	}
	u := s.data.users[name]
	switch req.Type {
	case "m.login.password":
		if u == nil || u.password == "" || u.password != req.Password {
			return nil, mautrix.MForbidden.WithMessage("Invalid username or password")
		}
	case "m.login.application_service":
		who, err := s.authenticate(c.Request)
		if err != nil {
			return nil, err
		}
		if who.service == nil || u == nil || !who.service.users.match(string(name)) {
			return nil, mautrix.MForbidden.WithMessage("Not a user of the application service")
		}
	default:
		return nil, mautrix.MUnknown.WithMessage("Unknown login type %s", req.Type).WithStatus(400)
	}
	device := req.DeviceID
	if device == "" {
		device = strings.ToUpper(random.String(10))
	}
	return s.logIn(u, device), nil
}

// logIn makes a device and an access token for it.
func (s *Server) logIn(u *user, device string) object {
	if _, known := u.devices[device]; !known {
		s.commit(&addDevice{User: u.id, ID: device})
	}
	token := "nht_" + random.String(32)
	s.commit(&addToken{Token: token, Device: device, User: u.id})
	return object{"user_id": u.id, "access_token": token, "device_id": device, "home_server": s.opts.ServerName}
}

func (s *Server) logout(c *call) (any, error) {
	if c.who.service != nil {
		return nil, mautrix.MForbidden.WithMessage("Application services cannot log out")
	}
	s.commit(&dropToken{c.who.token})
	s.commit(&dropDevice{c.who.user, c.who.device})
	return object{}, nil
}

// registerService is how an application service makes its ghosts.
func (s *Server) registerService(c *call) (any, error) {
	var req struct {
		Type, Username string
		InhibitLogin   bool `json:"inhibit_login"`
	}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	if c.who.service == nil || req.Type != "m.login.application_service" {
		return nil, mautrix.MForbidden.WithMessage("Registration is disabled")
	}
	name := s.userID(req.Username)
	if !c.who.service.users.match(string(name)) && req.Username != c.who.service.reg.SenderLocalpart {
		return nil, mautrix.MExclusive.WithMessage("%s is not in the namespace of this application service", name)
	}
	if s.data.users[name] != nil {
		return nil, mautrix.MUserInUse.WithMessage("User ID already taken.")
	}
	s.createUser(name, "", false)
	if req.InhibitLogin {
		return object{"user_id": name, "home_server": s.opts.ServerName}, nil
	}
	return s.logIn(s.data.users[name], strings.ToUpper(random.String(10))), nil
}

func (s *Server) createUser(name id.UserID, password string, admin bool) {
	s.commit(&addUser{ID: name, Password: password, Admin: admin})
	display, _ := json.Marshal(name.Localpart())
	s.commit(&setProfile{User: name, Field: "displayname", Value: display})
}

func (s *Server) adminNonce(*call) (any, error) {
	nonce := random.String(32)
	s.nonces[nonce] = true
	return object{"nonce": nonce}, nil
}

func (s *Server) adminRegister(c *call) (any, error) {
	var req struct {
		Nonce, Username, Password, MAC string
		Admin                          bool
	}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	role := "notadmin"
	if req.Admin {
		role = "admin"
	}
	mac := hmac.New(sha1.New, []byte(s.opts.SharedSecret))
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00%s", req.Nonce, req.Username, req.Password, role)
	if !s.nonces[req.Nonce] || hex.EncodeToString(mac.Sum(nil)) != req.MAC {
		return nil, mautrix.MForbidden.WithMessage("HMAC incorrect")
	}
	delete(s.nonces, req.Nonce)
	name := s.userID(req.Username)
	for _, as := range s.services {
		if as.users.exclusive(string(name)) {
			return nil, mautrix.MExclusive.WithMessage("This user ID is reserved by an application service.")
		}
	}
	if s.data.users[name] != nil {
		return nil, mautrix.MUserInUse.WithMessage("User ID already taken.")
	}
	s.createUser(name, req.Password, req.Admin)
	return s.logIn(s.data.users[name], strings.ToUpper(random.String(10))), nil
}

func (s *Server) getDevices(c *call) (any, error) {
	list := []object{}
	for _, device := range sortedKeys(s.data.users[c.who.user].devices) {
		list = append(list, object{"device_id": device, "display_name": s.data.users[c.who.user].devices[device]})
	}
	return object{"devices": list}, nil
}

func (s *Server) getDevice(c *call) (any, error) {
	name, known := s.data.users[c.who.user].devices[c.PathValue("device")]
	if !known {
		return nil, mautrix.MNotFound.WithMessage("No such device")
	}
	return object{"device_id": c.PathValue("device"), "display_name": name}, nil
}

func (s *Server) putDevice(c *call) (any, error) {
	var req struct {
		DisplayName string `json:"display_name"`
	}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	device := c.PathValue("device")
	_, known := s.data.users[c.who.user].devices[device]
	if !known && c.who.service == nil {
		return nil, mautrix.MNotFound.WithMessage("No such device")
	}
	s.commit(&addDevice{User: c.who.user, ID: device, Name: req.DisplayName})
	if !known {
		c.w.status = 201
	}
	return object{}, nil
}

func (s *Server) deleteDevice(c *call) (any, error) {
	s.commit(&dropDevice{c.who.user, c.PathValue("device")})
	return object{}, nil
}

// pingService asks an application service whether it answers, and if so retries what waits for it.
func (s *Server) pingService(c *call) (any, error) {
	as := c.who.service
	if as == nil || as.reg.ID != c.PathValue("service") {
		return nil, mautrix.MForbidden.WithMessage("The application service ID does not match the access token")
	}
	if as.reg.URL == "" {
		return nil, mautrix.MURLNotSet.WithMessage("The application service has no URL").WithStatus(400)
	}
	began := time.Now()
	status, body, err := as.request(c.Context(), "POST", "/_matrix/app/v1/ping", c.body)
	switch {
	case err != nil:
		return nil, mautrix.MConnectionFailed.WithMessage("%v", err).WithStatus(502)
	case status != 200:
		return nil, mautrix.MBadStatus.WithMessage("status %d", status).WithStatus(502).
			WithExtraField("status", status).WithExtraField("body", string(body))
	}
	as.retryNow()
	return object{"duration_ms": time.Since(began).Milliseconds()}, nil
}
