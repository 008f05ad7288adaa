package nullhs

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// filter is the part of a /sync filter that this server heeds.
type filter struct {
	Room struct {
		Rooms     *[]id.RoomID `json:"rooms"`
		NotRooms  []id.RoomID  `json:"not_rooms"`
		Timeline  eventFilter
		State     eventFilter
		Ephemeral eventFilter
	}
}

type eventFilter struct {
	Limit    *int
	Types    *[]string
	NotTypes []string `json:"not_types"`
}

func (f eventFilter) passes(eventType string) bool {
	matches := func(pattern string) bool {
		ok, _ := path.Match(pattern, eventType)
		return ok
	}
	return (f.Types == nil || slices.ContainsFunc(*f.Types, matches)) && !slices.ContainsFunc(f.NotTypes, matches)
}

func (f eventFilter) limit() int {
	if f.Limit == nil {
		return 10
	}
	return *f.Limit
}

func (s *Server) readFilter(c *call) (f filter, err error) {
	text := c.URL.Query().Get("filter")
	if text != "" && !strings.HasPrefix(text, "{") {
		text = string(s.data.users[c.who.user].account[""]["filter "+text])
		if text == "" {
			return f, mautrix.MNotFound.WithMessage("No such filter")
		}
	}
	if text != "" {
		if err = json.Unmarshal([]byte(text), &f); err != nil {
			return f, mautrix.MNotJSON.WithMessage("Invalid filter JSON: %v", err)
		}
	}
	return f, nil
}

func token(pos int64) string { return fmt.Sprintf("s%d", pos) }

// parseToken reads what token wrote; an empty one gives fallback.
func parseToken(text string, fallback int64) (int64, error) {
	if text == "" {
		return fallback, nil
	}
	pos, err := strconv.ParseInt(strings.TrimPrefix(text, "s"), 10, 64)
	if err != nil {
		return 0, mautrix.MInvalidParam.WithMessage("Invalid stream token %q", text)
	}
	return pos, nil
}

// sync is the long poll. It ends when something passes the filter, the time is over, or the server stops.
func (s *Server) sync(c *call) (any, error) {
	query := c.URL.Query()
	since, err := parseToken(query.Get("since"), -1)
	if err != nil {
		return nil, err
	}
	timeout, _ := strconv.Atoi(query.Get("timeout"))
	deadline := time.NewTimer(time.Duration(timeout) * time.Millisecond)
	defer deadline.Stop()
	s.mu.Lock()
	f, err := s.readFilter(c)
	life := s.life
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for waiting := false; ; {
		s.mu.Lock()
		changed := s.changed
		answer, news := s.syncAnswer(c.who.user, since, f, query.Get("full_state") == "true")
		body, err := json.Marshal(answer) // under the lock: it shares the events
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if news || since < 0 || timeout <= 0 {
			return json.RawMessage(body), nil
		}
		if !waiting && timeout >= longPoll {
			waiting = true
			s.polls.Add(1)
			defer s.polls.Add(-1)
		}
		select {
		case <-changed:
		case <-deadline.C:
			return json.RawMessage(body), nil
		case <-c.Context().Done():
			return nil, c.Context().Err()
		case <-life.Done():
			return nil, mautrix.MUnknown.WithMessage("The server is shutting down").WithStatus(503)
		}
	}
}

// syncAnswer builds the answer for what happened after since; news says whether there is anything in it.
func (s *Server) syncAnswer(who id.UserID, since int64, f filter, full bool) (answer object, news bool) {
	join, invite, leave := object{}, object{}, object{}
	for roomID, r := range s.data.rooms {
		if f.Room.Rooms != nil && !slices.Contains(*f.Room.Rooms, roomID) || slices.Contains(f.Room.NotRooms, roomID) {
			continue
		}
		own := r.state[stateKey{"m.room.member", string(who)}]
		if own == nil {
			continue
		}
		switch r.membership(who) {
		case "join":
			if fields := s.joinedSync(r, who, since, own.pos > since || full, f); fields != nil {
				join[string(roomID)] = fields
			}
		case "invite":
			if own.pos > since {
				invite[string(roomID)] = object{"invite_state": object{"events": inviteState(r, own)}}
			}
		default:
			if own.pos > since && since >= 0 {
				leave[string(roomID)] = object{"timeline": object{"events": []*pdu{own}}, "state": object{"events": []*pdu{}}}
			}
		}
	}
	news = len(join)+len(invite)+len(leave) > 0
	return object{
		"next_batch": token(s.data.pos),
		"rooms":      object{"join": join, "invite": invite, "leave": leave},
	}, news
}

// inviteState is what somebody invited may see of the room.
func inviteState(r *room, own *pdu) []object {
	var events []object
	for _, eventType := range []string{"m.room.create", "m.room.join_rules", "m.room.name", "m.room.avatar", "m.room.canonical_alias"} {
		if ev := r.state[stateKey{eventType, ""}]; ev != nil {
			events = append(events, stripped(ev))
		}
	}
	return append(events, stripped(own))
}

func stripped(ev *pdu) object {
	return object{"type": ev.Type, "state_key": ev.StateKey, "sender": ev.Sender, "content": ev.Content}
}

// aged is the event with its age, to which older adds.
func (ev *pdu) aged(older time.Duration) *pdu {
	out := *ev
	out.Unsigned = maps.Clone(ev.Unsigned)
	if out.Unsigned == nil {
		out.Unsigned = map[string]any{}
	}
	out.Unsigned["age"] = time.Now().Add(older).UnixMilli() - ev.Timestamp
	return &out
}

// joinedSync returns a joined room's part, or nil when nothing of it passes.
func (s *Server) joinedSync(r *room, who id.UserID, since int64, fresh bool, f filter) object {
	from := since
	if fresh {
		from = 0
	}
	var events []*pdu
	limited := false
	prev := from
	for i := len(r.events) - 1; i >= 0 && r.events[i].pos > from; i-- {
		if !f.Room.Timeline.passes(r.events[i].Type) {
			continue
		}
		if len(events) == f.Room.Timeline.limit() {
			limited, prev = true, r.events[i].pos
			break
		}
		events = append(events, r.events[i])
	}
	slices.Reverse(events)
	if len(events) == 0 && f.Room.Timeline.limit() == 0 {
		limited = false
	}
	state := []*pdu{}
	if fresh || limited {
		for _, ev := range r.stateEvents() {
			if f.Room.State.passes(ev.Type) && (fresh || ev.pos > since) && !slices.Contains(events, ev) {
				state = append(state, ev)
			}
		}
	}
	ephemeral := s.ephemeralSync(r, who, from, f)
	if len(events)+len(state)+len(ephemeral) == 0 {
		return nil
	}
	shown := make([]*pdu, len(events))
	for i, ev := range events {
		shown[i] = ev.aged(time.Duration(s.older.Load()))
	}
	return object{
		"timeline":  object{"events": shown, "limited": limited, "prev_batch": token(prev)},
		"state":     object{"events": state},
		"ephemeral": object{"events": ephemeral},
		"summary":   object{"m.joined_member_count": len(r.members("join")), "m.invited_member_count": len(r.members("invite"))},
	}
}

func (s *Server) ephemeralSync(r *room, who id.UserID, since int64, f filter) []object {
	events := []object{}
	if r.typePos > since && f.Room.Ephemeral.passes("m.typing") {
		users := s.typing[string(r.id)]
		if users == nil {
			users = []string{}
		}
		events = append(events, object{"type": "m.typing", "content": object{"user_ids": users}})
	}
	if !f.Room.Ephemeral.passes("m.receipt") {
		return events
	}
	for _, reader := range sortedKeys(r.receipts) {
		mark := r.receipts[reader]
		if mark.pos > since && (mark.kind == "m.read" || reader == who) {
			events = append(events, receiptContent(r, reader, object{}))
		}
	}
	return events
}

func (s *Server) postFilter(c *call) (any, error) {
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	u := s.data.users[c.who.user]
	name := fmt.Sprint(len(u.account[""]))
	s.commit(&setAccountData{u.id, "", "filter " + name, content})
	return object{"filter_id": name}, nil
}
