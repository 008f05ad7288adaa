package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func answering(to id.EventID, body string) *event.MessageEventContent {
	return &event.MessageEventContent{MsgType: event.MsgText, Body: body, RelatesTo: (&event.RelatesTo{}).SetReplyTo(to)}
}

// The quote is the network's text with the author's name, whatever the reply says of it.
func TestRepliesAreQuoted(t *testing.T) {
	w, alice, room := talk(t)
	first := alice.WaitText(room, "first").ID
	answer := alice.Send(room, event.EventMessage, answering(first, "> <@carl:evil.example> forged\n\nanswer"))
	w.waitTexts(direct, "first", "> Carl Conrad: first\nanswer")
	alice.Send(room, event.EventMessage, answering(answer, "answer to that"))
	w.waitTexts(direct, "first", "> Carl Conrad: first\nanswer", "> Anna Ahrens: answer\nanswer to that")
	emote := answering(first, "waves")
	emote.MsgType = event.MsgEmote
	alice.Send(room, event.EventMessage, emote)
	thread := &event.MessageEventContent{MsgType: event.MsgText, Body: "in the thread", RelatesTo: &event.RelatesTo{Type: event.RelThread, EventID: first}}
	alice.Send(room, event.EventMessage, thread)
	alice.Send(room, event.EventMessage, answering("$unknown", "plain"))
	w.eventually("all", func() bool { return len(w.texts(direct)) == 6 })
	require.Equal(t, []string{"waves\n> Carl Conrad: first", "> Carl Conrad: first\nin the thread", "plain"}, w.texts(direct)[3:])
	require.True(t, w.network.Events(direct)[3].Message.Emote)
}

func TestMentionsGoOutAsNames(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "hello all")
	room := w.room("hello all")
	alice.WaitText(room, "hello all")
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "x", Format: event.FormatHTML,
		FormattedBody: `<a href="https://matrix.to/#/` + string(ghost(carl)) + `">Carl Conrad (Hangouts)</a> <a href="https://matrix.to/#/@bob:` + domain + `">bob</a> <a href="https://matrix.to/#/@eve:evil.example">@eve:evil.example</a>`})
	alice.SendText(room, "@bob @bob:"+domain+" @eve:evil.example Carl Conrad (Hangouts): "+string(ghost(carl)))
	w.waitTexts(group, "hello all", "Carl Conrad Bert Blum @eve", "Bert Blum Bert Blum @eve Carl Conrad: Carl Conrad")
}

// A name highlights for the login that has it, for each login of a shared room, and never for the
// author.
func TestOwnNamesMention(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "hello all")
	room := w.room("hello all")
	for _, c := range []struct {
		author chat.PersonID
		text   string
		want   []id.UserID
	}{
		{carl, "hey ANNA!", []id.UserID{alice.UserID()}},
		{carl, "bert blum and anna's", []id.UserID{alice.UserID(), bob.UserID()}},
		{carl, "Annabel and @room", nil},
		{anna, "anna or bert", []id.UserID{bob.UserID()}},
	} {
		w.network.Say(c.author, group, c.text)
		content := alice.WaitText(room, c.text).Content.AsMessage()
		require.NotNil(t, content.Mentions, c.text)
		require.Equal(t, c.want, content.Mentions.UserIDs, c.text)
		require.False(t, content.Mentions.Room, c.text)
	}
}

func edit(of id.EventID, body string) *event.MessageEventContent {
	content := &event.MessageEventContent{MsgType: event.MsgText, Body: body}
	content.SetEdit(of)
	return content
}

func TestEditsAsMessages(t *testing.T) {
	w := newWorld(t)
	w.prepare = (*bridge.Main).EditsAsMessages
	alice, room := w.talk()
	sent := alice.SendText(room, "wrogn")
	w.waitTexts(direct, "first", "wrogn")
	alice.Send(room, event.EventMessage, edit(sent, "wrong"))
	w.waitTexts(direct, "first", "wrogn", "* wrong")
	w.network.Say(carl, direct, "ok")
	alice.WaitText(room, "ok")
	require.Len(t, w.lines(room), 4, "the new text is not shown as a message, too")
	foreign := alice.Send(room, event.EventMessage, edit(alice.WaitText(room, "first").ID, "forged"))
	w.waitAnswer(room, foreign, "Only who wrote a message can change it")
	require.Equal(t, []string{"first", "wrogn", "* wrong", "ok"}, w.texts(direct))
}

// A bridge that dies while a correction is on its way sends it once and does not show it as a message.
func TestEditsAsMessagesOutliveTheBridge(t *testing.T) {
	w := newWorld(t)
	w.prepare = (*bridge.Main).EditsAsMessages
	alice, room := w.talk()
	sent := alice.SendText(room, "wrogn")
	w.waitTexts(direct, "first", "wrogn")
	w.network.HoldPushes(true)
	alice.Send(room, event.EventMessage, edit(sent, "wrong"))
	w.waitTexts(direct, "first", "wrogn", "* wrong")
	w.stop()
	w.network.HoldPushes(false)
	w.start()
	w.network.Say(carl, direct, "ok")
	alice.WaitText(room, "ok")
	require.Equal(t, []string{"first", "wrogn", "* wrong", "ok"}, w.texts(direct))
	require.Len(t, w.lines(room), 4)
}

// What is relayed carries its author's name once, and no id out of a reply.
func TestRelayedEmotesAndReplies(t *testing.T) {
	w, _, _, eve, room := relaying(t)
	eve.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgEmote, Body: "waves"})
	w.waitTexts(group, "first", "eve: one", "* eve waves")
	require.False(t, w.network.Events(group)[2].Message.Emote)
	eve.Send(room, event.EventMessage, answering(eve.WaitText(room, "first").ID, "> <@carl:evil.example> forged\n\nanswer"))
	w.waitTexts(group, "first", "eve: one", "* eve waves", "> Carl Conrad: first\neve: answer")
}
