// Package accounttest is a chat network in memory, for tests of the account layer and of
// both sides: an account.Backend whose people, conversations and faults a test controls.
package accounttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Network is the whole network. Its clock runs an hour behind; events are at least one
// millisecond apart.
type Network struct {
	mu            sync.Mutex
	clock         int64
	people        map[chat.PersonID]chat.Person
	conversations map[chat.ConversationID]*conversation
	connections   map[*connection]struct{}
	refused       map[chat.PersonID]bool
	nextEvent     int

	sendFault  func(account chat.PersonID, request chat.Request) Fault
	syncFault  func(account chat.PersonID) error
	synced     func(account chat.PersonID)
	pages      []Page
	paged      func(chat.ConversationID, account.HistoryToken, *account.HistoryPage) error
	markFault  func(account chat.PersonID, time int64) error
	deaf       map[chat.PersonID]bool
	silent     map[chat.PersonID]bool
	runs       map[chat.PersonID]int
	hidden     map[chat.PersonID]map[chat.ConversationID]int64 // events up to this time (µs)
	syncLimit  int
	noIDs      bool
	limited    func(chat.Conversation) chat.Features
	holdPushes bool
	files      map[string]File
	uploads    int
	uploadErr  func() error
	opened     map[string]int
	sends      []Sent
	marks      []chat.Watermark
	actives    map[chat.PersonID]int
	typings    []chat.Typing
	queries    []chat.PeopleQuery
	findErr    error
	lasts      time.Duration // of messages without history; 0 = for ever
	created    []chat.ConversationID
	dnd        map[chat.PersonID]time.Duration
}

type conversation struct {
	snapshot chat.Conversation
	events   []account.ReceivedEvent
	reads    map[chat.PersonID]int64
	archived map[chat.PersonID]bool
	muted    map[chat.PersonID]bool
	unread   map[chat.PersonID]bool
	inviters map[chat.PersonID]chat.PersonID // of those who have not accepted
	link     string                          // by which the group is joined; "" = none
}

// Sent is a request that the network accepted.
type Sent struct {
	Account   chat.PersonID
	RequestID uint64
	Text      string // of a message
	Request   chat.Request
}

// Fault is what happens to a request: Err is returned; with Accept the event is made
// all the same. Until, if set, is waited for after that and before the answer.
type Fault struct {
	Err    error
	Accept bool
	Until  <-chan struct{}
}

// New makes an empty network.
func New() *Network {
	return &Network{
		clock:         time.Now().Add(-time.Hour).UnixMicro(),
		people:        make(map[chat.PersonID]chat.Person),
		conversations: make(map[chat.ConversationID]*conversation),
		connections:   make(map[*connection]struct{}),
		refused:       make(map[chat.PersonID]bool),
		deaf:          make(map[chat.PersonID]bool),
		actives:       make(map[chat.PersonID]int),
		silent:        make(map[chat.PersonID]bool),
		runs:          make(map[chat.PersonID]int),
		dnd:           make(map[chat.PersonID]time.Duration),
		files:         make(map[string]File),
		opened:        make(map[string]int),
		hidden:        make(map[chat.PersonID]map[chat.ConversationID]int64),
	}
}

// AddPerson adds somebody. Everybody can log in: the refresh token is the id.
func (n *Network) AddPerson(id chat.PersonID, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	first, _, _ := strings.Cut(name, " ")
	n.people[id] = chat.Person{ID: id, FullName: name, FirstName: first}
}

// Rename gives a person another name and tells all who are in a conversation with them.
func (n *Network) Rename(id chat.PersonID, name string) {
	n.AddPerson(id, name)
	n.mu.Lock()
	update := account.Update{People: []chat.Person{n.people[id]}}
	for in, c := range n.conversations {
		if c.snapshot.Has(id) {
			n.pushLocked(in, update)
		}
	}
	n.mu.Unlock()
	n.flush()
}

// AddConversation adds a conversation; two members without a name are one-to-one.
func (n *Network) AddConversation(id chat.ConversationID, name string, members ...chat.PersonID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := chat.Conversation{V: chat.Version, ID: id, Kind: chat.Group, Name: name, Standing: chat.Active, Level: chat.Ring}
	if len(members) == 2 && name == "" {
		c.Kind = chat.OneToOne
	}
	for _, m := range members {
		c.Members = append(c.Members, chat.Member{ID: m, Name: n.people[m].FullName})
	}
	n.conversations[id] = newConversation(c)
}

func newConversation(c chat.Conversation) *conversation {
	return &conversation{snapshot: c, reads: make(map[chat.PersonID]int64),
		archived: make(map[chat.PersonID]bool), muted: make(map[chat.PersonID]bool), unread: make(map[chat.PersonID]bool),
		inviters: make(map[chat.PersonID]chat.PersonID)}
}

// Archive moves a conversation of an account into its archive, or back.
func (n *Network) Archive(id chat.PersonID, in chat.ConversationID, archived bool) {
	n.show(id, in, func(c *conversation) { c.archived[id] = archived })
}

// Invite shows a conversation of which the account is a member as an invitation.
func (n *Network) Invite(id chat.PersonID, in chat.ConversationID, inviter chat.PersonID) {
	n.show(id, in, func(c *conversation) { c.inviters[id] = inviter })
}

// show changes how an account sees a conversation and tells its connection.
func (n *Network) show(id chat.PersonID, in chat.ConversationID, change func(*conversation)) {
	n.mu.Lock()
	c := n.conversations[in]
	change(c)
	n.showLocked(id, c)
	n.mu.Unlock()
	n.flush()
}

// showLocked pushes a conversation to the connections of an account. mu is held.
func (n *Network) showLocked(id chat.PersonID, c *conversation) {
	for conn := range n.connections {
		if conn.id == id && conn.subscribed && !n.deaf[id] {
			conn.queue = append(conn.queue, account.Update{Conversations: []chat.ConversationDelta{conn.see(c)}})
		}
	}
}

// now is the network's clock, in µs. mu is held.
func (n *Network) now() int64 {
	n.clock = max(n.clock, time.Now().Add(-time.Hour).UnixMicro())
	return n.clock
}

// Say makes a person write a message with another client than ours and returns the
// event.
func (n *Network) Say(author chat.PersonID, id chat.ConversationID, text string) chat.Event {
	return n.Post(chat.Event{Conversation: id, Author: author, Kind: chat.KindMessage,
		Message: &chat.Message{Text: chat.Plain(text)}})
}

// SayAs is Say with a client that gives its requests ids.
func (n *Network) SayAs(author chat.PersonID, id chat.ConversationID, text string, requestID uint64) chat.Event {
	n.mu.Lock()
	e := n.add(chat.Event{Conversation: id, Author: author, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain(text)}}, requestID).Event
	n.mu.Unlock()
	n.flush()
	return e
}

// Post makes an event happen; its time is filled, and its id if it has none.
func (n *Network) Post(e chat.Event) chat.Event {
	n.mu.Lock()
	e = n.add(e, 0).Event
	n.mu.Unlock()
	n.flush()
	return e
}

// Type makes a person type.
func (n *Network) Type(person chat.PersonID, id chat.ConversationID, state chat.TypingState) {
	n.mu.Lock()
	n.clock = n.now() + 1000
	t := chat.Typing{Conversation: id, Person: person, State: state, Time: n.clock}
	n.pushLocked(id, account.Update{Typing: []chat.Typing{t}})
	n.mu.Unlock()
	n.flush()
}

// Read makes a person read up to a time (µs).
func (n *Network) Read(person chat.PersonID, id chat.ConversationID, time int64) {
	n.mu.Lock()
	n.read(person, id, time)
	n.mu.Unlock()
	n.flush()
}

func (n *Network) read(person chat.PersonID, id chat.ConversationID, time int64) {
	c := n.conversations[id]
	c.reads[person] = max(c.reads[person], time)
	w := chat.Watermark{Conversation: id, Person: person, Time: time}
	n.pushLocked(id, account.Update{Watermarks: []chat.Watermark{w}})
}

// add appends an event and queues its push. mu is held.
func (n *Network) add(e chat.Event, requestID uint64) account.ReceivedEvent {
	n.clock = n.now() + 1000
	n.nextEvent++
	e.V, e.Time = chat.Version, n.clock
	if e.ID == "" {
		e.ID = chat.EventID(fmt.Sprintf("event-%d", n.nextEvent))
	}
	c := n.conversations[e.Conversation]
	c.snapshot = c.snapshot.ApplyEvent(e, "")
	e.RequestID = requestID
	received := account.ReceivedEvent{Event: e}
	c.events = append(c.events, received)
	n.pushLocked(e.Conversation, account.Update{Events: []account.ReceivedEvent{received}})
	return received
}

// pushLocked queues an update for every connection of a member, in its own words.
func (n *Network) pushLocked(id chat.ConversationID, u account.Update) {
	c := n.conversations[id]
	for conn := range n.connections {
		concerned := c.snapshot.Has(conn.id)
		for _, e := range u.Events {
			concerned = concerned || (e.Membership != nil && slices.Contains(e.Membership.People, conn.id))
		}
		if !concerned || !conn.subscribed || n.deaf[conn.id] {
			continue
		}
		mine := u
		mine.Events = nil
		for _, e := range u.Events {
			mine.Events = append(mine.Events, n.asSeenBy(conn.id, e))
		}
		conn.queue = append(conn.queue, mine)
	}
}

func (n *Network) asSeenBy(id chat.PersonID, e account.ReceivedEvent) account.ReceivedEvent {
	if e.Author != id || n.noIDs {
		e.RequestID = 0
	}
	return e
}

func (n *Network) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for conn := range n.connections {
		select {
		case conn.wake <- struct{}{}:
		default:
		}
	}
}

// Events returns all events of a conversation, in order.
func (n *Network) Events(id chat.ConversationID) []chat.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []chat.Event
	for _, e := range n.conversations[id].events {
		e.RequestID = 0
		out = append(out, e.Event)
	}
	return out
}

// Sends returns the requests that were accepted.
func (n *Network) Sends() []Sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sends)
}

// Marks returns the watermarks that accounts have set.
func (n *Network) Marks() []chat.Watermark {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.marks)
}

// Actives counts how often an account has said that its person is there.
func (n *Network) Actives(id chat.PersonID) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.actives[id]
}

// Typings returns the typing states that accounts have shown.
func (n *Network) Typings() []chat.Typing {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.typings)
}

// OnSend decides the fate of requests; nil accepts all.
func (n *Network) OnSend(fault func(account chat.PersonID, request chat.Request) Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sendFault = fault
}

// OnSync makes Connection.Sync fail while fault returns an error; nil ends that. fault is
// called before anything is read, and may wait.
func (n *Network) OnSync(fault func(account chat.PersonID) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.syncFault = fault
}

// OnMark decides whether an account's watermark is accepted; nil accepts all.
func (n *Network) OnMark(fault func(account chat.PersonID, time int64) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.markFault = fault
}

// Deafen stops pushes to an account, until its next connection, while its channel stays up.
func (n *Network) Deafen(id chat.PersonID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf[id] = true
}

// Silence stops pushes and signs of life until the account's next connection.
func (n *Network) Silence(id chat.PersonID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf[id], n.silent[id] = true, true
}

// HideBefore keeps what has happened in a conversation so far from an account.
func (n *Network) HideBefore(id chat.PersonID, conversation chat.ConversationID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hide(id, conversation, n.clock)
}

func (n *Network) hide(id chat.PersonID, conversation chat.ConversationID, upTo int64) {
	if n.hidden[id] == nil {
		n.hidden[id] = make(map[chat.ConversationID]int64)
	}
	n.hidden[id][conversation] = max(n.hidden[id][conversation], upTo)
}

// Runs is how often an account has connected its channel.
func (n *Network) Runs(id chat.PersonID) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.runs[id]
}

func (n *Network) is(set map[chat.PersonID]bool, id chat.PersonID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return set[id]
}

// LimitSync makes an answer of Sync hold at most limit events; 0 = no limit.
func (n *Network) LimitSync(limit int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.syncLimit = limit
}

// OnSynced calls fn, which may wait, between the making and the arrival of an answer of
// Sync.
func (n *Network) OnSynced(fn func(account chat.PersonID)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.synced = fn
}

// HideRequestIDs makes the network forget which request made an event.
func (n *Network) HideRequestIDs(hide bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noIDs = hide
}

// HoldPushes keeps pushes back, which then come late but in order, or lets them go.
func (n *Network) HoldPushes(hold bool) {
	n.mu.Lock()
	n.holdPushes = hold
	n.mu.Unlock()
	n.flush()
}

// Refuse makes an account's credentials bad, or good again.
func (n *Network) Refuse(id chat.PersonID, refuse bool) {
	n.mu.Lock()
	n.refused[id] = refuse
	n.mu.Unlock()
	if refuse {
		n.Cut(id)
	}
}

// Cut breaks the channel of an account.
func (n *Network) Cut(id chat.PersonID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for conn := range n.connections {
		if conn.id == id && conn.cut != nil {
			conn.subscribed, conn.queue = false, nil
			close(conn.cut)
			conn.cut = nil
		}
	}
}

// Subscribed reports whether an account's channel is up.
func (n *Network) Subscribed(id chat.PersonID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for conn := range n.connections {
		if conn.id == id && conn.subscribed {
			return true
		}
	}
	return false
}

// Authenticate implements account.Backend: the refresh token is the person's id.
func (n *Network) Authenticate(_ context.Context, credentials chat.Credentials) (account.Identity, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.people[chat.PersonID(credentials.RefreshToken)]
	if !ok || n.refused[p.ID] {
		return account.Identity{}, chat.ErrBadCredentials
	}
	return account.Identity{Self: p, Stored: []byte(p.ID)}, nil
}

// Open implements account.Backend.
func (n *Network) Open(stored []byte) (account.Connection, error) {
	return &connection{n: n, id: chat.PersonID(stored), wake: make(chan struct{}, 1)}, nil
}
