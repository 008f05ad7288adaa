package bridge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
)

// The bridge is killed again and again while pictures go both ways: each arrives once, in order and
// byte for byte, and is in the media repository once.
func TestKilledWhilePicturesGoBothWays(t *testing.T) {
	const pictures, kills = 30, 8
	random := seed(t)
	w := newWorld(t)
	c, alice, room := w.talkToChild(direct, "first")
	before := w.hs.MediaCount()

	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for n := range pictures {
			ref := fmt.Sprint("in", n)
			w.network.PutFile(ref, accounttest.File{Data: picture(n)})
			w.post(fmt.Sprint("h", n), photo(ref))
			time.Sleep(20 * time.Millisecond)
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for n := range pictures {
			content := pictureEvent(uploadTo(alice, picture(1000+n)))
			content.FileName, content.Body = "cat.png", fmt.Sprint("m", n)
			alice.Send(room, event.EventMessage, content)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	for range kills {
		time.Sleep(time.Duration(50+random.IntN(250)) * time.Millisecond)
		c.kill()
		c.start()
	}
	<-done
	<-done
	w.eventually("all pictures", func() bool {
		return len(w.lines(room)) >= 2*pictures+1 && len(w.network.Events(direct)) >= 2*pictures+1
	})
	w.eventually("the homeserver to be done", w.hs.Idle)
	in, out := 0, 0
	for n, l := range w.lines(room)[1:] {
		content := w.content(room, n+1)
		if l.Sender == alice.UserID() {
			continue
		}
		require.Equal(t, []any{event.MsgImage, fmt.Sprint("h", in)}, []any{content.MsgType, content.Body})
		require.Equal(t, picture(in), bytesOf(t, alice, content.URL))
		in++
	}
	for _, e := range w.network.Events(direct)[1:] {
		if e.Author == carl {
			continue
		}
		require.Equal(t, fmt.Sprint("m", out), e.Message.Text.String())
		require.Equal(t, picture(1000+out), w.network.File(e.Message.Attachments[0].Ref))
		out++
	}
	require.Equal(t, []int{pictures, pictures}, []int{in, out})
	require.Equal(t, before+2*pictures, w.hs.MediaCount())
}
