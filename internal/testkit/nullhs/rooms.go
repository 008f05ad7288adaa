package nullhs

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// roomEndpoints: making rooms, being in them, their addresses.
var roomEndpoints = []endpoint{
	{pattern: "POST " + clientV3 + "/createRoom", handle: (*Server).createRoom},
	{pattern: "POST " + clientV3 + "/join/{target}", handle: (*Server).joinTarget},
	{pattern: "POST " + room3 + "/join", handle: membershipCall("join")},
	{pattern: "POST " + room3 + "/leave", handle: membershipCall("leave")},
	{pattern: "POST " + room3 + "/invite", handle: membershipCall("invite")},
	{pattern: "POST " + room3 + "/kick", handle: membershipCall("kick")},
	{pattern: "POST " + room3 + "/ban", handle: membershipCall("ban")},
	{pattern: "POST " + room3 + "/unban", handle: membershipCall("unban")},
	{pattern: "POST " + room3 + "/forget", handle: func(*Server, *call) (any, error) { return object{}, nil }},
	{pattern: "GET " + clientV3 + "/joined_rooms", handle: (*Server).joinedRooms},
	{pattern: "GET " + room3 + "/aliases", handle: (*Server).roomAliases},
	{pattern: "GET " + clientV3 + "/directory/room/{alias}", open: true, handle: (*Server).getAlias},
	{pattern: "PUT " + clientV3 + "/directory/room/{alias}", handle: (*Server).putAlias},
	{pattern: "DELETE " + clientV3 + "/directory/room/{alias}", handle: (*Server).deleteAlias},
}

type createRequest struct {
	AliasName       string            `json:"room_alias_name"`
	Name, Topic     string            //
	Preset          string            //
	Visibility      string            //
	Version         string            `json:"room_version"`
	Invite          *[]id.UserID      `json:"invite"`
	IsDirect        bool              `json:"is_direct"`
	CreationContent map[string]any    `json:"creation_content"`
	InitialState    []initialState    `json:"initial_state"`
	PowerLevels     map[string]any    `json:"power_level_content_override"`
	Invite3PID      []json.RawMessage `json:"invite_3pid"`
}

type initialState struct {
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

func (s *Server) createRoom(c *call) (any, error) {
	req := createRequest{Version: "12"}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	var sentInvite struct{ Invite json.RawMessage }
	_ = json.Unmarshal(c.body, &sentInvite)
	if string(sentInvite.Invite) == "null" {
		return nil, mautrix.MUnknown.WithMessage("Internal server error") // as Synapse does
	}
	alias := ""
	if req.AliasName != "" {
		alias = "#" + req.AliasName + ":" + s.opts.ServerName
		if err := s.checkAlias(c, alias); err != nil {
			return nil, err
		}
	}
	var invited []id.UserID
	if req.Invite != nil {
		invited = *req.Invite
	}
	for _, who := range invited {
		if s.data.users[who] == nil {
			return nil, mautrix.MForbidden.WithMessage("%s does not exist", who)
		}
	}
	creators := []id.UserID{c.who.user}
	if extra, ok := req.CreationContent["additional_creators"].([]any); ok {
		for _, who := range extra {
			creators = append(creators, id.UserID(fmt.Sprint(who)))
		}
	}
	if req.Preset == "trusted_private_chat" { // everybody invited is as powerful as the creator
		creators = append(creators, invited...)
	}
	r, err := s.buildRoom(c, req, alias, creators)
	if err != nil {
		return nil, err
	}
	for _, who := range invited {
		content := s.memberContent(who, "invite")
		if req.IsDirect {
			content["is_direct"] = true
		}
		s.appendState(r, c.who.user, "m.room.member", string(who), content, 0)
	}
	return object{"room_id": r.id}, nil
}

// buildRoom makes a room with its first state; invitations are left to the caller. creators[0] makes the request.
func (s *Server) buildRoom(c *call, req createRequest, alias string, creators []id.UserID) (*room, error) {
	roomID := id.RoomID("!" + random.String(43))
	if req.Version != "12" {
		roomID = id.RoomID("!" + random.String(18) + ":" + s.opts.ServerName)
	}
	creator := creators[0]
	levels, creation := defaultLevels(), req.CreationContent
	if creation == nil {
		creation = map[string]any{}
	}
	if req.Version == "12" {
		users, _ := req.PowerLevels["users"].(map[string]any)
		for _, who := range creators {
			if users[string(who)] != nil {
				return nil, mautrix.MBadJSON.WithMessage("Creator user %s must not appear in content.users", who).WithStatus(400)
			}
		}
		if len(creators) > 1 {
			creation["additional_creators"] = creators[1:]
		}
	} else {
		users := object{}
		for _, who := range creators {
			users[string(who)] = 100
		}
		levels["users"] = users
	}
	for key, value := range req.PowerLevels {
		levels[key] = value
	}
	s.commit(&addRoom{ID: roomID, Version: req.Version, Creators: creators})
	r := s.data.rooms[roomID]
	creation["room_version"] = req.Version
	if req.Version == "10" {
		creation["creator"] = creator
	}
	s.appendState(r, creator, "m.room.create", "", creation, 0)
	s.appendState(r, creator, "m.room.member", string(creator), s.memberContent(creator, "join"), 0)
	s.appendState(r, creator, "m.room.power_levels", "", levels, 0)
	if alias != "" {
		s.commit(&setAlias{alias, roomID})
		s.appendState(r, creator, "m.room.canonical_alias", "", object{"alias": alias}, 0)
	}
	joinRule := "invite"
	if req.Preset == "public_chat" || req.Preset == "" && req.Visibility == "public" {
		joinRule = "public"
	}
	s.appendState(r, creator, "m.room.join_rules", "", object{"join_rule": joinRule}, 0)
	s.appendState(r, creator, "m.room.history_visibility", "", object{"history_visibility": "shared"}, 0)
	for _, st := range req.InitialState {
		s.appendState(r, creator, st.Type, st.StateKey, st.Content, 0)
	}
	if req.Name != "" {
		s.appendState(r, creator, "m.room.name", "", object{"name": req.Name}, 0)
	}
	if req.Topic != "" {
		s.appendState(r, creator, "m.room.topic", "", object{"topic": req.Topic}, 0)
	}
	return r, nil
}

func (s *Server) memberContent(who id.UserID, membership string) object {
	content := object{"membership": membership}
	if u := s.data.users[who]; u != nil {
		for _, field := range []string{"displayname", "avatar_url"} {
			if text := u.profileText(field); text != "" {
				content[field] = text
			}
		}
	}
	return content
}

// findRoom returns a room by the path's id.
func (s *Server) findRoom(c *call) (*room, error) {
	if r := s.data.rooms[id.RoomID(c.PathValue("room"))]; r != nil {
		return r, nil
	}
	return nil, mautrix.MForbidden.WithMessage("User %s not in room %s", c.who.user, c.PathValue("room"))
}

// joinedRoom is findRoom for somebody who must be in the room.
func (s *Server) joinedRoom(c *call) (*room, error) {
	r, err := s.findRoom(c)
	if err == nil && r.membership(c.who.user) != "join" {
		err = mautrix.MForbidden.WithMessage("User %s not in room %s", c.who.user, r.id)
	}
	return r, err
}

func (s *Server) joinTarget(c *call) (any, error) {
	target := c.PathValue("target")
	if strings.HasPrefix(target, "#") {
		roomID, known := s.data.aliases[target]
		if !known {
			return nil, mautrix.MNotFound.WithMessage("Room alias %s not found", target)
		}
		target = string(roomID)
	}
	c.SetPathValue("room", target)
	return membershipCall("join")(s, c)
}

// membershipCall handles the calls that change somebody's membership.
func membershipCall(action string) func(*Server, *call) (any, error) {
	return func(s *Server, c *call) (any, error) {
		r, err := s.findRoom(c)
		if err != nil {
			return nil, err
		}
		req := struct {
			UserID id.UserID `json:"user_id"`
			Reason string    `json:"reason"`
		}{}
		if err = c.decode(&req); err != nil {
			return nil, err
		}
		target, membership := req.UserID, action
		switch action {
		case "join", "leave":
			target = c.who.user
		case "kick", "unban":
			membership = "leave"
		}
		if action == "join" && r.membership(target) == "join" {
			return object{"room_id": r.id}, nil
		}
		if action == "kick" && r.membership(target) == "leave" {
			return nil, mautrix.MForbidden.WithMessage("The target user is not in the room")
		}
		if action == "invite" && s.data.users[target] == nil && !s.anyoneOwns(string(target)) {
			return nil, mautrix.MNotFound.WithMessage("No such user %s", target)
		}
		content := s.memberContent(target, membership)
		if req.Reason != "" {
			content["reason"] = req.Reason
		}
		body, _ := json.Marshal(content)
		if err = s.authorize(r, c.who.user, "m.room.member", new(string(target)), body); err != nil {
			return nil, err
		}
		s.appendState(r, c.who.user, "m.room.member", string(target), content, c.timestamp())
		return object{"room_id": r.id}, nil
	}
}

func (s *Server) anyoneOwns(name string) bool {
	for _, as := range s.services {
		if as.users.exclusive(name) {
			return true
		}
	}
	return false
}

func (s *Server) joinedRooms(c *call) (any, error) {
	list := []id.RoomID{}
	for roomID, r := range s.data.rooms {
		if r.membership(c.who.user) == "join" {
			list = append(list, roomID)
		}
	}
	return object{"joined_rooms": list}, nil
}

func (s *Server) roomAliases(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	return object{"aliases": s.data.aliasesOf(r.id)}, nil
}

// checkAlias says whether the requester may make this alias now.
func (s *Server) checkAlias(c *call, alias string) error {
	for _, as := range s.services {
		if as != c.who.service && as.aliases.exclusive(alias) {
			return mautrix.MExclusive.WithMessage("This alias is reserved by an application service.")
		}
	}
	if _, taken := s.data.aliases[alias]; taken {
		return mautrix.MRoomInUse.WithMessage("Room alias already taken")
	}
	return nil
}

func (s *Server) getAlias(c *call) (any, error) {
	roomID, known := s.data.aliases[c.PathValue("alias")]
	if !known {
		return nil, mautrix.MNotFound.WithMessage("Room alias %s not found", c.PathValue("alias"))
	}
	return object{"room_id": roomID, "servers": []string{s.opts.ServerName}}, nil
}

func (s *Server) putAlias(c *call) (any, error) {
	var req struct {
		RoomID id.RoomID `json:"room_id"`
	}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	alias := c.PathValue("alias")
	if s.data.rooms[req.RoomID] == nil {
		return nil, mautrix.MNotFound.WithMessage("No such room")
	}
	if err := s.checkAlias(c, alias); err != nil {
		if _, taken := s.data.aliases[alias]; taken {
			return nil, mautrix.MUnknown.WithMessage("Room alias %s already exists", alias).WithStatus(409)
		}
		return nil, err
	}
	s.commit(&setAlias{alias, req.RoomID})
	return object{}, nil
}

func (s *Server) deleteAlias(c *call) (any, error) {
	alias := c.PathValue("alias")
	if _, known := s.data.aliases[alias]; !known {
		return nil, mautrix.MNotFound.WithMessage("Room alias %s not found", alias)
	}
	for _, as := range s.services {
		if as != c.who.service && as.aliases.exclusive(alias) {
			return nil, mautrix.MExclusive.WithMessage("This alias is reserved by an application service.")
		}
	}
	s.commit(&setAlias{alias, ""})
	return object{}, nil
}

// timestamp returns ?ts= of an application service in milliseconds, 0 when there is none to heed.
func (c *call) timestamp() int64 {
	if c.who.service == nil {
		return 0
	}
	var ts int64
	_ = json.Unmarshal([]byte(c.URL.Query().Get("ts")), &ts)
	return ts
}

// append adds an event to a room and tells everybody. ts is in milliseconds, 0 for now.
func (s *Server) append(r *room, ev *pdu, ts int64) *pdu {
	if ts == 0 {
		ts = time.Now().UnixMilli()
	}
	ev.RoomID, ev.Timestamp, ev.EventID = r.id, ts, id.EventID("$"+random.String(43))
	s.commit(&addEvent{ev})
	s.publish(r, ev)
	s.notify()
	return ev
}

func (s *Server) appendState(r *room, sender id.UserID, eventType, key string, content any, ts int64) *pdu {
	body, err := json.Marshal(content)
	if err != nil {
		panic("nullhs: encode state: " + err.Error())
	}
	return s.append(r, &pdu{Type: eventType, StateKey: &key, Sender: sender, Content: body}, ts)
}
