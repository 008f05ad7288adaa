package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Conversations implements Session.
func (s *session) Conversations(ctx context.Context) ([]chat.Conversation, error) {
	rows, err := s.m.db.Snapshots().Conversations(ctx, s.id)
	list := make([]chat.Conversation, len(rows))
	for i, row := range rows {
		list[i] = row.Conversation
	}
	return list, err
}

// Conversation implements Session.
func (s *session) Conversation(ctx context.Context, id chat.ConversationID) (chat.Conversation, error) {
	row, err := s.known.row(ctx, id)
	if !errors.Is(err, database.ErrNotFound) {
		return row.Conversation, err
	}
	delta, people, err := s.lookUp(ctx, id)
	if err != nil {
		return chat.Conversation{}, err
	}
	if delta.Standing != nil && *delta.Standing == chat.Left {
		return chat.Conversation{}, chat.ErrUnknownConversation // somebody else's, whatever the network shows of it
	}
	update := Update{Conversations: []chat.ConversationDelta{delta}, People: people}
	if err = s.m.commit(ctx, s, update, commitOptions{}); err != nil {
		return chat.Conversation{}, err
	}
	row, err = s.known.row(ctx, id)
	return row.Conversation, err
}

// People implements Session.
func (s *session) People(ctx context.Context, ids ...chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	found, err := s.knownPeople(ctx, ids)
	if err != nil {
		return nil, err
	}
	var missing []chat.PersonID
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		if conn, err := s.request(); err == nil {
			if err = s.fetchPeople(ctx, conn, missing); err != nil {
				s.zlog.Warn().Err(err).Msg("Failed to look people up")
			} else if found, err = s.knownPeople(ctx, ids); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			found[id] = chat.Person{ID: id}
		}
	}
	return found, nil
}

// mostFound bounds one FindPeople call.
const mostFound = 50

// FindPeople implements Session.
func (s *session) FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error) {
	conn, err := s.request()
	if err != nil {
		return nil, err
	}
	limit = min(max(limit, 1), mostFound)
	found, err := conn.FindPeople(ctx, query, limit)
	if errors.Is(err, ErrAmbiguous) {
		err = fmt.Errorf("%w: %w", chat.ErrUnavailable, err) // a question has no fate
	}
	people := make([]chat.Person, 0, len(found))
	for _, p := range found {
		p = p.Clean()
		if p.ID != "" && p.ID != s.id && !slices.ContainsFunc(people, func(other chat.Person) bool { return other.ID == p.ID }) {
			people = append(people, p)
		}
	}
	return people[:min(len(people), limit)], err
}

// GroupLink implements Session.
func (s *session) GroupLink(ctx context.Context, id chat.ConversationID) (string, error) {
	conn, err := s.request()
	if err != nil {
		return "", err
	}
	c, err := s.Conversation(ctx, id)
	if err != nil {
		return "", err
	}
	if c.Standing != chat.Active || !s.Features(c).LinkSharing {
		return "", fmt.Errorf("%w: this conversation has no link", chat.ErrUnsupported)
	}
	link, err := conn.GroupLink(ctx, id)
	return chat.CleanLine(link, maxLink), err
}

// SetDoNotDisturb implements Session.
func (s *session) SetDoNotDisturb(ctx context.Context, lasting time.Duration) error {
	conn, err := s.request()
	if err != nil {
		return err
	}
	return conn.SetDoNotDisturb(ctx, lasting)
}

func (s *session) knownPeople(ctx context.Context, ids []chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	found, err := s.known.known(ctx, ids)
	if err == nil && slices.Contains(ids, s.id) {
		found[s.id] = s.Self().Merge(found[s.id], true)
	}
	return found, err
}

// Watermarks implements Session.
func (s *session) Watermarks(ctx context.Context, id chat.ConversationID) (map[chat.PersonID]int64, error) {
	return s.m.db.Snapshots().Watermarks(ctx, s.id, id)
}
