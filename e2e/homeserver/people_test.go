package homeserver

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
)

// standing is how somebody takes part in a conversation on Hangouts, "" if they do not.
func (w *world) standing(conversation, name string) string {
	c, _ := w.hangouts.Conversation(conversation)
	n := slices.IndexFunc(c.Members, func(m hangoutstest.MemberInfo) bool { return m.GaiaID == w.account(name).GaiaID })
	if n < 0 {
		return ""
	}
	return c.Members[n].Status
}

func (w *world) ghost(name string) id.UserID {
	return id.NewUserID("hangouts_"+w.account(name).GaiaID, stage.Domain)
}

// becomes waits for somebody's part in a conversation and in its room.
func (w *world) becomes(conversation string, room id.RoomID, name, standing string, membership event.Membership) {
	w.T.Helper()
	w.Eventually(patience, name+" to be "+standing, func() bool {
		return w.standing(conversation, name) == standing && w.Alice.Members(room)[w.ghost(name)] == membership
	})
}

// Somebody renames a group, adds and removes people, leaves, accepts an invitation, begins a chat and makes a
// group, from an ordinary client.
func TestPeopleAndRooms(t *testing.T) {
	scenario := stage.Scenario()
	scenario.Conversations = append(scenario.Conversations, hangoutstest.ScenarioConversation{Key: "party", Type: "group", Name: "Party", Members: []string{"alice", "carol"},
		InvitedOnly: []string{"alice"}, History: []hangoutstest.ScenarioEvent{{From: "carol", Text: "come all", Ago: "5m"}}})
	w := loggedIn(newStageOf(t, scenario, func(*stage.Stage) {}, synapse.Options{}))
	management := w.ManagementRoom(w.Alice)

	w.Alice.SetName(w.room, "The Three")
	w.Eventually(patience, "the new name on Hangouts", func() bool { c, _ := w.hangouts.Conversation("trio"); return c.Name == "The Three" })
	w.heard(w.Alice, w.Alice.WaitRoom("Team"), "welcome") // knows dave
	w.Alice.Invite(w.room, w.ghost("dave"))
	w.becomes("trio", w.room, "dave", "active", event.MembershipJoin)
	_, err := w.hangouts.Person("dave").Send("trio", "hello from dave")
	require.NoError(t, err)
	w.heard(w.Alice, w.room, "hello from dave")
	w.Alice.Kick(w.room, w.ghost("dave"))
	w.Eventually(patience, "dave to be out", func() bool { return w.standing("trio", "dave") != "active" })

	team := w.Alice.WaitRoom("Team")
	require.Contains(t, w.answered(w.Alice, team, "!hangouts leave"), "left this conversation")
	w.Eventually(patience, "alice to be out", func() bool { return w.standing("team", "alice") != "active" })
	require.Contains(t, w.Alice.Rooms(), team, "the room stays to read")

	var party id.RoomID
	w.Eventually(patience, "the invitation", func() bool {
		n := slices.IndexFunc(w.Alice.Rooms(), func(room id.RoomID) bool { return strings.Contains(w.Alice.RoomName(room), "Party") })
		if n >= 0 {
			party = w.Alice.Rooms()[n]
		}
		return n >= 0
	})
	require.Equal(t, "invited", w.standing("party", "alice"))
	w.heard(w.Alice, party, "Carol Cooper invites you")
	require.Contains(t, w.answered(w.Alice, party, "!hangouts accept"), "accepted the invitation")
	w.Eventually(patience, "alice to take part", func() bool { return w.standing("party", "alice") == "active" })
	w.Alice.SendText(party, "here I am")
	w.Eventually(patience, "her text on Hangouts", func() bool {
		return slices.ContainsFunc(w.hangouts.Events("party"), func(e hangoutstest.EventInfo) bool { return e.Text == "here I am" })
	})

	require.Contains(t, w.answered(w.Alice, management, "start-chat dave@example.com"), "chat with")
	direct, err := w.hangouts.Person("dave").Create(false, "", "alice")
	require.NoError(t, err)
	_, err = w.hangouts.Person("dave").Send(direct, "hello Alice")
	require.NoError(t, err)
	w.Eventually(patience, "dave's room", func() bool {
		return slices.ContainsFunc(w.Alice.Rooms(), func(room id.RoomID) bool {
			return slices.ContainsFunc(w.Alice.Texts(room), func(line string) bool { return strings.Contains(line, "hello Alice") })
		})
	})

	room := w.Alice.CreateRoom(&mautrix.ReqCreateRoom{Name: "Trip", Invite: []id.UserID{stage.Bot, w.ghost("bob"), w.ghost("dave")}})
	w.Eventually(patience, "the bot to come", func() bool { return w.Alice.Members(room)[stage.Bot] == event.MembershipJoin })
	require.Contains(t, w.answered(w.Alice, room, "!hangouts create-group"), "The group is made")
	n := slices.IndexFunc(w.hangouts.Conversations(), func(c hangoutstest.ConversationInfo) bool { return c.Name == "Trip" })
	require.GreaterOrEqual(t, n, 0)
	trip := w.hangouts.Conversations()[n].ID
	for _, name := range []string{"bob", "dave"} {
		require.NotEmpty(t, w.standing(trip, name))
	}
	_, err = w.hangouts.Person("bob").Send(trip, "where to?")
	require.NoError(t, err)
	w.Eventually(patience, "the group's room", func() bool {
		return slices.ContainsFunc(w.Alice.Rooms(), func(r id.RoomID) bool {
			return r != room && slices.ContainsFunc(w.Alice.Texts(r), func(line string) bool { return strings.Contains(line, "where to?") })
		})
	})
}
