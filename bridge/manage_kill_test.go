package bridge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// The bridge is killed while a room is renamed and people are added and removed: each change is
// made once, in order.
func TestKilledWhileAConversationChanges(t *testing.T) {
	const rounds = 6
	random := seed(t)
	w := newWorld(t)
	people := make([]chat.PersonID, rounds)
	for n := range people {
		people[n] = chat.PersonID(fmt.Sprintf("2%020d", n))
		w.network.AddPerson(people[n], fmt.Sprint("Person ", n))
	}
	c, alice, room := w.talkToChild(group, "start")

	var names, changes []string
	for n := range rounds {
		name := fmt.Sprint("name ", n)
		names = append(names, name)
		alice.SetName(room, name)
		if n%2 == 0 {
			alice.Invite(room, ghost(people[n]))
			changes = append(changes, "joined")
		} else {
			alice.Kick(room, ghost(people[n-1]))
			changes = append(changes, "left")
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		c.kill()
		c.start()
		w.eventually("the change", func() bool { return len(w.did(chat.RequestAddPeople))+len(w.did(chat.RequestRemovePeople)) > n })
		if n%2 == 0 {
			w.eventually("the person in the room", func() bool { return w.hs.Membership(room, ghost(people[n])) == "join" })
		}
	}
	var renamed, moved []string
	collect := func() {
		renamed, moved = nil, nil
		for _, e := range w.network.Events(group) {
			switch {
			case e.Rename != nil:
				renamed = append(renamed, e.Rename.New)
			case e.Membership != nil && e.Membership.Joined:
				moved = append(moved, "joined")
			case e.Membership != nil:
				moved = append(moved, "left")
			}
		}
	}
	w.eventually("all names", func() bool { collect(); return len(renamed) >= rounds })
	alice.SendText(room, "end")
	w.waitTexts(group, "start", "end")
	collect()
	require.Equal(t, names, renamed)
	require.Equal(t, changes, moved)
	require.Equal(t, names[rounds-1], w.hs.State(room, event.StateRoomName.Type, "").Content.Raw["name"])
}
