package nullhs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

func TestMain(m *testing.M) {
	proc.Child(map[string]func() int{nullhs.Role: nullhs.Main})
	os.Exit(m.Run())
}

// Killed again and again while somebody sends, the homeserver keeps everything it has accepted, once and in order.
func TestProcessIsKilled(t *testing.T) {
	hs := nullhs.StartProcess(t, nullhs.Options{StateFile: filepath.Join(t.TempDir(), "state")})
	alice, bob := mxclient.New(t, hs, "alice"), mxclient.New(t, hs, "bob")
	bob.AutoJoin()
	room := alice.CreateRoom(&mautrix.ReqCreateRoom{Preset: "public_chat", RoomAliasName: "family"})
	bob.Join(room)
	require.Equal(t, room, hs.Alias("#family:test.localhost"))

	const count = 300
	failed := make(chan error, 1)
	go func() {
		for i := range count {
			if _, err := alice.SendTextRetry(t.Context(), room, fmt.Sprintf("m%03d", i), fmt.Sprintf("txn-%03d", i)); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for range 3 {
		bob.SetTyping(room, time.Minute) // moves the stream without leaving anything behind
		said := len(hs.Messages(room))
		require.Eventually(t, func() bool { return len(hs.Messages(room)) > said+20 }, time.Minute, time.Millisecond)
		hs.Kill9()
		hs.StartAgain()
	}
	require.NoError(t, <-failed)
	hs.Inject(nullhs.Fault{Path: "/upload/", Times: 1, Drop: true, After: true})
	at, err := alice.UploadRetry(t.Context(), []byte("picture"), "image/png", "p.png")
	require.NoError(t, err)
	hs.Kill9()
	hs.StartAgain()
	require.Equal(t, []nullhs.Upload{{URI: at.CUString(), User: alice.UserID(), Size: 7, SHA256: "2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97"}}, hs.Uploads())

	bob.WaitText(room, fmt.Sprintf("m%03d", count-1))
	var want []string
	for i := range count {
		want = append(want, fmt.Sprintf("alice: m%03d", i))
	}
	require.Equal(t, want, bob.Texts(room), "a client's transaction ids carry its device, so repeats are recognised")
	require.Equal(t, want, mxclient.Texts(hs.Messages(room)))

	hs.Inject(nullhs.Fault{Path: "/send/", Status: 502, Times: 1})
	alice.SendText(room, "past a fault")
	require.Len(t, hs.Requests(func(r nullhs.Request) bool { return r.Route == "fault" }), 1)
	require.Equal(t, []string{string(room)}, []string{string(hs.Rooms()[0])})
	require.Equal(t, 0, hs.Terminate())
}
