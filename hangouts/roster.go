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

// Person is a person in a Roster (protocol §11.2).
type Person struct {
	GaiaID string
	Name   Name
	// PhotoURL is a complete address, "" without a photo.
	PhotoURL string
	// Emails are the known addresses, that of the Google account first.
	Emails []string
	Self   bool
}

// Roster keeps the conversations and people of one account up to date, and delivers each new event
// once, whether it was pushed or missed while the push channel was broken. Most bots and clients need
// one on top of a [Client]. Make it with NewRoster and call Run. Its other methods may be used by
// several goroutines at once.
type Roster struct {
	// OnEvent is fired once for each event that is newer than the start, the account's own events
	// included. Conversations and people are up to date with the event by then. The push channel waits
	// while observers run; the error of one ends Run, and the next Run delivers the event again.
	OnEvent Event[*pb.Event]

	client *Client
	start  uint64 // µs; only later events are delivered

	mu            sync.Mutex // guards all below
	self          string
	people        map[string]Person
	conversations map[string]*pb.Conversation // never changed in place
	seen          *seenIDs
	newest        uint64 // time of the newest delivered event, or of the last complete catch-up
}

// NewRoster makes a roster of a client. since is a time in µs, such as an earlier roster's
// [Roster.SyncedTo]: Run delivers the events after it first; 0 means from now on.
func NewRoster(client *Client, since uint64) *Roster {
	return &Roster{
		client: client, start: since, newest: since, people: map[string]Person{}, conversations: map[string]*pb.Conversation{}, seen: newSeen(maxSeen),
	}
}

// overlap is how far behind the newest event a catch-up begins: a lost event may be older than one that
// was pushed after it.
const overlap = 60_000_000 // µs

// Run loads conversations and people, then holds the push channel open ([Client.Connect]) and keeps
// everything up to date. It waits while the server is busy or not reached, and repeats what failed
// otherwise up to Config.MaxRetries times in a row. It ends like Connect: with
// nil after [Client.Disconnect], with the error of ctx or of an observer, with ErrUnauthorized, or with
// a NetworkError once Config.MaxRetries are used up. Another Run delivers what was missed.
func (r *Roster) Run(ctx context.Context) error {
	if r == nil {
		return r.noClient()
	}
	if err := r.client.ready(); err != nil {
		return err
	}
	if err := r.persist(ctx, func(ctx context.Context) error { _, err := r.load(ctx, 1); return err }); err != nil {
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

// persist is retry for what Run cannot do without: another failed answer ends it only once Config.MaxRetries are used up.
func (r *Roster) persist(ctx context.Context, request func(context.Context) error) error {
	failures, allowed := 0, *r.client.cfg.MaxRetries
	return retry(ctx, func(err error) bool {
		var network *NetworkError
		if readable(err) {
			return true
		}
		if !errors.As(err, &network) || errors.Is(err, ErrUnauthorized) {
			return false
		}
		failures++
		if allowed != Unlimited && failures > allowed {
			return false
		}
		r.client.cfg.Logger.WarnContext(ctx, "Synchronising failed, retrying", "error", err, "retry", failures)
		return true
	}, request)
}

// SyncedTo is the time (µs) up to which all events were delivered, for the next NewRoster. An older event whose push was
// lost without a trace is missing until the next catch-up; a roster that begins with SyncedTo before that leaves it out.
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

// Person returns a person by Gaia id. The name of an unknown one is Unknown.
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

// Title returns the display name of a conversation ([ConversationTitle]).
func (r *Roster) Title(conversationID string) string {
	var members []Member
	for _, p := range r.Members(conversationID) {
		members = append(members, Member{GaiaID: p.GaiaID, Name: p.Name, Self: p.Self})
	}
	return ConversationTitle(r.Conversation(conversationID).GetName(), members, TitleOptions{})
}
