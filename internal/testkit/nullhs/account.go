package nullhs

import (
	"cmp"
	"encoding/json"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// accountEndpoints: profiles, account data, tags, push rules, keys.
var accountEndpoints = []endpoint{
	{pattern: "GET " + clientV3 + "/profile/{user}", open: true, handle: (*Server).getProfile},
	{pattern: "GET " + clientV3 + "/profile/{user}/{field}", open: true, handle: (*Server).getProfile},
	{pattern: "PUT " + clientV3 + "/profile/{user}/{field}", handle: (*Server).putProfile},
	{pattern: "DELETE " + clientV3 + "/profile/{user}/{field}", handle: (*Server).putProfile},
	{pattern: "GET " + clientV3 + "/user/{user}/account_data/{type}", handle: (*Server).getAccountData},
	{pattern: "PUT " + clientV3 + "/user/{user}/account_data/{type}", handle: (*Server).putAccountData},
	{pattern: "GET " + clientV3 + "/user/{user}/rooms/{room}/account_data/{type}", handle: (*Server).getAccountData},
	{pattern: "PUT " + clientV3 + "/user/{user}/rooms/{room}/account_data/{type}", handle: (*Server).putAccountData},
	{pattern: "GET " + clientV3 + "/user/{user}/rooms/{room}/tags", handle: (*Server).getTags},
	{pattern: "PUT " + clientV3 + "/user/{user}/rooms/{room}/tags/{tag}", handle: (*Server).putTag},
	{pattern: "DELETE " + clientV3 + "/user/{user}/rooms/{room}/tags/{tag}", handle: (*Server).putTag},
	{pattern: "GET " + clientV3 + "/pushrules/{$}", handle: (*Server).getPushRules},
	{pattern: "GET " + clientV3 + "/pushrules/{scope}/{kind}/{rule}", handle: (*Server).getPushRule},
	{pattern: "PUT " + clientV3 + "/pushrules/{scope}/{kind}/{rule}", handle: (*Server).putPushRule},
	{pattern: "DELETE " + clientV3 + "/pushrules/{scope}/{kind}/{rule}", handle: (*Server).deletePushRule},
	{pattern: "POST " + clientV3 + "/user_directory/search", handle: (*Server).searchUsers},
}

func (s *Server) getProfile(c *call) (any, error) {
	u := s.data.users[id.UserID(c.PathValue("user"))]
	if u == nil {
		return nil, mautrix.MNotFound.WithMessage("No profile for %s", c.PathValue("user"))
	}
	field := c.PathValue("field")
	if field == "" {
		return u.profile, nil
	}
	value, set := u.profile[field]
	if !set {
		return nil, mautrix.MNotFound.WithMessage("No such profile field")
	}
	return object{field: value}, nil
}

// putProfile sets or removes a field; a name or avatar goes into the member events of all the user's rooms.
func (s *Server) putProfile(c *call) (any, error) {
	who, field := id.UserID(c.PathValue("user")), c.PathValue("field")
	if who != c.who.user {
		return nil, mautrix.MForbidden.WithMessage("Cannot set another user's profile")
	}
	var value json.RawMessage
	if c.Method == "PUT" {
		var fields map[string]json.RawMessage
		if err := c.decode(&fields); err != nil {
			return nil, err
		}
		if value = fields[field]; value == nil {
			return nil, mautrix.MBadJSON.WithMessage("Missing key %q", field)
		}
	}
	s.commit(&setProfile{who, field, value})
	if field != "displayname" && field != "avatar_url" {
		return object{}, nil
	}
	for _, roomID := range sortedKeys(s.data.rooms) {
		if r := s.data.rooms[roomID]; r.membership(who) == "join" {
			content := s.memberContent(who, "join")
			body, _ := json.Marshal(content)
			if !sameJSON(body, r.state[stateKey{"m.room.member", string(who)}].Content) {
				s.appendState(r, who, "m.room.member", string(who), content, 0)
			}
		}
	}
	return object{}, nil
}

func (s *Server) getAccountData(c *call) (any, error) {
	content := s.data.users[c.who.user].account[c.PathValue("room")][c.PathValue("type")]
	if content == nil {
		return nil, mautrix.MNotFound.WithMessage("Account data not found")
	}
	return content, nil
}

func (s *Server) putAccountData(c *call) (any, error) {
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	s.commit(&setAccountData{c.who.user, c.PathValue("room"), c.PathValue("type"), content})
	return object{}, nil
}

func (s *Server) tags(c *call) map[string]json.RawMessage {
	var content struct{ Tags map[string]json.RawMessage }
	_ = json.Unmarshal(s.data.users[c.who.user].account[c.PathValue("room")]["m.tag"], &content)
	if content.Tags == nil {
		content.Tags = map[string]json.RawMessage{}
	}
	return content.Tags
}

func (s *Server) getTags(c *call) (any, error) { return object{"tags": s.tags(c)}, nil }

func (s *Server) putTag(c *call) (any, error) {
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	tags := s.tags(c)
	if c.Method == "DELETE" {
		delete(tags, c.PathValue("tag"))
	} else {
		tags[c.PathValue("tag")] = content
	}
	body, _ := json.Marshal(object{"tags": tags})
	s.commit(&setAccountData{c.who.user, c.PathValue("room"), "m.tag", body})
	return object{}, nil
}

// Push rules are kept as account data of a type of their own, one for each rule.
func ruleType(c *call) string {
	return "pushrule " + c.PathValue("scope") + " " + c.PathValue("kind") + " " + c.PathValue("rule")
}

func (s *Server) getPushRules(*call) (any, error) {
	return object{"global": object{"override": []any{}, "content": []any{}, "room": []any{}, "sender": []any{}, "underride": []any{}}}, nil
}

func (s *Server) getPushRule(c *call) (any, error) {
	if rule := s.data.users[c.who.user].account[""][ruleType(c)]; rule != nil {
		return rule, nil
	}
	return nil, mautrix.MNotFound.WithMessage("No such push rule")
}

func (s *Server) putPushRule(c *call) (any, error) {
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	s.commit(&setAccountData{c.who.user, "", ruleType(c), content})
	return object{}, nil
}

func (s *Server) deletePushRule(c *call) (any, error) {
	if _, err := s.getPushRule(c); err != nil {
		return nil, err
	}
	s.commit(&setAccountData{c.who.user, "", ruleType(c), nil})
	return object{}, nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
