package accounttest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// AddContact gives a person an e-mail address and a telephone number by which they are found; ""
// is none.
func (n *Network) AddContact(id chat.PersonID, email, phone string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.people[id]
	if email != "" {
		p.Emails = append(p.Emails, email)
	}
	if phone != "" {
		p.Phones = append(p.Phones, phone)
	}
	n.people[id] = p
}

// Queries returns how people were looked for.
func (n *Network) Queries() []chat.PeopleQuery {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.queries)
}

// FailQueries makes looking for people fail; nil ends that.
func (n *Network) FailQueries(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.findErr = err
}

func (c *connection) FindPeople(_ context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.queries = append(c.n.queries, query)
	if c.n.findErr != nil {
		return nil, c.n.findErr
	}
	var out []chat.Person
	for _, p := range c.n.people {
		found := slices.Contains(p.Emails, query.Email) || slices.Contains(p.Phones, query.Phone) ||
			query.Name != "" && strings.Contains(strings.ToLower(p.FullName), strings.ToLower(query.Name))
		if found {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b chat.Person) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(len(out), limit)], c.allowed()
}
