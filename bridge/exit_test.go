package bridge_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// The exit code of an error that this side does not know is for those to say who do.
func TestExitCodeOfAnotherPart(t *testing.T) {
	errPort, errOther := errors.New("port taken"), errors.New("something else")
	for err, want := range map[error]int{errPort: bridge.ExitListen, errOther: bridge.ExitStart} {
		t.Run(err.Error(), func(t *testing.T) {
			dir := t.TempDir()
			text, changeErr := config.Change(bridge.ExampleConfig(), map[string]any{
				"homeserver.address": "http://127.0.0.1:1", "homeserver.domain": domain, "appservice.hostname": "127.0.0.1", "appservice.port": proc.FreePort(t),
				"appservice.as_token": "as", "appservice.hs_token": "hs", "bridge.permissions": map[string]string{domain: "user"},
				"database.uri": "file:" + filepath.Join(dir, "bridge.db") + "?_txlock=immediate", "logging.min_level": "error",
				"logging.writers": []map[string]string{{"type": "stderr", "format": "pretty"}},
			})
			require.NoError(t, changeErr)
			path := filepath.Join(dir, "config.yaml")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			main := bridge.NewMain(bridge.Options{
				Name: "hangouts-bridge", Version: "0.1",
				Start: func(context.Context, bridge.Env) (account.Accounts, error) { return nil, err },
				ExitCode: func(err error) int {
					if errors.Is(err, errPort) {
						return bridge.ExitListen
					}
					return 0
				},
			})
			require.Equal(t, want, main.Run([]string{"-n", "-c", path}))
		})
	}
}
