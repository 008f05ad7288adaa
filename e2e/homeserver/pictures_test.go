package homeserver

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// picture is a PNG whose bytes no other width gives.
func picture(width int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, width, 20)))
	return b.Bytes()
}

// upload puts a file into the media repository.
func upload(t *testing.T, user *mautrix.Client, data []byte) id.ContentURIString {
	t.Helper()
	resp, err := user.UploadMedia(t.Context(), mautrix.ReqUploadMedia{ContentBytes: data, ContentType: "image/png"})
	require.NoError(t, err)
	return resp.ContentURI.CUString()
}

func download(t *testing.T, user *mautrix.Client, uri id.ContentURIString) []byte {
	t.Helper()
	parsed, err := uri.Parse()
	require.NoError(t, err)
	data, err := user.DownloadBytes(t.Context(), parsed)
	require.NoError(t, err)
	return data
}

// onHangouts is the picture of the latest message of the group with a text.
func (w *world) onHangouts(text string) (data []byte) {
	w.T.Helper()
	w.Eventually(patience, text+" on Hangouts", func() bool {
		for _, e := range w.hangouts.Events("trio") {
			attached := e.Event.GetChatMessage().GetMessageContent().GetAttachment()
			if !strings.HasPrefix(e.Text, text+"\n") || len(attached) == 0 {
				continue
			}
			address := attached[0].GetEmbedItem().GetPlusPhoto().GetThumbnail().GetImageUrl()
			if strings.HasPrefix(address, "/") {
				address = w.hangouts.URL + address
			}
			resp, err := http.Get(address)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			data, err = io.ReadAll(resp.Body)
			return err == nil
		}
		return false
	})
	return data
}

// Pictures arrive byte for byte both ways, in a plain room and, encrypted, in one that becomes encrypted.
func TestPicturesBothWays(t *testing.T) {
	w := newWorldWith(t, func(s *stage.Stage) {
		s.Set("bridge.permissions", map[string]string{stage.Domain: "user", "@alice:" + stage.Domain: "admin"})
		s.Set("encryption.allow", true)
	})
	bob, alice := w.hangouts.Person("bob"), w.Alice.Matrix
	_, err := bob.SendPhoto("trio", "look", "cat.png", picture(100))
	require.NoError(t, err)
	shown := w.Alice.WaitText(w.room, "look").Content.AsMessage()
	require.Equal(t, []any{event.MsgImage, "cat.png", 100}, []any{shown.MsgType, shown.FileName, shown.Info.Width})
	require.Equal(t, picture(100), download(t, alice, shown.URL))
	content := &event.MessageEventContent{MsgType: event.MsgImage, Body: "plain", FileName: "dog.png", URL: upload(t, alice, picture(101))}
	w.Alice.Send(w.room, event.EventMessage, content)
	require.Equal(t, picture(101), w.onHangouts("plain"))

	device := mxclient.NewEncrypting(t, w.synapse, "alice")
	w.Alice.SendText(w.room, "!hangouts set-pl "+string(alice.UserID)+" 100")
	w.Eventually(patience, "the power to encrypt", func() bool {
		_, err := alice.SendStateEvent(t.Context(), w.room, event.StateEncryption, "", &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1})
		return err == nil
	})
	device.WaitFor("the room to be encrypted", func() bool { return device.State(w.room, event.StateEncryption, "") != nil })
	secret, data := &event.EncryptedFileInfo{EncryptedFile: *attachment.NewEncryptedFile()}, picture(102)
	secret.EncryptInPlace(data)
	secret.URL = upload(t, alice, data)
	content = &event.MessageEventContent{MsgType: event.MsgImage, Body: "secret", FileName: "dog.png", File: secret}
	device.Send(w.room, event.EventMessage, content)
	require.Equal(t, picture(102), w.onHangouts("secret"))

	_, err = bob.SendPhoto("trio", "for you alone", "cat.png", picture(103))
	require.NoError(t, err)
	got := device.WaitText(w.room, "for you alone").Content.AsMessage()
	require.Empty(t, got.URL)
	require.NotNil(t, got.File)
	stored := download(t, alice, got.File.URL)
	require.NotContains(t, string(stored), "PNG")
	require.NoError(t, got.File.DecryptInPlace(stored))
	require.Equal(t, picture(103), stored)
}
