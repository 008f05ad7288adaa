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

// mostHistory bounds one History call.
const mostHistory = 1000

// History implements Session.
func (s *session) History(ctx context.Context, query HistoryQuery) ([]chat.Event, error) {
	query.Limit = min(max(query.Limit, 1), mostHistory)
	row, err := s.known.row(ctx, query.Conversation)
	if errors.Is(err, database.ErrNotFound) {
		return nil, chat.ErrUnknownConversation
	} else if err != nil {
		return nil, err
	}
	events, err := s.m.log.Before(ctx, s.id, query.Conversation, query.Before, row.Start, query.Limit)
	if err != nil {
		return nil, err
	}
	if len(events) >= query.Limit {
		return events, nil
	}
	older, err := s.olderThanLog(ctx, query, events)
	if err != nil && len(events) > 0 && !query.Complete {
		s.zlog.Warn().Err(err).Msg("Older history is not available now")
		err = nil
	}
	return append(older, events...), err
}

// olderThanLog asks the network for what is missing before the logged events.
func (s *session) olderThanLog(ctx context.Context, query HistoryQuery, logged []chat.Event) ([]chat.Event, error) {
	conn, err := s.request()
	if err != nil {
		return nil, err
	}
	token := HistoryToken{Time: query.Before}
	known := make(map[chat.EventID]bool, len(logged))
	for _, e := range logged {
		known[e.ID] = true
	}
	if len(logged) > 0 {
		token.Time = logged[0].Time
	}
	var older []chat.Event
	for need := query.Limit - len(logged); need > 0; {
		page, err := conn.History(ctx, query.Conversation, token, min(need, historyPage))
		if err != nil {
			return older, err
		}
		var fresh []chat.Event
		for _, e := range page.Events {
			if !known[e.ID] && (token.Time == 0 || e.Time < token.Time) && !expired(e.Event, time.Now()) {
				known[e.ID] = true
				fresh = append(fresh, e.Event)
			}
		}
		older = append(fresh, older...)
		need -= len(fresh)
		if page.End || page.Next.Time == 0 || (token.Time != 0 && page.Next.Time >= token.Time) {
			break
		}
		token = page.Next
	}
	if extra := len(older) - (query.Limit - len(logged)); extra > 0 {
		older = older[extra:]
	}
	return older, nil
}

// expired reports whether an event of a conversation without history is gone at now.
func expired(e chat.Event, now time.Time) bool { return e.Expires != 0 && e.Expires <= now.UnixMicro() }
