package hangups_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
)

// TestCredentialLogin walks the login pages with the reference's own little browser.
func TestCredentialLogin(t *testing.T) {
	for _, verification := range []string{"", "totp", "phone", "choice"} {
		t.Run("verification "+verification, func(t *testing.T) {
			ctx, srv, d := setup(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{
				{Key: "a", Name: "A", Email: "a@example.com", Password: "s3cret & more", Verification: verification, Account: true}, {Key: "b", Name: "B"}},
				Conversations: []hangoutstest.ScenarioConversation{{Key: "ab", Members: []string{"a", "b"}}}}})
			options := hangups.LoginOptions{RefreshToken: "1/revoked", Email: "a@example.com", Password: "wrong", VerificationCode: "123456"}
			require.ErrorContains(t, d.Login(ctx, options), "GoogleAuthError")
			options.Password = "s3cret & more"
			require.NoError(t, d.Login(ctx, options))
			require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
		})
	}
	t.Run("authorization code", func(t *testing.T) {
		ctx, srv, d := setup(t, hangoutstest.Options{})
		code, err := srv.AuthorizationCode("user1")
		require.NoError(t, err)
		require.NoError(t, d.Login(ctx, hangups.LoginOptions{AuthorizationCode: code}))
	})
}

// TestLoginFailures: every refusal of the account endpoints reaches the reference as its own error.
func TestLoginFailures(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	options := hangups.LoginOptions{RefreshToken: srv.Account(0).RefreshToken(), Email: "user1@example.com", Password: "password"}
	for _, endpoint := range []string{"account/uberauth", "account/merge"} {
		_, err := srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503, Endpoint: endpoint})
		require.NoError(t, err)
		require.ErrorContains(t, d.Login(ctx, options), "GoogleAuthError")
	}
	_, err := srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 401, Endpoint: "channel/create"})
	require.NoError(t, err)
	require.ErrorContains(t, d.Login(ctx, options), "401")
	require.NoError(t, d.Login(ctx, options))
}

func TestImage(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	image := []byte("\x89PNG\r\n\x1a\n and more")
	sent, err := d.SendImage(ctx, conversation(t, srv, "carol"), "look", "pixel.png", image)
	require.NoError(t, err)
	got, err := d.WaitEvent(ctx, func(e hangups.Event) bool { return e.EventID == sent.EventID })
	require.NoError(t, err)
	require.Len(t, got.Attachments, 1)
	body, kind := fetch(t, srv, got.Attachments[0])
	require.Equal(t, string(image), body)
	require.Equal(t, "image/png", kind)

	// A person's photo comes without a scheme.
	users, err := d.Users(ctx)
	require.NoError(t, err)
	shown := 0
	for _, u := range users {
		if strings.HasPrefix(u.PhotoURL, "//lh3.googleusercontent.com/") {
			shown++
			_, kind := fetch(t, srv, "https:"+u.PhotoURL)
			require.Equal(t, "image/png", kind)
		}
	}
	require.GreaterOrEqual(t, shown, 2)
}

// fetch gets an address of Google through the server's proxy.
func fetch(t *testing.T, srv *hangoutstest.Server, address string) (body, contentType string) {
	t.Helper()
	proxyURL, err := url.Parse(srv.ProxyURL)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(srv.CAPEM()))
	transport := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return string(data), resp.Header.Get("Content-Type")
}

// TestEveryLowLevelCall makes each call of the reference's low-level API once.
func TestEveryLowLevelCall(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	team, direct := conversation(t, srv, "team"), conversation(t, srv, "direct")
	id := func(s string) map[string]any { return map[string]any{"id": s} }
	header := func(s string) map[string]any {
		return map[string]any{"conversation_id": id(s), "client_generated_id": fmt.Sprint(srv.Now()), "expected_otr": "OFF_THE_RECORD_STATUS_ON_THE_RECORD"}
	}
	erin, carol := srv.Person("erin").GaiaID(), srv.Person("carol").GaiaID()
	type m = map[string]any
	for _, x := range []struct {
		method, message string
		request         m
		want            string
	}{
		{"add_user", "AddUserRequest", m{"invitee_id": []m{{"gaia_id": erin}}, "event_request_header": header(team)}, "MEMBERSHIP_CHANGE_TYPE_JOIN"},
		{"create_conversation", "CreateConversationRequest", m{"type": "CONVERSATION_TYPE_GROUP", "client_generated_id": "1", "name": "New", "invitee_id": []m{{"gaia_id": erin}}}, `"New"`},
		{"delete_conversation", "DeleteConversationRequest", m{"conversation_id": id(direct), "delete_upper_bound_timestamp": fmt.Sprint(srv.Now())}, "DELETE_TYPE_UPPER_BOUND"},
		{"easter_egg", "EasterEggRequest", m{"conversation_id": id(team), "easter_egg": m{"message": "ponies"}}, "timestamp"},
		{"get_conversation", "GetConversationRequest", m{"conversation_spec": m{"conversation_id": id(team)}, "include_event": true, "max_events_per_conversation": "1"}, "event_continuation_token"},
		{"get_entity_by_id", "GetEntityByIdRequest", m{"batch_lookup_spec": []m{{"gaia_id": carol}}}, "Carol"},
		{"get_group_conversation_url", "GetGroupConversationUrlRequest", m{"conversation_id": id(team)}, "/group/"},
		{"get_self_info", "GetSelfInfoRequest", m{}, "user1@example.com"},
		{"get_suggested_entities", "GetSuggestedEntitiesRequest", m{"max_count": "3"}, "other_contacts_on_hangouts"},
		{"query_presence", "QueryPresenceRequest", m{"participant_id": []m{{"gaia_id": carol}}, "field_mask": []string{"FIELD_MASK_REACHABLE"}}, `"reachable": true`},
		{"remove_user", "RemoveUserRequest", m{"participant_id": m{"gaia_id": erin}, "event_request_header": header(team)}, "MEMBERSHIP_CHANGE_TYPE_LEAVE"},
		{"rename_conversation", "RenameConversationRequest", m{"new_name": "Renamed", "event_request_header": header(team)}, `"old_name": "Team"`},
		{"search_entities", "SearchEntitiesRequest", m{"query": "dave", "max_count": "3"}, "Dave"},
		{"send_chat_message", "SendChatMessageRequest", m{"message_content": m{"segment": []m{{"type": "SEGMENT_TYPE_TEXT", "text": "low level"}}}, "event_request_header": header(team)}, "low level"},
		{"modify_otr_status", "ModifyOTRStatusRequest", m{"otr_status": "OFF_THE_RECORD_STATUS_OFF_THE_RECORD", "event_request_header": header(team)}, "new_otr_status"},
		{"send_offnetwork_invitation", "SendOffnetworkInvitationRequest", m{"invitee_address": m{"type": "OFFNETWORK_ADDRESS_TYPE_EMAIL", "email": "x@example.org"}}, ""},
		{"set_active_client", "SetActiveClientRequest", m{"is_active": true, "full_jid": "x", "timeout_secs": "120"}, ""},
		{"set_conversation_notification_level", "SetConversationNotificationLevelRequest", m{"conversation_id": id(team), "level": "NOTIFICATION_LEVEL_QUIET"}, "timestamp"},
		{"set_focus", "SetFocusRequest", m{"conversation_id": id(team), "type": "FOCUS_TYPE_FOCUSED", "timeout_secs": 20}, "timestamp"},
		{"set_group_link_sharing_enabled", "SetGroupLinkSharingEnabledRequest", m{"group_link_sharing_status": "GROUP_LINK_SHARING_STATUS_ON", "event_request_header": header(team)}, "updated_conversation"},
		{"set_presence", "SetPresenceRequest", m{"presence_state_setting": m{"timeout_secs": "720", "type": "CLIENT_PRESENCE_STATE_DESKTOP_ACTIVE"}}, ""},
		{"set_typing", "SetTypingRequest", m{"conversation_id": id(team), "type": "TYPING_TYPE_STARTED"}, "timestamp"},
		{"sync_all_new_events", "SyncAllNewEventsRequest", m{"last_sync_timestamp": "1", "max_response_size_bytes": "1048576"}, "low level"},
		{"sync_recent_conversations", "SyncRecentConversationsRequest", m{"max_conversations": "9", "max_events_per_conversation": "1"}, "Renamed"},
		{"update_watermark", "UpdateWatermarkRequest", m{"conversation_id": id(team), "last_read_timestamp": fmt.Sprint(srv.Now())}, ""},
	} {
		t.Run(x.method, func(t *testing.T) {
			response, err := d.Request(ctx, x.method, x.message, x.request)
			require.NoError(t, err)
			require.Contains(t, string(response), "RESPONSE_STATUS_OK")
			require.Contains(t, string(response), x.want)
			calls := requests(srv, pathOf(x.method))
			require.NotEmpty(t, calls)
			require.Equal(t, 200, calls[len(calls)-1].Status)
		})
	}
	_, err := d.Request(ctx, "easter_egg", "EasterEggRequest", m{"conversation_id": id(team)})
	require.ErrorContains(t, err, "status 4")

	// What the calls did is the state of the server.
	after, _ := srv.Conversation("team")
	require.Equal(t, "Renamed", after.Name)
	require.True(t, after.HistoryOff && after.Link)
	require.Equal(t, []string{"x@example.org"}, srv.Invitations())
	for _, member := range after.Members {
		if member.GaiaID == srv.Account(0).GaiaID() {
			require.NotZero(t, member.ReadUS)
		}
	}
	var kinds []string
	for _, e := range srv.Events("team") {
		kinds = append(kinds, e.Text)
	}
	require.Contains(t, kinds, "low level")
}

// TestEveryMethodOfTheReference: the table of TestEveryLowLevelCall leaves none of them out.
func TestEveryMethodOfTheReference(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	var out struct{ Methods []string }
	require.NoError(t, d.Do(ctx, "methods", nil, &out))
	require.Len(t, out.Methods, 29)
	source, err := os.ReadFile("login_test.go")
	require.NoError(t, err)
	others := "connect disconnect set_active upload_image" // in tests of their own
	for _, name := range out.Methods {
		require.True(t, strings.Contains(string(source), `{"`+name+`", "`) || strings.Contains(others, name), name)
	}
}

// TestUploadAndHeaders: upload_image with its UploadedImage, the request header and the client
// generated id.
func TestUploadAndHeaders(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	var image struct {
		ID  string `json:"image_id"`
		URL string `json:"url"`
	}
	require.NoError(t, d.Do(ctx, "upload", map[string]any{"image": "iVBORw0KGgo=", "name": "dot.png"}, &image))
	require.NotEmpty(t, image.ID)
	body, _ := fetch(t, srv, image.URL)
	require.Equal(t, "\x89PNG\r\n\x1a\n", body)
	response, err := d.Request(ctx, "send_chat_message", "SendChatMessageRequest", map[string]any{
		"existing_media":       map[string]any{"photo": map[string]any{"photo_id": image.ID}},
		"event_request_header": map[string]any{"conversation_id": map[string]any{"id": conversation(t, srv, "team")}, "client_generated_id": "7"},
	})
	require.NoError(t, err)
	require.Contains(t, string(response), image.URL)

	var ids struct {
		ID       uint64 `json:"client_generated_id"`
		Resource string
		Language string
	}
	require.NoError(t, d.Do(ctx, "ids", nil, &ids))
	require.LessOrEqual(t, ids.ID, uint64(1)<<32)
	require.Equal(t, srv.Channels("")[0].ClientID, ids.Resource)
	require.Equal(t, "en", ids.Language)

	_, err = srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503, Endpoint: "upload/start"})
	require.NoError(t, err)
	require.ErrorContains(t, d.Do(ctx, "upload", map[string]any{"image": "iVBORw0KGgo=", "name": "dot.png"}, nil), "NetworkError")
}

func pathOf(method string) string {
	folder := map[string]string{"get_entity_by_id": "contacts", "get_self_info": "contacts", "get_suggested_entities": "contacts",
		"search_entities": "contacts", "query_presence": "presence", "set_presence": "presence", "set_active_client": "clients",
		"send_offnetwork_invitation": "devices"}[method]
	if folder == "" {
		folder = "conversations"
	}
	return folder + "/" + strings.ReplaceAll(method, "_", "")
}

// TestServerRestart: the server's process state is lost and loaded again while the client
// runs; the client gets everything, in order.
func TestServerRestart(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	state := filepath.Join(t.TempDir(), "state")
	ctx, srv, d := setup(t, hangoutstest.Options{StateFile: state, CAFile: ca})
	require.NoError(t, d.Login(ctx, hangups.LoginOptions{RefreshToken: srv.Account(0).RefreshToken(), BackoffBase: 0.2, Resume: true}))
	require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
	listen, proxy := strings.TrimPrefix(srv.URL, "http://"), strings.TrimPrefix(srv.ProxyURL, "http://")
	var want []string
	for round := range 3 {
		for i := range 5 {
			text := fmt.Sprintf("round %d message %d", round, i)
			_, err := srv.Person("carol").Send("carol", text)
			require.NoError(t, err)
			want = append(want, text)
		}
		srv.Close()
		var err error
		srv, err = hangoutstest.Start(hangoutstest.Options{StateFile: state, Listen: listen, ProxyListen: proxy, CAFile: ca})
		require.NoError(t, err)
		t.Cleanup(srv.Close)
		require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
	}
	_, err := srv.Person("carol").Send("carol", "end")
	require.NoError(t, err)
	_, err = d.WaitMessage(ctx, "end")
	require.NoError(t, err)
	var got []string
	for _, e := range d.Messages() {
		got = append(got, e.Text)
	}
	require.Equal(t, append(want, "end"), got)
}

// TestUpdatesAsProtobuf checks that the driver's raw updates are usable.
func TestUpdatesAsProtobuf(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	_, err := srv.Person("carol").Rename("team", "Ümläut")
	require.NoError(t, err)
	e, err := d.WaitEvent(ctx, func(e hangups.Event) bool {
		return e.Event == "update" && bytes.Contains(e.Update, []byte("event_notification"))
	})
	require.NoError(t, err)
	var update struct {
		Conversation struct{ Name string } `json:"conversation"`
	}
	require.NoError(t, json.Unmarshal(e.Update, &update))
	require.Equal(t, "Ümläut", update.Conversation.Name)
}
