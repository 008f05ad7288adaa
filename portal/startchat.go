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
	if h.session == nil {
		return chat.Conversation{}, puppet.ErrNoAccount
	}
	ctx, cancel := h.waiting(ctx)
	defer cancel()
	return h.session.Create(ctx, chat.Origin{Side: chat.OriginMatrix, Ref: ref}, n)
}

// CreateChatWithGhost finds or makes the conversation with the person of a ghost that was invited
// to a direct room.
func (h *Handler) CreateChatWithGhost(ctx context.Context, ghost *bridgev2.Ghost) (*bridgev2.CreateChatResponse, error) {
	person, err := ids.ParseUserID(ghost.ID)
	if err != nil {
		return nil, fmt.Errorf("ghost %q: %w", ghost.ID, err)
	}
	// To find the conversation of two does no harm when it is repeated, so the ref is the person.
	c, err := h.Start(ctx, fmt.Sprintf("direct/%s/%s", h.self, person), chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{person}})
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

// ResolveIdentifier finds a person by Gaia id or telephone number as the account knows them, or by
// the e-mail address or telephone number of somebody in its conversations. nil is nobody.
func (h *Handler) ResolveIdentifier(ctx context.Context, identifier string, createChat bool) (*bridgev2.ResolveIdentifierResponse, error) {
	person, found, err := h.Find(ctx, identifier)
	if err != nil || !found {
		return nil, err
	}
	ghost, err := h.ghost(ctx, person.ID)
	if err != nil {
		return nil, err
	}
	answer := &bridgev2.ResolveIdentifierResponse{Ghost: ghost, UserID: ids.MakeUserID(person.ID)}
	if createChat {
		if answer.Chat, err = h.CreateChatWithGhost(ctx, ghost); err == nil {
			answer.Chat.Portal, err = h.makeRoom(ctx, ids.ParsePortalID(answer.Chat.PortalKey.ID))
		}
	}
	return answer, err
}

func (h *Handler) ghost(ctx context.Context, person chat.PersonID) (*bridgev2.Ghost, error) {
	if h.options.Ghost == nil {
		return nil, chat.ErrUnsupported
	}
	return h.options.Ghost(ctx, person)
}

// Find finds a person; see ResolveIdentifier.
func (h *Handler) Find(ctx context.Context, identifier string) (person chat.Person, found bool, err error) {
	if h.session == nil {
		return person, false, puppet.ErrNoAccount
	}
	if id, err := chat.ParsePersonID(identifier); err == nil {
		people, err := h.session.People(ctx, id)
		if err != nil {
			return person, false, err
		}
		person = people[id]
		_, phone := id.Phone()
		return person, phone || person.NameKind() != chat.NameUnknown, nil
	}
	known, err := h.Contacts(ctx)
	at := slices.IndexFunc(known, func(p chat.Person) bool { return has(p, identifier) })
	if err != nil || at < 0 {
		return person, false, err
	}
	return known[at], true, nil
}

// Contacts are the people in the account's conversations, in the order of their names.
func (h *Handler) Contacts(ctx context.Context) ([]chat.Person, error) {
	if h.session == nil {
		return nil, puppet.ErrNoAccount
	}
	conversations, err := h.session.Conversations(ctx)
	if err != nil {
		return nil, err
	}
	var all []chat.PersonID
	for _, c := range conversations {
		for _, member := range c.Others(h.self) {
			if !slices.Contains(all, member.ID) {
				all = append(all, member.ID)
			}
		}
	}
	people, err := h.session.People(ctx, all...)
	list := make([]chat.Person, 0, len(people))
	for _, person := range people {
		list = append(list, person)
	}
	slices.SortFunc(list, compareNames)
	return list, err
}

// GetContactList implements bridgev2.ContactListingNetworkAPI.
func (h *Handler) GetContactList(ctx context.Context) (list []*bridgev2.ResolveIdentifierResponse, err error) {
	people, err := h.Contacts(ctx)
	return h.listed(people), errorOf(err)
}

// SearchUsers implements bridgev2.UserSearchingNetworkAPI, among the people in the account's
// conversations.
func (h *Handler) SearchUsers(ctx context.Context, query string) ([]*bridgev2.ResolveIdentifierResponse, error) {
	people, err := h.Contacts(ctx)
	return h.listed(slices.DeleteFunc(people, func(p chat.Person) bool { return !matches(p, query) })), errorOf(err)
}

func (h *Handler) listed(people []chat.Person) (list []*bridgev2.ResolveIdentifierResponse) {
	for _, person := range people {
		list = append(list, &bridgev2.ResolveIdentifierResponse{UserID: ids.MakeUserID(person.ID), UserInfo: h.people.PersonInfo(person)})
	}
	return list
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
	ref := "group/" + string(params.RoomID)
	if params.RoomID == "" {
		ref = h.options.NewRef()
	}
	c, err := h.Start(ctx, ref, request)
	if err != nil {
		return nil, errorOf(err)
	}
	room, err := h.makeRoom(ctx, c.ID)
	return &bridgev2.CreateChatResponse{PortalKey: h.Key(c.ID, c.Kind), Portal: room}, err
}
