package stage

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// Login makes the Matrix user alice and logs an account in for her through the bot.
func (s *Stage) Login(hs mxclient.Homeserver, who Account) {
	s.T.Helper()
	s.Alice = s.LoginAs(hs, "alice", who)
}

// LoginAs makes a Matrix user and logs an account in for them through the bot.
func (s *Stage) LoginAs(hs mxclient.Homeserver, name string, who Account) *mxclient.Client {
	s.T.Helper()
	user := mxclient.New(s.T, hs, name)
	s.Bring(user, who)
	return user
}

// Bring has a Matrix user talk to the bot, and log an account in.
func (s *Stage) Bring(user *mxclient.Client, who Account) {
	s.T.Helper()
	s.Bridge.WaitPort(s.ASAddr)
	user.AutoJoin()
	user.WaitFor("the bot", func() bool {
		_, err := user.Matrix.GetProfile(context.Background(), Bot)
		return err == nil
	})
	room := user.CreateDM(Bot)
	user.WaitFor("the bot joins", func() bool { return user.Members(room)[Bot] == "join" })
	s.management[user.UserID()] = room
	s.LogIn(user, who)
}

// ManagementRoom is a user's room with the bot.
func (s *Stage) ManagementRoom(user *mxclient.Client) id.RoomID { return s.management[user.UserID()] }

// answerPatience is how long an answer of the bot may take before a command is repeated: what is killed
// while it handles one does not handle it again.
const answerPatience = 15 * time.Second

// loginPatience bounds a login and a logout.
const loginPatience = 2 * time.Minute

// LogIn logs an account in for a user of LoginAs through the bot.
func (s *Stage) LogIn(user *mxclient.Client, who Account) {
	s.T.Helper()
	s.Eventually(loginPatience, "the login of "+who.GaiaID, func() bool {
		if s.ask(user, "login token", "Please enter your refresh token") {
			// The bot takes the answer to its question only some moments after it has asked.
			for s.ask(user, who.RefreshToken, "Logged in as", "Unknown command") && !s.LoggedIn(who) {
			}
		}
		return s.LoggedIn(who)
	})
}

// LogOut logs an account out for a user of LoginAs through the bot.
func (s *Stage) LogOut(user *mxclient.Client, who Account) {
	s.T.Helper()
	s.Eventually(loginPatience, "the logout of "+who.GaiaID, func() bool {
		return s.ask(user, "logout "+who.GaiaID, "Logged out", "not found") && !s.LoggedIn(who)
	})
}

// LoggedIn reports whether the database has a Matrix login for an account.
func (s *Stage) LoggedIn(who Account) bool {
	s.T.Helper()
	logins, err := s.Column("SELECT id FROM user_login")
	s.must(err)
	return slices.Contains(logins, who.GaiaID)
}

// ask writes to the bot and reports whether one of some texts is in an answer that comes in time.
func (s *Stage) ask(user *mxclient.Client, text string, answers ...string) bool {
	s.T.Helper()
	room := s.management[user.UserID()]
	before := s.answers(user, room, answers)
	user.SendText(room, text)
	return wait.Holds(answerPatience, func() bool { return s.answers(user, room, answers) > before })
}

// answers counts the bot's messages with one of some texts.
func (s *Stage) answers(user *mxclient.Client, room id.RoomID, texts []string) (n int) {
	for _, e := range user.Timeline(room) {
		if e.Sender == Bot && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(e.Content.AsMessage().Body, text) }) {
			n++
		}
	}
	return n
}

// GrantIRC gives an account to the IRC user alice, from the terminal.
func (s *Stage) GrantIRC(who Account) {
	s.T.Helper()
	file := filepath.Join(s.Dir, "token")
	s.must(os.WriteFile(file, []byte(who.RefreshToken+"\n"), 0o600))
	s.Command("login", "-c", s.Config(), "-refresh-token", file, "-irc-user", "alice")
}

// IRCPassword is GrantIRC, and returns a password.
func (s *Stage) IRCPassword(who Account) string {
	s.T.Helper()
	s.GrantIRC(who)
	return s.command("irc-password", "-c", s.Config(), "alice").WaitStdout("") // on the other output may be that the disk is slow
}
