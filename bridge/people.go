package bridge

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// people guards ghosts: bridgev2 reads and writes them without a lock while it handles
// events of different portals at once. Whoever has an event handled holds the ghosts in it,
// and only who holds a ghost alone changes it. Waiting for a ghost alone keeps nobody else
// from it, so that a room that is stuck delays no other.
type people struct {
	mu      sync.Mutex
	held    map[networkid.UserID]int // by how many; alone = by one who changes it
	changed chan struct{}            // closed when something is let go
}

const alone = -1

func newPeople() *people {
	return &people{held: map[networkid.UserID]int{}, changed: make(chan struct{})}
}

// claim is which ghosts to hold, and whether alone.
type claim map[networkid.UserID]bool

// hold waits for all ghosts of a claim at once; it fails when ctx ends.
func (p *people) hold(ctx context.Context, want claim) (release func(), err error) {
	for {
		p.mu.Lock()
		if p.take(want) {
			p.mu.Unlock()
			return func() { p.release(want) }, nil
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take takes a whole claim or nothing; mu is held.
func (p *people) take(want claim) bool {
	for user, exclusive := range want {
		if held := p.held[user]; held == alone || (exclusive && held > 0) {
			return false
		}
	}
	for user, exclusive := range want {
		if exclusive {
			p.held[user] = alone
		} else {
			p.held[user]++
		}
	}
	return true
}

func (p *people) release(want claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for user, exclusive := range want {
		if exclusive || p.held[user] == 1 {
			delete(p.held, user)
		} else {
			p.held[user]--
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// holdPeople holds the ghosts of an event while bridgev2 handles it: alone those that it
// would still have to complete.
func (c *consumer) holdPeople(ctx context.Context, involved ...chat.PersonID) (release func(), err error) {
	want, ghosts := claim{}, make([]*bridgev2.Ghost, 0, len(involved))
	for _, person := range involved {
		if person == "" {
			continue
		}
		ghost, err := c.connector.bridge.GetGhostByID(ctx, ids.MakeUserID(person))
		if err != nil {
			return nil, fmt.Errorf("%w: get ghost: %w", bridgev2.ErrDatabaseError, err)
		}
		if _, known := want[ghost.ID]; !known {
			want[ghost.ID] = false
			ghosts = append(ghosts, ghost)
		}
	}
	release, err = c.d.people.hold(ctx, want)
	if err != nil {
		return nil, err
	}
	incomplete := claim{}
	for _, ghost := range ghosts {
		if !complete(ghost) {
			incomplete[ghost.ID] = true
		}
	}
	if len(incomplete) == 0 {
		return release, nil
	}
	release()
	for user := range want {
		want[user] = incomplete[user]
	}
	return c.d.people.hold(ctx, want)
}

// complete reports whether bridgev2 only reads a ghost; it is held.
func complete(ghost *bridgev2.Ghost) bool {
	return ghost.Name != "" && ghost.NameSet && ghost.AvatarSet
}

// introduce brings the ghosts of people up to date, before they are needed in a room.
func (c *consumer) introduce(ctx context.Context, known []chat.Person) error {
	ghosts := make(map[chat.PersonID]*bridgev2.Ghost, len(known))
	for _, person := range known {
		if person.ID == "" {
			continue
		}
		ghost, err := c.connector.bridge.GetGhostByID(ctx, ids.MakeUserID(person.ID))
		if err != nil {
			return fmt.Errorf("%w: get ghost: %w", bridgev2.ErrDatabaseError, err)
		}
		ghosts[person.ID] = ghost
	}
	c.awaitAvatars(ctx, ghosts, known)
	for _, person := range known {
		if ghost := ghosts[person.ID]; ghost != nil {
			if err := c.updateGhost(ctx, ghost, c.PersonInfo(person)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ghostOf is the ghost of a person, brought up to date.
func (c *Client) ghostOf(ctx context.Context, person chat.PersonID) (*bridgev2.Ghost, error) {
	consumer := c.consumer()
	if consumer == nil {
		return nil, chat.ErrUnavailable
	}
	people, err := c.People(ctx, person)
	if err == nil {
		known := people[person]
		known.ID = person
		err = consumer.introduce(ctx, []chat.Person{known})
	}
	if err != nil {
		return nil, err
	}
	return c.connector.bridge.GetGhostByID(ctx, ids.MakeUserID(person))
}

// updateGhost changes a ghost if it does not have what info says.
func (c *consumer) updateGhost(ctx context.Context, ghost *bridgev2.Ghost, info *bridgev2.UserInfo) error {
	release, err := c.d.people.hold(ctx, claim{ghost.ID: false})
	if err != nil {
		return err
	}
	slices.Sort(info.Identifiers)
	same := complete(ghost) && ghost.Name == *info.Name && (info.Avatar == nil || ghost.AvatarID == info.Avatar.ID) && (!ghost.ContactInfoSet || slices.Equal(ghost.Identifiers, info.Identifiers))
	release()
	if same {
		return nil
	}
	if release, err = c.d.people.hold(ctx, claim{ghost.ID: true}); err != nil {
		return err
	}
	defer release()
	ghost.UpdateInfo(ctx, info)
	return ctx.Err()
}
