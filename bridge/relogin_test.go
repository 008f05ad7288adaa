package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// logout logs bob out and waits until his login is gone.
func (s *scene) logout() {
	s.t.Helper()
	s.bob.SendText(s.management, "logout "+string(bert))
	s.eventually("the end of the login", func() bool { return s.main.Bridge.GetCachedUserLoginByID("100000000000000000002") == nil })
	s.eventually("the answer", func() bool {
		notices := s.notices(s.management)
		return len(notices) > 0 && strings.Contains(notices[len(notices)-1], "Logged out")
	})
}

// relogin logs bob in again.
func (s *scene) relogin() {
	s.t.Helper()
	s.bob.SendText(s.management, "login token "+string(bert))
	s.eventually("the new login", func() bool { return s.main.Bridge.GetCachedUserLoginByID("100000000000000000002") != nil })
}

// grantIRC gives somebody on IRC bert's account, so that it outlives bob's login.
func (s *scene) grantIRC() {
	s.t.Helper()
	user := account.User{Side: chat.OriginIRC, ID: "bert"}
	require.NoError(s.t, s.manager.Grant(s.t.Context(), account.Grant{Account: bert, User: user, Role: account.RoleUser}))
}

// Who logs out is out of the rooms that others use and keeps those that are only theirs.
// After the next login nothing is missing there, and nothing is there twice.
func TestLogoutAndLogin(t *testing.T) {
	for name, withAlice := range companies {
		for _, keeps := range []string{"account removed", "account kept for IRC"} {
			t.Run(name+", "+keeps, func(t *testing.T) {
				s := newScene(t, withAlice)
				if keeps != "account removed" {
					s.grantIRC()
				}
				s.bob.SendText(s.room, "before")
				s.eventually("bob's text", func() bool { return slices.Contains(s.texts(group), "before") })
				s.settled()
				s.logout()
				if withAlice {
					s.eventually("bob to be out", func() bool { return s.isBob("leave") })
				}
				s.stays(t, true)
				s.turn++
				for n := range 30 {
					s.network.Say([]chat.PersonID{carl, bert}[n%2], group, fmt.Sprint("gap ", s.turn, " ", n))
				}
				s.relogin()
				s.network.Say(carl, group, "live")
				s.bob.WaitText(s.room, "live")
				s.settled()
				require.True(t, s.isBob("join"))
				s.requireAll(t)
				require.Len(t, s.roomsMadeBy(bot, string(group)), 1)
				s.bob.SendText(s.room, "bob again")
				s.eventually("bob's text", func() bool { return slices.Contains(s.texts(group), "bob again") })
				s.settled()
				s.requireAll(t)
			})
		}
	}
}

// Whatever came is filled in without anything new having to happen.
func TestLoginAloneFillsTheGap(t *testing.T) {
	s := newScene(t, false)
	s.logout()
	s.network.Say(carl, group, "meanwhile")
	s.network.Archive(bert, group, true)
	s.relogin()
	s.bob.WaitText(s.room, "meanwhile")
	s.settled()
	s.requireAll(t)
}

// Another login that comes into the room of one that has ended finds no hole in it either.
func TestNextLoginFillsTheGap(t *testing.T) {
	s := newScene(t, false)
	s.logout()
	s.network.Say(carl, group, "meanwhile")
	s.alice = s.user("alice")
	s.login(s.alice, anna)
	s.alice.WaitText(s.room, "meanwhile")
	s.settled()
	s.requireAll(t)
}

// The user stays in shared rooms if the operator says so.
func TestLogoutKeepsSharedRooms(t *testing.T) {
	s := &scene{world: newWorld(t)}
	s.world.change = func(c *bridgeconfig.Config) { c.Bridge.KickMatrixUsers = false }
	s.prepare = func(m *bridge.Main) { m.Network().LeaveOnLogout = false }
	s.start()
	s.alice, s.bob = s.user("alice"), s.user("bob")
	s.login(s.alice, anna)
	s.management = s.login(s.bob, bert)
	s.network.Say(carl, group, "first")
	s.room = s.world.room("first")
	s.bob.WaitText(s.room, "first")
	s.logout()
	s.network.Say(carl, group, "second")
	s.bob.WaitText(s.room, "second")
}

// A gap of many pages is filled in, in order, whether or not the log has a part of it.
func TestLongGap(t *testing.T) {
	s := newScene(t, false)
	s.grantIRC()
	s.logout()
	for n := range 1200 {
		s.network.Say(carl, group, fmt.Sprint("gap ", n))
	}
	s.relogin()
	for n := 99; n < 1200; n += 100 { // each has its time
		s.bob.WaitText(s.room, fmt.Sprint("gap ", n))
	}
	s.settled()
	s.requireAll(t)
}
