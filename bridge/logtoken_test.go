package bridge_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/util/ptr"
	"go.mau.fi/zeroconfig"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
)

// No token that somebody gives the bridge is in the log, however much is logged.
func TestTokensAreNotLogged(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "bridge.log")
	w.change = func(c *bridgeconfig.Config) {
		c.Provisioning.AllowMatrixAuth, c.Provisioning.SharedSecret = true, strings.Repeat("s", 32)
		c.Logging.MinLevel = ptr.Ptr(zerolog.TraceLevel)
		c.Logging.Writers = []zeroconfig.WriterConfig{{
			Type: zeroconfig.WriterTypeFile, Format: zeroconfig.LogFormatJSON, FileConfig: zeroconfig.FileConfig{Filename: file},
		}}
	}
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	ask := func(method, path, auth, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.addr()+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+auth)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	who := "?user_id=" + url.QueryEscape(string(alice.UserID()))
	ask("GET", "/_matrix/provision/v3/whoami"+who, "openid:unspeakable1", "")
	ask("GET", "/_matrix/provision/v3/whoami"+who+"&access_token=unspeakable2", "unspeakable3", "")
	ask("PUT", "/_matrix/app/v1/transactions/1?access_token=unspeakable4", "unspeakable5", "{}")
	ask("GET", "/_matrix/app/v1/users/x?access_token=unspeakable6", "unspeakable7", "")
	process := w.beginLogin(alice, "token")
	ask("POST", "/_matrix/provision/v3/login/step/"+process+"/"+tokenStep+who, alice.Matrix.AccessToken, `{"refresh_token":"unspeakable8"}`)
	process = w.beginLogin(alice, "cookies")
	ask("POST", "/_matrix/provision/v3/login/step/"+process+"/com.github.hangouts-bridge.cookies/cookies"+who, alice.Matrix.AccessToken, `{"SAPISID":"unspeakable9","SID":"unspeakable10"}`)
	alice.SendText(management, "login-matrix unspeakable11")
	w.waitNotice(management, "Failed to enable double puppeting")
	alice.SendText(management, "relogin unspeakable12 token unspeakable13")
	w.waitNotice(management, "not found")
	w.stop()
	log, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(log), "Provisioning API request contained invalid auth")
	for line := range strings.Lines(string(log)) {
		require.NotContains(t, line, "unspeakable")
		require.NotContains(t, line, alice.Matrix.AccessToken)
	}
}
