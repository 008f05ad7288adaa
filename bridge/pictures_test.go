package bridge_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// picture is a PNG whose bytes no other number gives.
func picture(n int) []byte {
	img := image.NewGray(image.Rect(0, 0, 40+n, 30))
	img.Pix[n%len(img.Pix)] = 200
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func photo(ref string) chat.Attachment {
	return chat.Attachment{Kind: chat.AttachPhoto, Ref: []byte(ref), URL: "https://photos.example/" + ref}
}

// post makes carl send a message with attachments.
func (w *world) post(text string, attachments ...chat.Attachment) chat.Event {
	message := &chat.Message{Attachments: attachments}
	if text != "" {
		message.Text = chat.Plain(text)
	}
	return w.network.Post(chat.Event{Conversation: direct, Author: carl, Kind: chat.KindMessage, Message: message})
}

// content waits for the n-th message of a room, from 0.
func (w *world) content(room id.RoomID, n int) *event.MessageEventContent {
	w.t.Helper()
	var all []*event.MessageEventContent
	w.eventually(fmt.Sprint("message ", n), func() bool {
		all = nil
		for _, e := range w.hs.Messages(room) {
			if e.Sender != bot {
				all = append(all, e.Content.AsMessage())
			}
		}
		return len(all) > n
	})
	return all[n]
}

// bytesOf are the bytes of a file of the media repository.
func bytesOf(t *testing.T, user *mxclient.Client, uri id.ContentURIString) (data []byte) {
	t.Helper()
	parsed, err := uri.Parse()
	require.NoError(t, err)
	user.Do("download", func(ctx context.Context) (err error) {
		data, err = user.Matrix.DownloadBytes(ctx, parsed)
		return err
	})
	return data
}

func TestPicturesFromHangouts(t *testing.T) {
	w, alice, room := talk(t)
	var moving bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 9, 7), color.Palette{color.Black, color.White})
	require.NoError(t, gif.EncodeAll(&moving, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{10, 10}}))
	for n := range 4 {
		w.network.PutFile(fmt.Sprint("p", n), accounttest.File{Data: picture(n)})
	}
	w.network.PutFile("p1", accounttest.File{Data: picture(1), Info: account.MediaInfo{Name: "../../\u202ecat.png\n", MIME: "text/html"}})
	w.network.PutFile("moving", accounttest.File{Data: moving.Bytes()})

	w.post("", photo("p0"))
	w.post("look", photo("p1"))
	w.post("three", photo("p2"), photo("p3"), photo("moving"))
	w.network.Say(carl, direct, "after")

	alone := w.content(room, 1)
	require.Equal(t, event.MsgImage, alone.MsgType)
	require.Equal(t, []any{"image.png", "image.png"}, []any{alone.Body, alone.FileName}, "no caption")
	require.Equal(t, []any{"image/png", 40, 30, len(picture(0))}, []any{alone.Info.MimeType, alone.Info.Width, alone.Info.Height, alone.Info.Size})
	require.Equal(t, picture(0), bytesOf(t, alice, alone.URL))

	captioned := w.content(room, 2)
	require.Equal(t, []any{event.MsgImage, "look", "cat.png"}, []any{captioned.MsgType, captioned.Body, captioned.FileName})
	require.Equal(t, picture(1), bytesOf(t, alice, captioned.URL))

	require.Equal(t, "three", w.content(room, 3).Body)
	require.Equal(t, picture(2), bytesOf(t, alice, w.content(room, 4).URL))
	require.Equal(t, picture(3), bytesOf(t, alice, w.content(room, 5).URL))
	require.Equal(t, "image/gif", w.content(room, 6).Info.MimeType)
	require.Equal(t, moving.Bytes(), bytesOf(t, alice, w.content(room, 6).URL))
	require.Equal(t, "after", w.content(room, 7).Body)
}

// bombPNG is a PNG whose header announces a picture that nobody can hold.
func bombPNG() []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), 60_000)
	head = append(binary.BigEndian.AppendUint32(head, 60_000), 8, 0, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	return binary.BigEndian.AppendUint32(append(out, head...), crc32.ChecksumIEEE(head))
}

// A file that cannot be shown becomes a link, its text comes all the same, and so does what follows.
func TestFilesThatCannotBeShownAreLinks(t *testing.T) {
	hanging := make(chan struct{})
	for name, c := range map[string]struct {
		file accounttest.File
		says string
	}{
		"of another type": {accounttest.File{Data: []byte("<!DOCTYPE html><p>Sign in")}, "not of a type that can be shown here"},
		"a program":       {accounttest.File{Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)}, "not of a type that can be shown here"},
		"bomb":            {accounttest.File{Data: bombPNG()}, "too large to be shown here"},
		"too large":       {accounttest.File{Data: append(picture(1), make([]byte, 1<<20)...)}, "too large to be shown here"},
		"dead or foreign": {accounttest.File{Err: fmt.Errorf("no: %w", chat.ErrRefused)}, "it could not be loaded"},
		"away":            {accounttest.File{Err: fmt.Errorf("no: %w", chat.ErrUnavailable)}, "it could not be loaded"},
		"cut":             {accounttest.File{Data: picture(1), Cut: 20}, "it could not be loaded"},
		"stalled":         {accounttest.File{Data: picture(1), Until: hanging}, "it could not be loaded"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.prepare = func(m *bridge.Main) { m.FileLimits(1, 1) }
			_, room := w.talk()
			w.network.PutFile("bad", c.file)
			w.network.PutFile("good", accounttest.File{Data: picture(2)})
			w.post("", photo("bad"))
			w.post("with text", photo("bad"))
			w.post("", photo("good"))
			link := "Photo (" + c.says + ") https://photos.example/bad"
			require.Equal(t, []any{event.MsgNotice, link}, []any{w.content(room, 1).MsgType, w.content(room, 1).Body})
			require.Equal(t, []any{event.MsgText, "with text\n" + link}, []any{w.content(room, 2).MsgType, w.content(room, 2).Body})
			require.Equal(t, event.MsgImage, w.content(room, 3).MsgType)
		})
	}
}

// The homeserver's limit holds, also when it is known only from its refusal.
func TestHomeserverThatTakesNoFiles(t *testing.T) {
	w, _, room := talk(t)
	w.network.PutFile("p", accounttest.File{Data: picture(1)})
	remove := w.hs.Inject(nullhs.Fault{Path: "/_matrix/media/v3/upload", Status: http.StatusRequestEntityTooLarge, Code: "M_TOO_LARGE"})
	w.post("big", photo("p"))
	require.Equal(t, "big\nPhoto (too large to be shown here) https://photos.example/p", w.content(room, 1).Body)
	remove()
	w.hs.Inject(nullhs.Fault{Path: "/_matrix/media/", Status: http.StatusBadGateway, Times: 2})
	w.post("later", photo("p"))
	w.network.Say(carl, direct, "after")
	require.Equal(t, event.MsgImage, w.content(room, 2).MsgType, "an outage passes")
	require.Equal(t, "after", w.content(room, 3).Body)
}

// A file at which the homeserver fails again and again becomes a link.
func TestFileThatTheHomeserverCannotTake(t *testing.T) {
	w := newWorld(t)
	w.prepare = func(m *bridge.Main) { m.FileLimits(1, 1) }
	_, room := w.talk()
	w.network.PutFile("p", accounttest.File{Data: picture(1)})
	w.hs.Inject(nullhs.Fault{Path: "/_matrix/media/v3/upload", Status: http.StatusInternalServerError})
	w.post("broken", photo("p"))
	w.network.Say(carl, direct, "after")
	require.Equal(t, "broken\nPhoto (it could not be loaded) https://photos.example/p", w.content(room, 1).Body)
	require.Equal(t, "after", w.content(room, 2).Body)
}

// A slow file holds up its own room only.
func TestSlowFileDelaysNoOtherRoom(t *testing.T) {
	w, _, room := talk(t)
	w.network.Say(carl, group, "first of the group")
	other := w.room("first of the group")
	arrive := make(chan struct{})
	w.network.PutFile("slow", accounttest.File{Data: picture(1), Until: arrive})
	w.post("slow", photo("slow"))
	w.network.Say(carl, direct, "behind it")
	w.eventually("the file to be opened", func() bool { return w.network.Opened("slow") == 1 })
	w.network.Say(carl, group, "meanwhile")
	w.waitLines(other, line{ghost(carl), "first of the group"}, line{ghost(carl), "meanwhile"})
	require.Equal(t, []line{{ghost(carl), "first"}}, w.lines(room))
	close(arrive)
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "slow"}, line{ghost(carl), "behind it"})
	require.Equal(t, event.MsgImage, w.content(room, 1).MsgType)
}

// A new room shows the pictures of its history.
func TestPicturesOfTheHistory(t *testing.T) {
	w := newWorld(t)
	w.network.PutFile("p", accounttest.File{Data: picture(1)})
	w.post("old", photo("p"))
	w.network.Say(carl, direct, "last")
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("last")
	require.Equal(t, event.MsgImage, w.content(room, 0).MsgType)
	require.Equal(t, picture(1), bytesOf(t, alice, w.content(room, 0).URL))
	w.waitLines(room, line{ghost(carl), "old"}, line{ghost(carl), "last"})
}

// An attempt whose answer was lost is repeated without uploading or posting anything twice.
func TestPictureIsUploadedAndPostedOnce(t *testing.T) {
	w, alice, room := talk(t)
	w.network.PutFile("p", accounttest.File{Data: picture(1)})
	w.hs.Inject(nullhs.Fault{Path: "/_matrix/media/v3/upload", Drop: true, After: true, Times: 1})
	w.hs.Inject(nullhs.Fault{Path: "/send/m.room.message/", Drop: true, After: true, Times: 1})
	before := w.hs.MediaCount()
	w.post("once", photo("p"))
	w.network.Say(carl, direct, "after")
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "once"}, line{ghost(carl), "after"})
	require.Equal(t, before+1, w.hs.MediaCount())
	require.Equal(t, picture(1), bytesOf(t, alice, w.content(room, 1).URL))
	require.False(t, strings.Contains(w.content(room, 1).Body, "http"))
}

// A picture that came while nobody was logged in is shown with the rest of the gap.
func TestPicturesOfAGap(t *testing.T) {
	s := newScene(t, false)
	s.network.PutFile("p", accounttest.File{Data: picture(1)})
	s.logout()
	s.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("missed"), Attachments: []chat.Attachment{photo("p")}}})
	s.relogin()
	s.network.Say(carl, group, "live")
	s.bob.WaitText(s.room, "live")
	require.Equal(t, []any{event.MsgImage, "missed"}, []any{s.content(s.room, 1).MsgType, s.content(s.room, 1).Body})
}

// A part that is in the room already is not loaded again for those that are not.
func TestPartsThatAreThereAreNotLoadedAgain(t *testing.T) {
	w, _, room := talk(t)
	w.network.PutFile("p1", accounttest.File{Data: picture(1)})
	w.network.PutFile("p2", accounttest.File{Data: picture(2)})
	w.hs.Inject(nullhs.Fault{Path: "/send/m.room.message/", Delay: 1, Times: 1})
	remove := w.hs.Inject(nullhs.Fault{Path: "/send/m.room.message/", Status: http.StatusBadGateway})
	w.post("", photo("p1"), photo("p2"))
	w.content(room, 1)
	w.eventually("the second to fail", func() bool {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" })) > 0
	})
	require.NoError(t, w.main.Store().MatrixMedia().Sweep(t.Context()))
	remove()
	require.Equal(t, 42, w.content(room, 2).Info.Width)
	require.Equal(t, []int{1, 1}, []int{w.network.Opened("p1"), w.network.Opened("p2")})
}
