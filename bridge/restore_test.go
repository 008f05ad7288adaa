package bridge_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// backup copies the database while it is in use.
func (w *world) backup() string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "copy.db")
	_, err := w.main.Store().Exec(w.t.Context(), `VACUUM INTO $1`, path)
	require.NoError(w.t, err)
	return path
}

// restore stops the bridge and puts a copy of its database in place, when the homeserver has
// forgotten the transaction ids of what it was sent.
func (w *world) restore(copied string) {
	w.t.Helper()
	w.stop()
	w.hs.ForgetSends()
	w.putBack(copied)
}

// putBack puts a copy in the place of the database of a bridge that does not run.
func (w *world) putBack(copied string) {
	w.t.Helper()
	text, err := os.ReadFile(copied)
	require.NoError(w.t, err)
	path := filepath.Join(w.dir, "bridge.db")
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(path + suffix)
	}
	require.NoError(w.t, os.WriteFile(path, text, 0o600))
}

// hasRow waits until the database knows a Matrix event as a message, so that receipts,
// edits and replies that name it work.
func (w *world) hasRow(event id.EventID) {
	w.t.Helper()
	w.eventually("the row of "+string(event), func() bool {
		row, err := w.main.Bridge.DB.Message.GetPartByMXID(w.t.Context(), event)
		return err == nil && row != nil
	})
}

// A backup is put back after messages went all ways, to old rooms and to one that was made
// later. Neither the network nor the homeserver recognises what is repeated.
func TestARestoredBackupDoublesNothing(t *testing.T) {
	for name, age := range map[string]struct {
		compared bool // the cursor is too old to synchronise
		token    bool // the homeserver knows the token of /sync
	}{"an hour old": {false, true}, "nine days old": {true, true}, "token unknown": {false, false}} {
		t.Run(name, func(t *testing.T) {
			w, alice, room := talk(t)
			alice.SendText(room, "before")
			w.waitTexts(direct, "first", "before")
			copied := w.backup()

			long := strings.Repeat("0123456789abcde\n", 8000) // two messages of Hangouts
			events := []id.EventID{alice.SendText(room, "same"), alice.SendText(room, "same"), alice.SendText(room, long)}
			w.eventually("all on Hangouts", func() bool { return len(w.texts(direct)) == 6 })
			w.network.Say(carl, direct, "answer")
			w.network.Say(anna, direct, "from my phone")
			alice.WaitText(room, "from my phone")
			w.network.Say(carl, group, "new room")
			family := w.room("new room")
			alice.WaitText(family, "new room")
			events = append(events, alice.SendText(family, "in the new room"))
			w.waitTexts(group, "new room", "in the new room")
			for _, e := range events {
				w.hasRow(e)
			}
			texts, lines, others := short(w.texts(direct)), w.shortLines(room), w.lines(family)

			w.stop()
			w.network.Say(carl, direct, "while it was down")
			w.hs.ForgetSends()
			w.putBack(copied)
			if age.compared {
				w.timing.OldestCursor = 1
			}
			if !age.token {
				w.breakToken()
			}
			w.start()
			w.network.Say(carl, direct, "after")
			alice.WaitText(room, "after")
			w.network.Say(carl, group, "after, too")
			alice.WaitText(family, "after, too")
			last := alice.SendText(room, "end")
			w.eventually("the last message", func() bool { all := w.texts(direct); return all[len(all)-1] == "end" })
			require.Equal(t, append(texts, "while it was down", "after", "end"), short(w.texts(direct)))
			require.Equal(t, append(lines, line{ghost(carl), "while it was down"}, line{ghost(carl), "after"}, line{alice.UserID(), "end"}), w.shortLines(room))
			w.waitLines(family, append(others, line{ghost(carl), "after, too"})...)
			w.waitTexts(group, "new room", "in the new room", "after, too")
			for _, e := range append(events, last) {
				w.hasRow(e)
			}
			require.Len(t, w.portalRooms(), 2)
			w.noSends()
		})
	}
}

// short shortens texts for messages of failed tests.
func short(texts []string) (out []string) {
	for _, text := range texts {
		if len(text) > 50 {
			text = fmt.Sprintf("%.16s... %d", text, len(text))
		}
		out = append(out, text)
	}
	return out
}

func (w *world) shortLines(room id.RoomID) (out []line) {
	for _, l := range w.lines(room) {
		out = append(out, line{l.Sender, short([]string{l.Body})[0]})
	}
	return out
}

// breakToken gives the database a token of /sync that the homeserver does not know.
func (w *world) breakToken() {
	w.t.Helper()
	main := w.newMain(w.hs.URL())
	require.NoError(w.t, main.Setup())
	require.NoError(w.t, main.Store().MatrixRooms().SetValue(w.t.Context(), "sync_token", "of another homeserver"))
	main.Shutdown()
}

// The homeserver knows neither the stored token of /sync nor what it still has to push: the
// events after the latest known one of each room are handled, and no older ones.
func TestUnknownTokenLosesNothing(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "before")
	w.waitTexts(direct, "first", "before")
	w.stop()
	alice.SendText(room, "1")
	alice.SendText(room, "2")
	require.NoError(t, w.hs.Restart())
	alice.SendText(room, "3, which it still has to push")
	w.breakToken()
	w.start()
	w.waitTexts(direct, "first", "before", "1", "2", "3, which it still has to push")
	alice.SendText(room, "4")
	w.waitTexts(direct, "first", "before", "1", "2", "3, which it still has to push", "4")
}

// What comes from Hangouts while the rooms are not read yet stands behind the missing events.
func TestUnknownTokenAndLaterMessages(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "before")
	w.waitTexts(direct, "first", "before")
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Status: http.StatusBadGateway})
	w.hs.PausePush("hangouts")
	alice.SendText(room, "1")
	alice.SendText(room, "2")
	w.stop()
	require.NoError(t, w.hs.Restart())
	w.breakToken()
	w.start()
	w.network.Say(carl, direct, "from carl")
	w.network.Say(anna, direct, "from my phone")
	alice.WaitText(room, "from my phone")
	stop()
	w.waitTexts(direct, "first", "before", "from carl", "from my phone", "1", "2")
}

// What a user wrote stands in the room before messages that were on the network earlier and that the database knows.
func TestForgottenMessageBeforeAKnownOne(t *testing.T) {
	w, alice, room := talk(t)
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodGet, Path: "/sync", User: string(bot), Status: http.StatusBadGateway})
	w.hs.PausePush("hangouts")
	mine := alice.SendText(room, "mine")
	w.network.Say(carl, direct, "from carl")
	alice.WaitText(room, "from carl")
	w.stop()
	w.network.SayAs(anna, direct, "mine", account.RequestID(ids.MakeOrigin(mine, 0))) // by a run that the database has forgotten
	w.start()
	w.network.Say(carl, direct, "after")
	alice.WaitText(room, "after")
	stop()
	w.hasRow(mine)
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "mine"}, line{ghost(carl), "from carl"}, line{ghost(carl), "after"})
	w.waitTexts(direct, "first", "from carl", "mine", "after")
}

// A request that the network has carried out twice is two messages: both are in the room,
// and so is what follows.
func TestARequestCarriedOutTwice(t *testing.T) {
	for name, known := range map[string]bool{"the first one known": true, "both forgotten": false} {
		t.Run(name, func(t *testing.T) {
			w, alice, room := talk(t)
			copied := w.backup()
			mine := alice.SendText(room, "mine")
			w.waitTexts(direct, "first", "mine")
			w.hasRow(mine)
			w.stop()
			if !known {
				w.putBack(copied)
			}
			w.network.SayAs(anna, direct, "mine", account.RequestID(ids.MakeOrigin(mine, 0)))
			w.start()
			w.network.Say(carl, direct, "after")
			alice.WaitText(room, "after")
			w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "mine"}, line{alice.UserID(), "mine"}, line{ghost(carl), "after"})
			w.waitTexts(direct, "first", "mine", "mine", "after")
		})
	}
}

// In a room that two logins share, one account comes back later than the other, or not at
// all: what its user wrote in the room is not shown again.
func TestARestoredBackupInASharedRoom(t *testing.T) {
	for name, refused := range map[string]bool{"both come back": false, "one login is refused": true} {
		t.Run(name, func(t *testing.T) {
			w, alice, bob, room := shared(t)
			copied := w.backup()
			bob.SendText(room, "from bob")
			w.waitTexts(group, "first", "from bob")
			alice.SendText(room, "from alice")
			w.waitTexts(group, "first", "from bob", "from alice")
			w.network.Say(bert, group, "from bob's phone")
			alice.WaitText(room, "from bob's phone")
			want := w.lines(room)
			w.restore(copied)
			if refused {
				w.network.Refuse(bert, true)
			}
			w.start()
			w.network.Say(carl, group, "after")
			alice.WaitText(room, "after")
			w.waitLines(room, append(want, line{ghost(carl), "after"})...)
			w.waitTexts(group, "first", "from bob", "from alice", "from bob's phone", "after")
		})
	}
}

// Only the author's own copy says which of two equal texts was written in the room: another account's copy waits for it.
func TestARestoredBackupWaitsForTheAuthorsCopy(t *testing.T) {
	w, alice, bob, room := shared(t)
	copied := w.backup()
	w.network.Say(bert, group, "same") // on his phone
	alice.WaitText(room, "same")
	bob.SendText(room, "same")
	w.waitTexts(group, "first", "same", "same")
	w.network.Say(carl, group, "answer")
	alice.WaitText(room, "answer")
	want := w.lines(room)
	w.restore(copied)
	var late atomic.Bool
	var tries atomic.Int32
	late.Store(true)
	w.network.OnSync(func(person chat.PersonID) error {
		if person == bert && late.Load() {
			tries.Add(1)
			return chat.ErrUnavailable
		}
		return nil
	})
	w.start()
	w.eventually("bert's account to be in vain for a while", func() bool { return tries.Load() >= 10 })
	late.Store(false)
	w.network.Say(carl, group, "after")
	alice.WaitText(room, "after")
	w.waitLines(room, append(want, line{ghost(carl), "after"})...)
}

// A send that an earlier run began, and the homeserver has made and forgotten, is found.
func TestARoomIsReadOnceInARun(t *testing.T) {
	w, alice, room := talk(t)
	w.stop()
	w.start()
	began := len(w.hs.Requests(nil))
	for _, text := range []string{"1", "2", "3"} {
		w.network.Say(carl, direct, text)
		alice.WaitText(room, text)
	}
	looks := 0
	for _, r := range w.hs.Requests(nil)[began:] {
		if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/messages") && r.User == bot {
			looks++
		}
	}
	require.Equal(t, 1, looks)
}
