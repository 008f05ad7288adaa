package homeserver

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// helpLine is a command in the bot's help.
var helpLine = regexp.MustCompile(`(?m)^\*\*([a-z-]+)\*\* `)

// answered writes to the bot and waits until it has written something new in the room.
func (w *world) answered(user *mxclient.Client, room id.RoomID, text string) (answer string) {
	w.T.Helper()
	said := func() (bodies []string) {
		for _, e := range user.Timeline(room) {
			if e.Sender == stage.Bot && e.Type.Type == "m.room.message" {
				bodies = append(bodies, e.Content.AsMessage().Body)
			}
		}
		return bodies
	}
	before := len(said())
	user.SendText(room, text)
	w.Eventually(patience, "an answer to "+text, func() bool { return len(said()) > before })
	return said()[before]
}

// heard waits until a room shows a text.
func (w *world) heard(user *mxclient.Client, room id.RoomID, text string) {
	w.T.Helper()
	w.Eventually(patience, text, func() bool {
		return slices.ContainsFunc(user.Texts(room), func(line string) bool { return strings.Contains(line, text) })
	})
}

// Two people use the bridge. One of them tries all that the help and the provisioning API
// offer against the other, whose login and rooms stay as they are.
func TestTheOthersLoginIsSafe(t *testing.T) {
	w := newWorldWith(t, func(s *stage.Stage) {
		s.Set("bridge.permissions", map[string]string{stage.Domain: "user"})
		s.Set("bridge.relay.enabled", true)
		s.Set("provisioning.allow_matrix_auth", true)
		s.Set("provisioning.shared_secret", strings.Repeat("s", 32))
	})
	login := w.hangouts.Person("alice").GaiaID()
	mallory := w.LoginAs(w.synapse, "mallory", w.account("dave"))
	team := mallory.WaitRoom("Team")
	w.heard(mallory, team, "welcome")
	var management id.RoomID
	w.Eventually(patience, "the management room", func() bool {
		i := slices.IndexFunc(mallory.Rooms(), func(room id.RoomID) bool {
			return len(mallory.Members(room)) == 2 && mallory.RoomName(room) == ""
		})
		if i >= 0 {
			management = mallory.Rooms()[i]
		}
		return i >= 0
	})
	trio, ok := w.hangouts.Conversation("trio")
	require.True(t, ok)
	help := w.answered(mallory, management, "help")
	commands := helpLine.FindAllStringSubmatch(help, -1)
	require.Greater(t, len(commands), 15, help)
	for _, unsupported := range []string{"block-user", "import-image-pack", "sudo", "delete-portal"} {
		require.NotContains(t, help, "**"+unsupported+"**", "it would not work")
	}
	for _, command := range commands {
		for _, args := range []string{" " + login + " token", " " + login + " " + trio.ID} {
			answer := w.answered(mallory, management, command[1]+args)
			require.NotContains(t, answer, "Logged out")
			require.NotContains(t, answer, "@alice")
			w.answered(mallory, management, "cancel")
		}
		w.answered(mallory, management, "doin "+string(w.room)+" "+command[1]+" "+login)
	}
	for call, want := range map[string]int{
		"POST /v3/logout/" + login: 404, "POST /v3/login/start/token?login_id=" + login: 404, "GET /v3/contacts?login_id=" + login: 404,
		"POST /v3/backfill/" + url.PathEscape(string(w.room)): 404, "GET /v3/whoami?x=y": 200,
	} {
		status, answer := provision(t, w.ASAddr, mallory, call)
		require.Equal(t, want, status, "%s: %s", call, answer)
		require.NotContains(t, answer, login)
	}
	w.say("still here")
	w.wait("still here")
	_, err := w.hangouts.Person("bob").Send("trio", "so am I")
	require.NoError(t, err)
	w.heard(w.Alice, w.room, "so am I")
	require.NotContains(t, w.Alice.Members(w.room), mallory.UserID())
}

// provision asks the provisioning API with a person's own access token.
func provision(t *testing.T, addr string, user *mxclient.Client, call string) (status int, answer string) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	address := "http://" + addr + "/_matrix/provision" + path + separator + "user_id=" + url.QueryEscape(string(user.UserID()))
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+user.Matrix.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// gone waits until the homeserver shows an event without content.
func gone(t *testing.T, w *world, user *mxclient.Client, room id.RoomID, sent id.EventID) {
	t.Helper()
	w.Eventually(patience, "the message to be removed", func() bool {
		e, err := user.Matrix.GetEvent(context.Background(), room, sent)
		return err == nil && len(e.Content.Raw) == 0
	})
}

// A credential leaves the room it was written in, on a real homeserver: a conversation's, the
// management room, and a direct room in which the bot has no power.
func TestSecretsLeaveTheRoom(t *testing.T) {
	w := newWorld(t)
	const token = "1//0gThatsMySecretWhichIsLongEnough_-x"
	sent := w.Alice.SendText(w.room, token)
	gone(t, w, w.Alice, w.room, sent)
	w.heard(w.Alice, w.room, "I removed your message from the room")
	w.Alice.SendText(w.room, "!hangouts send-anyway for example "+token)
	w.wait("for example " + token)
	require.Equal(t, []string{"for example " + token}, w.texts())

	eve := mxclient.New(t, w.synapse, "eve")
	eve.AutoJoin()
	room := eve.CreateRoom(&mautrix.ReqCreateRoom{IsDirect: true, Invite: []id.UserID{stage.Bot}})
	w.Eventually(patience, "the bot to join", func() bool { return eve.Members(room)[stage.Bot] == "join" })
	w.heard(eve, room, "I ask for what I need, and only here")
	w.answered(eve, room, "login token")
	w.heard(eve, room, "Your message is removed from the room at once") // as her own: she has a double puppet
	w.heard(eve, room, "Please enter your refresh token")
	sent = eve.SendText(room, w.hangouts.Person("carol").RefreshToken())
	w.heard(eve, room, "Logged in as")
	gone(t, w, eve, room, sent)

	w.answered(eve, room, "login cookies")
	w.heard(eve, room, "Login URL")
	var exported []map[string]any
	for name, value := range w.hangouts.Person("dave").Cookies() {
		exported = append(exported, map[string]any{"name": name, "value": value, "domain": ".google.com", "httpOnly": true})
	}
	list, err := json.Marshal(exported)
	require.NoError(t, err)
	sent = eve.SendText(room, string(list))
	w.heard(eve, room, "Logged in as Dave")
	gone(t, w, eve, room, sent)
}
