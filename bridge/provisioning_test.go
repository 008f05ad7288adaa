package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// provision asks the provisioning API as a Matrix user, with their own token.
func (w *world) provision(user *mxclient.Client, call, body string) (status int, answer string) {
	w.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	path, query, _ := strings.Cut(path, "?")
	address := "http://" + w.addr() + "/_matrix/provision" + path + "?user_id=" + url.QueryEscape(string(user.UserID())) + "&" + query
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, bytes.NewReader([]byte(body)))
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+user.Matrix.AccessToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, string(text)
}

// beginLogin begins a login process and returns its id.
func (w *world) beginLogin(user *mxclient.Client, flow string) string {
	w.t.Helper()
	status, answer := w.provision(user, "POST /v3/login/start/"+flow, "")
	require.Equal(w.t, 200, status, answer)
	var begun struct {
		ID string `json:"login_id"`
	}
	require.NoError(w.t, json.Unmarshal([]byte(answer), &begun))
	return begun.ID
}

// routes are the paths of the framework's provisioning API.
func (w *world) routes() (routes []string) {
	index := reflect.ValueOf(w.main.Matrix.Provisioning.Router).Elem().FieldByName("index")
	add := func(patterns reflect.Value) {
		for n := range patterns.Len() {
			if route := patterns.Index(n).Elem().FieldByName("str").String(); !slices.Contains(routes, route) {
				routes = append(routes, route)
			}
		}
	}
	add(index.FieldByName("multis"))
	for _, key := range index.FieldByName("segments").MapKeys() {
		add(index.FieldByName("segments").MapIndex(key))
	}
	return routes
}

// apiCall is a request of Mallory's and what it is answered with.
type apiCall struct {
	path, body string
	status     int
}

const tokenStep = "com.github.hangouts-bridge.token/user_input"

// judgedCalls says of every route how it could name what is Alice's, and what comes of it.
// "$A" is Alice's login, "$P" her login process, "$D" her room, "$E" a message there.
var judgedCalls = map[string][]apiCall{
	"GET /v3/whoami":                {{"/v3/whoami", "", 200}, {"/v3/whoami?login_id=$A", "", 200}},
	"GET /v3/capabilities":          {{"/v3/capabilities", "", 200}},
	"GET /v3/login/flows":           {{"/v3/login/flows", "", 200}},
	"POST /v3/login/start/{flowID}": {{"/v3/login/start/token?login_id=$A", "", 404}, {"/v3/login/start/cookies?login_id=$A", "", 404}},
	"POST /v3/login/step/{loginProcessID}/{stepID}/{stepType}": {
		{"/v3/login/step/$P/" + tokenStep, `{"refresh_token":"` + string(aaron) + `"}`, 404}, {"/v3/login/step/nothing/" + tokenStep, "{}", 404},
	},
	"POST /v3/login/step/{loginProcessID}/{stepID}/cancel":        {{"/v3/login/step/$P/com.github.hangouts-bridge.token/cancel", "", 404}},
	"POST /v3/login/client_http/{loginProcessID}/{txnID}/{reqID}": {{"/v3/login/client_http/$P/1/2", "{}", 404}},
	"POST /v3/login/cancel/{loginProcessID}":                      {{"/v3/login/cancel/$P", "", 404}},
	"POST /v3/logout/{loginID}":                                   {{"/v3/logout/$A", "", 404}},
	"GET /v3/logins":                                              {{"/v3/logins", "", 200}},
	"GET /v3/contacts":                                            {{"/v3/contacts?login_id=$A", "", 404}},
	"POST /v3/search_users":                                       {{"/v3/search_users?login_id=$A", `{"query":"x"}`, 404}},
	"GET /v3/resolve_identifier/{identifier}":                     {{"/v3/resolve_identifier/x?login_id=$A", "", 404}},
	"POST /v3/create_dm/{identifier}":                             {{"/v3/create_dm/x?login_id=$A", "", 404}},
	"POST /v3/create_group/{type}":                                {{"/v3/create_group/x?login_id=$A", "{}", 404}},
	"POST /v3/backfill/{roomID}":                                  {{"/v3/backfill/$D", "", 404}, {"/v3/backfill/$D?login_id=$A", "", 404}},
	"POST /v3/view_limited_media/{eventID}":                       {{"/v3/view_limited_media/$E", `{"com.beeper.view_limited":{"type":"count","count":1}}`, 404}},
	"GET /v3/image_pack/import":                                   {{"/v3/image_pack/import?login_id=$A", "", 404}},
	"POST /v3/image_pack/import":                                  {{"/v3/image_pack/import?login_id=$A", "", 404}},
	"GET /v3/image_pack/list":                                     {{"/v3/image_pack/list?login_id=$A", "", 404}},
	"POST /v3/resolve_media/{eventID}":                            {{"/v3/resolve_media/$E", "{}", 404}},
	"POST /v3/session_transfer/init":                              {{"/v3/session_transfer/init", `{"remote_id":"$A"}`, 404}},
	"POST /v3/session_transfer/finish":                            {{"/v3/session_transfer/finish", `{"remote_id":"$A"}`, 404}},
}

// No provisioning call changes another user's login, rooms or conversations. A route that a
// later framework brings fails here until it is judged.
func TestNoProvisioningCallTouchesWhatIsAnothers(t *testing.T) {
	w := newMallorys(t)
	routes := w.routes()
	require.Greater(t, len(routes), 20)
	for route := range judgedCalls {
		require.Contains(t, routes, route, "there is no such route any more")
	}
	process := w.beginLogin(w.alice, "token")
	target := w.alice.WaitText(w.direct, "in direct").ID
	fill := strings.NewReplacer("$A", string(anna), "$P", process, "$D", url.PathEscape(string(w.direct)), "$E", url.PathEscape(string(target)))
	before := w.alices()
	for _, route := range routes {
		calls, ok := judgedCalls[route]
		if !ok {
			t.Errorf("%s: this route is not judged", route)
		}
		method, _, _ := strings.Cut(route, " ")
		for _, c := range calls {
			t.Run(method+" "+c.path, func(t *testing.T) {
				status, answer := w.provision(w.mallory, method+" "+fill.Replace(c.path), fill.Replace(c.body))
				require.Equal(t, c.status, status, answer)
				if c.status == 404 {
					require.Contains(t, answer, "M_NOT_FOUND", "and not that it is not supported")
				}
				require.NotContains(t, answer, string(anna))
				require.NotContains(t, answer, "alice")
				require.Equal(t, before, w.alices())
			})
		}
	}
	status, answer := w.provision(w.alice, "POST /v3/login/step/"+process+"/"+tokenStep, `{"refresh_token":"`+string(anna)+`"}`)
	require.Equal(t, 200, status, "her process goes on: %s", answer)
	require.Contains(t, answer, string(anna))
	require.Equal(t, before, w.alices())
}

// A request without a valid user or token ends with an answer, and tells nothing of what it
// names.
func TestProvisioningWithoutAUser(t *testing.T) {
	w := newMallorys(t)
	for name, c := range map[string]struct {
		query, token string
		status       int
	}{
		"no user":         {"", strings.Repeat("s", 32), 400},
		"no Matrix user":  {"user_id=alice", strings.Repeat("s", 32), 400},
		"the bot":         {"user_id=" + url.QueryEscape(string(bot)), strings.Repeat("s", 32), 403},
		"a ghost":         {"user_id=" + url.QueryEscape(string(ghost(carl))), strings.Repeat("s", 32), 403},
		"no token":        {"user_id=" + url.QueryEscape(string(w.alice.UserID())), "", 401},
		"another's token": {"user_id=" + url.QueryEscape(string(w.alice.UserID())), w.mallory.Matrix.AccessToken, 401},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v3/backfill/" + url.PathEscape(string(w.direct)), "/v3/backfill/nowhere", "/v3/logout/" + string(anna)} {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+w.addr()+"/_matrix/provision"+path+"?"+c.query, nil)
				require.NoError(t, err)
				if c.token != "" {
					req.Header.Set("Authorization", "Bearer "+c.token)
				}
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, c.status, resp.StatusCode, path)
			}
		})
	}
	require.NotNil(t, w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)))
}

// Logging in again with the credentials of another account changes nothing, by the API and
// by the command; with the right ones it works.
func TestLoginAgainAsAnotherAccount(t *testing.T) {
	w := newMallorys(t)
	before := w.alices()
	status, answer := w.provision(w.alice, "POST /v3/login/start/token?login_id="+string(anna), "")
	require.Equal(t, 200, status, answer)
	var begun struct {
		ID string `json:"login_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &begun))
	status, answer = w.provision(w.alice, "POST /v3/login/step/"+begun.ID+"/"+tokenStep, `{"refresh_token":"`+string(bert)+`"}`)
	require.Equal(t, 403, status)
	require.Contains(t, answer, "another Google account")
	w.alice.SendText(w.management, "relogin "+string(anna)+" token "+string(bert))
	w.waitNotice(w.management, "another Google account")
	require.Equal(t, before, w.alices())
	for _, person := range []chat.PersonID{bert} {
		_, ok := w.manager.Get(person)
		require.False(t, ok)
		require.Empty(t, w.grants(person))
	}
	w.alice.SendText(w.management, "relogin "+string(anna)+" token "+string(anna))
	heard := "Logged in as Anna Ahrens"
	w.eventually("the login", func() bool {
		said := 0
		for _, notice := range w.notices(w.management) {
			if strings.Contains(notice, heard) {
				said++
			}
		}
		return said == 2
	})
	require.Equal(t, before, w.alices())
}
