package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// talk is a world in which alice uses anna's account and has the room with carl.
func talk(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	alice, room = w.talk()
	return w, alice, room
}

// talk starts the bridge and makes alice and her room with the direct conversation, which
// shows one message.
func (w *world) talk() (alice *mxclient.Client, room id.RoomID) {
	w.t.Helper()
	w.start()
	alice = w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, direct, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	return alice, room
}

func TestTextBothWays(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "hello\nfrom Matrix")
	w.waitTexts(direct, "first", "hello\nfrom Matrix")
	w.network.Say(anna, direct, "me, on my phone")
	w.network.Say(carl, direct, "the end")
	w.waitLines(room,
		line{ghost(carl), "first"},
		line{alice.UserID(), "hello\nfrom Matrix"},
		line{alice.UserID(), "me, on my phone"},
		line{ghost(carl), "the end"},
	)
	require.Empty(t, w.notices(room))
	for _, e := range w.hs.Messages(room) {
		// A homeserver may give the event another time; the bridge knows it as its own all the same.
		require.NotContains(t, e.Content.Raw, appservice.DoublePuppetTSKey)
		require.Equal(t, e.Content.AsMessage().Body == "me, on my phone", e.Content.Raw[appservice.DoublePuppetKey] != nil)
	}
}

// What was written in Matrix has a row with the network's time, once, and is not sent
// back; so watermarks find it.
func TestOwnMessageHasItsRow(t *testing.T) {
	w, alice, room := talk(t)
	sent := alice.SendText(room, "mine")
	w.waitTexts(direct, "first", "mine")
	w.network.Say(carl, direct, "after")
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "mine"}, line{ghost(carl), "after"})
	events := w.network.Events(direct)
	mine := events[len(events)-2]
	var row, err = w.main.Bridge.DB.Message.GetPartByMXID(t.Context(), sent)
	require.NoError(t, err)
	require.NotNil(t, row)
	require.Equal(t, ids.MakeMessageID(direct, mine.ID), row.ID)
	require.Equal(t, mine.Time, row.Timestamp.UnixMicro())
	require.Equal(t, ids.MakeUserID(anna), row.SenderID)
}

func TestFormattingAndEmotes(t *testing.T) {
	w, alice, room := talk(t)
	alice.Send(room, event.EventMessage, &event.MessageEventContent{
		MsgType: event.MsgText, Body: "**bold** <&>", Format: event.FormatHTML, FormattedBody: "<b>bold</b> &lt;&amp;&gt;<br>new line",
	})
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgEmote, Body: "waves"})
	w.waitTexts(direct, "first", "bold <&>\nnew line", "waves")
	events := w.network.Events(direct)
	require.Equal(t, chat.Text{
		{Kind: chat.SegmentText, Text: "bold", Bold: true}, {Kind: chat.SegmentText, Text: " <&>"}, {Kind: chat.SegmentBreak}, {Kind: chat.SegmentText, Text: "new line"},
	}, events[1].Message.Text)
	require.True(t, events[2].Message.Emote)

	w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: chat.KindMessage, Message: &chat.Message{
		Emote: true, Text: chat.Text{{Kind: chat.SegmentText, Text: "<nods>", Italic: true}},
	}})
	w.eventually("the emote", func() bool { return len(w.lines(room)) == 4 })
	last := w.hs.Messages(room)[len(w.hs.Messages(room))-1].Content.AsMessage()
	require.Equal(t, event.MsgEmote, last.MsgType)
	require.Equal(t, "<nods>", last.Body)
	require.Equal(t, "<em>&lt;nods&gt;</em>", last.FormattedBody)
}

func TestStylesAndLinksBothWays(t *testing.T) {
	w, alice, room := talk(t)
	text := chat.Text{
		{Kind: chat.SegmentText, Text: "b", Bold: true}, {Kind: chat.SegmentText, Text: "i", Italic: true},
		{Kind: chat.SegmentText, Text: "u", Under: true}, {Kind: chat.SegmentText, Text: "s", Strike: true}, {Kind: chat.SegmentText, Text: " "},
		{Kind: chat.SegmentLink, Text: "here", Target: "https://example.com/"}, {Kind: chat.SegmentText, Text: " or "},
		{Kind: chat.SegmentLink, Text: "https://example.org/", Target: "https://example.org/"},
	}
	const html = `<strong>b</strong><em>i</em><u>u</u><del>s</del> <a href="https://example.com/">here</a> or `
	alice.Send(room, event.EventMessage, &event.MessageEventContent{
		MsgType: event.MsgText, Body: "x", Format: event.FormatHTML, FormattedBody: html + "https://example.org/",
	})
	w.eventually("the message", func() bool { return len(w.texts(direct)) == 2 })
	require.Equal(t, text, w.network.Events(direct)[1].Message.Text)

	w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: chat.KindMessage, Message: &chat.Message{Text: text}})
	w.eventually("the answer", func() bool { return len(w.lines(room)) == 3 })
	last := w.hs.Messages(room)[len(w.hs.Messages(room))-1].Content.AsMessage()
	require.Equal(t, html+`<a href="https://example.org/">https://example.org/</a>`, last.FormattedBody)
	require.Equal(t, "bius here <https://example.com/> or https://example.org/", last.Body)
}

func TestOrderIsKept(t *testing.T) {
	w, alice, room := talk(t)
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/", Delay: 3 * time.Millisecond})
	want := []line{{ghost(carl), "first"}}
	var texts []string
	for n := range 100 {
		text := fmt.Sprintf("h%03d", n)
		w.network.Say(carl, direct, text)
		want = append(want, line{ghost(carl), text})
	}
	w.waitLines(room, want...)
	w.hs.ClearFaults()
	for n := range 50 {
		texts = append(texts, fmt.Sprintf("m%03d", n))
		alice.SendText(room, texts[n])
	}
	w.eventually("all texts", func() bool { return len(w.texts(direct)) == 151 })
	require.Equal(t, texts, w.texts(direct)[101:])
}

func TestHomeserverTroubleLosesAndDoublesNothing(t *testing.T) {
	for name, fault := range map[string]nullhs.Fault{
		"502":                      {Status: 502},
		"429":                      {Status: 429, RetryAfter: 10 * time.Millisecond},
		"connection cut":           {Drop: true},
		"answer lost":              {Drop: true, After: true},
		"accepted, then 504":       {Status: 504, After: true},
		"503 with a token problem": {Status: 503, Code: "M_UNKNOWN_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, room := talk(t)
			fault.Method, fault.Path, fault.Times = http.MethodPut, "/send/m.room.message/", 5
			w.hs.Inject(fault)
			want := []line{{ghost(carl), "first"}}
			for n := range 5 {
				text := fmt.Sprintf("h%d", n)
				w.network.Say(carl, direct, text)
				want = append(want, line{ghost(carl), text})
			}
			w.waitLines(room, want...)
		})
	}
}

// A homeserver that restarts forgets transaction ids of requests without a device.
func TestAnswerLostAndHomeserverRestarted(t *testing.T) {
	w, _, room := talk(t)
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Drop: true, After: true})
	w.network.Say(carl, direct, "once")
	w.eventually("the first attempt", func() bool { return len(w.lines(room)) == 2 })
	require.NoError(t, w.hs.Restart())
	stop()
	w.network.Say(carl, direct, "next")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "once"}, line{ghost(carl), "next"})
}

// The bridge died after the homeserver took a message: the new life finds it in the room
// and does not rely on the homeserver's memory.
func TestSendInDoubtIsLookedFor(t *testing.T) {
	w, _, room := talk(t)
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Drop: true, After: true})
	w.network.Say(carl, direct, "once")
	w.eventually("the first attempt", func() bool { return len(w.lines(room)) == 2 })
	w.stop()
	stop()
	before := w.hs.Sends()
	w.start()
	w.network.Say(carl, direct, "next")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "once"}, line{ghost(carl), "next"})
	require.Equal(t, before+1, w.hs.Sends(), "only the next message is sent")
}

func TestPoisonDoesNotStopTheConversation(t *testing.T) {
	w, _, room := talk(t)
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: 400, Code: "M_BAD_JSON", Times: 3})
	w.network.Say(carl, direct, "poison")
	w.network.Say(carl, direct, "fine")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "fine"})
	require.Len(t, w.notices(room), 1)
	require.Contains(t, w.notices(room)[0], "A message of Carl Conrad could not be shown here")
	require.Contains(t, w.notices(room)[0], "poison")
	tries := w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })
	require.Len(t, tries, 3)
}

func TestSeveralLoginsShareAGroup(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "hello all")
	room := w.room("hello all")
	alice.WaitText(room, "hello all")
	bob.WaitText(room, "hello all")
	alice.SendText(room, "from alice")
	w.waitTexts(group, "hello all", "from alice")
	bob.SendText(room, "from bob")
	w.waitTexts(group, "hello all", "from alice", "from bob")
	w.network.Say(anna, group, "anna's phone")
	w.network.Say(bert, group, "bert's phone")
	w.waitLines(room,
		line{ghost(carl), "hello all"},
		line{alice.UserID(), "from alice"},
		line{bob.UserID(), "from bob"},
		line{alice.UserID(), "anna's phone"},
		line{bob.UserID(), "bert's phone"},
	)
	require.Equal(t, "Family", alice.RoomName(room))
	families := 0
	for _, r := range w.hs.Rooms() {
		if name := w.hs.State(r, "m.room.name", ""); name != nil && name.Content.AsRoomName().Name == "Family" {
			families++
		}
	}
	require.Equal(t, 1, families, "one room for both")
}

// Both ends of a one-to-one conversation use the bridge: each has a room, and what one
// writes in Matrix arrives in the other's.
func TestOneToOneBetweenTwoLogins(t *testing.T) {
	w := newWorld(t)
	w.network.AddConversation("UgxPair", "", anna, bert)
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(bert, "UgxPair", "hi anna")
	var rooms []id.RoomID
	w.eventually("two rooms", func() bool {
		rooms = rooms[:0]
		for _, room := range w.hs.Rooms() {
			if lines := w.lines(room); len(lines) == 1 && lines[0].Body == "hi anna" {
				rooms = append(rooms, room)
			}
		}
		return len(rooms) == 2
	})
	mine, theirs := rooms[0], rooms[1]
	if w.hs.Membership(mine, alice.UserID()) != "join" {
		mine, theirs = theirs, mine
	}
	alice.WaitText(mine, "hi anna")
	alice.SendText(mine, "hi bert")
	w.waitLines(theirs, line{bob.UserID(), "hi anna"}, line{ghost(anna), "hi bert"})
	w.waitLines(mine, line{ghost(bert), "hi anna"}, line{alice.UserID(), "hi bert"})
}

func TestNamesAreNoMarkup(t *testing.T) {
	w := newWorld(t)
	evil := chat.PersonID("100000000000000000666")
	w.network.AddPerson(evil, `<b onclick="x">Eve</b> &amp;`)
	w.network.AddConversation("UgxEvil", `<h1>Group</h1>`, anna, carl, evil)
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	w.network.Say(evil, "UgxEvil", "<script>alert(1)</script>")
	room := w.room("<script>alert(1)</script>")
	alice.WaitText(room, "<script>alert(1)</script>")
	require.Equal(t, `<b onclick="x">Eve</b> &amp; (Hangouts)`, w.hs.Profile(ghost(evil), "displayname"), "plain text, as it is")
	require.Equal(t, "<h1>Group</h1>", alice.RoomName(room))
	for _, e := range w.hs.Messages(room) {
		require.NotContains(t, e.Content.AsMessage().FormattedBody, "<script")
	}
}

func TestMegabyteArrivesInParts(t *testing.T) {
	w, alice, room := talk(t)
	huge := strings.Repeat("0123456789abcde\n", 1<<16)
	w.network.Say(carl, direct, huge)
	w.network.Say(carl, direct, "after")
	alice.WaitText(room, "after")
	var all strings.Builder
	lines := w.lines(room)
	for _, l := range lines[1 : len(lines)-1] {
		require.Less(t, len(l.Body), 60_000)
		all.WriteString(l.Body + "\n")
	}
	require.Equal(t, strings.TrimRight(huge, "\n"), strings.TrimRight(all.String(), "\n"))
	require.Greater(t, len(lines), 20)
}

func TestLongTextFromMatrix(t *testing.T) {
	w, alice, room := talk(t)
	long := strings.Repeat("All work and no play makes Jack a dull boy. ", 1200) // about 50 kB
	alice.SendText(room, long)
	w.eventually("all of it", func() bool { return len(strings.Join(w.texts(direct)[1:], "")) >= len(strings.TrimSpace(long)) })
	require.Equal(t, strings.TrimSpace(long), strings.TrimSpace(strings.Join(w.texts(direct)[1:], "")))
	w.network.Say(carl, direct, "after")
	w.eventually("the answer", func() bool { l := w.lines(room); return l[len(l)-1].Body == "after" })
	require.Len(t, w.lines(room), 3, "no part of it comes back")
}

func TestWhatCannotBeSentIsSaid(t *testing.T) {
	w, alice, room := talk(t)
	said := func(part string) {
		t.Helper()
		w.eventually("a notice with "+part, func() bool {
			all := w.notices(room)
			return len(all) > 0 && strings.Contains(all[len(all)-1], part)
		})
	}
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgImage, Body: "x.png", URL: "mxc://a/b"})
	said("does not give the bridge this file")
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "  "})
	said("no text")
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("no: %w", chat.ErrRefused)}
	})
	alice.SendText(room, "refused")
	said("refused it")
	require.Equal(t, []string{"first"}, w.texts(direct))
}

// A part that the homeserver refuses does not hold up what follows.
func TestPoisonWithSeveralParts(t *testing.T) {
	w, _, room := talk(t)
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: 400, Code: "M_BAD_JSON", Times: 3})
	w.network.Say(carl, direct, strings.Repeat("poison ", 20_000))
	w.network.Say(carl, direct, "fine")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "fine"})
	require.Len(t, w.notices(room), 1)
}
