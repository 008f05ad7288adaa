package homeserver

import (
	"fmt"
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

// inTheClear are the texts of a room that everybody on the homeserver can read, but for the
// framework's notices about what was not bridged.
func (w *world) inTheClear(room id.RoomID) (texts []string) {
	for _, text := range mxclient.Texts(w.Alice.History(room)) {
		if !strings.Contains(text, "was not bridged") {
			texts = append(texts, text)
		}
	}
	return texts
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

		want := []string{"group to Hangouts", "group to Matrix"}
		for n := range 12 {
			if n == 4 {
				w.Bridge.Kill9()
			}
			if n == 8 {
				w.Run()
			}
			want = append(want, fmt.Sprintf("m%d", n))
			alice.SendText(w.room, want[len(want)-1])
		}
		w.wait(want[len(want)-1])
		_, err = bob.Send("trio", "the end")
		require.NoError(t, err)
		alice.WaitText(w.room, "the end")
		require.Equal(t, append(want, "the end"), w.texts(), "nothing twice, in order")
		var shown []string
		for _, e := range alice.Timeline(w.room) {
			if e.Type == event.EventMessage && !strings.Contains(e.Content.AsMessage().Body, "was not bridged") && e.Content.AsMessage().RelatesTo.GetReplaceID() == "" {
				shown = append(shown, e.Content.AsMessage().Body)
			}
		}
		require.Equal(t, append(append([]string{"welcome"}, want...), "the end"), shown, "nothing comes back")
		for _, room := range []id.RoomID{w.room, direct, management} {
			require.Empty(t, w.inTheClear(room))
		}
	})
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
		late := w.Alice.SendText(w.room, "its key is late")
		w.Eventually(patience, "the message in the bridge", func() bool { return w.inInbox(late) })
		w.Bridge.Kill9()
		w.Alice.SendText(w.room, "after it")
		w.Run()
		// It is known again and not given up: the bridge asks for its key.
		w.Eventually(patience, "a request for the key", func() bool { return w.logged("Sent key request") })
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

// inInbox reports whether the bridge has an event that is not handled yet.
func (w *world) inInbox(e id.EventID) bool {
	open, err := w.Column("SELECT event_id FROM matrix_inbox WHERE NOT done")
	require.NoError(w.T, err)
	return slices.Contains(open, string(e))
}

// logged reports whether the bridge has logged a text.
func (w *world) logged(text string) bool {
	log, err := os.ReadFile(w.LogFile())
	require.NoError(w.T, err)
	return strings.Contains(string(log), text)
}
