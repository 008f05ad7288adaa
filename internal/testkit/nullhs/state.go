package nullhs

import (
	"encoding/json"
	"slices"
	"strconv"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// stateEndpoints: the state of a room and who may change it.
var stateEndpoints = []endpoint{
	{pattern: "GET " + room3 + "/state", handle: (*Server).getFullState},
	{pattern: "GET " + room3 + "/state/{type}", handle: (*Server).getState},
	{pattern: "GET " + room3 + "/state/{type}/{key...}", handle: (*Server).getState},
	{pattern: "PUT " + room3 + "/state/{type}", handle: (*Server).putState},
	{pattern: "PUT " + room3 + "/state/{type}/{key...}", handle: (*Server).putState},
	{pattern: "GET " + room3 + "/members", handle: (*Server).getMembers},
	{pattern: "GET " + room3 + "/joined_members", handle: (*Server).getJoinedMembers},
}

func (s *Server) getFullState(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	return r.stateEvents(), nil
}

func (s *Server) getState(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	ev := r.state[stateKey{c.PathValue("type"), c.PathValue("key")}]
	if ev == nil {
		return nil, mautrix.MNotFound.WithMessage("Event not found.")
	}
	if c.URL.Query().Get("format") == "event" {
		return ev, nil
	}
	return ev.Content, nil
}

func (s *Server) putState(c *call) (any, error) {
	r, err := s.findRoom(c)
	if err != nil {
		return nil, err
	}
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	eventType, key := c.PathValue("type"), c.PathValue("key")
	if err = s.authorize(r, c.who.user, eventType, &key, content); err != nil {
		return nil, err
	}
	if err = checkTimestamp(c); err != nil {
		return nil, err
	}
	if prev := r.state[stateKey{eventType, key}]; prev != nil && prev.Sender == c.who.user && sameJSON(prev.Content, content) {
		return object{"event_id": prev.EventID}, nil // unchanged state makes no event
	}
	ev := s.appendState(r, c.who.user, eventType, key, content, c.timestamp())
	return object{"event_id": ev.EventID}, nil
}

// checkTimestamp refuses what Synapse refuses.
func checkTimestamp(c *call) error {
	if text := c.URL.Query().Get("ts"); text != "" && c.who.service != nil {
		if ts, err := strconv.ParseInt(text, 10, 64); err != nil || ts <= 0 {
			return mautrix.MInvalidParam.WithMessage("Query parameter ts must be a positive integer")
		}
	}
	return nil
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

func (s *Server) getMembers(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	only, not := c.URL.Query().Get("membership"), c.URL.Query().Get("not_membership")
	chunk := []*pdu{}
	for _, ev := range r.stateEvents() {
		if ev.Type != "m.room.member" {
			continue
		}
		m := r.membership(id.UserID(*ev.StateKey))
		if (only == "" || m == only) && (not == "" || m != not) {
			chunk = append(chunk, ev)
		}
	}
	return object{"chunk": chunk}, nil
}

func (s *Server) getJoinedMembers(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	joined := object{}
	for _, who := range r.members("join") {
		m := r.member(who)
		joined[string(who)] = object{"display_name": m.Displayname, "avatar_url": m.AvatarURL}
	}
	return object{"joined": joined}, nil
}

type levels struct {
	Users         map[id.UserID]int `json:"users"`
	UsersDefault  int               `json:"users_default"`
	Events        map[string]int    `json:"events"`
	EventsDefault int               `json:"events_default"`
	StateDefault  *int              `json:"state_default"`
	Invite        int               `json:"invite"`
	Kick, Ban     *int
	Redact        *int
}

func defaultLevels() object {
	return object{"users": object{}, "users_default": 0, "events": object{}, "events_default": 0, "state_default": 50,
		"ban": 50, "kick": 50, "redact": 50, "invite": 0}
}

func orFifty(level *int) int {
	if level == nil {
		return 50
	}
	return *level
}

func (r *room) levels() levels {
	var l levels
	if ev := r.state[stateKey{"m.room.power_levels", ""}]; ev != nil {
		_ = json.Unmarshal(ev.Content, &l)
	}
	return l
}

// level returns a user's power; creators of a version 12 room stand above everybody.
func (r *room) level(l levels, who id.UserID) int {
	if r.version == "12" && slices.Contains(r.creators, who) {
		return 1 << 30
	}
	if own, set := l.Users[who]; set {
		return own
	}
	return l.UsersDefault
}

// authorize says whether sender may send this event. key is nil for what is not state.
func (s *Server) authorize(r *room, sender id.UserID, eventType string, key *string, content json.RawMessage) error {
	if eventType == "m.room.member" && key != nil {
		var m memberContent
		_ = json.Unmarshal(content, &m)
		return r.authorizeMember(sender, id.UserID(*key), m.Membership)
	}
	if r.membership(sender) != "join" {
		return mautrix.MForbidden.WithMessage("User %s not in room %s", sender, r.id)
	}
	l := r.levels()
	need := l.EventsDefault
	if key != nil {
		need = orFifty(l.StateDefault)
	}
	if own, set := l.Events[eventType]; set {
		need = own
	}
	if has := r.level(l, sender); has < need {
		return mautrix.MForbidden.WithMessage("You don't have permission to post %s to the room (%d < %d)", eventType, has, need)
	}
	return nil
}

func (r *room) authorizeMember(sender, target id.UserID, membership string) error {
	l := r.levels()
	now, power := r.membership(target), r.level(l, sender)
	forbid := func(format string, args ...any) error { return mautrix.MForbidden.WithMessage(format, args...) }
	if sender != target && r.membership(sender) != "join" {
		return forbid("User %s not in room %s", sender, r.id)
	}
	switch membership {
	case "join":
		if sender != target {
			return forbid("Cannot force another user to join.")
		}
		var rules struct {
			JoinRule string `json:"join_rule"`
		}
		if ev := r.state[stateKey{"m.room.join_rules", ""}]; ev != nil {
			_ = json.Unmarshal(ev.Content, &rules)
		}
		if now == "ban" || now == "leave" && rules.JoinRule != "public" {
			return forbid("You are not invited to this room.")
		}
	case "invite":
		if now == "join" || now == "ban" {
			return forbid("%s is already in the room or banned from it.", target)
		}
		if power < l.Invite {
			return forbid("You don't have permission to invite users")
		}
	case "leave":
		if sender == target {
			if now != "join" && now != "invite" {
				return forbid("User %s not in room %s", sender, r.id)
			}
			return nil
		}
		if power < orFifty(l.Kick) || power <= r.level(l, target) {
			return forbid("You cannot kick user %s.", target)
		}
	case "ban":
		if power < orFifty(l.Ban) || power <= r.level(l, target) {
			return forbid("You don't have permission to ban")
		}
	default:
		return mautrix.MBadJSON.WithMessage("Unknown membership %q", membership)
	}
	return nil
}
