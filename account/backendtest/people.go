package backendtest

import (
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// lookingForPeople: whom the account does not know is found by each of the ways, and nobody is no
// error.
func lookingForPeople(b *bench) {
	find := func(query chat.PeopleQuery, limit int) []chat.Person {
		found, err := b.one.conn.FindPeople(b.Context(), query, limit)
		require.NoError(b, err)
		return found
	}
	for _, query := range []chat.PeopleQuery{{Email: b.Listed.Emails[0]}, {Phone: b.Listed.Phones[0]}, {Name: b.Listed.FullName}} {
		found := find(query, 10)
		n := slices.IndexFunc(found, func(p chat.Person) bool { return p.ID == b.Listed.ID })
		require.GreaterOrEqual(b, n, 0, "%+v", query)
		require.Equal(b, b.Listed.FullName, found[n].FullName)
	}
	require.Empty(b, find(chat.PeopleQuery{Email: "nobody@nowhere.example"}, 10))
	require.Empty(b, find(chat.PeopleQuery{Name: "nobody is called so"}, 10))
	require.LessOrEqual(b, len(find(chat.PeopleQuery{Name: b.Listed.FullName}, 1)), 1)
}
