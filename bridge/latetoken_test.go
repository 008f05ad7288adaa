package bridge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"
)

// An access token in a command that comes too late to be run is removed from the room.
func TestLateAccessToken(t *testing.T) {
	w, alice, room := talk(t)
	w.hs.Older(6 * time.Minute)
	for _, where := range []id.RoomID{w.managementRoom(alice), room} {
		for _, command := range []string{"login-matrix", "Login-Matrix", "doin " + string(room) + " login-matrix"} {
			heard := len(w.notices(where))
			alice.SendText(where, "!hangouts "+command+" syt_YWxpY2U_abcdefghijklmnop")
			w.eventually("the refusal", func() bool { return len(w.notices(where)) > heard })
			require.Contains(t, w.notices(where)[heard], "I did not run it")
			require.False(t, w.shown(where, "syt_"))
		}
	}
}
