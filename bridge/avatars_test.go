package bridge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// avatar is the avatar of a Matrix user, "" for none.
func (w *world) avatar(of id.UserID) id.ContentURIString {
	return id.ContentURIString(w.hs.Profile(of, "avatar_url"))
}

// joins is how often a user's membership of a room was written with a state.
func (w *world) joins(room id.RoomID, who id.UserID) (n int) {
	for _, e := range w.hs.Events(room) {
		if e.Type == event.StateMember && e.GetStateKey() == string(who) && e.Content.AsMember().Membership == event.MembershipJoin {
			n++
		}
	}
	return n
}

// People have their photos before they join a room, each picture is uploaded once, and a change follows.
func TestAvatars(t *testing.T) {
	w := newWorld(t)
	w.network.PutFile("a", accounttest.File{Data: picture(1)})
	w.network.PutFile("same as a", accounttest.File{Data: picture(1)})
	w.network.PutFile("b", accounttest.File{Data: picture(2)})
	w.network.PutFile("page", accounttest.File{Data: []byte("<html>")})
	w.network.SetAvatar(anna, "page")
	w.network.SetAvatar(bert, "same as a")
	w.network.SetAvatar(carl, "a")
	w.network.Say(carl, group, "in the group")
	w.start()
	alice := w.user("alice")
	w.eventually("the bot's avatar", func() bool { return w.avatar(bot) != "" })
	before := w.hs.MediaCount()
	w.login(alice, anna)
	w.roomsMade(anna)
	room := w.room("in the group")
	require.Equal(t, picture(1), bytesOf(t, alice, w.avatar(ghost(carl))))
	require.Equal(t, w.avatar(ghost(carl)), w.avatar(ghost(bert)))
	require.Empty(t, w.avatar(ghost(anna)), "no picture")
	require.Equal(t, before+1, w.hs.MediaCount())
	require.Equal(t, 1, w.joins(room, ghost(carl)), "the avatar comes before the room")

	w.network.SetAvatar(carl, "b")
	w.eventually("the new avatar", func() bool { return w.avatar(ghost(carl)) != w.avatar(ghost(bert)) })
	require.Equal(t, picture(2), bytesOf(t, alice, w.avatar(ghost(carl))))
	require.Equal(t, before+2, w.hs.MediaCount())

	w.stop()
	w.network.SetAvatar(carl, "a")
	w.timing.CatchupEvery, w.timing.PeopleEvery = 100*time.Millisecond, 200*time.Millisecond
	w.start()
	w.eventually("the old avatar again", func() bool { return w.avatar(ghost(carl)) == w.avatar(ghost(bert)) })
	require.Equal(t, before+2, w.hs.MediaCount(), "it was there already, and so was the bot's")
}

// A photo that does not come keeps nobody from joining and writing, and is shown when it is there.
func TestSlowAvatarDelaysNoMessage(t *testing.T) {
	w := newWorld(t)
	arrive := make(chan struct{})
	w.network.AddPerson(dora, "Dora Dahl")
	w.network.PutFile("slow", accounttest.File{Data: picture(1), Until: arrive})
	w.network.SetAvatar(dora, "slow")
	w.network.Say(carl, group, "in the group")
	w.start()
	w.login(w.user("alice"), anna)
	w.roomsMade(anna)
	room := w.room("in the group")
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{dora}}})
	w.network.Say(dora, group, "hello")
	w.waitLines(room, line{ghost(carl), "in the group"}, line{ghost(dora), "hello"})
	require.Empty(t, w.avatar(ghost(dora)))
	close(arrive)
	w.eventually("the photo", func() bool { return w.avatar(ghost(dora)) != "" })
}

// A photo that cannot be had is not asked for with every message, but at the next start.
func TestDeadAvatar(t *testing.T) {
	w := newWorld(t)
	w.network.PutFile("dead", accounttest.File{Err: fmt.Errorf("no: %w", chat.ErrRefused)})
	w.network.SetAvatar(carl, "dead")
	_, room := w.talk()
	w.network.Say(carl, group, "in the group")
	w.room("in the group")
	w.network.Say(carl, direct, "more")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "more"})
	require.Equal(t, 1, w.network.Opened("dead"))
	w.stop()
	w.network.PutFile("dead", accounttest.File{Data: picture(1)})
	w.start()
	w.eventually("the photo", func() bool { return w.avatar(ghost(carl)) != "" })
}
