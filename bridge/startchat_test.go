package bridge_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// A ghost that is invited to a new direct room makes it the conversation with its person.
func TestInviteToADirectRoom(t *testing.T) {
	w, alice, family := managed(t)
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{dora}}})
	w.eventually("dora's ghost", func() bool { return w.hs.Membership(family, ghost(dora)) == "join" })
	room := alice.CreateDM(ghost(dora))
	w.eventually("the room to be a conversation", func() bool { return slices.Contains(w.portalRooms(), room) })
	alice.SendText(room, "hello Dora")
	made := w.did(chat.RequestCreate)
	require.Len(t, made, 1)
	require.Equal(t, []chat.PersonID{dora}, made[0].Create.People)
	id := chat.ConversationID("created-one_to_one-" + string(dora))
	w.waitTexts(id, "hello Dora")
	w.network.Say(dora, id, "hello Anna")
	alice.WaitText(room, "hello Anna")

	stranger := w.user("stranger")
	other := stranger.CreateDM(ghost(dora))
	w.eventually("a stranger to be refused", func() bool { return w.hs.Membership(other, ghost(dora)) == "leave" })
	require.Len(t, w.did(chat.RequestCreate), 1)
}

func TestStartChatByCommand(t *testing.T) {
	w, alice, room := managed(t)
	management := alice.CreateRoom(&mautrix.ReqCreateRoom{Invite: []id.UserID{bot}})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(management, bot) == "join" })
	alice.SendText(management, "!hangouts search conrad")
	w.waitNotice(management, string(carl))
	alice.SendText(management, "!hangouts start-chat "+string(dora))
	w.waitNotice(management, "direct chat with")
	w.network.Say(dora, chat.ConversationID("created-one_to_one-"+string(dora)), "hello Anna")
	direct := w.room("hello Anna")
	require.NotEqual(t, room, direct)

	w.fail(chat.RequestCreate, accounttest.Fault{Err: chat.ErrRefused})
	alice.SendText(management, "!hangouts start-chat "+string(bert))
	w.waitNotice(management, "Hangouts refused it")
	alice.SendText(management, "!hangouts start-chat nobody@example.com")
	w.waitNotice(management, "not found")
	require.Len(t, w.did(chat.RequestCreate), 1)
	require.Len(t, w.roomsMadeBy(bot, "created-"), 1)

	w.network.OnSend(nil) // what was refused once may be tried again
	alice.SendText(management, "!hangouts start-chat "+string(bert))
	w.eventually("the chat with bert", func() bool { return len(w.did(chat.RequestCreate)) == 2 })
}

// ask sends a command and waits for the answer to it.
func (w *world) ask(alice *mxclient.Client, room id.RoomID, command, says string) {
	w.t.Helper()
	heard := len(w.notices(room))
	alice.SendText(room, "!hangouts "+command)
	defer func() {
		if w.t.Failed() {
			w.t.Log(w.notices(room)[heard:])
		}
	}()
	w.eventually("an answer to "+command+": "+says, func() bool {
		return slices.ContainsFunc(w.notices(room)[heard:], func(notice string) bool { return strings.Contains(notice, says) })
	})
}

// People whom the account does not know are found by name, address and number, and chats begun.
func TestStrangersAreFound(t *testing.T) {
	w, alice, _ := managed(t)
	w.network.AddContact(dora, "dora@example.com", "+15551230000")
	w.network.AddPerson("200000000000000000001", "Dora [Evil](https://evil.example)")
	management := w.managementRoom(alice)
	for _, c := range []struct{ command, says string }{
		{"search dora", "Dora Dahl"},
		{"search dora", "Dora [Evil](https://evil.example)"}, // as text, not as a link
		{"search dora@example.com", string(dora)},
		{"search +1 (555) 123-0000", string(dora)},
		{"search xyzzy", "Nobody was found."},
		{"search", "Usage"},
		{"search 0151 234567", "country code"},
		{"search a@b@c", "no e-mail address"},
		{"resolve-identifier DORA@example.com", "Found `" + string(dora)},
		{"resolve-identifier tel:+15551230000", "Found `" + string(dora)},
		{"resolve-identifier Dora Dahl", "Found `" + string(dora)},
		{"resolve-identifier Dora", "several people are called so"},
		{"resolve-identifier 015112345678", "begins with + and its country code"},
		{"start-chat +1 555 1", "no telephone number"},
		{"start-chat mailto:dora@example.com", "direct chat with"},
		{"start-chat +15551230000", "direct chat with"},
	} {
		w.ask(alice, management, c.command, c.says)
	}
	for _, made := range w.did(chat.RequestCreate) {
		require.Equal(t, []chat.PersonID{dora}, made.Create.People)
	}
	require.Len(t, w.roomsMadeBy(bot, "created-one"), 1)
	w.network.FailQueries(chat.ErrUnavailable)
	w.ask(alice, management, "search xyzzy", "Hangouts cannot be reached.")
	w.ask(alice, management, "search conrad", string(carl)) // known without the network
}

func TestStrangersAreFoundByTheProvisioningAPI(t *testing.T) {
	w := newMallorys(t)
	w.network.AddPerson(dora, "Dora Dahl")
	w.network.AddContact(dora, "dora@example.com", "+15551230000")
	call := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+w.addr()+"/_matrix/provision"+path+"user_id="+url.QueryEscape(string(w.mallory.UserID())), strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+strings.Repeat("s", 32))
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(answer)
	}
	for _, c := range []struct {
		method, path, body string
		code               int
		has                string
	}{
		{"POST", "/v3/search_users?", `{"query":"dora"}`, 200, string(dora)},
		{"POST", "/v3/search_users?", `{"query":"xyzzy"}`, 200, `"results":[]`},
		{"POST", "/v3/search_users?", `{"query":"0151 234567"}`, 400, "country code"},
		{"GET", "/v3/resolve_identifier/dora@example.com?", "", 200, string(dora)},
		{"GET", "/v3/resolve_identifier/%2B15551230000?", "", 200, string(dora)},
		{"GET", "/v3/resolve_identifier/nobody@example.com?", "", 404, "not found"},
		{"GET", "/v3/resolve_identifier/a@b@c?", "", 400, "no e-mail"},
		{"POST", "/v3/create_group/group?", `{"name":{"name":"Trip"},"participants":["` + string(dora) + `"]}`, 200, "created-group-Trip"},
		{"POST", "/v3/create_dm/dora@example.com?", "", 200, "dm_room_mxid"},
	} {
		code, answer := call(c.method, c.path, c.body)
		require.Equal(t, c.code, code, "%s: %s", c.path, answer)
		require.Contains(t, answer, c.has, c.path)
	}
}
