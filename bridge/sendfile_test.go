package bridge_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// uploadTo puts a file into the media repository.
func uploadTo(user *mxclient.Client, data []byte) (uri id.ContentURIString) {
	user.Do("upload", func(ctx context.Context) error {
		resp, err := user.Matrix.UploadMedia(ctx, mautrix.ReqUploadMedia{ContentBytes: data, ContentType: "application/octet-stream"})
		if err == nil {
			uri = resp.ContentURI.CUString()
		}
		return err
	})
	return uri
}

func pictureEvent(uri id.ContentURIString) *event.MessageEventContent {
	return &event.MessageEventContent{MsgType: event.MsgImage, Body: "cat.png", URL: uri, Info: &event.FileInfo{MimeType: "image/png"}}
}

// encryptedPicture is the message of a picture, without its address, and the encrypted bytes.
func encryptedPicture(n int) (content *event.MessageEventContent, data []byte) {
	content, data = pictureEvent(""), picture(n)
	content.File = &event.EncryptedFileInfo{EncryptedFile: *attachment.NewEncryptedFile()}
	content.File.EncryptInPlace(data)
	return content, data
}

// waitMessages waits for the messages of the conversation, the first one left out.
func (w *world) waitMessages(n int) (out []*chat.Message) {
	w.t.Helper()
	w.eventually(fmt.Sprint(n, " messages"), func() bool {
		out = nil
		for _, e := range w.network.Events(direct)[1:] {
			out = append(out, e.Message)
		}
		return len(out) >= n
	})
	require.Len(w.t, out, n)
	return out
}

func TestPicturesToHangouts(t *testing.T) {
	w, alice, room := talk(t)
	alice.Send(room, event.EventMessage, pictureEvent(uploadTo(alice, picture(1))))
	captioned := pictureEvent(uploadTo(alice, picture(2)))
	captioned.FileName, captioned.Body, captioned.Format, captioned.FormattedBody = "../../cat.png", "my cat", event.FormatHTML, "my <b>cat</b>"
	alice.Send(room, event.EventMessage, captioned)
	alice.Send(room, event.EventSticker, &event.MessageEventContent{Body: "a cat that sleeps", URL: uploadTo(alice, picture(3)), Info: &event.FileInfo{}})
	as := pictureEvent(uploadTo(alice, picture(4)))
	as.MsgType = event.MsgFile
	alice.Send(room, event.EventMessage, as)
	secret, data := encryptedPicture(5)
	secret.File.URL = uploadTo(alice, data)
	alice.Send(room, event.EventMessage, secret)
	alice.SendText(room, "after")

	sent := w.waitMessages(6)
	for n, m := range sent[:5] {
		require.Len(t, m.Attachments, 1)
		a := m.Attachments[0]
		require.Equal(t, picture(n+1), w.network.File(a.Ref))
		require.Equal(t, []any{chat.AttachPhoto, "image/png", 41 + n, 30}, []any{a.Kind, a.MIME, a.Width, a.Height})
		require.Equal(t, n == 1, !m.Text.Empty(), "a caption only where there is one")
	}
	require.Equal(t, "cat.png", sent[1].Attachments[0].Name)
	require.Equal(t, chat.Text{{Kind: chat.SegmentText, Text: "my"}, {Kind: chat.SegmentText, Text: " cat", Bold: true}}, sent[1].Text)
	require.Equal(t, "after", sent[5].Text.String())
	require.Empty(t, w.notices(room))
	require.Len(t, w.lines(room), 6, "nothing comes back; a sticker is no message here")
}

// A file that cannot be sent is refused in plain words, and what follows is sent.
func TestFilesThatCannotBeSentAreRefused(t *testing.T) {
	w, alice, room := answeringWorld(t)
	for _, c := range []struct {
		name    string
		content *event.MessageEventContent
		says    string
	}{
		{"video", &event.MessageEventContent{MsgType: event.MsgVideo, Body: "a.mp4", URL: uploadTo(alice, []byte("video"))}, "Hangouts takes pictures, but no videos"},
		{"voice", &event.MessageEventContent{MsgType: event.MsgAudio, Body: "a.ogg", URL: uploadTo(alice, []byte("voice")), MSC3245Voice: &event.MSC3245Voice{}}, "Hangouts takes pictures, but no videos"},
		{"file", &event.MessageEventContent{MsgType: event.MsgFile, Body: "a.pdf", URL: uploadTo(alice, []byte("%PDF")), Info: &event.FileInfo{MimeType: "application/pdf"}}, "Hangouts takes pictures, but no videos"},
		{"file of no type", &event.MessageEventContent{MsgType: event.MsgFile, Body: "a.pdf", URL: uploadTo(alice, []byte("%PDF"))}, "Hangouts takes pictures, but no videos"},
		{"no picture", pictureEvent(uploadTo(alice, []byte("<html>"))), "this is none"},
		{"bomb", pictureEvent(uploadTo(alice, bombPNG())), "too large"},
		{"too large", pictureEvent(uploadTo(alice, append(picture(1), make([]byte, 11<<20)...))), "too large"},
		{"not there", pictureEvent("mxc://" + domain + "/nothing"), "does not give the bridge this file"},
		{"no address", pictureEvent("http://example.org/a.png"), "damaged"},
		{"address of something else", pictureEvent("mxc://../config"), "damaged"},
		{"unknown", &event.MessageEventContent{MsgType: "org.example.game", Body: "your turn"}, "of this kind cannot be sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.waitAnswer(room, alice.Send(room, event.EventMessage, c.content), c.says)
		})
	}
	damaged, data := encryptedPicture(5)
	data[len(data)-1]++
	damaged.File.URL = uploadTo(alice, data)
	w.waitAnswer(room, alice.Send(room, event.EventMessage, damaged), "damaged")
	alice.SendText(room, "after")
	w.waitTexts(direct, "first", "after")
	require.Zero(t, w.network.Uploads())
}

// With public media what is no picture goes as a link that everybody can open.
func TestFilesAsLinks(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) {
		c.PublicMedia.Enabled, c.PublicMedia.SigningKey = true, "key"
		c.AppService.PublicAddress = "http://" + w.addr()
	}
	alice, room := w.talk()
	voice := &event.MessageEventContent{MsgType: event.MsgAudio, Body: "listen", FileName: "a.ogg", URL: uploadTo(alice, []byte("OggS voice")), MSC3245Voice: &event.MSC3245Voice{}}
	alice.Send(room, event.EventMessage, voice)
	alice.Send(room, event.EventMessage, pictureEvent(uploadTo(alice, []byte("%PDF not a picture"))))
	sent := w.waitMessages(2)
	for n, want := range []string{"OggS voice", "%PDF not a picture"} {
		require.Empty(t, sent[n].Attachments)
		link := sent[n].Text[len(sent[n].Text)-1]
		require.Equal(t, chat.SegmentLink, link.Kind)
		resp, err := http.Get(link.Target)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, string(got))
	}
	require.True(t, bytes.HasPrefix([]byte(sent[0].Text.String()), []byte("listen\na.ogg: http://")))
}

// Of a file without an address no link is made, neither one that leads elsewhere.
func TestNoLinkToNoFile(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) {
		c.PublicMedia.Enabled, c.PublicMedia.SigningKey, c.PublicMedia.UseDatabase = true, "key", true
		c.AppService.PublicAddress = "http://" + w.addr()
	}
	alice, room := w.talk()
	for _, uri := range []id.ContentURIString{"", "https://example.org/a.pdf", "mxc://../config"} {
		w.waitAnswer(room, alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgFile, Body: "a.pdf", URL: uri}), "damaged")
	}
	alice.SendText(room, "after")
	w.waitTexts(direct, "first", "after")
}

// Outages of either side delay a picture, and it is sent once.
func TestPictureOutlivesOutages(t *testing.T) {
	w, alice, room := talk(t)
	fails := 2
	w.network.OnUpload(func() error {
		if fails--; fails >= 0 {
			return fmt.Errorf("no: %w", chat.ErrUnavailable)
		}
		return nil
	})
	uri := uploadTo(alice, picture(1))
	w.hs.Inject(nullhs.Fault{Path: "/media/download/", Status: http.StatusBadGateway, Times: 1})
	alice.Send(room, event.EventMessage, pictureEvent(uri))
	alice.SendText(room, "after")
	sent := w.waitMessages(2)
	require.Equal(t, picture(1), w.network.File(sent[0].Attachments[0].Ref))
	require.Equal(t, 1, w.network.Uploads())
	require.Empty(t, w.notices(room))
}

// Files that the homeserver waits for in vain keep back their own rooms only.
func TestFilesOfADeadServer(t *testing.T) {
	w, alice, room := talk(t)
	var waiting atomic.Int32
	w.hs.Inject(nullhs.Fault{Path: "/media/download/dead.example/", Delay: time.Hour, Seen: func(r *http.Request) {
		waiting.Add(1)
		context.AfterFunc(r.Context(), func() { waiting.Add(-1) })
	}})
	const dead = 6 // more than may arrive at once
	for n := range dead {
		conversation := chat.ConversationID(fmt.Sprint("UgxDead", n))
		w.network.AddConversation(conversation, "", anna, carl, dora)
		w.network.Say(carl, conversation, fmt.Sprint("dead ", n))
		other := w.room(fmt.Sprint("dead ", n))
		alice.WaitText(other, fmt.Sprint("dead ", n))
		alice.Send(other, event.EventMessage, pictureEvent(id.ContentURIString(fmt.Sprint("mxc://dead.example/", n))))
	}
	w.eventually("all to be asked for", func() bool { return waiting.Load() == dead })
	alice.Send(room, event.EventMessage, pictureEvent(uploadTo(alice, picture(1))))
	sent := w.waitMessages(1)
	require.Equal(t, picture(1), w.network.File(sent[0].Attachments[0].Ref))
}

func TestPlacesBothWays(t *testing.T) {
	w, alice, room := answeringWorld(t)
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgLocation, Body: "Charles Bridge", GeoURI: "geo:50.0865,14.4114;u=12"})
	alice.Send(room, event.EventMessage, map[string]any{
		"msgtype": "m.location", "body": "User Location geo:50.1,14.4,210", "geo_uri": "geo:50.1,14.4,210",
		"org.matrix.msc3488.location": map[string]any{"uri": "geo:50.1,14.4,210", "description": "Zoo"},
	})
	sent := w.waitMessages(2)
	require.Equal(t, []chat.Attachment{{Kind: chat.AttachPlace, Name: "Charles Bridge", Latitude: 50.0865, Longitude: 14.4114}}, sent[0].Attachments)
	require.Equal(t, []chat.Attachment{{Kind: chat.AttachPlace, Name: "Zoo", Latitude: 50.1, Longitude: 14.4}}, sent[1].Attachments)
	require.True(t, sent[0].Text.Empty())
	for _, uri := range []string{"", "geo:", "geo:91,0", "geo:NaN,1", "geo:1", "https://example.org/"} {
		w.waitAnswer(room, alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgLocation, Body: "x", GeoURI: uri}), "no place in it")
	}
	w.network.LimitFeatures(func(c chat.Conversation) chat.Features {
		f := accounttest.EveryFeature(c)
		f.Places = false
		return f
	})
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgLocation, Body: "Charles Bridge", GeoURI: "geo:50.0865,14.4114"})
	require.Equal(t, "Charles Bridge: https://maps.google.com/maps?q=50.086500,14.411400", w.waitMessages(3)[2].Text.String())

	before := len(w.lines(room))
	w.network.PutFile("map", accounttest.File{Data: picture(7)})
	w.post("here", chat.Attachment{Kind: chat.AttachPlace, Name: "Zoo", Address: "Prague", Latitude: 50.1, Longitude: 14.4, URL: "https://maps.example/zoo", Preview: []byte("map")})
	require.Equal(t, "here", w.content(room, before).Body)
	place := w.content(room, before+1)
	require.Equal(t, []any{event.MsgLocation, "geo:50.100000,14.400000"}, []any{place.MsgType, place.GeoURI})
	require.Equal(t, "Place: Zoo: Prague: 50.100000, 14.400000 https://maps.example/zoo", place.Body)
	require.Equal(t, picture(7), bytesOf(t, alice, place.Info.ThumbnailURL))
	w.post("", chat.Attachment{Kind: chat.AttachPlace, Name: "Nowhere", URL: "https://maps.example/x"})
	require.Equal(t, event.MsgText, w.content(room, before+2).MsgType)
}

var mp4 = append([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), make([]byte, 200)...)

// A video is shown with its first picture, or as that picture with a link.
func TestVideosFromHangouts(t *testing.T) {
	w, alice, room := talk(t)
	video := func(ref string) chat.Attachment {
		return chat.Attachment{Kind: chat.AttachVideo, Ref: []byte(ref), Preview: []byte("still"), URL: "https://videos.example/" + ref, Duration: 7_000_000}
	}
	w.network.PutFile("film", accounttest.File{Data: mp4})
	w.network.PutFile("still", accounttest.File{Data: picture(8)})
	w.network.PutFile("page", accounttest.File{Data: []byte("<html>")})
	w.post("a film", video("film"))
	w.post("another", video("page"))
	film := w.content(room, 1)
	require.Equal(t, []any{event.MsgVideo, "a film", "video/mp4", 7000}, []any{film.MsgType, film.Body, film.Info.MimeType, film.Info.Duration})
	require.Equal(t, mp4, bytesOf(t, alice, film.URL))
	require.Equal(t, picture(8), bytesOf(t, alice, film.Info.ThumbnailURL))
	other := w.content(room, 2)
	require.Equal(t, event.MsgImage, other.MsgType)
	require.Equal(t, "another\nVideo (not of a type that can be shown here) https://videos.example/page", other.Body)
	require.Equal(t, picture(8), bytesOf(t, alice, other.URL))
}

// A relayed picture says whose it is.
func TestRelayedPicture(t *testing.T) {
	w, _, _, eve, room := relaying(t)
	eve.Send(room, event.EventMessage, pictureEvent(uploadTo(eve, picture(1))))
	var sent *chat.Message
	w.eventually("the picture", func() bool {
		for _, e := range w.network.Events(group) {
			if e.Message != nil && len(e.Message.Attachments) > 0 {
				sent = e.Message
			}
		}
		return sent != nil
	})
	require.Contains(t, sent.Text.String(), "eve")
	require.Equal(t, picture(1), w.network.File(sent.Attachments[0].Ref))
}

// A picture that waits in the outbox is not uploaded again by the next run.
func TestPictureThatWaitsIsNotUploadedAgain(t *testing.T) {
	w, alice, room := talk(t)
	tried := make(chan struct{}, 1000)
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		tried <- struct{}{}
		return accounttest.Fault{Err: fmt.Errorf("no: %w", chat.ErrUnavailable)}
	})
	alice.Send(room, event.EventMessage, pictureEvent(uploadTo(alice, picture(1))))
	<-tried
	w.stop()
	w.network.OnSend(nil)
	w.start()
	alice.SendText(room, "after")
	sent := w.waitMessages(2)
	require.Equal(t, picture(1), w.network.File(sent[0].Attachments[0].Ref))
	require.Equal(t, 1, w.network.Uploads())
}
