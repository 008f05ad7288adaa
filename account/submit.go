package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Submit implements Session.
func (s *session) Submit(ctx context.Context, request chat.Request) error {
	if _, err := s.request(); err != nil {
		return err
	}
	conversation, err := s.Conversation(ctx, request.Conversation)
	if err != nil {
		return err
	}
	if conversation.Standing == chat.Left {
		return fmt.Errorf("%w: the account has left this conversation", chat.ErrRefused)
	}
	if request.Message == nil {
		return chat.ErrUnsupported
	}
	if limit := s.Features(conversation).MaxText; limit > 0 && len(request.Message.Text.String()) > limit {
		return fmt.Errorf("%w: over %d bytes of text", chat.ErrTooLarge, limit)
	}
	request.V = chat.Version
	s.m.outboxMu.Lock()
	_, err = s.m.db.Outbox().Insert(ctx, &database.OutboxRow{
		Account: s.id, Request: request, RequestID: RequestID(request.Origin), Created: s.m.now().UnixMicro()})
	s.m.outboxMu.Unlock()
	if err != nil {
		return fmt.Errorf("store request: %w", err)
	}
	s.typing.sent(request.Conversation)
	s.outbox.work(request.Conversation)
	return nil
}

// Await implements Session.
func (s *session) Await(ctx context.Context, origin chat.Origin) (chat.Event, error) {
	for {
		settled := s.outbox.settled(origin)
		row, err := s.m.db.Outbox().ByOrigin(ctx, origin)
		switch {
		case errors.Is(err, database.ErrNotFound):
			err = ErrNotSubmitted
		case err == nil && row.State == database.OutboxFailed:
			err = failure(row.Error)
		case err == nil && row.State == database.OutboxDone:
			s.outbox.unwait(origin, settled)
			return s.settledEvent(ctx, row)
		}
		if err != nil {
			s.outbox.unwait(origin, settled)
			return chat.Event{}, err
		}
		select {
		case <-settled:
		case <-ctx.Done():
			s.outbox.unwait(origin, settled)
			return chat.Event{}, ctx.Err()
		case <-s.ctx.Done():
			return chat.Event{}, context.Canceled
		}
	}
}

func (s *session) settledEvent(ctx context.Context, row *database.OutboxRow) (chat.Event, error) {
	e, ok, err := s.m.log.Find(ctx, row.Request.Conversation, row.EventID)
	if err == nil && !ok { // trimmed since
		e = chat.Event{V: chat.Version, Conversation: row.Request.Conversation, ID: row.EventID, Kind: chat.KindMessage,
			Author: s.id, Time: row.Created, Origin: row.Request.Origin}
	}
	return e, err
}

// guessRequest finds the oldest unanswered request with an event's text, of the account
// that is the event's author. Nil if there is none.
func (m *Manager) guessRequest(ctx context.Context, e chat.Event) (*database.OutboxRow, error) {
	if e.Message == nil {
		return nil, nil
	}
	if _, known, err := m.log.Find(ctx, e.Conversation, e.ID); known || err != nil {
		return nil, err
	}
	rows, err := m.db.Outbox().Open(ctx, e.Author, e.Conversation)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.State != database.OutboxPending && row.EventID == "" && row.Request.Message != nil &&
			row.Request.Message.Text.String() == e.Message.Text.String() {
			return row, nil
		}
	}
	return nil, nil
}
