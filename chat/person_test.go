package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Names fall back from the best to the id; what is no name does not stand in for one.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		person      chat.Person
		name, short string
	}{
		{chat.Person{ID: "1", FullName: "Ada Lovelace", FirstName: "Ada", Emails: []string{"ada@example.com"}, Phones: []string{"+15550100"}}, "Ada Lovelace", "Ada"},
		{chat.Person{ID: "1", FullName: "Ada Lovelace"}, "Ada Lovelace", "Ada"},
		{chat.Person{ID: "1", FirstName: "Ada", Emails: []string{"ada@example.com"}}, "Ada", "Ada"},
		{chat.Person{ID: "1", FullName: "unknown", FirstName: "Unknown", Emails: []string{"", "ada@example.com"}, Phones: []string{"+15550100"}}, "ada@example.com", "ada@example.com"},
		{chat.Person{ID: "1", FullName: "Unknown", Phones: []string{"+15550100"}}, "+15550100", "+15550100"},
		{chat.Person{ID: "1", FullName: "+1 555 0100", Emails: []string{"ada@example.com"}}, "ada@example.com", "ada@example.com"},
		{chat.Person{ID: "1", FullName: "+1 555 0100"}, "+1 555 0100", "+1 555 0100"},
		{chat.Person{ID: "tel-15550100"}, "+15550100", "+15550100"},
		{chat.Person{ID: "117"}, "117", "117"},
		{chat.Person{ID: "117", FullName: "李小龍"}, "李小龍", "李小龍"},
	} {
		require.Equal(t, c.name, c.person.DisplayName(), "%+v", c.person)
		require.Equal(t, c.short, c.person.ShortName(), "%+v", c.person)
	}
}
