package hangouts

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Person is somebody as a Roster knows them (protocol §11.2).
type Person struct {
	GaiaID string
	Name   Name
	// PhotoURL is complete, "" when there is no photo.
	PhotoURL string
	// Emails has the account's own address first.
	Emails []string
	Self   bool
}

// Roster keeps the conversations and people of one account up to date, and hands over each new event once: what is
// pushed, and what was missed while the push channel was broken. It is what most bots and clients need on top of a
// [Client]. Make it with NewRoster and call Run. Its other methods may be used by several goroutines at once.
type Roster struct {
	// OnEvent is fired for each event that is newer than the start, once and after conversations and people
	// were brought up to date with it. Events of others and of the account itself come alike. An error
	// of an observer ends Run; see [Client] for what holds up what.
	OnEvent Event[*pb.Event]

	client *Client
	start  uint64 // nothing at or before this time (µs) is handed over

	mu            sync.Mutex // guards all below
	self          string
	people        map[string]Person
	conversations map[string]*pb.Conversation // never changed in place
	seen          *seenIDs
	newest        uint64 // time of the newest event handed over, or of the last complete catch-up
}

// NewRoster makes a roster of a client. since is a time in µs, such as an earlier roster's [Roster.SyncedTo]: events after it
// are handed over when Run starts; 0 means from now on.
func NewRoster(client *Client, since uint64) *Roster {
	return &Roster{
		client: client, start: since, newest: since, people: map[string]Person{}, conversations: map[string]*pb.Conversation{}, seen: newSeen(maxSeen),
	}
}

// overlap is how far behind the newest event a catch-up begins: what was lost may be older than what was pushed after it.
const overlap = 60_000_000 // µs

// Run loads conversations and people, then holds the push channel open ([Client.Connect]) and keeps everything up to date.
// It waits while the server is busy or not reached, and returns what ends Connect: nil after [Client.Disconnect], the
// error of ctx, of an observer, ErrUnauthorized, or a NetworkError once Config.MaxRetries are used up. It can be called
// again, and then hands over what was missed.
func (r *Roster) Run(ctx context.Context) error {
	if r == nil || r.client == nil {
		return r.noClient()
	}
	if err := r.retry(ctx, func(ctx context.Context) error { _, err := r.load(ctx, 1); return err }); err != nil {
		return err
	}
	c := r.client
	onBatch := Observe(r.batch)
	onSubscribed := Observe(func(ctx context.Context, _ Subscribed) error { return r.catchUp(ctx) })
	onReconnect := Observe(func(ctx context.Context, _ Connected) error { return r.catchUp(ctx) })
	onGap := Observe(func(ctx context.Context, _ Gap) error { return r.catchUp(ctx) })
	defer func() {
		_ = c.OnBatch.RemoveObserver(onBatch)
		_ = c.OnSubscribed.RemoveObserver(onSubscribed)
		_ = c.OnReconnect.RemoveObserver(onReconnect)
		_ = c.OnGap.RemoveObserver(onGap)
	}()
	if err := errors.Join(c.OnBatch.AddObserver(onBatch), c.OnSubscribed.AddObserver(onSubscribed),
		c.OnReconnect.AddObserver(onReconnect), c.OnGap.AddObserver(onGap)); err != nil {
		return err
	}
	return c.Connect(ctx)
}

func (r *Roster) noClient() error {
	var none *Client
	return none.ready()
}

// retry repeats what only reads.
func (r *Roster) retry(ctx context.Context, request func(context.Context) error) error {
	return retry(ctx, readable, request)
}

// SyncedTo is the time (µs) up to which events were handed over, for the next NewRoster.
func (r *Roster) SyncedTo() uint64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// Self is the account's own person; its GaiaID is empty before the roster is loaded.
func (r *Roster) Self() Person {
	if r == nil {
		return Person{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people[r.self]
}

// Person returns somebody. A person who is not known has the name Unknown.
func (r *Roster) Person(gaiaID string) Person {
	if r == nil {
		return unknownPerson(gaiaID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.personLocked(gaiaID)
}

func (r *Roster) personLocked(gaiaID string) Person {
	if p, known := r.people[gaiaID]; known {
		p.Emails = slices.Clone(p.Emails)
		return p
	}
	return unknownPerson(gaiaID)
}

func unknownPerson(gaiaID string) Person { return Person{GaiaID: gaiaID, Name: NewName("", "")} }

// Conversation returns a copy of a conversation, nil when it is not known.
func (r *Roster) Conversation(id string) *pb.Conversation {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return proto.CloneOf(r.conversations[id])
}

// Conversations returns copies of all conversations, the most recently used first, archived ones included ([IsArchived]).
func (r *Roster) Conversations() []*pb.Conversation {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*pb.Conversation, 0, len(r.conversations))
	for _, c := range r.conversations {
		list = append(list, proto.CloneOf(c))
	}
	slices.SortFunc(list, func(a, b *pb.Conversation) int {
		return cmp.Or(cmp.Compare(sortTime(b), sortTime(a)), cmp.Compare(a.GetConversationId().GetId(), b.GetConversationId().GetId()))
	})
	return list
}

func sortTime(c *pb.Conversation) uint64 { return c.GetSelfConversationState().GetSortTimestamp() }

// Members are the people of a conversation, in the order in which the server lists them.
func (r *Roster) Members(conversationID string) []Person {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Person
	for _, data := range r.conversations[conversationID].GetParticipantData() {
		list = append(list, r.personLocked(data.GetId().GetGaiaId()))
	}
	return list
}

// Title is what a conversation is called, by its name or its members ([ConversationTitle]).
func (r *Roster) Title(conversationID string) string {
	var members []Member
	for _, p := range r.Members(conversationID) {
		members = append(members, Member{GaiaID: p.GaiaID, Name: p.Name, Self: p.Self})
	}
	return ConversationTitle(r.Conversation(conversationID).GetName(), members, TitleOptions{})
}
