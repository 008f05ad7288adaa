package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/zeroconfig"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// waitNotice waits until the bot has said something that holds a text.
func (w *world) waitNotice(room id.RoomID, part string) {
	w.t.Helper()
	w.eventually("the bot to say "+part, func() bool {
		for _, e := range w.hs.Messages(room) {
			if e.Sender == bot && strings.Contains(e.Content.AsMessage().Body, part) {
				return true
			}
		}
		return false
	})
}

// asked waits until the bot takes the next message of a user as an answer.
func (w *world) asked(user id.UserID) {
	w.t.Helper()
	w.eventually("the question", func() bool {
		person, err := w.main.Bridge.GetUserByMXID(w.t.Context(), user)
		return err == nil && commands.LoadCommandState(person) != nil
	})
}

// shown reports whether any message of a room still holds a text.
func (w *world) shown(room id.RoomID, text string) bool {
	for _, e := range w.hs.Events(room) {
		if e.Type == event.EventMessage && strings.Contains(e.Content.AsMessage().Body, text) {
			return true
		}
	}
	return false
}

func TestLoginSecretsLeaveTheRoom(t *testing.T) {
	for name, dialogue := range map[string][]string{
		"token in the command": {"login token " + string(anna)},
		"token when asked":     {"login token", string(anna)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice := w.user("alice")
			room := alice.CreateDM(bot)
			w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
			for n, text := range dialogue {
				before := len(w.notices(room))
				alice.SendText(room, text)
				w.eventually("an answer", func() bool { return len(w.notices(room)) > before })
				if n+1 < len(dialogue) {
					w.asked(alice.UserID())
				}
			}
			w.waitNotice(room, "Logged in as Anna Ahrens")
			require.False(t, w.shown(room, string(anna)), "the secret is redacted and never repeated")
			session, ok := w.manager.Get(anna)
			require.True(t, ok)
			grants, err := w.manager.Grants(t.Context(), anna, account.User{})
			require.NoError(t, err)
			require.Equal(t, []account.Grant{{Account: anna, User: account.User{Side: chat.OriginMatrix, ID: string(alice.UserID())}, Role: account.RoleOwner}}, grants)
			require.Equal(t, anna, session.ID())
			meta := w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)).Metadata
			require.Equal(t, &ids.LoginMetadata{Account: anna}, meta, "nothing but the key")
		})
	}
}

func TestLoginByCookies(t *testing.T) {
	const secret = "ThatsMySecretCookie"
	for name, c := range map[string]struct{ paste, says string }{
		"JSON":                {`{"SAPISID":"` + secret + `","SID":"` + secret + `","EXTRA":"x"}`, "does not accept these credentials"},
		"cURL":                {`curl 'https://hangouts.google.com/' -H 'Cookie: SAPISID=` + secret + `; SID=` + secret + `; NID=y'`, "does not accept these credentials"},
		"a cookie is missing": {`{"SID":"` + secret + `"}`, "Missing some keys"},
		"not JSON":            {secret, "Failed to parse input"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice := w.user("alice")
			room := alice.CreateDM(bot)
			w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
			alice.SendText(room, "login cookies")
			w.waitNotice(room, "private window")
			w.asked(alice.UserID())
			alice.SendText(room, c.paste)
			w.waitNotice(room, c.says)
			w.eventually("the secret to go", func() bool { return !w.shown(room, secret) })
			_, ok := w.manager.Get(anna)
			require.False(t, ok)
		})
	}
}

func TestLoginOfAnothersAccountIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	room := bob.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	bob.SendText(room, "login token "+string(anna))
	w.waitNotice(room, "logged in by another Matrix user")
	require.Equal(t, alice.UserID(), w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)).UserMXID)
}

// Bad credentials are one state, told once; logging in again keeps the rooms.
func TestBadCredentialsAndLoginAgain(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	w.network.Say(carl, direct, "first")
	room := w.room("first")
	alice.WaitText(room, "first")
	w.network.Refuse(anna, true)
	w.network.Cut(anna)
	w.waitNotice(management, "does not accept your login any more")
	alice.SendText(room, "nobody home")
	w.waitNotice(room, "was not bridged")
	w.network.Refuse(anna, false)
	w.network.Say(carl, direct, "meanwhile")
	alice.SendText(management, "relogin "+string(anna)+" token "+string(anna))
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "nobody home"}, line{ghost(carl), "meanwhile"})
	alice.SendText(room, "back again")
	w.waitTexts(direct, "first", "meanwhile", "back again")
	require.Len(t, w.roomsMadeBy(bot, string(direct)), 1)
}

func TestLogoutRemovesTheAccountUnlessOthersUseIt(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "IRC uses it too": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			alice := w.user("alice")
			management := w.login(alice, anna)
			if shared {
				require.NoError(t, w.manager.Grant(t.Context(), account.Grant{Account: anna, User: account.User{Side: chat.OriginIRC, ID: "anna"}, Role: account.RoleUser}))
			}
			alice.SendText(management, "logout "+string(anna))
			w.waitNotice(management, "Logged out")
			_, ok := w.manager.Get(anna)
			require.Equal(t, shared, ok)
			require.Nil(t, w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)))
		})
	}
}

// An account that is removed elsewhere ends the login.
func TestAccountRemovedElsewhere(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.login(w.user("alice"), anna)
	require.NoError(t, w.manager.Remove(t.Context(), anna))
	w.eventually("the login to end", func() bool { return w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)) == nil })
}

// An account that was logged in from the terminal for a Matrix user becomes their login.
func TestAccountFromTheTerminal(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	w.stop()
	db, err := database.Open(bridge.DBOwner, "sqlite3-fk-wal", fmt.Sprintf("file:%s?_txlock=immediate", filepath.Join(w.dir, "bridge.db")), zerolog.Nop())
	require.NoError(t, err)
	manager := account.NewManager(db, w.network, quick, zerolog.Nop())
	_, err = manager.Login(t.Context(), chat.Credentials{RefreshToken: string(anna)}, account.User{Side: chat.OriginMatrix, ID: string(alice.UserID())})
	require.NoError(t, err)
	manager.Stop()
	require.NoError(t, db.Close())
	w.start()
	w.network.Say(carl, direct, "hello")
	alice.WaitText(w.room("hello"), "hello")
}

// The row of a message that was sent must exist even when its handler could not write it;
// and the message is never sent back.
func TestRowOfOwnMessageIsMadeUp(t *testing.T) {
	w, alice, room := talk(t)
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("down: %w", chat.ErrUnavailable)}
	})
	sent := alice.SendText(room, "mine")
	w.eventually("the request", func() bool {
		var n int
		err := w.main.Store().QueryRow(t.Context(), "SELECT COUNT(*) FROM outbox WHERE origin='matrix'").Scan(&n)
		return err == nil && n == 1
	})
	w.stop()
	w.reopen("UPDATE matrix_inbox SET done=true")
	w.network.OnSend(nil)
	w.start()
	w.waitTexts(direct, "first", "mine")
	w.network.Say(carl, direct, "after")
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "mine"}, line{ghost(carl), "after"})
	row, err := w.main.Bridge.DB.Message.GetPartByMXID(t.Context(), sent)
	require.NoError(t, err)
	require.NotNil(t, row)
	require.Equal(t, w.network.Events(direct)[1].Time, row.Timestamp.UnixMicro())
}

// reopen changes the database of a bridge that does not run.
func (w *world) reopen(query string, args ...any) {
	w.t.Helper()
	db, err := database.Open(bridge.DBOwner, "sqlite3-fk-wal", fmt.Sprintf("file:%s?_txlock=immediate", filepath.Join(w.dir, "bridge.db")), zerolog.Nop())
	require.NoError(w.t, err)
	_, err = db.Exec(w.t.Context(), query, args...)
	require.NoError(w.t, err)
	require.NoError(w.t, db.Close())
}

func TestNoSecretInTheLog(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(w.dir, "bridge.log")
	w.change = func(c *bridgeconfig.Config) {
		level := zerolog.DebugLevel
		c.Logging.MinLevel = &level
		c.Logging.Writers = []zeroconfig.WriterConfig{{Type: zeroconfig.WriterTypeFile, Format: zeroconfig.LogFormatJSON, FileConfig: zeroconfig.FileConfig{Filename: log}}}
	}
	w.start()
	w.login(w.user("alice"), anna)
	w.hs.Inject(nullhs.Fault{Method: "PUT", Path: "/send/m.room.message/", Drop: true, Times: 2})
	w.network.Say(carl, direct, "a very private message")
	w.room("a very private message")
	w.stop()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	require.Contains(t, string(text), "/send/m.room.message/", "requests are logged")
	require.NotContains(t, string(text), "a very private message")
	require.NotContains(t, string(text), w.tokens.AppToken)
}

// Commands of the framework that look into the types which we wrap.
func TestCommandsOfTheFramework(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "!hangouts ping-matrix")
	w.waitNotice(room, "appservice double puppeting")
	alice.SendText(room, "!hangouts discard-megolm-session")
	w.waitNotice(room, "doesn't have end-to-bridge encryption")
	alice.SendText(room, "!hangouts set-pl 55")
	w.eventually("the power level", func() bool {
		return w.hs.State(room, "m.room.power_levels", "").Content.AsPowerLevels().GetUserLevel(alice.UserID()) == 55
	})
	require.Equal(t, []string{"first"}, w.texts(direct))
}
