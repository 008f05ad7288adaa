package chat_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestParsePeopleQuery(t *testing.T) {
	for text, want := range map[string]chat.PeopleQuery{
		"Frank@Example.com ":       {Email: "frank@example.com"},
		"mailto:frank@example.com": {Email: "frank@example.com"},
		"+1 (555) 123-0000":        {Phone: "+15551230000"},
		"TEL:+49 30/123456":        {Phone: "+4930123456"},
		"Frank  Fry":               {Name: "Frank  Fry"},
		"line\nend":                {Name: "line end"},
		"Zoë 2":                    {Name: "Zoë 2"},
	} {
		got, err := chat.ParsePeopleQuery(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, says := range map[string]string{
		"": "empty", " \n ": "empty", "@": "no e-mail", "a@": "no e-mail", "a@b@c": "no e-mail", "a b@c": "no e-mail", "a@b,c@d": "no e-mail",
		"mailto:x": "no e-mail", strings.Repeat("a", 300) + "@b": "no e-mail", strings.Repeat("é", 101): "at most 100",
		"030 123456": "country code", "tel:030123456": "country code", "+1": "no telephone", "+": "no telephone", "+1+5551230000": "no telephone",
		"+" + strings.Repeat("1", 16): "no telephone", "tel:frank": "no telephone", "+012345678": "no telephone",
	} {
		_, err := chat.ParsePeopleQuery(text)
		require.ErrorIs(t, err, chat.ErrInvalidQuery, text)
		require.ErrorContains(t, err, says, text)
	}
}

// Whatever is typed: a query says one thing, and saying it again changes nothing.
func FuzzParsePeopleQuery(f *testing.F) {
	for _, text := range []string{"a@b", "+1 555 1230000", "Ann", "\u202e\x00", "tel:", "mailto:a@b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, err := chat.ParsePeopleQuery(text)
		if err != nil {
			require.ErrorIs(t, err, chat.ErrInvalidQuery)
			return
		}
		again, err := chat.ParsePeopleQuery(query.Email + query.Phone + query.Name)
		require.NoError(t, err)
		require.Equal(t, query, again)
		require.NotContains(t, query.Email+query.Phone+query.Name, "\n")
	})
}
