package homeserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
)

// newEncryptedWorld is a world whose rooms are all encrypted, the one with the bot included.
func newEncryptedWorld(t *testing.T, appservice bool, change func(*stage.Stage, *mxclient.Client)) *world {
	t.Helper()
	var staged *stage.Stage
	w := newStage(t, func(s *stage.Stage) {
		staged = s
		s.Set("encryption.allow", true)
		s.Set("encryption.default", true)
		s.Set("encryption.appservice", appservice)
		s.Set("encryption.msc4190", appservice)
		change(s, nil)
	}, synapse.Options{Encryption: appservice})
	w.Alice = mxclient.NewEncrypting(t, w.synapse, "alice")
	change(staged, w.Alice)
	w.Bring(w.Alice, w.account("alice"))
	w.room = w.Alice.WaitRoom("Trio")
	w.Alice.WaitText(w.room, "welcome")
	return w
}

func asShipped(*stage.Stage, *mxclient.Client) {}

// inTheClear are the texts of a room that everybody on the homeserver can read.
func (w *world) inTheClear(room id.RoomID) []string { return mxclient.Texts(w.Alice.History(room)) }

// shown are the texts of the group as alice's client shows them.
func (w *world) shown() (texts []string) {
	for _, text := range w.Alice.Texts(w.room) {
		_, text, _ = strings.Cut(text, ": ")
		texts = append(texts, text)
	}
	return texts
}

// fromOutside are the marks on the outside of what the bridge sent into a room.
func (w *world) fromOutside(room id.RoomID) (marks []string) {
	for _, e := range w.Alice.History(room) {
		if mark, ok := e.Content.Raw["com.github.hangouts-bridge.id"].(string); ok && e.Type.Type == event.EventEncrypted.Type {
			marks = append(marks, mark)
		}
	}
	return marks
}

// encryptedWorlds runs a test with keys from /sync and with keys from transactions.
func encryptedWorlds(t *testing.T, test func(t *testing.T, appservice bool)) {
	for name, appservice := range map[string]bool{"sync": false, "appservice": true} {
		t.Run(name, func(t *testing.T) { test(t, appservice) })
	}
}

// A person writes in encrypted rooms with an encrypting client, and the bridge is killed
// meanwhile: nothing is lost, doubled or readable on the homeserver.
func TestEncryptedRooms(t *testing.T) {
	encryptedWorlds(t, func(t *testing.T, appservice bool) {
		w := newEncryptedWorld(t, appservice, asShipped)
		alice, management := w.Alice, w.ManagementRoom(w.Alice)
		bob := w.hangouts.Person("bob")

		first := alice.SendText(w.room, "group to Hangouts")
		w.wait("group to Hangouts")
		_, err := bob.Send("trio", "group to Matrix")
		require.NoError(t, err)
		alice.WaitText(w.room, "group to Matrix")

		direct := alice.WaitRoom("Bob Baker (Hangouts)")
		alice.WaitText(direct, "welcome") // she has joined
		alice.SendText(direct, "direct to Hangouts")
		_, err = bob.Send("direct", "direct to Matrix")
		require.NoError(t, err)
		alice.WaitText(direct, "direct to Matrix")

		edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "better"}
		edit.SetEdit(first)
		alice.Send(w.room, event.EventMessage, edit)
		alice.WaitText(w.room, "Hangouts has no edits")
		alice.Send(w.room, event.EventReaction, &event.ReactionEventContent{
			RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: first, Key: "👍"},
		})
		alice.WaitText(w.room, "Hangouts has no reactions")

		require.Contains(t, w.answered(alice, management, "list-logins"), w.account("alice").GaiaID)

		const messages = 12
		for n := range messages {
			if n == 4 {
				w.Bridge.Kill9()
			}
			if n == 8 {
				w.Run()
			}
			alice.SendText(w.room, fmt.Sprintf("a%d", n))
			_, err = bob.Send("trio", fmt.Sprintf("b%d", n))
			require.NoError(t, err)
		}
		for name, texts := range map[string]func() []string{"Hangouts": w.texts, "Matrix": w.shown} {
			for _, from := range []string{"a", "b"} {
				var want []string
				for n := range messages {
					want = append(want, fmt.Sprintf("%s%d", from, n))
				}
				w.Eventually(patience, want[messages-1]+" on "+name, func() bool { return slices.Contains(texts(), want[messages-1]) })
				got := slices.DeleteFunc(texts(), func(text string) bool { return !strings.HasPrefix(text, from) || len(text) > 3 })
				require.Equal(t, want, got, "nothing twice and in order on %s; the room: %q", name, w.Alice.Texts(w.room))
			}
		}
		require.NotEmpty(t, w.fromOutside(w.room))
		require.True(t, slices.ContainsFunc(alice.History(management), func(e *event.Event) bool {
			return e.Type.Type == event.EventRedaction.Type && e.Sender == stage.Bot
		}), "the credential of the login was removed")
		for _, room := range []id.RoomID{w.room, direct, management} {
			require.Empty(t, w.inTheClear(room))
		}
	})
}

// The database of the bridge is an older one than what it sent: it finds that in the encrypted
// room, and what it encrypts now can be read.
func TestEncryptedRoomsAfterARestore(t *testing.T) {
	w := newEncryptedWorld(t, false, asShipped)
	bob := w.hangouts.Person("bob")
	say := func(text string) {
		_, err := bob.Send("trio", text)
		require.NoError(t, err)
		w.Alice.WaitText(w.room, text)
	}
	say("before")
	w.Bridge.Terminate()
	backup := w.files()
	w.Run()
	say("forgotten 1")
	w.Alice.SendText(w.room, "written")
	w.wait("written")
	say("forgotten 2")
	w.Bridge.Kill9()
	w.restore(backup)
	w.Run()
	say("after 1")
	say("after 2")
	w.Alice.SendText(w.room, "the end")
	w.wait("the end")
	want := []string{"before", "forgotten 1", "written", "forgotten 2", "after 1", "after 2", "the end"}
	require.Equal(t, want, w.texts())
	require.Equal(t, append([]string{"welcome"}, want...), w.shown())
}

// The key of a message comes late, after the bridge was killed: what was written meanwhile
// waits for it.
func TestLateKey(t *testing.T) {
	encryptedWorlds(t, func(t *testing.T, appservice bool) {
		w := newEncryptedWorld(t, appservice, asShipped)
		w.Alice.SendText(w.room, "before")
		w.wait("before")
		w.Alice.DiscardSession(w.room)
		w.Alice.HoldKeys()
		w.Alice.SendText(w.room, "its key is late")
		w.Eventually(patience, "a request for the key", func() bool { return w.logged("Sent key request") })
		w.Bridge.Kill9()
		w.Alice.SendText(w.room, "after it")
		w.Run()
		require.Equal(t, []string{"before"}, w.texts())
		w.Alice.ReleaseKeys()
		w.wait("after it")
		require.Equal(t, []string{"before", "its key is late", "after it"}, w.texts())
		require.False(t, slices.ContainsFunc(w.Alice.Texts(w.room), func(text string) bool { return strings.Contains(text, "could not read") }))
	})
}

// A key that does not come holds the room up for a while only, and its sender is told.
func TestKeyThatNeverComes(t *testing.T) {
	w := newEncryptedWorld(t, false, asShipped)
	w.Alice.HoldKeys()
	w.Alice.DiscardSession(w.room)
	w.Alice.SendText(w.room, "its key is lost")
	w.Alice.WaitWithin(patience, "the notice", func() bool {
		return slices.ContainsFunc(w.Alice.Texts(w.room), func(text string) bool { return strings.Contains(text, "its key did not reach me in time") })
	})
	w.Alice.ReleaseKeys()
	w.Alice.SendText(w.room, "after it")
	w.wait("after it")
	require.Equal(t, []string{"after it"}, w.texts())
}

// Where the bridge demands verified devices, others are told so, and nothing of theirs goes out.
func TestUnverifiedDevice(t *testing.T) {
	w := newEncryptedWorld(t, false, func(s *stage.Stage, alice *mxclient.Client) {
		s.Set("encryption.verification_levels.send", "cross-signed-tofu")
		if alice != nil {
			alice.CrossSign()
		}
	})
	w.Alice.SendText(w.room, "signed")
	w.wait("signed")
	other := mxclient.NewEncrypting(t, w.synapse, "alice")
	other.WaitFor("the rooms", func() bool { return slices.Contains(other.Rooms(), w.room) })
	other.SendText(w.room, "not signed")
	other.WaitText(w.room, "is not verified as this bridge demands")
	w.Alice.SendText(w.room, "signed again")
	w.wait("signed again")
	require.Equal(t, []string{"signed", "signed again"}, w.texts())
}

// logged reports whether the bridge has logged a text.
func (w *world) logged(text string) bool {
	log, err := os.ReadFile(w.LogFile())
	require.NoError(w.T, err)
	return strings.Contains(string(log), text)
}

// files are the files of the bridge's database, while it does not run.
func (w *world) files() map[string][]byte {
	files := map[string][]byte{}
	for _, ending := range []string{"", "-wal"} {
		content, err := os.ReadFile(w.Database() + ending)
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(w.T, err)
			files[ending] = content
		}
	}
	return files
}

// restore puts the files of a database in the place of the bridge's.
func (w *world) restore(files map[string][]byte) {
	for _, ending := range []string{"", "-wal", "-shm"} {
		require.NoError(w.T, os.RemoveAll(w.Database()+ending))
		if content, ok := files[ending]; ok {
			require.NoError(w.T, os.WriteFile(w.Database()+ending, content, 0o600))
		}
	}
}
