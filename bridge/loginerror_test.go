package bridge_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// chatty is a back end whose errors repeat the credentials.
type chatty struct{ account.Backend }

func (chatty) Authenticate(_ context.Context, c chat.Credentials) (account.Identity, error) {
	return account.Identity{}, fmt.Errorf("post token=%s&sid=%s: connection reset", c.RefreshToken, c.Cookies["SID"])
}

// No error of a login repeats the credentials, in the room, in the answer of the
// provisioning API, or in the log.
func TestLoginErrorsRepeatNothing(t *testing.T) {
	const private = "very-private"
	w := newWorld(t)
	w.backend = chatty{w.network}
	log := filepath.Join(w.dir, "bridge.log")
	w.logTo(log)
	toFile := w.change
	w.change = func(c *bridgeconfig.Config) {
		toFile(c)
		c.Provisioning.AllowMatrixAuth, c.Provisioning.SharedSecret = true, "0123456789abcdef"
	}
	w.start()
	alice := w.user("alice")
	room := alice.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	alice.SendText(room, "login token "+private)
	w.waitNotice(room, "The login failed")
	alice.SendText(room, "login cookies")
	w.asked(alice.UserID())
	alice.SendText(room, `{"SAPISID":"`+private+`","SID":"`+private+`"}`)
	w.eventually("the second failure", func() bool { return w.question(alice.UserID()) == nil })
	for flow, step := range map[string]struct{ path, body string }{
		"token":   {tokenStep, `{"refresh_token":"` + private + `"}`},
		"cookies": {"com.github.hangouts-bridge.cookies/cookies", `{"SAPISID":"` + private + `","SID":"` + private + `"}`},
	} {
		status, answer := w.provision(alice, "POST /v3/login/step/"+w.beginLogin(alice, flow)+"/"+step.path, step.body)
		require.Equal(t, 500, status)
		require.Contains(t, answer, "The login failed")
		require.NotContains(t, answer, private)
		require.NotContains(t, answer, "connection reset")
	}
	require.False(t, w.shown(room, private))
	w.stop()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "connection reset", "the log says why")
	require.NotContains(t, string(text), private)
}

// The pages that a login names are those of the configured service.
func TestLoginNamesTheConfiguredPages(t *testing.T) {
	w := newWorld(t)
	w.options.Pages = func() bridge.Pages {
		return bridge.Pages{Site: "https://chat.example.com/", Code: "https://login.example.com/?x=%2F"}
	}
	w.start()
	alice := w.user("alice")
	room := alice.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	for flow, says := range map[string]string{"cookies": "https://chat.example.com", "code": "https://login.example.com/?x=%2F"} {
		alice.SendText(room, "login "+flow)
		w.waitNotice(room, says)
		w.asked(alice.UserID())
		alice.SendText(room, "cancel")
		w.eventually("the end of the login", func() bool { return w.question(alice.UserID()) == nil })
	}
	for _, notice := range w.notices(room) {
		require.NotContains(t, notice, "hangouts.google.com")
	}
	require.Equal(t, "https://chat.example.com", w.main.Bridge.Network.GetName().NetworkURL)
}
