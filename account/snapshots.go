package account

import (
	"context"
	"sync"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Bounds of what one account remembers of its snapshot.
const (
	knownConversations = 256
	knownPeople        = 1024
)

// snapshots remembers conversations and people of one account as they were last published, so that
// a message needs no read of either. Values are shared, and changed by nobody. Only commitments
// write rows: they publish here what they have written.
type snapshots struct {
	s *session

	mu            sync.Mutex
	epoch         int // publications; what was read before the latest one may be old
	conversations map[chat.ConversationID]database.ConversationRow
	people        map[chat.PersonID]chat.Person

	// written is what commitments have changed and not yet published. The writer's goroutine owns it.
	written map[any]bool
}

func (k *snapshots) init(s *session) {
	k.s, k.written = s, make(map[any]bool)
	k.conversations = make(map[chat.ConversationID]database.ConversationRow)
	k.people = make(map[chat.PersonID]chat.Person)
}

// row returns the row of a conversation as it was last published, or database.ErrNotFound.
func (k *snapshots) row(ctx context.Context, id chat.ConversationID) (database.ConversationRow, error) {
	k.mu.Lock()
	row, ok := k.conversations[id]
	epoch := k.epoch
	k.mu.Unlock()
	if ok {
		return row, nil
	}
	row, err := k.s.m.db.Snapshots().Conversation(ctx, k.s.id, id)
	if err == nil {
		k.remember(epoch, func() { put(k.conversations, knownConversations, id, row) })
	}
	return row, err
}

// rowToWrite is row within the writer's goroutine, as the transaction has it.
func (k *snapshots) rowToWrite(ctx context.Context, id chat.ConversationID) (database.ConversationRow, error) {
	if k.written[id] {
		return k.s.m.db.Snapshots().Conversation(ctx, k.s.id, id)
	}
	return k.row(ctx, id)
}

// known returns those of some people whom the account knows.
func (k *snapshots) known(ctx context.Context, ids []chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	found := make(map[chat.PersonID]chat.Person, len(ids))
	var missing []chat.PersonID
	k.mu.Lock()
	for _, id := range ids {
		if person, ok := k.people[id]; ok {
			found[id] = person
		} else {
			missing = append(missing, id)
		}
	}
	epoch := k.epoch
	k.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	people, err := k.s.m.db.Snapshots().People(ctx, k.s.id, missing)
	if err != nil {
		return nil, err
	}
	for _, person := range people {
		found[person.ID] = person
	}
	k.remember(epoch, func() {
		for _, person := range people {
			put(k.people, knownPeople, person.ID, person)
		}
	})
	return found, nil
}

// knownToWrite is known within the writer's goroutine, as the transaction has them.
func (k *snapshots) knownToWrite(ctx context.Context, ids []chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	for _, id := range ids {
		if !k.written[id] {
			continue
		}
		people, err := k.s.m.db.Snapshots().People(ctx, k.s.id, ids)
		found := make(map[chat.PersonID]chat.Person, len(people))
		for _, person := range people {
			found[person.ID] = person
		}
		return found, err
	}
	return k.known(ctx, ids)
}

// remember keeps what was read at an epoch, unless something was published since.
func (k *snapshots) remember(epoch int, keep func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch == epoch {
		keep()
	}
}

// publish takes over what a commitment has written; both are empty when it failed. It runs in the
// writer's goroutine, between transactions.
func (k *snapshots) publish(rows []database.ConversationRow, people []chat.Person) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	clear(k.written)
	for _, row := range rows {
		put(k.conversations, knownConversations, row.ID, row)
	}
	for _, person := range people {
		put(k.people, knownPeople, person.ID, person)
	}
}

// put adds an entry to a map of bounded size; any other goes for it.
func put[K comparable, V any](m map[K]V, most int, key K, value V) {
	if _, ok := m[key]; !ok && len(m) >= most {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[key] = value
}
