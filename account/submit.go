package account

import (
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
	request = request.Clean()
	request.V = chat.Version
	if err := s.check(ctx, request); err != nil {
		if _, known := s.m.db.Outbox().ByOrigin(ctx, request.Origin); known == nil {
			return nil // it may have been possible only once
		}
		return err
	}
	if request.Finds() {
		request.Conversation = chat.ConversationID("new/" + request.Origin.Side + "/" + request.Origin.Ref) // until it has its own
	}
	_, err := s.m.db.Outbox().Insert(ctx, &database.OutboxRow{Account: s.id, Request: request,
		RequestID: RequestID(request.Origin), Created: s.m.now().UnixMicro()})
	if err != nil {
		return fmt.Errorf("store request: %w", err)
	}
	did := acted{}
	if request.Message != nil {
		did.wrote = request.Conversation
	}
	s.link.post(did)
	s.outbox.work(request.Conversation)
	return nil
}

// Create implements Session.
func (s *session) Create(ctx context.Context, origin chat.Origin, request chat.NewConversation) (chat.Conversation, error) {
	c, err := s.find(ctx, chat.Request{Origin: origin, Create: &request})
	if err != nil {
		return c, fmt.Errorf("create conversation: %w", err)
	}
	return c, nil
}

// JoinLink implements Session.
func (s *session) JoinLink(ctx context.Context, origin chat.Origin, link string) (chat.Conversation, error) {
	c, err := s.find(ctx, chat.Request{Origin: origin, JoinLink: link})
	if err != nil {
		return c, fmt.Errorf("join by link: %w", err)
	}
	return c, nil
}

// find carries a request out that Finds, and returns its conversation.
func (s *session) find(ctx context.Context, request chat.Request) (chat.Conversation, error) {
	if err := s.Submit(ctx, request); err != nil {
		return chat.Conversation{}, err
	}
	found, err := s.Await(ctx, request.Origin)
	if err != nil {
		return chat.Conversation{}, err
	}
	return s.Conversation(ctx, found.Conversation)
}

// Submitted implements Session.
func (s *session) Submitted(ctx context.Context, origin chat.Origin) (bool, error) {
	_, err := s.m.db.Outbox().ByOrigin(ctx, origin)
	if errors.Is(err, database.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
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
	if row.EventID == "" {
		return s.eventOf(row), nil
	}
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
