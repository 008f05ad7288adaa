package bridge_test

import (
	"testing"

	"maunium.net/go/mautrix/event"
)

// A user forwards into another room what they wrote with a Hangouts client, as Matrix clients do
// it: with everything that is in the content. It goes out once, after a restore, too.
func TestForwardedOwnMessage(t *testing.T) {
	w, alice, room := talk(t)
	w.network.Say(carl, group, "first of all")
	family := w.room("first of all")
	alice.WaitText(family, "first of all")
	copied := w.backup()
	w.network.Say(anna, direct, "from my phone")
	seen := alice.WaitText(room, "from my phone")
	forwarded := alice.Send(family, event.EventMessage, seen.Content.Raw)
	w.waitTexts(group, "first of all", "from my phone")
	w.hasRow(forwarded)
	w.restore(copied)
	w.start()
	w.network.Say(carl, group, "after")
	alice.WaitText(family, "after")
	w.network.Say(carl, direct, "after")
	alice.WaitText(room, "after")
	w.waitLines(family, line{ghost(carl), "first of all"}, line{alice.UserID(), "from my phone"}, line{ghost(carl), "after"})
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "from my phone"}, line{ghost(carl), "after"})
	w.waitTexts(group, "first of all", "from my phone", "after")
	w.waitTexts(direct, "first", "from my phone", "after")
}
