package homeserver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
)

// Somebody logs in through the provisioning API, as an application does, finds the rooms in a space of their own, and relays
// somebody who has no account.
func TestProvisioningSpaceAndRelay(t *testing.T) {
	w := newStage(t, func(s *stage.Stage) {
		s.Set("bridge.permissions", map[string]string{stage.Domain: "relay", "@alice:" + stage.Domain: "admin"})
		s.Set("bridge.relay.enabled", true)
		s.Set("bridge.personal_filtering_spaces", true)
		s.Set("provisioning.allow_matrix_auth", true)
	}, synapse.Options{})
	alice := mxclient.New(t, w.synapse, "alice")
	alice.AutoJoin()
	eve := mxclient.New(t, w.synapse, "eve")

	status, answer := w.ask(alice, "GET /v3/login/flows", nil)
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, `"token"`)
	status, answer = w.ask(eve, "POST /v3/login/start/token", nil)
	require.Equal(t, http.StatusForbidden, status, answer)
	_, answer = w.ask(alice, "POST /v3/login/start/token", nil)
	var begun struct {
		LoginID string `json:"login_id"`
		StepID  string `json:"step_id"`
		Input   struct {
			Fields []struct{ ID, Type string }
		} `json:"user_input"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &begun), answer)
	require.Len(t, begun.Input.Fields, 1)
	step := "POST /v3/login/step/" + begun.LoginID + "/" + begun.StepID + "/user_input"
	status, answer = w.ask(alice, step, map[string]string{begun.Input.Fields[0].ID: w.account("alice").RefreshToken})
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, w.account("alice").GaiaID)
	w.Eventually(patience, "the account to be connected", func() bool {
		_, answer = w.ask(alice, "GET /v3/whoami", nil)
		return strings.Contains(answer, `"CONNECTED"`)
	})
	require.NotContains(t, answer, w.account("alice").RefreshToken)
	status, answer = w.ask(alice, "GET /v3/contacts", nil)
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, w.account("bob").GaiaID)
	status, answer = w.ask(alice, "GET /v3/resolve_identifier/"+w.account("bob").GaiaID, nil)
	require.Equal(t, 200, status, answer)

	w.room = alice.WaitRoom("Trio")
	alice.WaitText(w.room, "welcome")
	var space id.RoomID
	w.Eventually(patience, "the space", func() bool {
		for _, room := range alice.Rooms() {
			if alice.State(room, event.StateSpaceChild, string(w.room)) != nil {
				space = room
			}
		}
		return space != ""
	})
	created := alice.State(space, event.StateCreate, "")
	require.EqualValues(t, event.RoomTypeSpace, created.Content.AsCreate().Type)
	require.Equal(t, map[id.UserID]event.Membership{alice.UserID(): event.MembershipJoin, stage.Bot: event.MembershipJoin}, alice.Members(space))

	require.Contains(t, w.answered(alice, w.room, "!hangouts set-relay"), "will now be relayed")
	alice.Invite(w.room, eve.UserID())
	w.Eventually(patience, "eve's invitation", func() bool { return slices.Contains(eve.Invites(), w.room) })
	eve.Join(w.room)
	eve.SendText(w.room, "may I?")
	w.wait("eve: may I?")
	eve.Send(w.room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgEmote, Body: "waves"})
	w.wait("* eve waves")
	alice.SendText(w.room, "of course")
	w.wait("of course")
	before, _ := w.hangouts.Conversation("trio")
	_, err := eve.Matrix.SendStateEvent(context.Background(), w.room, event.StateRoomName, "", &event.RoomNameEventContent{Name: "Eve's"})
	require.ErrorIs(t, err, mautrix.MForbidden, "she has no power in the room")
	_, err = w.hangouts.Person("bob").Send("trio", "hello eve")
	require.NoError(t, err)
	w.heard(eve, w.room, "hello eve")
	after, _ := w.hangouts.Conversation("trio")
	require.Equal(t, before.Name, after.Name)
	require.Contains(t, w.answered(alice, w.room, "!hangouts unset-relay"), "Stopped relaying")
	eve.SendText(w.room, "not any more")
	alice.SendText(w.room, "the last")
	w.wait("the last")
	require.Equal(t, []string{"eve: may I?", "* eve waves", "of course", "hello eve", "the last"}, w.texts())

	status, answer = w.ask(alice, "POST /v3/logout/"+w.account("alice").GaiaID, nil)
	require.Equal(t, 200, status, answer)
	w.Eventually(patience, "the end of the login", func() bool {
		_, answer := w.ask(alice, "GET /v3/whoami", nil)
		return !strings.Contains(answer, w.account("alice").GaiaID)
	})
}

// ask asks the provisioning API with a person's own access token.
func (w *world) ask(user *mxclient.Client, call string, body any) (status int, answer string) {
	w.T.Helper()
	method, path, _ := strings.Cut(call, " ")
	text, err := json.Marshal(body)
	require.NoError(w.T, err)
	req, err := http.NewRequestWithContext(w.T.Context(), method, "http://"+w.ASAddr+"/_matrix/provision"+path+"?user_id="+url.QueryEscape(string(user.UserID())), bytes.NewReader(text))
	require.NoError(w.T, err)
	req.Header.Set("Authorization", "Bearer "+user.Matrix.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.T, err)
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	require.NoError(w.T, err)
	return resp.StatusCode, string(text)
}
