package nullhs

import (
	"encoding/json"

	"maunium.net/go/mautrix/id"
)

// mutation is one change of data. Every one is written to the journal under the name in mutationKinds, so its exported
// fields must say everything.
type mutation interface{ apply(d *data) }

var mutationKinds = map[string]func() mutation{
	"user":     func() mutation { return &addUser{} },
	"token":    func() mutation { return &addToken{} },
	"untoken":  func() mutation { return &dropToken{} },
	"device":   func() mutation { return &addDevice{} },
	"undevice": func() mutation { return &dropDevice{} },
	"profile":  func() mutation { return &setProfile{} },
	"account":  func() mutation { return &setAccountData{} },
	"room":     func() mutation { return &addRoom{} },
	"event":    func() mutation { return &addEvent{} },
	"alias":    func() mutation { return &setAlias{} },
	"receipt":  func() mutation { return &setReceipt{} },
	"sendtxn":  func() mutation { return &addSendTxn{} },
	"unsent":   func() mutation { return &dropSendTxns{} },
	"media":    func() mutation { return &addMedia{} },
	"pending":  func() mutation { return &addPending{} },
	"sent":     func() mutation { return &dropPending{} },
	"tick":     func() mutation { return &tick{} },
	"down":     func() mutation { return &setDown{} },
}

type addUser struct {
	ID       id.UserID
	Password string
	Admin    bool
}

func (m *addUser) apply(d *data) {
	d.users[m.ID] = &user{id: m.ID, password: m.Password, admin: m.Admin, profile: map[string]json.RawMessage{},
		devices: map[string]string{}, account: map[string]map[string]json.RawMessage{}}
}

type addToken struct {
	Token, Device string
	User          id.UserID
}

func (m *addToken) apply(d *data) { d.tokens[m.Token] = tokenOwner{m.User, m.Device} }

type dropToken struct{ Token string }

func (m *dropToken) apply(d *data) { delete(d.tokens, m.Token) }

type addDevice struct {
	User     id.UserID
	ID, Name string
}

func (m *addDevice) apply(d *data) { d.users[m.User].devices[m.ID] = m.Name }

type dropDevice struct {
	User id.UserID
	ID   string
}

func (m *dropDevice) apply(d *data) { delete(d.users[m.User].devices, m.ID) }

// setProfile with a nil value removes the field.
type setProfile struct {
	User  id.UserID
	Field string
	Value json.RawMessage
}

func (m *setProfile) apply(d *data) {
	if m.Value == nil {
		delete(d.users[m.User].profile, m.Field)
	} else {
		d.users[m.User].profile[m.Field] = m.Value
	}
}

// setAccountData with a nil content removes it. Room is "" for global data.
type setAccountData struct {
	User       id.UserID
	Room, Type string
	Content    json.RawMessage
}

func (m *setAccountData) apply(d *data) {
	u := d.users[m.User]
	if u.account[m.Room] == nil {
		u.account[m.Room] = map[string]json.RawMessage{}
	}
	if m.Content == nil {
		delete(u.account[m.Room], m.Type)
	} else {
		u.account[m.Room][m.Type] = m.Content
	}
	d.pos++
}

type addRoom struct {
	ID       id.RoomID
	Version  string
	Creators []id.UserID
}

func (m *addRoom) apply(d *data) {
	d.rooms[m.ID] = &room{id: m.ID, version: m.Version, creators: m.Creators, byID: map[id.EventID]*pdu{},
		state: map[stateKey]*pdu{}, receipts: map[id.UserID]receipt{}, memberships: map[id.UserID]string{}}
}

type addEvent struct{ Event *pdu }

func (m *addEvent) apply(d *data) {
	ev := m.Event
	r := d.rooms[ev.RoomID]
	d.pos++
	ev.pos = d.pos
	if ev.StateKey != nil {
		key := stateKey{ev.Type, *ev.StateKey}
		if prev := r.state[key]; prev != nil {
			ev.Unsigned = map[string]any{"prev_content": prev.Content, "prev_sender": prev.Sender, "replaces_state": prev.EventID}
		}
		r.state[key] = ev
		if ev.Type == "m.room.member" {
			r.memberships[id.UserID(*ev.StateKey)] = r.member(id.UserID(*ev.StateKey)).Membership
		}
	}
	r.events = append(r.events, ev)
	r.byID[ev.EventID] = ev
	if target := r.byID[ev.Redacts]; ev.Type == "m.room.redaction" && target != nil {
		r.redact(target, ev)
	}
}

// redact takes the content of an event away; of a change of members the membership stays.
func (r *room) redact(target, because *pdu) {
	redacted := *target // clients and transactions may hold the old one
	redacted.Content = json.RawMessage("{}")
	if target.Type == "m.room.member" {
		var member struct {
			Membership string `json:"membership"`
		}
		_ = json.Unmarshal(target.Content, &member)
		redacted.Content, _ = json.Marshal(member)
	}
	redacted.Unsigned = map[string]any{"redacted_because": because}
	r.byID[target.EventID] = &redacted
	if target.StateKey != nil && r.state[stateKey{target.Type, *target.StateKey}] == target {
		r.state[stateKey{target.Type, *target.StateKey}] = &redacted
	}
	for i := len(r.events) - 1; i >= 0; i-- {
		if r.events[i] == target {
			r.events[i] = &redacted
			break
		}
	}
}

// setAlias with an empty room removes the alias.
type setAlias struct {
	Alias string
	Room  id.RoomID
}

func (m *setAlias) apply(d *data) {
	if m.Room == "" {
		delete(d.aliases, m.Alias)
	} else {
		d.aliases[m.Alias] = m.Room
	}
}

type setReceipt struct {
	Room         id.RoomID
	User         id.UserID
	Event        id.EventID
	Kind, Thread string
	TS           int64
}

func (m *setReceipt) apply(d *data) {
	d.pos++
	d.rooms[m.Room].receipts[m.User] = receipt{m.Event, m.Kind, m.TS, d.pos, m.Thread}
}

type addSendTxn struct {
	Key   string
	Event id.EventID
}

func (m *addSendTxn) apply(d *data) { d.sendTxns[m.Key] = m.Event }

type dropSendTxns struct{}

func (m *dropSendTxns) apply(d *data) { clear(d.sendTxns) }

type addMedia struct {
	ID, ContentType, Name string
	User                  id.UserID
	Bytes                 []byte
}

func (m *addMedia) apply(d *data) {
	d.media[m.ID] = &media{m.User, m.ContentType, m.Name, m.Bytes}
}

type addPending struct {
	Service string
	Txn     *transaction
}

func (m *addPending) apply(d *data) {
	d.nextTxn = max(d.nextTxn, m.Txn.ID)
	d.pending[m.Service] = append(d.pending[m.Service], m.Txn)
}

type dropPending struct {
	Service string
	ID      int64
}

func (m *dropPending) apply(d *data) {
	rows := d.pending[m.Service]
	for i, txn := range rows {
		if txn.ID == m.ID {
			d.pending[m.Service] = append(rows[:i:i], rows[i+1:]...)
			return
		}
	}
}

type setDown struct {
	Service string
	Down    bool
}

func (m *setDown) apply(d *data) { d.down[m.Service] = m.Down }

// tick moves the stream position for what is not kept itself, so that no position is used twice.
type tick struct{}

func (m *tick) apply(d *data) { d.pos++ }
