package nullhs

import (
	"encoding/json"
	"slices"

	"maunium.net/go/mautrix/id"
)

// data is everything that outlives a restart. It changes only through mutations.
type data struct {
	pos      int64 // stream position of the latest change that /sync shows
	users    map[id.UserID]*user
	tokens   map[string]tokenOwner
	rooms    map[id.RoomID]*room
	aliases  map[string]id.RoomID
	sendTxns map[string]id.EventID // room, user, device, transaction id
	media    map[string]*media
	pending  map[string][]*transaction // by application service, oldest first
	down     map[string]bool
	nextTxn  int64
}

type user struct {
	id       id.UserID
	password string
	admin    bool
	profile  map[string]json.RawMessage
	devices  map[string]string                     // id to display name
	account  map[string]map[string]json.RawMessage // by room ("" for global), then type
}

type tokenOwner struct {
	user   id.UserID
	device string
}

type media struct {
	user              id.UserID // who has uploaded it
	contentType, name string
	bytes             []byte
}

// pdu is an event in the form that clients see.
type pdu struct {
	Type      string          `json:"type"`
	StateKey  *string         `json:"state_key,omitempty"`
	RoomID    id.RoomID       `json:"room_id,omitempty"`
	Sender    id.UserID       `json:"sender"`
	EventID   id.EventID      `json:"event_id"`
	Timestamp int64           `json:"origin_server_ts"`
	Content   json.RawMessage `json:"content"`
	Redacts   id.EventID      `json:"redacts,omitempty"`
	Unsigned  map[string]any  `json:"unsigned,omitempty"`

	pos int64
}

type stateKey struct{ eventType, key string }

type receipt struct {
	event  id.EventID
	kind   string // m.read or m.read.private
	ts     int64
	pos    int64
	thread string
}

type room struct {
	id       id.RoomID
	version  string
	creators []id.UserID // all-powerful in version 12
	events   []*pdu
	byID     map[id.EventID]*pdu
	state    map[stateKey]*pdu
	receipts map[id.UserID]receipt
	typePos  int64 // position of the latest change of typing; not durable, but harmless to keep

	memberships map[id.UserID]string
}

func newData() *data {
	return &data{
		users: map[id.UserID]*user{}, tokens: map[string]tokenOwner{}, rooms: map[id.RoomID]*room{},
		aliases: map[string]id.RoomID{}, sendTxns: map[string]id.EventID{}, media: map[string]*media{},
		pending: map[string][]*transaction{}, down: map[string]bool{},
	}
}

// membership returns a user's membership, "leave" for somebody never seen.
func (r *room) membership(who id.UserID) string {
	if m, known := r.memberships[who]; known {
		return m
	}
	return "leave"
}

type memberContent struct {
	Membership  string `json:"membership"`
	Displayname string `json:"displayname,omitempty"`
	AvatarURL   string `json:"avatar_url,omitempty"`
}

func (r *room) member(who id.UserID) *memberContent {
	ev := r.state[stateKey{"m.room.member", string(who)}]
	if ev == nil {
		return nil
	}
	m := &memberContent{}
	_ = json.Unmarshal(ev.Content, m)
	return m
}

// members returns everybody with this membership, in order of name.
func (r *room) members(membership string) []id.UserID {
	var found []id.UserID
	for who, m := range r.memberships {
		if m == membership {
			found = append(found, who)
		}
	}
	slices.Sort(found)
	return found
}

// stateEvents returns the current state in the order in which it was set.
func (r *room) stateEvents() []*pdu {
	found := make([]*pdu, 0, len(r.state))
	for _, ev := range r.state {
		found = append(found, ev)
	}
	slices.SortFunc(found, func(a, b *pdu) int { return int(a.pos - b.pos) })
	return found
}

// aliasesOf returns the aliases that point to a room.
func (d *data) aliasesOf(roomID id.RoomID) []string {
	found := []string{}
	for alias, target := range d.aliases {
		if target == roomID {
			found = append(found, alias)
		}
	}
	slices.Sort(found)
	return found
}

func (u *user) profileText(field string) string {
	var text string
	_ = json.Unmarshal(u.profile[field], &text)
	return text
}
