package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A database that was restored does not know who has come into the management room since; while
// they are there, nothing is asked.
func TestLoginWithAnOnlookerAfterARestore(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, eve := w.user("alice"), w.user("eve")
	room := w.login(alice, anna)
	copied := w.backup()
	alice.Invite(room, eve.UserID())
	w.eventually("the onlooker", func() bool { return w.hs.Membership(room, eve.UserID()) == "join" && w.hs.Idle() })
	w.stop()
	w.putBack(copied)
	w.breakToken()
	w.start()
	alice.SendText(room, "login token")
	w.waitNotice(room, "Somebody else is in this room")
	require.Nil(t, w.question(alice.UserID()))
}
