package bridge_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The homeserver does not know the token of a restored backup, and does not push again what it has pushed since then: its
// rooms have it, as many events as there are, and those that a run after the restore has already got come behind them.
func TestWhatCameAfterAPlaceThatTheHomeserverDoesNotKnow(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "before")
	w.waitTexts(direct, "first", "before")
	copied := w.backup()
	w.hs.PausePush("hangouts")
	want := []string{"first", "before"}
	for n := range 130 { // more than an answer of /sync has
		want = append(want, fmt.Sprintf("m%03d", n))
		alice.SendText(room, want[n+2])
	}
	w.stop()
	require.NoError(t, w.hs.Restart())
	w.putBack(copied)
	w.breakToken()
	w.start()
	alice.SendText(room, "after")
	w.waitTexts(direct, append(want, "after")...)
}
