package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
