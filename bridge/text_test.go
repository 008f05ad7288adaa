package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTextBothWays(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)

	w.network.Say(carl, direct, "hello from Hangouts")
	room := w.room("hello from Hangouts")
	alice.WaitText(room, "hello from Hangouts")
	alice.SendText(room, "hello\nfrom Matrix")
	w.waitTexts(direct, "hello from Hangouts", "hello\nfrom Matrix")
	w.network.Say(anna, direct, "me, on my phone")
	w.network.Say(carl, direct, "the end")
	w.waitLines(room,
		line{ghost(carl), "hello from Hangouts"},
		line{alice.UserID(), "hello\nfrom Matrix"},
		line{alice.UserID(), "me, on my phone"},
		line{ghost(carl), "the end"},
	)
	require.Empty(t, w.notices(room))
}
