package portal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// ResolveIdentifier finds a person by Gaia id, e-mail address, telephone number or name: one of the
// account's conversations, or else whom the network finds. nil is nobody; a name that several
// people have is an error.
func (h *Handler) ResolveIdentifier(ctx context.Context, identifier string, createChat bool) (*bridgev2.ResolveIdentifierResponse, error) {
	person, found, err := h.Find(ctx, identifier)
	if err != nil || !found {
		return nil, errorOf(err)
	}
	ghost, err := h.ghost(ctx, person.ID)
	if err != nil {
		return nil, errorOf(err)
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

// mostFound is how many people a search of ours shows.
const mostFound = 50

// errSeveral: a name alone does not say who is meant.
var errSeveral = fmt.Errorf("%w: several people are called so. Use `search`, and then the id", chat.ErrInvalidQuery)

// Find finds a person; see ResolveIdentifier.
func (h *Handler) Find(ctx context.Context, identifier string) (person chat.Person, found bool, err error) {
	if h.session == nil {
		return person, false, puppet.ErrNoAccount
	}
	if id, err := chat.ParsePersonID(identifier); err == nil {
		phone, ok := id.Phone()
		if !ok {
			return h.findID(ctx, id)
		}
		identifier = phone
	}
	query, err := chat.ParsePeopleQuery(identifier)
	if err != nil {
		return person, false, err
	}
	people, err := h.search(ctx, query)
	if err != nil || len(people) == 0 {
		return person, false, err
	}
	if query.Name != "" {
		called := slices.DeleteFunc(slices.Clone(people), func(p chat.Person) bool { return !strings.EqualFold(p.DisplayName(), query.Name) })
		if len(called) > 0 {
			people = called
		}
		if len(people) > 1 {
			return person, false, errSeveral
		}
	}
	return people[0], true, nil
}

// errNoGaiaID is what somebody gets who has typed a telephone number as it is dialled at home.
var errNoGaiaID = fmt.Errorf("%w: nobody has this Gaia id, and a telephone number begins with + and its country code", chat.ErrInvalidQuery)

func (h *Handler) findID(ctx context.Context, id chat.PersonID) (chat.Person, bool, error) {
	people, err := h.session.People(ctx, id)
	if err != nil {
		return chat.Person{}, false, err
	}
	person := people[id]
	found := person.NameKind() != chat.NameUnknown
	if _, err = chat.ParsePeopleQuery("+" + strings.TrimLeft(string(id), "0")); !found && err == nil {
		return person, false, errNoGaiaID
	}
	return person, found, nil
}

// search looks among the people in the account's conversations, who come first, and in the network.
// When that fails, those who are known are the answer.
func (h *Handler) search(ctx context.Context, query chat.PeopleQuery) ([]chat.Person, error) {
	known, err := h.Contacts(ctx)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(known, func(p chat.Person) bool { return !matches(p, query) })
	if len(found) > 0 && query.Name == "" {
		return found, nil // one person has the address
	}
	more, err := h.session.FindPeople(ctx, query, mostFound)
	if err != nil && len(found) > 0 && !errors.Is(err, context.Canceled) {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("Only the people in the account's conversations can be searched now")
		return found, nil
	}
	for _, p := range more {
		if !slices.ContainsFunc(found, func(other chat.Person) bool { return other.ID == p.ID }) {
			found = append(found, p)
		}
	}
	return found[:min(len(found), mostFound)], err
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

// SearchUsers implements bridgev2.UserSearchingNetworkAPI: known people first.
func (h *Handler) SearchUsers(ctx context.Context, text string) ([]*bridgev2.ResolveIdentifierResponse, error) {
	people, err := h.Search(ctx, text)
	return h.listed(people), errorOf(err)
}

// Search finds people by a name, e-mail address or telephone number that somebody typed, or by an
// id; see SearchUsers.
func (h *Handler) Search(ctx context.Context, text string) ([]chat.Person, error) {
	if h.session == nil {
		return nil, puppet.ErrNoAccount
	}
	if _, err := chat.ParsePersonID(text); err == nil {
		person, found, err := h.Find(ctx, text)
		if err != nil || !found {
			return nil, err
		}
		return []chat.Person{person}, nil
	}
	query, err := chat.ParsePeopleQuery(text)
	if err != nil {
		return nil, err
	}
	return h.search(ctx, query)
}

func (h *Handler) listed(people []chat.Person) (list []*bridgev2.ResolveIdentifierResponse) {
	for _, person := range people {
		list = append(list, &bridgev2.ResolveIdentifierResponse{UserID: ids.MakeUserID(person.ID), UserInfo: h.people.PersonInfo(person)})
	}
	return list
}
