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
