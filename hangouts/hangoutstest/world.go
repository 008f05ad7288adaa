package hangoutstest

import (
	"encoding/base64"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// world is the durable state. It changes only through apply, live and on replay alike.
// Guarded by Server.mu.
type world struct {
	people     map[string]*person // by gaia id
	peopleIDs  []string           // in order of creation
	bySAPISID  map[string]*person
	convs      map[string]*conversation
	convIDs    []string
	photos     map[string]*photo
	authority  *authority
	invited    []string // addresses of sendoffnetworkinvitation
	generation int      // how often the state was opened
	seed       uint64   // of the first start
	lastUS     uint64   // greatest time handed out
}

func newWorld() *world {
	return &world{
		people:    map[string]*person{},
		bySAPISID: map[string]*person{},
		convs:     map[string]*conversation{},
		photos:    map[string]*photo{},
	}
}

// op is one change; exactly one field is set.
type op struct {
	Open         *openOp       `json:"open,omitempty"`
	Person       *person       `json:"person,omitempty"`
	Conversation *conversation `json:"conversation,omitempty"`
	Event        *eventOp      `json:"event,omitempty"`
	Read         *readOp       `json:"read,omitempty"`
	Photo        *photo        `json:"photo,omitempty"`
	Invitation   string        `json:"invitation,omitempty"`
	Authority    *authority    `json:"authority,omitempty"`
}

type eventOp struct {
	PB   string `json:"pb"` // base64 of the binary Event
	CGID uint64 `json:"cgid,omitempty"`

	decoded *pb.Event
}

// openOp marks a start of the server.
type openOp struct {
	Generation int    `json:"generation"`
	Seed       uint64 `json:"seed"`
}

type readOp struct {
	Conversation string `json:"conversation"`
	GaiaID       string `json:"gaia_id"`
	US           uint64 `json:"us"`
}

// record is one transaction: a line of the journal.
type record struct {
	US  uint64 `json:"us"` // greatest time handed out when it was written
	Ops []op   `json:"ops"`
}

func newEventOp(e *pb.Event, cgid uint64) (*eventOp, error) {
	b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return &eventOp{PB: base64.StdEncoding.EncodeToString(b), CGID: cgid, decoded: e}, nil
}

// decode fills in the event of a record that was read.
func (o *eventOp) decode() error {
	if o.decoded != nil {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(o.PB)
	if err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	e := &pb.Event{}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(b, e); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	o.decoded = e
	return nil
}

func (w *world) apply(rec record) error {
	w.lastUS = max(w.lastUS, rec.US)
	for _, o := range rec.Ops {
		if err := w.applyOp(o); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) applyOp(o op) error {
	switch {
	case o.Open != nil:
		w.generation, w.seed = o.Open.Generation, o.Open.Seed
	case o.Person != nil:
		w.applyPerson(o.Person)
	case o.Conversation != nil:
		w.applyConversation(o.Conversation)
	case o.Event != nil:
		return w.applyEvent(o.Event)
	case o.Read != nil:
		if c := w.convs[o.Read.Conversation]; c != nil {
			if m := c.anyMember(o.Read.GaiaID); m != nil {
				m.ReadUS = max(m.ReadUS, o.Read.US)
			}
		}
	case o.Photo != nil:
		w.photos[o.Photo.ID] = o.Photo
	case o.Authority != nil:
		w.authority = o.Authority
	case o.Invitation != "":
		w.invited = append(w.invited, o.Invitation)
	}
	return nil
}

func (w *world) applyPerson(p *person) {
	if old := w.people[p.GaiaID]; old == nil {
		w.peopleIDs = append(w.peopleIDs, p.GaiaID)
	} else if s := old.Cookies["SAPISID"]; s != "" {
		delete(w.bySAPISID, s)
	}
	w.people[p.GaiaID] = p
	if s := p.Cookies["SAPISID"]; s != "" {
		w.bySAPISID[s] = p
	}
}

func (w *world) applyConversation(h *conversation) {
	if old := w.convs[h.ID]; old != nil {
		h.events, h.byID = old.events, old.byID
	} else {
		h.byID = map[string]*event{}
		w.convIDs = append(w.convIDs, h.ID)
	}
	w.convs[h.ID] = h
}

func (w *world) applyEvent(o *eventOp) error {
	if err := o.decode(); err != nil {
		return err
	}
	e := o.decoded
	c := w.convs[e.GetConversationId().GetId()]
	if c == nil {
		return fmt.Errorf("event of conversation %q: %w", e.GetConversationId().GetId(), ErrNotFound)
	}
	ev := &event{pb: e, cgid: o.CGID}
	// Histories of a scenario may be given out of order; live events always append.
	at, _ := slices.BinarySearchFunc(c.events, ev.us(), func(x *event, us uint64) int {
		if x.us() <= us {
			return -1
		}
		return 1
	})
	c.events = slices.Insert(c.events, at, ev)
	c.byID[ev.id()] = ev
	w.lastUS = max(w.lastUS, ev.us())
	for _, m := range c.Members {
		if !m.present() {
			continue
		}
		if e.GetAdvancesSortTimestamp() {
			m.SortUS = max(m.SortUS, ev.us())
			m.Archived = false
		}
		if m.GaiaID == ev.sender() {
			m.ReadUS = max(m.ReadUS, ev.us())
			if m.Status == pb.ConversationStatus_CONVERSATION_STATUS_INVITED && e.ChatMessage != nil {
				m.Status = pb.ConversationStatus_CONVERSATION_STATUS_ACTIVE
			}
		}
	}
	return nil
}

// person finds somebody by gaia id, key or e-mail.
func (w *world) person(name string) *person {
	if p := w.people[name]; p != nil {
		return p
	}
	for _, id := range w.peopleIDs {
		if p := w.people[id]; name != "" && (p.Key == name || p.Email == name) {
			return p
		}
	}
	return nil
}

// conversation finds a conversation by id or key.
func (w *world) conversation(name string) *conversation {
	if c := w.convs[name]; c != nil {
		return c
	}
	for _, id := range w.convIDs {
		if c := w.convs[id]; name != "" && c.Key == name {
			return c
		}
	}
	return nil
}

// oneToOne finds the conversation of a pair; there is at most one.
func (w *world) oneToOne(a, b string) *conversation {
	for _, id := range w.convIDs {
		c := w.convs[id]
		if !c.group() && c.member(a) != nil && c.member(b) != nil {
			return c
		}
	}
	return nil
}

func (w *world) accounts() []*person {
	var list []*person
	for _, id := range w.peopleIDs {
		if p := w.people[id]; p.Account {
			list = append(list, p)
		}
	}
	return list
}
