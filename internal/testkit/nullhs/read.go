package nullhs

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// readEndpoints: reading what happened.
var readEndpoints = []endpoint{
	{pattern: "GET " + clientV3 + "/sync", free: true, handle: (*Server).sync},
	{pattern: "POST " + clientV3 + "/user/{user}/filter", handle: (*Server).postFilter},
	{pattern: "GET " + room3 + "/messages", handle: (*Server).getMessages},
	{pattern: "GET " + room3 + "/event/{event}", handle: (*Server).getEvent},
	{pattern: "GET " + room3 + "/context/{event}", handle: (*Server).getContext},
	{pattern: "GET " + clientV1 + "/rooms/{room}/relations/{event}", handle: (*Server).getRelations},
	{pattern: "GET " + clientV1 + "/rooms/{room}/relations/{event}/{relation}", handle: (*Server).getRelations},
	{pattern: "GET " + clientV1 + "/rooms/{room}/relations/{event}/{relation}/{type}", handle: (*Server).getRelations},
}

// getMessages pages through a room. A token names the gap after a position: backwards from it come the events at and
// before the position, forwards those after it.
func (s *Server) getMessages(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	query := c.URL.Query()
	forward := query.Get("dir") == "f"
	fallback := s.data.pos
	if forward {
		fallback = 0
	}
	from, err := parseToken(query.Get("from"), fallback)
	if err != nil {
		return nil, err
	}
	bound, err := parseToken(query.Get("to"), -1)
	if err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit <= 0 {
		limit = 10
	}
	chunk, more := page(r.events, from, bound, min(limit, 1000), forward)
	answer := object{"chunk": chunk, "start": token(from)}
	if more {
		last := chunk[len(chunk)-1].pos
		if !forward {
			last--
		}
		answer["end"] = token(last)
	}
	return answer, nil
}

// page returns up to limit events beside a position, and whether there are more behind them.
func page(events []*pdu, from, bound int64, limit int, forward bool) (chunk []*pdu, more bool) {
	chunk = []*pdu{}
	ordered := slices.All(events)
	if !forward {
		ordered = slices.Backward(events)
	}
	for _, ev := range ordered {
		if forward && ev.pos <= from || !forward && ev.pos > from {
			continue
		}
		if bound >= 0 && (forward && ev.pos > bound || !forward && ev.pos <= bound) {
			break
		}
		if len(chunk) == limit {
			return chunk, true
		}
		chunk = append(chunk, ev)
	}
	return chunk, false
}

func (s *Server) findEvent(c *call) (*room, *pdu, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, nil, err
	}
	ev := r.byID[id.EventID(c.PathValue("event"))]
	if ev == nil {
		return nil, nil, mautrix.MNotFound.WithMessage("Event not found.")
	}
	return r, ev, nil
}

func (s *Server) getEvent(c *call) (any, error) {
	_, ev, err := s.findEvent(c)
	return ev, err
}

// relation is what an event is to another one.
type relation struct {
	Type  string     `json:"rel_type"`
	Event id.EventID `json:"event_id"`
	Key   string     `json:"key"`
}

func (ev *pdu) relation() relation {
	var content struct {
		RelatesTo relation `json:"m.relates_to"`
	}
	_ = json.Unmarshal(ev.Content, &content)
	return content.RelatesTo
}

// getRelations lists what relates to an event, latest first, all on one page.
func (s *Server) getRelations(c *call) (any, error) {
	r, target, err := s.findEvent(c)
	if err != nil {
		return nil, err
	}
	chunk := []*pdu{}
	for _, ev := range r.events {
		kind, relates := c.PathValue("relation"), ev.relation()
		if relates.Event == target.EventID && (kind == "" || kind == relates.Type) && (c.PathValue("type") == "" || c.PathValue("type") == ev.Type) {
			chunk = append(chunk, ev)
		}
	}
	slices.Reverse(chunk)
	return object{"chunk": chunk}, nil
}

func (s *Server) getContext(c *call) (any, error) {
	r, ev, err := s.findEvent(c)
	if err != nil {
		return nil, err
	}
	limit, err := strconv.Atoi(c.URL.Query().Get("limit"))
	if err != nil {
		limit = 10
	}
	before, _ := page(r.events, ev.pos-1, -1, limit/2, false)
	after, _ := page(r.events, ev.pos, -1, limit/2, true)
	start, end := ev.pos-1, ev.pos
	if len(before) > 0 {
		start = before[len(before)-1].pos - 1
	}
	if len(after) > 0 {
		end = after[len(after)-1].pos
	}
	return object{"event": ev, "events_before": before, "events_after": after, "state": r.stateEvents(),
		"start": token(start), "end": token(end)}, nil
}

// searchUsers is the user directory.
func (s *Server) searchUsers(c *call) (any, error) {
	var req struct {
		Term string `json:"search_term"`
	}
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	results := []object{}
	for _, name := range sortedKeys(s.data.users) {
		display := s.data.users[name].profileText("displayname")
		if strings.Contains(strings.ToLower(string(name)+" "+display), strings.ToLower(req.Term)) {
			results = append(results, object{"user_id": name, "display_name": display})
		}
	}
	return object{"results": results, "limited": false}, nil
}
