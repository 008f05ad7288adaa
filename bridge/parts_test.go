package bridge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A part that an edit takes away and another one brings back is shown again.
func TestAPartThatComesBack(t *testing.T) {
	w, _, _, room := able(t)
	w.network.PutFile("pic", accounttest.File{Data: picture(1)})
	target := w.idOf("first")
	pic := []chat.Attachment{{Kind: chat.AttachFile, Ref: []byte("pic"), Name: "p.png"}, {Kind: chat.AttachLink, URL: "https://example.org/"}}
	pictures := func() (n int) {
		for _, e := range w.hs.Messages(room) {
			if e.Content.AsMessage().Body == "p.png" {
				n++
			}
		}
		return n
	}
	with := func(text string) {
		e := editOf(carl, target, text)
		e.Edit.Message.Attachments = pic
		w.network.Post(e)
		w.passed(room)
	}
	with("one")
	require.Equal(t, 1, pictures())
	w.network.Post(editOf(carl, target, "two"))
	w.passed(room)
	require.Equal(t, 0, pictures())
	with("three")
	require.Equal(t, 1, pictures())
}

// What is shown of an edit as a message of its own goes with the message.
func TestDeletionTakesCorrectionsAlong(t *testing.T) {
	w, alice, room := ghosted(t)
	alice.SendText(room, "mine")
	w.waitTexts(group, "first", "mine")
	w.network.Post(editOf(anna, w.idOf("mine"), "on my phone"))
	w.mxidOf(room, "* on my phone")
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: w.idOf("mine")}})
	w.eventually("the bot to remove it", func() bool { return !w.shown(room, "mine") })
	w.passed(room)
	require.False(t, w.shown(room, "* on my phone"))
}

// A part that an edit adds to a message that expires goes with it.
func TestAddedPartsExpire(t *testing.T) {
	w, _, _, room := able(t)
	expires := time.Now().Add(time.Hour).UnixMicro()
	said := w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMessage, Expires: expires, Message: &chat.Message{Text: chat.Plain("soon gone")}})
	w.mxidOf(room, "soon gone")
	edit := editOf(carl, said.ID, "soon gone")
	edit.Expires = expires
	edit.Edit.Message.Attachments = []chat.Attachment{{Kind: chat.AttachLink, URL: "https://example.org/"}}
	w.network.Post(edit)
	w.passed(room)
	var planned int
	require.NoError(t, w.main.Bridge.DB.QueryRow(t.Context(), `SELECT COUNT(*) FROM disappearing_message WHERE mx_room=$1`, room).Scan(&planned))
	require.Equal(t, 2, planned)
}

// An edit in Matrix leaves a message the files that it has now, not those that it had at first.
func TestEditKeepsWhatAnEditHasLeft(t *testing.T) {
	w, alice, _, room := able(t)
	file := func(ref string) []chat.Attachment {
		w.network.PutFile(ref, accounttest.File{Data: picture(1)})
		return []chat.Attachment{{Kind: chat.AttachPhoto, Ref: []byte(ref), Name: ref + ".png"}}
	}
	said := w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("from my phone"), Attachments: file("secret")}})
	shown := w.mxidOf(room, "from my phone")
	better := editOf(anna, said.ID, "without it")
	better.Edit.Message.Attachments = file("harmless")
	w.network.Post(better)
	w.passed(room)
	best := &event.MessageEventContent{MsgType: event.MsgImage, Body: "best", FileName: "p.png", URL: "mxc://x/y"}
	best.SetEdit(shown)
	alice.Send(room, event.EventMessage, best)
	w.eventually("the edit", func() bool { return len(w.did(chat.RequestEdit)) == 1 })
	got := w.did(chat.RequestEdit)[0].Edit.Message
	require.Equal(t, "best", got.Text.String())
	require.Equal(t, better.Edit.Message.Attachments, got.Attachments)
}
