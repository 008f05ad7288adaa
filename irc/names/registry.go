package names

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Periods of renames.
const (
	aliasFor    = 30 * 24 * time.Hour // how long a former nick is understood
	renameEvery = 10 * time.Minute    // a person who keeps renaming is followed no more often
)

// Store is where names are kept; database.IRCNameStore.
type Store interface {
	Txn(ctx context.Context, fn func(ctx context.Context) error) error
	Sync(ctx context.Context) error
	Nicks(ctx context.Context, account chat.PersonID) ([]database.IRCNick, error)
	PutNick(ctx context.Context, account chat.PersonID, n database.IRCNick) error
	Aliases(ctx context.Context, account chat.PersonID, now int64) ([]database.IRCAlias, error)
	PutAlias(ctx context.Context, account chat.PersonID, a database.IRCAlias, now int64) error
	DeleteAlias(ctx context.Context, account chat.PersonID, key string) error
	Targets(ctx context.Context, account chat.PersonID) ([]database.IRCTarget, error)
	PutTarget(ctx context.Context, account chat.PersonID, t database.IRCTarget) error
}

// Registry holds the names of one account. It is safe for concurrent use.
type Registry struct {
	store Store
	self  chat.PersonID
	now   func() time.Time

	mu       sync.Mutex
	nicks    map[chat.PersonID]database.IRCNick
	people   map[string]chat.PersonID // by key of the nick
	aliases  map[string]database.IRCAlias
	own      map[string]int // keys of the nicks of live sessions
	ownName  string         // key of the nick that the account's own name asks for
	targets  map[chat.ConversationID]database.IRCTarget
	channels map[string]chat.ConversationID // by key
	queries  map[chat.PersonID]chat.ConversationID
}

// Load reads an account's names.
func Load(ctx context.Context, store Store, self chat.Person, now func() time.Time) (*Registry, error) {
	r := &Registry{
		store: store, self: self.ID, now: now,
		nicks: map[chat.PersonID]database.IRCNick{}, people: map[string]chat.PersonID{}, aliases: map[string]database.IRCAlias{},
		own: map[string]int{}, ownName: Key(NickBase(self)), targets: map[chat.ConversationID]database.IRCTarget{},
		channels: map[string]chat.ConversationID{}, queries: map[chat.PersonID]chat.ConversationID{},
	}
	nicks, err := store.Nicks(ctx, self.ID)
	if err != nil {
		return nil, fmt.Errorf("read nicks: %w", err)
	}
	for _, n := range nicks {
		r.keepNick(n)
	}
	aliases, err := store.Aliases(ctx, self.ID, now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read aliases: %w", err)
	}
	for _, a := range aliases {
		r.aliases[a.Key] = a
	}
	targets, err := store.Targets(ctx, self.ID)
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	for _, t := range targets {
		r.keepTarget(t)
	}
	return r, nil
}

func (r *Registry) keepNick(n database.IRCNick) {
	r.nicks[n.Person] = n
	r.people[n.Key] = n.Person
}

// Reserve keeps a nick for a session of the account's owner, unless it is a contact's.
func (r *Registry) Reserve(nick string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := Key(nick)
	if _, taken := r.people[key]; taken {
		return false
	}
	if _, taken := r.aliases[key]; taken {
		return false
	}
	r.own[key]++
	return true
}

// Release ends a Reserve.
func (r *Registry) Release(nick string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := Key(nick)
	if r.own[key]--; r.own[key] <= 0 {
		delete(r.own, key)
	}
}

// Nick is a person's nick; ok is false if none has been given yet.
func (r *Registry) Nick(id chat.PersonID) (nick string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.nicks[id]
	return n.Nick, ok
}

// Person finds who has a nick, or had it until lately.
func (r *Registry) Person(nick string) (id chat.PersonID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := Key(nick)
	if id, ok = r.people[key]; ok && Fold(r.nicks[id].Nick) == Fold(nick) {
		return id, true
	}
	if a, ok := r.aliases[key]; ok && Fold(a.Nick) == Fold(nick) && a.Until > r.now().UnixMicro() {
		return a.Person, true
	}
	return "", false
}

// Ensure gives every one of people who has no nick yet one.
func (r *Registry) Ensure(ctx context.Context, people ...chat.Person) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []database.IRCNick
	for _, p := range people {
		if _, known := r.nicks[p.ID]; !known && p.ID != r.self {
			n := r.allocate(p)
			r.keepNick(n)
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err := r.store.Txn(ctx, func(ctx context.Context) error {
		for _, n := range fresh {
			if err := r.store.PutNick(ctx, r.self, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, n := range fresh {
			delete(r.nicks, n.Person)
			delete(r.people, n.Key)
		}
		return fmt.Errorf("store nicks: %w", err)
	}
	return nil
}

// allocate finds a free nick for a person.
func (r *Registry) allocate(p chat.Person) database.IRCNick {
	base := NickBase(p)
	n := database.IRCNick{Person: p.ID, Nick: base, Base: base, Key: Key(base)}
	for length := 3; !r.free(n.Key, p.ID); length++ {
		n.Nick = base + "_" + suffix(string(p.ID), length)
		if len(n.Nick) > NickLen {
			n.Nick = shorten(base, NickLen-1-length) + "_" + suffix(string(p.ID), length)
		}
		n.Key = Key(n.Nick)
	}
	return n
}

// free reports whether a person may have a nick.
func (r *Registry) free(key string, id chat.PersonID) bool {
	if reserved(key) || key == r.ownName || r.own[key] > 0 {
		return false
	}
	if holder, taken := r.people[key]; taken && holder != id {
		return false
	}
	alias, taken := r.aliases[key]
	return !taken || alias.Person == id || alias.Until <= r.now().UnixMicro()
}

// Rename follows a person's new name, if that gives them another nick than before, if
// that nick is free, and if they have not just been followed. The old nick is understood
// for 30 days.
func (r *Registry) Rename(ctx context.Context, p chat.Person) (old, nick string, changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.nicks[p.ID]
	base := NickBase(p)
	now := r.now()
	if !known || base == nobody || Key(base) == Key(before.Base) ||
		before.Changed != 0 && now.Sub(time.UnixMicro(before.Changed)) < renameEvery {
		return "", "", false, nil
	}
	after := database.IRCNick{Person: p.ID, Nick: base, Base: base, Key: Key(base), Changed: now.UnixMicro()}
	if !r.free(after.Key, p.ID) {
		if before.Base != nobody {
			return "", "", false, nil
		}
		after = r.allocate(p)
		after.Changed = now.UnixMicro()
	}
	alias := database.IRCAlias{Key: before.Key, Nick: before.Nick, Person: p.ID, Until: now.Add(aliasFor).UnixMicro()}
	err = r.store.Txn(ctx, func(ctx context.Context) error {
		if err := r.store.PutNick(ctx, r.self, after); err != nil {
			return err
		}
		if err := r.store.DeleteAlias(ctx, r.self, after.Key); err != nil {
			return err
		}
		return r.store.PutAlias(ctx, r.self, alias, now.UnixMicro())
	})
	if err != nil {
		return "", "", false, fmt.Errorf("store nick: %w", err)
	}
	delete(r.people, before.Key)
	delete(r.aliases, after.Key)
	r.aliases[alias.Key] = alias
	r.keepNick(after)
	return before.Nick, after.Nick, true, nil
}
