package account

import (
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// refreshPeople asks for the names and photos of all people once in a while: nothing tells of a change. A start
// has more urgent things to ask for.
func (c *catchupState) refreshPeople(ctx context.Context) {
	options := c.s.m.options
	if c.asked.IsZero() {
		c.asked = time.Now().Add(options.CatchupEvery/2 - options.PeopleEvery)
	}
	if time.Since(c.asked) < options.PeopleEvery {
		return
	}
	c.asked = time.Now()
	ids, err := c.s.members(ctx)
	if err == nil {
		var conn Connection
		if conn, err = c.s.request(); err == nil {
			err = c.s.fetchPeople(ctx, conn, ids)
		}
	}
	if err != nil && ctx.Err() == nil {
		c.s.zlog.Warn().Err(err).Msg("Failed to look for new names and photos")
	}
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
