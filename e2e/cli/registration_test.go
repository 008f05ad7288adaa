package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A registration that is not the homeserver's ends the program: waiting does not help.
func TestWrongToken(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"as_token", "hs_token"} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil)
			hs := "127.0.0.1:" + portOf(freeAddr(t))
			p.matrix("http://" + hs)
			homeserver := p.homeserver(hs)
			secret := p.config["appservice"].(map[string]any)[token].(string)
			p.set("appservice."+token, "wrong-"+secret)
			r := p.run()
			r.refused("appservice."+token, "registration")
			require.NotContains(t, r.String(), secret)
			require.Empty(t, homeserver.Rooms())

			p.set("appservice."+token, secret) // corrected, it runs
			bridge := p.start()
			eventually(t, "the bot to be there", func() bool {
				return len(homeserver.Requests(byBot)) > 0
			})
			require.Zero(t, bridge.Terminate())
		})
	}
}
