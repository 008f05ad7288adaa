package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// relaying is a world in which eve, who has no login, is relayed by alice's in the room of a group
// that bob is in, too.
func relaying(t *testing.T) (w *world, alice, bob, eve *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.change = func(c *bridgeconfig.Config) {
		c.Bridge.Relay.Enabled = true
		c.Bridge.Permissions["@eve:"+domain] = &bridgeconfig.PermissionLevelRelay
	}
	w.start()
	alice, bob, eve = w.user("alice"), w.user("bob"), w.user("eve")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	bob.WaitText(room, "first")
	alice.SendText(room, "!hangouts set-relay")
	w.waitNotice(room, "will now be relayed")
	w.invite(room, eve)
	eve.SendText(room, "one")
	w.waitWriter("eve: one", anna)
	return w, alice, bob, eve, room
}

// Through a login that has ended nobody is relayed any more, although the account goes on, and
// its rooms can be saved.
func TestRelayingEndsWithTheLogin(t *testing.T) {
	for name, end := range map[string]func(w *world, alice *mxclient.Client){
		"logs out": func(w *world, alice *mxclient.Client) {
			alice.SendText(w.managementRoom(alice), "logout "+string(anna))
			w.waitNotice(w.managementRoom(alice), "Logged out")
		},
		"grant ends": func(w *world, alice *mxclient.Client) {
			require.NoError(w.t, w.manager.Revoke(w.t.Context(), anna, account.User{Side: chat.OriginMatrix, ID: string(alice.UserID())}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, alice, bob, eve, room := relaying(t)
			require.NoError(t, w.manager.Grant(t.Context(), account.Grant{Account: anna, User: account.User{Side: chat.OriginIRC, ID: "alice"}, Role: account.RoleUser}))
			end(w, alice)
			w.eventually("alice to be out", func() bool { return w.hs.Membership(room, alice.UserID()) == "leave" })
			sent := eve.SendText(room, "two")
			w.waitAnswer(room, sent, "not bridged")
			bob.SendText(room, "three")
			w.waitTexts(group, "first", "eve: one", "three")
			portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), room)
			require.NoError(t, err)
			require.Nil(t, portal.Relay)
			require.NoError(t, portal.Save(t.Context()))
		})
	}
}

// Relaying in the room of a one-to-one conversation begins and ends like everywhere.
func TestRelayingInADirectRoom(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) {
		c.Bridge.Relay.Enabled = true
		c.Bridge.Permissions["@eve:"+domain] = &bridgeconfig.PermissionLevelRelay
	}
	alice, room := w.talk()
	eve := w.user("eve")
	alice.SendText(room, "!hangouts set-relay")
	w.waitNotice(room, "will now be relayed")
	w.invite(room, eve) // before, whoever is not in the conversation is taken out
	eve.SendText(room, "one")
	w.waitTexts(direct, "first", "eve: one")
	alice.SendText(room, "!hangouts unset-relay")
	w.waitNotice(room, "Stopped relaying")
	w.waitAnswer(room, eve.SendText(room, "two"), "not bridged")
	require.Equal(t, []string{"first", "eve: one"}, w.texts(direct))
}

// Who is relayed writes through another's account and does nothing else with it: what they change
// in the room, with all power there, is taken back and does not reach the network.
func TestRelayedPeopleChangeNothing(t *testing.T) {
	w, _, _, eve, room := relaying(t)
	w.network.AddPerson(dora, "Dora Dahl")
	_, err := w.main.Matrix.Bot.SetPowerLevel(t.Context(), room, eve.UserID(), 99)
	require.NoError(t, err)
	before := len(w.network.Sends())
	const refusal = "with an account of their own"
	eve.SetName(room, "Eve's")
	w.waitNotice(room, refusal)
	w.eventually("the name to come back", func() bool { return w.state(room, "m.room.name") == "Family" })
	eve.Invite(room, ghost(dora))
	w.eventually("dora to be taken out", func() bool { return w.hs.Membership(room, ghost(dora)) == "leave" })
	eve.Kick(room, ghost(carl))
	w.eventually("carl to be back", func() bool { return w.hs.Membership(room, ghost(carl)) == "join" })
	eve.SetState(room, event.StateMember, string(ghost(carl)), &event.MemberEventContent{Membership: event.MembershipBan})
	w.eventually("carl to be back again", func() bool { return w.hs.Membership(room, ghost(carl)) == "join" })
	for _, command := range []string{"rename Eve's", "leave", "add " + string(dora), "remove " + string(carl), "archive", "history off"} {
		eve.SendText(room, "!hangouts "+command)
	}
	eve.SendText(room, "the end")
	w.waitWriter("eve: the end", anna)
	require.Len(t, w.network.Sends(), before+1)
	require.Equal(t, "Family", w.state(room, "m.room.name"))
}
