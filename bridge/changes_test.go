package bridge_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

func renamed(by chat.PersonID, name string) chat.Event {
	return chat.Event{Conversation: group, Author: by, Kind: chat.KindRename, Rename: &chat.Rename{New: name}}
}

func movedBy(by chat.PersonID, joined bool, who ...chat.PersonID) chat.Event {
	return chat.Event{Conversation: group, Author: by, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: joined, People: who}}
}

// changesOf are the names that a room has had, and how often somebody has entered it.
func (w *world) changesOf(room id.RoomID, who id.UserID) (names []string, entered int) {
	for _, e := range w.hs.Events(room) {
		switch {
		case e.Type == event.StateRoomName:
			names = append(names, e.Content.AsRoomName().Name)
		case e.Type == event.StateMember && e.GetStateKey() == string(who) && e.Content.AsMember().Membership == event.MembershipJoin:
			entered++
		}
	}
	return names, entered
}

// Names and people who come and go are shown once in a shared room, although each login brings its copies of the events
// when it can.
func TestLateCopiesOfChanges(t *testing.T) {
	w, alice, bob, room := shared(t)
	w.network.AddPerson(dora, "Dora Dahl")
	names, _ := w.changesOf(room, ghost(dora))
	w.network.Deafen(bert)
	w.network.Post(renamed(carl, "One"))
	w.network.Post(movedBy(carl, true, dora))
	w.network.Post(renamed(carl, "Two"))
	w.network.Post(movedBy(carl, false, dora))
	w.network.Say(carl, group, "past it")
	alice.WaitText(room, "past it")
	w.network.Cut(bert)
	w.eventually("bert's account to be connected again", func() bool { return w.network.Subscribed(bert) })
	w.network.Deafen(anna)
	w.network.Say(carl, group, "by bert's account")
	bob.WaitText(room, "by bert's account")
	after, entered := w.changesOf(room, ghost(dora))
	require.Subset(t, [][]string{append(slices.Clone(names), "One", "Two"), append(names, "Two")}, [][]string{after}, "a name that is the past already may be left out")
	require.LessOrEqual(t, entered, 1)
	require.Equal(t, "leave", w.hs.Membership(room, ghost(dora)))
}

// A name that somebody gives in Matrix while another one is on its way from the network: the network has the user's last, and so
// has the room.
func TestNamesThatCross(t *testing.T) {
	w, alice, room := managed(t)
	w.hs.PausePush("hangouts")
	alice.SetName(room, "Mine")
	w.network.Post(renamed(carl, "Theirs"))
	w.eventually("the name of the network", func() bool { return w.state(room, "m.room.name") == "Theirs" })
	w.hs.ResumePush("hangouts")
	w.eventually("the request", func() bool { return len(w.did(chat.RequestRename)) == 1 })
	w.eventually("the user's name", func() bool { return w.state(room, "m.room.name") == "Mine" })
}

// The homeserver fails at a change of a room: it is made later.
func TestChangesOutliveAnOutage(t *testing.T) {
	w, alice, room := managed(t)
	w.hs.Inject(nullhs.Fault{Method: "PUT", Path: "/state/m.room.name", Status: 500, Times: 5})
	w.network.Post(renamed(carl, "New name"))
	w.eventually("the new name", func() bool { return w.state(room, "m.room.name") == "New name" })
	for _, path := range []string{"/state/m.room.member/", "/members"} {
		w.hs.Inject(nullhs.Fault{Path: path, Status: 500, Times: 5})
		w.network.Post(movedBy(carl, true, dora))
		w.eventually("dora to be there", func() bool { return w.hs.Membership(room, ghost(dora)) == "join" })
		w.hs.Inject(nullhs.Fault{Path: path, Status: 500, Times: 5})
		w.network.Post(movedBy(carl, false, dora))
		w.eventually("dora to be out", func() bool { return w.hs.Membership(room, ghost(dora)) == "leave" })
		w.hs.ClearFaults()
	}
	w.network.Say(carl, group, "after it")
	alice.WaitText(room, "after it")
}
