package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A group of 150 gets a room with all of them, and 45 people who are added at once come in
// batches of 20.
func TestLargeGroup(t *testing.T) {
	w := newWorld(t)
	w.timing.PartPause = time.Millisecond
	people := func(from, n int) (list []chat.PersonID) {
		for i := range n {
			person := chat.PersonID(fmt.Sprintf("2%020d", from+i))
			w.network.AddPerson(person, fmt.Sprintf("Person %d", from+i))
			list = append(list, person)
		}
		return list
	}
	w.network.AddConversation("UgxLarge", "Crowd", append(people(0, 149), anna)...)
	more := people(1000, 45)
	w.network.Say(people(0, 1)[0], "UgxLarge", "we are many")
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("we are many")
	alice.WaitText(room, "we are many")
	require.Len(t, w.hs.Members(room, "join"), 151, "all and the bot")

	words := make([]string, len(more))
	for n, person := range more {
		words[n] = string(person)
	}
	alice.SendText(room, "!hangouts add "+strings.Join(words, " "))
	w.waitNotice(room, "They are added.")
	var batches []int
	for _, request := range w.did(chat.RequestAddPeople) {
		batches = append(batches, len(request.AddPeople))
	}
	require.Equal(t, []int{20, 20, 5}, batches)
	w.eventually("all of them", func() bool { return len(w.hs.Members(room, "join")) == 196 })
}

// The room of the latest conversation is made last, so that it stands on top.
func TestOldestRoomIsMadeFirst(t *testing.T) {
	w := newWorld(t)
	w.network.AddConversation("UgxThird", "Third", anna, bert, carl)
	w.network.Say(carl, group, "oldest")
	w.network.Say(carl, "UgxThird", "in between")
	w.network.Say(carl, direct, "latest")
	w.start()
	w.login(w.user("alice"), anna)
	w.roomsMade(anna)
	made := map[id.RoomID]int64{}
	for _, room := range w.portalRooms() {
		made[room] = w.hs.State(room, "m.room.create", "").Timestamp
	}
	require.Less(t, made[w.room("oldest")], made[w.room("in between")])
	require.Less(t, made[w.room("in between")], made[w.room("latest")])
}
