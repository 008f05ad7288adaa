package classic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// An authorization code logs in once; what is kept of it is a refresh token.
func TestAuthorizationCode(t *testing.T) {
	server, err := hangoutstest.Start(hangoutstest.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	backend := classic.New(hangouts.Config{BaseURL: server.URL})
	person := server.Account(0)
	code, err := server.AuthorizationCode(person.GaiaID())
	require.NoError(t, err)
	identity, err := backend.Authenticate(t.Context(), chat.Credentials{Code: code})
	require.NoError(t, err)
	require.Equal(t, chat.PersonID(person.GaiaID()), identity.Self.ID)
	require.Contains(t, string(identity.Stored), person.RefreshToken())
	require.NotContains(t, string(identity.Stored), code)
	_, err = backend.Authenticate(t.Context(), chat.Credentials{Code: code})
	require.ErrorIs(t, err, chat.ErrBadCredentials, "it works once")
	require.NotContains(t, err.Error(), code)
}

func TestPagesFollowTheConfig(t *testing.T) {
	var config classic.Config
	require.Equal(t, "https://hangouts.google.com", config.Site())
	require.Contains(t, config.CodePage(), "https://accounts.google.com/")
	config.BaseURL = "https://chat.example.com"
	require.Equal(t, "https://chat.example.com", config.Site())
	require.Contains(t, config.CodePage(), "https://chat.example.com/")
	config.Endpoints.Origin = "https://web.example.com"
	require.Equal(t, "https://web.example.com", config.Site())
}
