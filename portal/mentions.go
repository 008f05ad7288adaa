package portal

import (
	"context"
	"slices"
	"strings"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
)

// Login is a Matrix user of this bridge and who that is on the network.
type Login struct {
	Person chat.Person
	User   id.UserID
}

// callable are the logins whose users are in the room of an event and did not write it.
func (h *Handler) callable(ctx context.Context, e chat.Event, c chat.Conversation) []Login {
	if e.Kind != chat.KindMessage || h.options.Logins == nil {
		return nil
	}
	key := h.Key(c.ID, c.Kind)
	absences := h.absences(ctx, key)
	return slices.DeleteFunc(h.options.Logins(), func(l Login) bool {
		login := ids.MakeLoginID(l.Person.ID)
		return l.Person.ID == e.Author || !c.Has(l.Person.ID) || key.Receiver != "" && key.Receiver != login || absences[login] != ""
	})
}

// calledIn are the users whom a text calls by name.
func calledIn(text chat.Text, logins []Login) (users []id.UserID) {
	for _, login := range logins {
		if !slices.Contains(users, login.User) && format.Calls(text, login.Person) {
			users = append(users, login.User)
		}
	}
	slices.Sort(users)
	return users
}

// maxLookups bounds how many ghosts of people outside the conversation are looked up for one message.
const maxLookups = 10

// names says how the network calls those in a conversation. Nobody is looked up before they are asked for.
func (h *Handler) names(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) *format.Names {
	people, err := h.people.People(ctx, MemberIDs(c)...)
	if err != nil {
		return &format.Names{}
	}
	shown := map[string]string{}
	for _, person := range people {
		// A name that is all of what its ghost is called may be an ordinary word.
		name, ghost := person.DisplayName(), *h.people.PersonInfo(person).Name
		if ghost != name && strings.Contains(ghost, name) {
			shown[ghost] = name
		}
	}
	var logins []Login
	if h.options.Logins != nil {
		logins = h.options.Logins()
	}
	lookups := 0
	return &format.Names{Shown: shown, Domain: h.options.Domain, Of: func(user id.UserID) string {
		for _, login := range logins {
			if login.User == user && c.Has(login.Person.ID) {
				return login.Person.DisplayName()
			}
		}
		if h.options.IsGhost == nil {
			return ""
		}
		ghost, ok := h.options.IsGhost(user)
		if !ok {
			return ""
		}
		person, err := ids.ParseUserID(ghost)
		if err != nil {
			return ""
		}
		if known, ok := people[person]; ok {
			return known.DisplayName()
		}
		if lookups++; lookups > maxLookups {
			return ""
		}
		known, err := h.people.People(ctx, person)
		if found := known[person]; err == nil && found.NameKind() != chat.NameUnknown {
			return found.DisplayName()
		}
		return ""
	}}
}
