package bridge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

const aSecret = "1//0gThatsMySecretWhichIsLongEnough_-x"

// A credential in the room of a conversation goes to nobody, in whatever part of an event it
// stands; it is removed, the bot answers its writer, and what follows arrives.
func TestSecretsInARoomStayIn(t *testing.T) {
	w, alice, room := talk(t)
	message := func(change func(*event.MessageEventContent)) *event.MessageEventContent {
		content := &event.MessageEventContent{MsgType: event.MsgText, Body: "harmless"}
		change(content)
		return content
	}
	first := alice.WaitText(room, "first").ID
	for name, c := range map[string]struct {
		kind    event.Type
		content any
	}{
		"text":   {event.EventMessage, message(func(m *event.MessageEventContent) { m.Body = "look: " + aSecret })},
		"notice": {event.EventMessage, message(func(m *event.MessageEventContent) { m.MsgType, m.Body = event.MsgNotice, aSecret })},
		"emote":  {event.EventMessage, message(func(m *event.MessageEventContent) { m.MsgType, m.Body = event.MsgEmote, aSecret })},
		"HTML":   {event.EventMessage, message(func(m *event.MessageEventContent) { m.Format, m.FormattedBody = event.FormatHTML, "<b>"+aSecret+"</b>" })},
		"caption": {event.EventMessage, message(func(m *event.MessageEventContent) {
			m.MsgType, m.Body, m.FileName, m.URL = event.MsgImage, aSecret, "cat.png", "mxc://x/y"
		})},
		"file name": {event.EventMessage, message(func(m *event.MessageEventContent) {
			m.MsgType, m.Body, m.URL = event.MsgFile, aSecret+".txt", "mxc://x/y"
		})},
		"edit": {event.EventMessage, message(func(m *event.MessageEventContent) { m.Body = aSecret; m.SetEdit(first) })},
		"quote": {event.EventMessage, message(func(m *event.MessageEventContent) {
			m.Body = "> <" + string(bot) + "> " + aSecret + "\n\nwhat is that?"
			m.RelatesTo = (&event.RelatesTo{}).SetReplyTo(first)
		})},
		"reaction": {event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: first, Key: aSecret}}},
		"reason":   {event.EventRedaction, map[string]any{"redacts": first, "reason": aSecret}},
		"poll":     {event.Type{Type: "m.poll.start", Class: event.MessageEventType}, map[string]any{"m.poll": map[string]any{"question": map[string]any{"m.text": []any{map[string]any{"body": aSecret}}}}}},
		"command":  {event.EventMessage, message(func(m *event.MessageEventContent) { m.Body = "!hangouts login token " + aSecret })},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.notices(room))
			sent := alice.Send(room, c.kind, c.content)
			w.waitAnswer(room, sent, "I removed your message from the room")
			require.Contains(t, w.answers(room, sent)[0], "!hangouts send-anyway")
			require.False(t, w.shown(room, aSecret))
			require.Len(t, w.notices(room), before+1)
		})
	}
	alice.SendText(room, "after")
	w.waitTexts(direct, "first", "after")
}

// A credential as the reason of a change of members is removed; the change is made.
func TestSecretReason(t *testing.T) {
	w, alice, room := managed(t)
	kick := alice.SetState(room, event.StateMember, string(ghost(carl)), &event.MemberEventContent{Membership: event.MembershipLeave, Reason: "key: " + aSecret})
	w.waitAnswer(room, kick, "I removed your message from the room")
	w.eventually("carl to be removed", func() bool { return len(w.did(chat.RequestRemovePeople)) == 1 })
	require.Equal(t, "leave", w.hs.Membership(room, ghost(carl)))
	require.NotContains(t, w.hs.State(room, "m.room.member", string(ghost(carl))).Content.Raw, "reason")
}

// A credential as a room's name or topic goes nowhere, and the room gets back what it had.
func TestSecretNameAndTopic(t *testing.T) {
	w, alice, room := managed(t)
	name, topic := w.state(room, "m.room.name"), "about us"
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindDescription, Description: &chat.Description{New: topic}})
	w.eventually("the topic", func() bool { return w.state(room, "m.room.topic") == topic })
	_, err := w.main.Matrix.Bot.SetPowerLevel(t.Context(), room, alice.UserID(), 99)
	require.NoError(t, err)
	w.waitAnswer(room, alice.SetState(room, event.StateRoomName, "", &event.RoomNameEventContent{Name: aSecret}), "I removed your message")
	w.waitAnswer(room, alice.SetState(room, event.StateTopic, "", &event.TopicEventContent{Topic: aSecret}), "I removed your message")
	w.eventually("the name", func() bool { return w.state(room, "m.room.name") == name })
	w.eventually("the topic", func() bool { return w.state(room, "m.room.topic") == topic })
	require.Empty(t, w.did(chat.RequestRename))
	require.Empty(t, w.did(chat.RequestTopic))
}

// What is meant to be sent all the same is sent, once, as an ordinary message.
func TestSendAnyway(t *testing.T) {
	w, alice, room := talk(t)
	sent := alice.SendText(room, "!hangouts send-anyway an example: "+aSecret)
	w.waitTexts(direct, "first", "an example: "+aSecret)
	w.eventually("its row", func() bool {
		row, err := w.main.Bridge.DB.Message.GetPartByMXID(t.Context(), sent)
		return err == nil && row != nil
	})
	alice.SendText(room, "!hangouts send-anyway")
	w.waitNotice(room, "Usage, in the room of a conversation")
	alice.SendText(room, "!hangouts send-anyway !hangouts login token x")
	w.eventually("the usage again", func() bool { return len(w.notices(room)) == 2 })
	require.Equal(t, []string{"first", "an example: " + aSecret}, w.texts(direct))
	require.Nil(t, w.question(alice.UserID()))
}

// question is the question of the bot that a user has not answered.
func (w *world) question(user id.UserID) *commands.CommandState {
	person, err := w.main.Bridge.GetUserByMXID(w.t.Context(), user)
	require.NoError(w.t, err)
	return commands.LoadCommandState(person)
}

// A relayed user's secret is not sent out either.
func TestRelayedSecret(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) {
		c.Bridge.Relay.Enabled = true
		c.Bridge.Permissions["@bob:"+domain] = &bridgeconfig.PermissionLevelRelay
	}
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.network.Say(carl, group, "first")
	room := w.room("first")
	alice.WaitText(room, "first")
	alice.SendText(room, "!hangouts set-relay")
	w.waitNotice(room, "will now be relayed")
	w.invite(room, bob)
	sent := bob.SendText(room, aSecret)
	w.waitAnswer(room, sent, "I removed your message")
	bob.SendText(room, "hello")
	w.eventually("the relayed text", func() bool { return len(w.texts(group)) == 2 })
	require.NotContains(t, w.texts(group)[1], aSecret)
}

// invite brings somebody into a room of the bot's.
func (w *world) invite(room id.RoomID, who *mxclient.Client) {
	w.t.Helper()
	_, err := w.main.Matrix.Bot.InviteUser(w.t.Context(), room, &mautrix.ReqInviteUser{UserID: who.UserID()})
	require.NoError(w.t, err)
	w.eventually("the guest to join", func() bool { return w.hs.Membership(room, who.UserID()) == "join" })
}

// Credentials are asked for in the management room only, and only answers there count.
func TestLoginOnlyInTheManagementRoom(t *testing.T) {
	w, alice, room := talk(t)
	management := w.managementRoom(alice)
	for _, command := range []string{"login token", "login cookies", "login token " + string(anna), "relogin " + string(anna) + " token", "login-matrix x"} {
		t.Run(command, func(t *testing.T) {
			before := len(w.notices(room))
			alice.SendText(room, "!hangouts "+command)
			w.eventually("an answer", func() bool { return len(w.notices(room)) > before })
			require.Contains(t, w.notices(room)[before], "Log in only in")
			require.Nil(t, w.question(alice.UserID()))
		})
	}
	alice.SendText(management, "login token")
	w.asked(alice.UserID())
	alice.SendText(room, "!hangouts "+string(bert))
	w.waitNotice(room, "Answer my question in our direct chat")
	_, ok := w.manager.Get(bert)
	require.False(t, ok)
	alice.SendText(room, "!hangouts doin "+string(management)+" "+string(bert))
	w.waitNotice(room, "Unknown command, use the `help` command for help.")
	alice.SendText(management, string(bert))
	w.waitNotice(management, "Logged in as Bert Blum")
	require.Equal(t, []string{"first"}, w.texts(direct))
}

// managementRoom is where a user and the bot talk.
func (w *world) managementRoom(user *mxclient.Client) id.RoomID {
	row, err := w.main.Bridge.DB.User.GetByMXID(w.t.Context(), user.UserID())
	require.NoError(w.t, err)
	if row == nil {
		return ""
	}
	return row.ManagementRoom
}

// Where the bot may not remove messages, and cannot do it as the user either, it says so
// before it asks and again when the message is there.
func TestLoginWhereTheBotHasNoPower(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) { c.DoublePuppet.Secrets = nil }
	w.start()
	alice := w.user("alice")
	room := alice.CreateRoom(&mautrix.ReqCreateRoom{IsDirect: true, Invite: []id.UserID{bot}})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	alice.SendText(room, "login token")
	w.waitNotice(room, "I may not remove messages from this room: delete yours yourself")
	w.asked(alice.UserID())
	sent := alice.SendText(room, string(anna))
	w.waitAnswer(room, sent, "Please delete your message with the key yourself")
	w.waitNotice(room, "Logged in as Anna Ahrens")
	require.True(t, w.shown(room, string(anna)))
}

// With double puppeting the message is removed as the user's own.
func TestSecretIsRemovedAsTheUser(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	room := alice.CreateRoom(&mautrix.ReqCreateRoom{IsDirect: true, Invite: []id.UserID{bot}})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	alice.SendText(room, "login token")
	w.waitNotice(room, "Your message is removed from the room at once")
	w.asked(alice.UserID())
	alice.SendText(room, string(anna))
	w.waitNotice(room, "Logged in as Anna Ahrens")
	require.False(t, w.shown(room, string(anna)))
}

// While somebody else is in the management room nothing is asked there.
func TestLoginWithAnOnlooker(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	room := alice.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	w.eventually("the management room", func() bool { return w.managementRoom(alice) == room })
	alice.Invite(room, bob.UserID())
	w.eventually("the onlooker", func() bool { return w.hs.Membership(room, bob.UserID()) == "join" })
	w.eventually("the bridge to know", func() bool { return w.main.Matrix.StateStore.IsInRoom(t.Context(), room, bob.UserID()) })
	alice.SendText(room, "login token "+string(anna))
	w.waitNotice(room, "Somebody else is in this room")
	require.False(t, w.shown(room, string(anna)), "it is removed all the same")
	require.Empty(t, w.grants(anna))
	other := alice.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(other, bot) == "join" })
	alice.SendText(other, "!hangouts set-management-room")
	w.waitNotice(other, "Management room updated")
	alice.SendText(other, "login token "+string(anna))
	w.waitNotice(other, "Logged in as Anna Ahrens")
}

// grants are who may use an account.
func (w *world) grants(person chat.PersonID) []account.Grant {
	grants, err := w.manager.Grants(w.t.Context(), person, account.User{})
	require.NoError(w.t, err)
	return grants
}

// A removed secret is answered once, also when its event is handled again.
func TestSecretHandledAgain(t *testing.T) {
	w, alice, room := talk(t)
	sent := alice.SendText(room, aSecret)
	w.waitAnswer(room, sent, "I removed your message")
	w.stop()
	w.reopen("UPDATE matrix_inbox SET done=false, body=$1 WHERE event_id=$2",
		`{"type":"m.room.message","sender":"`+string(alice.UserID())+`","room_id":"`+string(room)+`","event_id":"`+string(sent)+`","content":{"msgtype":"m.text","body":"`+aSecret+`"}}`, string(sent))
	w.start()
	alice.SendText(room, "after")
	w.waitTexts(direct, "first", "after")
	require.Len(t, w.answers(room, sent), 1)
	redactions := 0
	for _, e := range w.hs.Events(room) {
		if e.Type == event.EventRedaction {
			redactions++
		}
	}
	require.Equal(t, 1, redactions)
}

// What the guard removes or sends is no command: it is final only when it is done, so that
// a crash loses neither.
func TestGuardedEventsAreNotForgotten(t *testing.T) {
	w, alice, room := talk(t)
	open := func(e id.EventID) bool {
		var done bool
		err := w.main.Store().QueryRow(t.Context(), "SELECT done FROM matrix_inbox WHERE event_id=$1", string(e)).Scan(&done)
		return err == nil && !done
	}
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("down: %w", chat.ErrUnavailable)}
	})
	sent := alice.SendText(room, "!hangouts send-anyway plain words")
	w.eventually("an attempt", func() bool {
		var n int
		err := w.main.Store().QueryRow(t.Context(), "SELECT COUNT(*) FROM outbox WHERE origin='matrix'").Scan(&n)
		return err == nil && n == 1
	})
	require.True(t, open(sent))
	w.network.OnSend(nil)
	w.waitTexts(direct, "first", "plain words")

	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/redact/", Status: http.StatusServiceUnavailable})
	removed := alice.SendText(room, "!hangouts login token "+aSecret)
	w.eventually("an attempt", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	require.True(t, open(removed))
	stop()
	w.waitAnswer(room, removed, "I removed your message")
}

// The bot never repeats what looks like a secret, whatever a command answers.
func TestAnswersRepeatNoSecret(t *testing.T) {
	w, _, room := talk(t)
	_, err := w.main.Bridge.Bot.SendMessage(t.Context(), room, event.EventMessage, &event.Content{Parsed: &event.MessageEventContent{MsgType: event.MsgNotice, Body: "Invalid value: " + aSecret}}, nil)
	require.NoError(t, err)
	w.waitNotice(room, "The answer to this is left out")
	require.False(t, w.shown(room, aSecret))
}

// What was encrypted is guarded once it is decrypted: the encrypted event is removed.
func TestEncryptedSecret(t *testing.T) {
	w, alice, room := talk(t)
	// A type that the bridge does not listen to stands for what it cannot decrypt in this test.
	sent := alice.Send(room, event.Type{Type: "org.example.encrypted", Class: event.MessageEventType}, map[string]any{"ciphertext": "x"})
	decrypted := &event.Event{Type: event.EventMessage, Sender: alice.UserID(), RoomID: room, ID: sent, Timestamp: time.Now().UnixMilli()}
	require.NoError(t, json.Unmarshal([]byte(`{"msgtype":"m.text","body":"`+aSecret+`"}`), &decrypted.Content))
	require.NoError(t, decrypted.Content.ParseRaw(event.EventMessage))
	decrypted.Mautrix.WasEncrypted = true
	w.main.Matrix.EventProcessor.Dispatch(t.Context(), decrypted) // as the framework does after decryption
	w.waitAnswer(room, sent, "I removed your message")
	for _, e := range w.hs.Events(room) {
		if e.ID == sent {
			require.Empty(t, e.Content.Raw)
		}
	}
	alice.SendText(room, "after")
	w.waitTexts(direct, "first", "after")
}

// What the user wrote with another Hangouts client is out already, and is shown.
func TestSecretFromElsewhereIsShown(t *testing.T) {
	w, alice, room := talk(t)
	w.network.Say(anna, direct, "from my phone: "+aSecret)
	w.network.Say(carl, direct, aSecret)
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "from my phone: " + aSecret}, line{ghost(carl), aSecret})
	alice.SendText(room, "after") // what came from Hangouts has been handled when this is
	w.waitTexts(direct, "first", "from my phone: "+aSecret, aSecret, "after")
	require.Empty(t, w.notices(room))
	require.True(t, w.shown(room, "from my phone: "+aSecret))
}
