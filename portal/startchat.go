package portal

import (
	"context"
	"fmt"
	"slices"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// Start makes a conversation, or finds that of two, once for each ref.
func (h *Handler) Start(ctx context.Context, ref string, n chat.NewConversation) (chat.Conversation, error) {
	return h.awaited(ctx, func(ctx context.Context) (chat.Conversation, error) {
		return h.session.Create(ctx, chat.Origin{Side: chat.OriginMatrix, Ref: ref}, n)
	})
}

// JoinLink joins the group of a link, once for each ref.
func (h *Handler) JoinLink(ctx context.Context, ref, link string) (chat.Conversation, error) {
	return h.awaited(ctx, func(ctx context.Context) (chat.Conversation, error) {
		return h.session.JoinLink(ctx, chat.Origin{Side: chat.OriginMatrix, Ref: ref}, link)
	})
}

// awaited waits for a request no longer than Options.SendWait; then it goes on by itself.
func (h *Handler) awaited(ctx context.Context, request func(context.Context) (chat.Conversation, error)) (chat.Conversation, error) {
	if h.session == nil {
		return chat.Conversation{}, puppet.ErrNoAccount
	}
	waitCtx, cancel := h.waiting(ctx)
	defer cancel()
	c, err := request(waitCtx)
	if err != nil && waitCtx.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errStillWaiting, err)
	}
	return c, err
}

// CreateChatWithGhost finds or makes the conversation with the person of a ghost that was invited
// to a direct room.
func (h *Handler) CreateChatWithGhost(ctx context.Context, ghost *bridgev2.Ghost) (*bridgev2.CreateChatResponse, error) {
	person, err := ids.ParseUserID(ghost.ID)
	if err != nil {
		return nil, fmt.Errorf("ghost %q: %w", ghost.ID, err)
	}
	c, err := h.Start(ctx, h.options.NewRef(), chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{person}})
	if err != nil {
		return nil, errorOf(err)
	}
	return &bridgev2.CreateChatResponse{PortalKey: h.Key(c.ID, c.Kind)}, nil
}

// makeRoom makes the room of a conversation as deliveries do, so that a crash leaves no second one.
func (h *Handler) makeRoom(ctx context.Context, id chat.ConversationID) (*bridgev2.Portal, error) {
	c, err := h.session.Conversation(ctx, id)
	if err != nil {
		return nil, errorOf(err)
	}
	room, err := h.options.Open(ctx, c)
	return room, errorOf(err)
}

// CreateGroup makes a group of people.
func (h *Handler) CreateGroup(ctx context.Context, params *bridgev2.GroupCreateParams) (*bridgev2.CreateChatResponse, error) {
	request := chat.NewConversation{Kind: chat.Group}
	if params.Name != nil {
		request.Name = params.Name.Name
	}
	for _, user := range params.Participants {
		person, err := ids.ParseUserID(networkid.UserID(user))
		if err != nil {
			return nil, errorOf(fmt.Errorf("%w: %w", chat.ErrInvalidRequest, err))
		}
		if !slices.Contains(request.People, person) {
			request.People = append(request.People, person)
		}
	}
	c, err := h.Start(ctx, h.options.NewRef(), request)
	if err != nil {
		return nil, errorOf(err)
	}
	room, err := h.options.Open(ctx, c)
	return &bridgev2.CreateChatResponse{PortalKey: h.Key(c.ID, c.Kind), Portal: room}, errorOf(err)
}
