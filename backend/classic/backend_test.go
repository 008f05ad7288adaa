package classic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account/backendtest"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func TestClassicHangoutsIsABackend(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backendtest.Setting {
		scenario := hangoutstest.DefaultScenario()
		scenario.People = append(scenario.People, hangoutstest.ScenarioPerson{Key: "frank", Name: "Frank Fry", FirstName: "Frank", Email: "frank@example.com", Phone: "+15551230077", GaiaID: "100000000000000000077"})
		for i := range scenario.People {
			if scenario.People[i].Key == "erin" {
				scenario.People[i].GaiaID = "100000000000000000078"
			}
		}
		scenario.Conversations = append(scenario.Conversations, hangoutstest.ScenarioConversation{Key: "linked", Type: "group", Name: "Linked", Members: []string{"user2", "frank"}, LinkSharing: true})
		srv, err := hangoutstest.Start(hangoutstest.Options{Scenario: scenario, Configure: func(s *hangoutstest.Settings) { s.Dedup = false }})
		require.NoError(t, err)
		t.Cleanup(func() { srv.Close() })
		backend := classic.New(hangouts.Config{BaseURL: srv.URL, RetryBackoffBase: 1.1})
		s := backendtest.Setting{Backend: backend, Free: []chat.PersonID{"100000000000000000077", "100000000000000000078"},
			Listed: chat.Person{ID: "100000000000000000077", FullName: "Frank Fry", Emails: []string{"frank@example.com"}, Phones: []string{"+15551230077"}}}
		s.One, err = backend.Authenticate(t.Context(), chat.Credentials{RefreshToken: srv.Account(0).RefreshToken()})
		require.NoError(t, err)
		s.Two, err = backend.Authenticate(t.Context(), chat.Credentials{RefreshToken: srv.Account(1).RefreshToken()})
		require.NoError(t, err)
		for key, id := range map[string]*chat.ConversationID{"team": &s.Group, "direct": &s.Direct, "linked": &s.Linked} {
			c, ok := srv.Conversation(key)
			require.True(t, ok)
			*id = chat.ConversationID(c.ID)
		}
		return s
	})
}
