package bridge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stranger's token does not make the provisioning API ask any server.
func TestProvisioningAsksNoServerForStrangers(t *testing.T) {
	w := newMallorys(t)
	for _, token := range []string{"openid:x", "x", strings.Repeat("s", 32)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.addr()+"/_matrix/provision/v3/whoami?user_id=@x:elsewhere.invalid", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusForbidden, resp.StatusCode) // asking a server in vain would be 401
	}
}
