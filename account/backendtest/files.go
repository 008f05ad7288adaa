package backendtest

import (
	"bytes"
	"io"
	"math/rand/v2"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// files: what one account uploads and sends, the other opens, byte for byte.
func files(b *bench) {
	if !b.Backend.Features(b.one.conversation(b.Group)).Photos {
		b.Skip("photos cannot be sent")
	}
	data := append([]byte("GIF89a"), make([]byte, 300_000)...)
	for i := 6; i < len(data); i++ {
		data[i] = byte(rand.Uint32())
	}
	ref, err := b.one.conn.Upload(b.Context(), b.Group, "cat \u00fc.gif", "image/gif", int64(len(data)), bytes.NewReader(data))
	require.NoError(b, err)
	photo := chat.Attachment{Kind: chat.AttachPhoto, Ref: ref, MIME: "image/gif", Size: int64(len(data))}
	e := b.event(300, chat.Request{Conversation: b.Group, Message: &chat.Message{Text: chat.Plain("look"), Attachments: []chat.Attachment{photo}}})
	got := b.two.got(e.ID).Message
	require.Equal(b, "look", got.Text.String())
	require.Len(b, got.Attachments, 1)
	require.Equal(b, chat.AttachPhoto, got.Attachments[0].Kind)

	body, info, err := b.two.conn.Open(b.Context(), got.Attachments[0].Ref)
	require.NoError(b, err)
	defer body.Close()
	require.Contains(b, []int64{0, int64(len(data))}, info.Size)
	read, err := io.ReadAll(body)
	require.NoError(b, err)
	require.True(b, bytes.Equal(data, read), "byte for byte")

	for _, bad := range [][]byte{nil, []byte("no handle"), []byte(`{"url":"https://example.com/elsewhere.png"}`)} {
		_, _, err = b.two.conn.Open(b.Context(), bad)
		require.ErrorIs(b, err, chat.ErrRefused)
	}
	_, err = b.one.conn.Upload(b.Context(), b.Group, "x", "image/gif", 10, bytes.NewReader(data[:5]))
	require.Error(b, err, "fewer bytes than announced")
}
