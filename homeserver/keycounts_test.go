package homeserver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The framework hears of the one-time keys of the bot's encrypting device only.
func TestOnlyTheBotsKeyCountsAreHandedOn(t *testing.T) {
	const stable, unstable = "device_one_time_keys_count", "org.matrix.msc3202.device_one_time_keys_count"
	for name, c := range map[string]struct{ raw, want string }{
		"bot":           {`{"@bot:test":{"CRYPTO":{"signed_curve25519":7},"HANGOUTSBRIDGE":{}}}`, `{"@bot:test":{"CRYPTO":{"signed_curve25519":7}}}`},
		"ghosts":        {`{"@hangouts_1:test":{"HANGOUTSBRIDGE":{}},"@bot:test":{"HANGOUTSBRIDGE":{}}}`, ""},
		"not the shape": {`{"@bot:test":7}`, `{"@bot:test":7}`},
	} {
		for _, field := range []string{stable, unstable} {
			body, err := parseTransaction([]byte(`{"events":[],"` + field + `":` + c.raw + `}`))
			require.NoError(t, err, name)
			ownKeyCounts(body.rest, "@bot:test")
			if c.want == "" {
				require.Empty(t, body.rest, "%s: nothing is handed on", name)
				continue
			}
			require.JSONEq(t, c.want, string(body.rest[field]), "%s", name)
		}
	}
}
