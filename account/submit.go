package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
	request = request.Clean()
	if request.Message.Text.Empty() && len(request.Message.Attachments) == 0 {
		return fmt.Errorf("%w: no text", chat.ErrRefused)
	}
	if limit := s.Features(conversation).MaxText; limit > 0 && len(request.Message.Text.String()) > limit {
		return fmt.Errorf("%w: over %d bytes of text", chat.ErrTooLarge, limit)
	}
	request.V = chat.Version
	_, err = s.m.db.Outbox().Insert(ctx, &database.OutboxRow{
		Account: s.id, Request: request, RequestID: RequestID(request.Origin), Created: s.m.now().UnixMicro()})
	if err != nil {
		return fmt.Errorf("store request: %w", err)
	}
	s.link.post(acted{wrote: request.Conversation})
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
			err = chat.Failed(row.Error)
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
	e, ok, err := s.m.log.Find(ctx, s.id, row.Request.Conversation, row.EventID)
	if err == nil && !ok { // not yet pushed, or trimmed since
		e = s.eventOf(row)
	}
	e.Origin = row.Request.Origin // the log of a restored backup may not know it
	return e, err
}

// Made implements Session.
func (s *session) Made(ctx context.Context, side string, conversation chat.ConversationID, id chat.EventID) (chat.Event, bool, error) {
	if e, ok, err := s.m.log.Find(ctx, s.id, conversation, id); ok || err != nil {
		return e, ok, err
	}
	// In this order: a request that is answered meanwhile is found as open or by its event.
	open, err := s.m.db.Outbox().Open(ctx, s.id, conversation)
	if err != nil {
		return chat.Event{}, false, err
	}
	row, err := s.m.db.Outbox().ByEvent(ctx, s.id, conversation, id)
	if err == nil {
		return s.eventOf(row), true, nil
	} else if !errors.Is(err, database.ErrNotFound) {
		return chat.Event{}, false, err
	}
	if slices.ContainsFunc(open, func(row *database.OutboxRow) bool {
		return row.Request.Origin.Side == side && row.State != database.OutboxPending
	}) {
		return chat.Event{}, false, ErrOpenRequest
	}
	return chat.Event{}, false, nil
}

// eventOf is the event of a request that is done, as far as the outbox knows it.
func (s *session) eventOf(row *database.OutboxRow) chat.Event {
	return chat.Event{V: chat.Version, Conversation: row.Request.Conversation, ID: row.EventID, Kind: chat.KindMessage,
		Author: s.id, Time: cmp.Or(row.EventTime, row.Created), Origin: row.Request.Origin, RequestID: row.RequestID}
}
