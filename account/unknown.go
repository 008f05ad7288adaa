package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// completeUnknown asks the network for the conversations of events that the account
// does not know, unless the update introduces them.
func (s *session) completeUnknown(ctx context.Context, update Update) (Update, error) {
	introduced := make(map[chat.ConversationID]bool)
	for _, d := range update.Conversations {
		introduced[d.ID] = introduced[d.ID] || d.Complete
	}
	for _, e := range update.Events {
		if introduced[e.Conversation] {
			continue
		}
		introduced[e.Conversation] = true
		_, err := s.known.row(ctx, e.Conversation)
		if err == nil {
			continue
		} else if !errors.Is(err, database.ErrNotFound) {
			return update, err
		}
		delta, people, err := s.lookUp(ctx, e.Conversation)
		if errors.Is(err, chat.ErrUnknownConversation) || errors.Is(err, chat.ErrRefused) {
			s.zlog.Warn().Err(err).Str("conversation", string(e.Conversation)).Msg("Ignoring an event of a conversation that the network does not know")
			continue
		} else if err != nil {
			return update, fmt.Errorf("look up conversation: %w", err)
		}
		update.Conversations = append(update.Conversations, delta)
		update.People = append(update.People, people...)
	}
	return update, nil
}

// lookUp asks the network for one conversation.
func (s *session) lookUp(ctx context.Context, id chat.ConversationID) (chat.ConversationDelta, []chat.Person, error) {
	conn, err := s.request()
	if err != nil {
		return chat.ConversationDelta{}, nil, err
	}
	page, err := conn.History(ctx, id, HistoryToken{}, 1)
	if err != nil {
		return chat.ConversationDelta{}, nil, err
	}
	for _, d := range page.Conversations {
		if d.ID == id && d.Complete {
			return d, page.People, nil
		}
	}
	return chat.ConversationDelta{}, nil, chat.ErrUnknownConversation
}

// lookUpPeople asks for the members of whom only a fallback name or nothing is known. A
// failure costs only names.
func (s *session) lookUpPeople(ctx context.Context, conn Connection) {
	rows, err := s.m.db.Snapshots().Conversations(ctx, s.id)
	if err != nil {
		s.zlog.Err(err).Msg("Failed to read conversations")
		return
	}
	seen := map[chat.PersonID]bool{}
	var ids []chat.PersonID
	for _, row := range rows {
		for _, member := range row.Members {
			if !seen[member.ID] {
				seen[member.ID] = true
				ids = append(ids, member.ID)
			}
		}
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
