package nullhs

import (
	"encoding/json"
	"slices"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Rooms returns the ids of all rooms, oldest first.
func (s *Server) Rooms() []id.RoomID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []id.RoomID
	for roomID := range s.data.rooms {
		list = append(list, roomID)
	}
	slices.SortFunc(list, func(a, b id.RoomID) int {
		return int(s.data.rooms[a].events[0].pos - s.data.rooms[b].events[0].pos)
	})
	return list
}

// Events returns a room's events in the order of arrival, contents parsed where the type is known.
func (s *Server) Events(roomID id.RoomID) []*event.Event {
	return s.events(roomID, func(*pdu) bool { return true })
}

// Messages returns the m.room.message events of a room.
func (s *Server) Messages(roomID id.RoomID) []*event.Event {
	return s.events(roomID, func(ev *pdu) bool { return ev.Type == event.EventMessage.Type })
}

// events converts only what is wanted: tests ask again and again while they wait.
func (s *Server) events(roomID id.RoomID, wanted func(*pdu) bool) (list []*event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.data.rooms[roomID]; r != nil {
		for _, ev := range r.events {
			if wanted(ev) {
				list = append(list, convert(ev))
			}
		}
	}
	return list
}

// State returns a state event, nil when it is not set.
func (s *Server) State(roomID id.RoomID, eventType, key string) *event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.data.rooms[roomID]; r != nil {
		if ev := r.state[stateKey{eventType, key}]; ev != nil {
			return convert(ev)
		}
	}
	return nil
}

// Membership returns a user's membership in a room, "leave" for somebody never seen.
func (s *Server) Membership(roomID id.RoomID, who id.UserID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.data.rooms[roomID]; r != nil {
		return r.membership(who)
	}
	return "leave"
}

// Members returns everybody with a membership ("join", "invite", …), in order of name.
func (s *Server) Members(roomID id.RoomID, membership string) []id.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.data.rooms[roomID]; r != nil {
		return r.members(membership)
	}
	return nil
}

// Alias returns the room behind an alias, "" for none.
func (s *Server) Alias(alias string) id.RoomID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.aliases[alias]
}

// Receipt returns the event up to which a user has read a room, "" for none.
func (s *Server) Receipt(roomID id.RoomID, who id.UserID) id.EventID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.data.rooms[roomID]; r != nil {
		return r.receipts[who].event
	}
	return ""
}

// Typing returns who types in a room.
func (s *Server) Typing(roomID id.RoomID) []id.UserID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []id.UserID
	for _, who := range s.typing[string(roomID)] {
		list = append(list, id.UserID(who))
	}
	return list
}

// Profile returns a profile field that is a text (displayname, avatar_url), "" when it is not set.
func (s *Server) Profile(who id.UserID, field string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.data.users[who]; u != nil {
		return u.profileText(field)
	}
	return ""
}

// AccountData returns a user's account data, nil when there is none; room is "" for global data.
func (s *Server) AccountData(who id.UserID, roomID id.RoomID, dataType string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.data.users[who]; u != nil {
		return u.account[string(roomID)][dataType]
	}
	return nil
}

// longPoll is the least timeout, in milliseconds, of the polls that Polls counts.
const longPoll = 10_000

// Polls counts the long polls (/sync) that wait at this moment.
func (s *Server) Polls() int { return int(s.polls.Load()) }

// UserExists says whether a user is registered.
func (s *Server) UserExists(who id.UserID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.users[who] != nil
}

// Media returns an uploaded file and its content type.
func (s *Server) Media(uri id.ContentURIString) ([]byte, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.data.media[uri.ParseOrIgnore().FileID]; m != nil {
		return m.bytes, m.contentType
	}
	return nil, ""
}

// convert gives the framework's form of an event. Content that does not fit its type stays raw.
func convert(ev *pdu) *event.Event {
	body, err := json.Marshal(ev)
	out := &event.Event{}
	if err == nil {
		err = json.Unmarshal(body, out)
	}
	if err != nil {
		panic("nullhs: convert event: " + err.Error())
	}
	parseContent(out)
	return out
}

// parseContent gives an event its type's class and parses its content; content that does not fit stays raw.
func parseContent(ev *event.Event) {
	ev.Type.Class = event.MessageEventType
	if ev.StateKey != nil {
		ev.Type.Class = event.StateEventType
	}
	_ = ev.Content.ParseRaw(ev.Type)
}
