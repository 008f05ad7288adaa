package account

import (
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// peopleDue asks for the names and photos of all people once in a while: nothing tells of a change. A start
// has more urgent things to ask for.
func (l *link) peopleDue(a *agenda) {
	if l.state.Status != chat.Connected || !a.due(l.peopleAt) {
		return
	}
	l.peopleAt = time.Time{}
	l.s.spawn(func() {
		if err := l.s.refreshPeople(l.s.ctx); err != nil && l.s.ctx.Err() == nil {
			l.s.zlog.Warn().Err(err).Msg("Failed to look for new names and photos")
		}
		l.post(peopleAsked{})
	})
}

// peopleAsked: all people have been looked up, or could not be.
type peopleAsked struct{}

func (peopleAsked) take(l *link) { l.peopleAt = time.Now().Add(l.s.m.options.PeopleEvery) }

func (s *session) refreshPeople(ctx context.Context) error {
	ids, err := s.members(ctx)
	if err != nil {
		return err
	}
	conn, err := s.request()
	if err != nil {
		return err
	}
	return s.fetchPeople(ctx, conn, ids)
}

// members are the people of all conversations.
func (s *session) members(ctx context.Context) (ids []chat.PersonID, err error) {
	rows, err := s.m.db.Snapshots().Conversations(ctx, s.id)
	seen := map[chat.PersonID]bool{}
	for _, row := range rows {
		for _, member := range row.Members {
			if !seen[member.ID] {
				seen[member.ID] = true
				ids = append(ids, member.ID)
			}
		}
	}
	return ids, err
}

// lookUpPeople asks for the members of whom only a fallback name or nothing is known. A
// failure costs only names.
func (s *session) lookUpPeople(ctx context.Context, conn Connection) {
	ids, err := s.members(ctx)
	if err != nil {
		s.zlog.Err(err).Msg("Failed to read conversations")
		return
	}
	if err = s.fetchPeople(ctx, conn, s.unnamed(ctx, ids)); err != nil {
		s.zlog.Warn().Err(err).Msg("Failed to look people up")
	}
}

// unnamed are those of the people whose first name or photo was never looked up.
func (s *session) unnamed(ctx context.Context, ids []chat.PersonID) []chat.PersonID {
	people, err := s.m.db.Snapshots().People(ctx, s.id, ids)
	if err != nil {
		return nil
	}
	known := make(map[chat.PersonID]bool)
	for _, p := range people {
		known[p.ID] = p.NameKind() == chat.NameReal && p.FirstName != ""
	}
	var out []chat.PersonID
	for _, id := range ids {
		if !known[id] {
			out = append(out, id)
		}
	}
	return out
}

// peopleBatch is how many people are looked up at once.
const peopleBatch = 20

func (s *session) fetchPeople(ctx context.Context, conn Connection, ids []chat.PersonID) error {
	for len(ids) > 0 {
		part := ids[:min(len(ids), peopleBatch)]
		ids = ids[len(part):]
		people, err := conn.People(ctx, part)
		if err != nil {
			return err
		}
		if err = s.m.commit(ctx, s, Update{People: people}, commitOptions{}); err != nil {
			return err
		}
	}
	return nil
}
