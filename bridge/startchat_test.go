package bridge_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A ghost that is invited to a new direct room makes it the conversation with its person.
func TestInviteToADirectRoom(t *testing.T) {
	w, alice, family := managed(t)
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{dora}}})
	w.eventually("dora's ghost", func() bool { return w.hs.Membership(family, ghost(dora)) == "join" })
	room := alice.CreateDM(ghost(dora))
	w.eventually("the room to be a conversation", func() bool { return slices.Contains(w.portalRooms(), room) })
	alice.SendText(room, "hello Dora")
	made := w.did(chat.RequestCreate)
	require.Len(t, made, 1)
	require.Equal(t, []chat.PersonID{dora}, made[0].Create.People)
	id := chat.ConversationID("created-one_to_one-" + string(dora))
	w.waitTexts(id, "hello Dora")
	w.network.Say(dora, id, "hello Anna")
	alice.WaitText(room, "hello Anna")

	stranger := w.user("stranger")
	other := stranger.CreateDM(ghost(dora))
	w.eventually("a stranger to be refused", func() bool { return w.hs.Membership(other, ghost(dora)) == "leave" })
	require.Len(t, w.did(chat.RequestCreate), 1)
}

func TestStartChatByCommand(t *testing.T) {
	w, alice, room := managed(t)
	management := alice.CreateRoom(&mautrix.ReqCreateRoom{Invite: []id.UserID{bot}})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(management, bot) == "join" })
	alice.SendText(management, "!hangouts search conrad")
	w.waitNotice(management, string(carl))
	alice.SendText(management, "!hangouts start-chat "+string(dora))
	w.waitNotice(management, "direct chat with")
	w.network.Say(dora, chat.ConversationID("created-one_to_one-"+string(dora)), "hello Anna")
	direct := w.room("hello Anna")
	require.NotEqual(t, room, direct)

	w.fail(chat.RequestCreate, accounttest.Fault{Err: chat.ErrRefused})
	alice.SendText(management, "!hangouts start-chat "+string(bert))
	w.waitNotice(management, "Hangouts refused it")
	alice.SendText(management, "!hangouts start-chat nobody@example.com")
	w.waitNotice(management, "not found")
	require.Len(t, w.did(chat.RequestCreate), 1)
	require.Len(t, w.roomsMadeBy(bot, "created-"), 1)

	w.network.OnSend(nil)
	alice.SendText(management, "!hangouts start-chat "+string(bert))
	w.eventually("another try", func() bool { return len(w.did(chat.RequestCreate)) == 2 })
	w.eventually("the room", func() bool { return len(w.roomsMadeBy(bot, "created-")) == 2 })
}
