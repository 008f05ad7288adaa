package bridge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"
)

// A command that comes late is not run; its writer hears of that once.
func TestLateCommandsAreNotRun(t *testing.T) {
	w, alice, room := talk(t)
	dora := w.user("dora")
	management := w.login(dora, bert)
	w.hs.Older(6 * time.Minute)
	late := func(room id.RoomID) (n int) {
		for _, text := range w.notices(room) {
			if strings.Contains(text, "I did not run it") {
				n++
			}
		}
		return n
	}
	dora.SendText(management, "version")
	w.eventually("the refusal", func() bool { return late(management) == 1 })
	secret := dora.SendText(management, "login token 1//0abcdefghijklmnopqrstuvwxyz")
	w.eventually("the refusal", func() bool { return late(management) == 2 })
	for _, e := range w.hs.Messages(management) {
		require.False(t, e.ID == secret && e.Content.AsMessage().Body != "", "the secret is gone")
	}
	alice.SendText(room, "!hangouts version")
	w.eventually("the refusal in a portal", func() bool { return late(room) == 1 })
	alice.SendText(room, "late messages go out")
	w.waitTexts(direct, "first", "late messages go out")
	require.Zero(t, w.ran(management))

	w.hs.Older(0)
	dora.SendText(management, "version")
	w.eventually("the answer", func() bool { return w.ran(management) == 1 })
}

// ran counts the answers to the command version.
func (w *world) ran(room id.RoomID) (n int) {
	for _, text := range w.notices(room) {
		if strings.Contains(text, "hangouts-bridge") {
			n++
		}
	}
	return n
}
