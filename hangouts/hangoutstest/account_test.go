package hangoutstest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// token makes a token request and returns status and answer.
func token(t *testing.T, s *hangoutstest.Server, path string, values ...string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"client_id": {"id"}, "client_secret": {"secret"}}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	resp, err := http.PostForm(s.URL+path, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	var out map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

func get(t *testing.T, target, bearer string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(timeout(t), "GET", target, nil)
	require.NoError(t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

// trade turns an access token into cookies.
func trade(t *testing.T, s *hangoutstest.Server, access string) map[string]string {
	t.Helper()
	resp, uber := get(t, s.URL+"/accounts/OAuthLogin?source=hangups&issueuberauth=1", access)
	require.Equal(t, 200, resp.StatusCode)
	resp, _ = get(t, s.URL+"/MergeSession?service=mail&continue=http://www.google.com&uberauth="+uber, access)
	require.Equal(t, 200, resp.StatusCode)
	cookies := map[string]string{}
	for _, line := range resp.Header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		cookies[name], _, _ = strings.Cut(rest, ";")
		require.True(t, strings.HasSuffix(line, "; Path=/"), line)
	}
	return cookies
}

func TestTokenToCookies(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s := start(t, hangoutstest.Options{})
	ada := s.Account(0)
	for _, path := range []string{"/o/oauth2/token", "/oauth2/v3/token"} {
		status, answer := token(t, s, path, "grant_type", "refresh_token", "refresh_token", ada.RefreshToken())
		require.Equal(t, 200, status)
		require.Nil(t, answer["refresh_token"])
		cookies := trade(t, s, answer["access_token"].(string))
		require.Equal(t, ada.Cookies(), cookies)
		require.Contains(t, cookies["SAPISID"], "/", "as real ones")
	}
	// A code gives a refresh token of its own, once.
	code, err := s.AuthorizationCode("user1@example.com")
	require.NoError(t, err)
	status, answer := token(t, s, "/o/oauth2/token", "grant_type", "authorization_code", "code", code)
	require.Equal(t, 200, status)
	require.Equal(t, ada.RefreshToken(), answer["refresh_token"])
	status, answer = token(t, s, "/o/oauth2/token", "grant_type", "authorization_code", "code", code)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", answer["error"])
	// New cookies make the old ones worthless.
	c := newRaw(t, s, 0)
	require.NoError(t, s.InvalidateCookies("user1"))
	resp, _ := c.do("POST", "/chat/v1/contacts/getselfinfo?key=k", nil, "")
	require.Equal(t, 401, resp.StatusCode)
	_, answer = token(t, s, "/o/oauth2/token", "grant_type", "refresh_token", "refresh_token", ada.RefreshToken())
	c.cookies = trade(t, s, answer["access_token"].(string))
	require.Equal(t, ok, c.call("contacts/getselfinfo", &pb.GetSelfInfoRequest{}, &pb.GetSelfInfoResponse{}))

	old := ada.RefreshToken()
	require.NoError(t, s.RevokeTokens(ada.GaiaID()))
	status, answer = token(t, s, "/o/oauth2/token", "grant_type", "refresh_token", "refresh_token", old)
	require.Equal(t, 400, status)
	require.Equal(t, "invalid_grant", answer["error"])
	require.ErrorIs(t, s.RevokeTokens("nobody"), hangoutstest.ErrNotFound)
	require.ErrorIs(t, s.InvalidateCookies("carol"), hangoutstest.ErrNotFound, "no account")
}

func TestAccountRefusals(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s := start(t, hangoutstest.Options{})
	for _, x := range []struct {
		values []string
		reason string
	}{
		{[]string{"grant_type", "refresh_token", "refresh_token", "1/wrong"}, "invalid_grant"},
		{[]string{"grant_type", "refresh_token"}, "invalid_grant"},
		{[]string{"grant_type", "authorization_code", "code", "4/wrong"}, "invalid_grant"},
		{[]string{"grant_type", "password", "refresh_token", s.Account(0).RefreshToken()}, "unsupported_grant_type"},
		{[]string{"grant_type", "refresh_token", "client_id", ""}, "invalid_client"},
	} {
		status, answer := token(t, s, "/o/oauth2/token", x.values...)
		require.Equal(t, 400, status)
		require.Equal(t, x.reason, answer["error"])
	}
	for _, target := range []string{"/accounts/OAuthLogin?source=x&issueuberauth=1", "/MergeSession?service=mail&uberauth=wrong"} {
		for _, bearer := range []string{"", "ya29.wrong", "ya29.d3Jvbmc.x"} {
			resp, _ := get(t, s.URL+target, bearer)
			require.Equal(t, 401, resp.StatusCode, target)
		}
	}
	resp, _ := get(t, s.URL+"/MergeSession", "")
	require.Equal(t, 200, resp.StatusCode, "a warm-up")
	require.Empty(t, resp.Cookies())
}

var (
	formPattern  = regexp.MustCompile(`(?s)<form id="([^"]*)" action="([^"]+)" method="post">(.*?)</form>`)
	inputPattern = regexp.MustCompile(`<input (?:type="hidden" )?(?:id="([^"]*)" )?name="([^"]+)"(?: value="([^"]*)")?`)
)

type page struct{ id, action, input, flow string }

// forms reads the forms of a login page.
func forms(body string) []page {
	var out []page
	for _, f := range formPattern.FindAllStringSubmatch(body, -1) {
		p := page{id: f[1], action: f[2]}
		for _, in := range inputPattern.FindAllStringSubmatch(f[3], -1) {
			if in[2] == "flow" {
				p.flow = in[3]
			} else if in[1] != "" {
				p.input = in[1]
			}
		}
		out = append(out, p)
	}
	return out
}

func TestLoginPages(t *testing.T) {
	sc := &hangoutstest.Scenario{}
	for _, v := range []string{"", "totp", "phone", "choice"} {
		sc.People = append(sc.People, hangoutstest.ScenarioPerson{Key: "u" + v, Email: "u" + v + "@x", Account: true, Verification: v, Password: "pw & <x>"})
	}
	s := start(t, hangoutstest.Options{Scenario: sc})
	for _, x := range []struct {
		name, email string
		answers     []string // input id=value per page; "" submits the first form as it is
		code        bool
	}{
		{"password only", "u@x", []string{"Passwd=pw & <x>"}, true},
		{"wrong password", "u@x", []string{"Passwd=no"}, false},
		{"wrong then right", "u@x", []string{"Passwd=no", "Passwd=pw & <x>"}, true},
		{"totp", "utotp@x", []string{"Passwd=pw & <x>", "totpPin=123456"}, true},
		{"wrong totp", "utotp@x", []string{"Passwd=pw & <x>", "totpPin=1"}, false},
		{"phone", "uphone@x", []string{"Passwd=pw & <x>", "idvPreregisteredPhonePin=123456"}, true},
		{"phone again", "uphone@x", []string{"Passwd=pw & <x>", "idvPreregisteredPhonePin=1", "idvPreregisteredPhonePin=123456"}, true},
		{"choice", "uchoice@x", []string{"Passwd=pw & <x>", "", "totpPin=123456"}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			jar, _ := cookiejar.New(nil)
			client := &http.Client{Jar: jar, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			read := func(resp *http.Response, err error) string {
				require.NoError(t, err)
				defer resp.Body.Close()
				require.Equal(t, 200, resp.StatusCode)
				b, _ := io.ReadAll(resp.Body)
				return string(b)
			}
			body := read(client.Get(s.URL + "/o/oauth2/programmatic_auth?scope=x&client_id=y&device_name=z"))
			for _, answer := range append([]string{"Email=" + x.email}, x.answers...) {
				list := forms(body)
				require.NotEmpty(t, list, body)
				f := list[0]
				id, value, _ := strings.Cut(answer, "=")
				require.Equal(t, id, f.input)
				names := map[string]string{"Email": "Email", "Passwd": "Passwd", "totpPin": "Pin", "idvPreregisteredPhonePin": "Pin"}
				values := url.Values{"flow": {f.flow}}
				if id != "" {
					values.Set(names[id], value)
				}
				body = read(client.PostForm(s.URL+f.action, values))
			}
			base, _ := url.Parse(s.URL)
			code := ""
			for _, c := range jar.Cookies(base) {
				if c.Name == "oauth_code" {
					code = c.Value
				}
			}
			require.Equal(t, x.code, code != "")
			if x.code {
				status, _ := token(t, s, "/o/oauth2/token", "grant_type", "authorization_code", "code", code)
				require.Equal(t, 200, status)
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestLoginPagesBeyond: pages that ask for a captcha, another device or a security key lead nowhere.
func TestLoginPagesBeyond(t *testing.T) {
	for kind, sign := range map[string]string{
		"captcha": `action="/signin/challenge/recaptcha/2"`, "prompt": `action="/signin/challenge/az/2"`, "key": `action="/signin/challenge/sk/2"`,
	} {
		s := start(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{
			{Key: "u", Email: "u@x", Account: true, Verification: kind},
		}}})
		c := newRaw(t, s, 0)
		_, body := c.do("GET", "/o/oauth2/programmatic_auth?client_id=y", nil, "")
		flow := url.Values{"flow": {forms(body)[0].flow}, "Email": {"u@x"}}
		_, _ = c.do("POST", "/signin/v1/lookup", form, flow.Encode())
		flow.Set("Passwd", "password")
		resp, body := c.do("POST", "/signin/challenge/sl/password", form, flow.Encode())
		require.Contains(t, body, sign)
		require.NotContains(t, body, "totpPin")
		require.Empty(t, resp.Cookies())
	}
}

func TestUpload(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	begin := func(body string) string {
		resp, answer := c.do("POST", "/upload/photos/resumable?alt=json&key=k", nil, body)
		require.Equal(t, 200, resp.StatusCode)
		var a struct {
			SessionStatus struct {
				ExternalFieldTransfers []struct{ PutInfo struct{ URL string } }
			}
			ErrorMessage struct {
				AdditionalInfo map[string]struct {
					CompletionInfo struct {
						CustomerSpecificInfo struct{ Message string }
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &a))
		if len(a.SessionStatus.ExternalFieldTransfers) == 0 {
			return a.ErrorMessage.AdditionalInfo["uploader_service.GoogleRupioAdditionalInfo"].CompletionInfo.CustomerSpecificInfo.Message
		}
		return a.SessionStatus.ExternalFieldTransfers[0].PutInfo.URL
	}
	const announce = `{"protocolVersion":"0.8","createSessionRequest":{"fields":[{"external":{"name":"file","filename":"pixel.png","put":{},"size":4}}]}}`
	target := begin(announce)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/upload/photos/resumable\?upload_id=[\w-]+&file_id=000$`, target)
	target = strings.TrimPrefix(target, s.URL)
	_, answer := c.do("POST", target+"&alt=json&key=k", nil, "toolong")
	require.Contains(t, answer, "errorMessage")
	_, answer = newRaw(t, s, 1).do("POST", target+"&alt=json&key=k", nil, "data")
	require.Contains(t, answer, "Unknown upload", "of another account")
	_, answer = c.do("POST", target+"&alt=json&key=k", nil, "data")
	var done struct {
		SessionStatus struct {
			State          string
			AdditionalInfo map[string]struct {
				CompletionInfo struct {
					Status               string
					CustomerSpecificInfo struct{ PhotoID, URL string }
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &done))
	require.Equal(t, "FINALIZED", done.SessionStatus.State)
	info := done.SessionStatus.AdditionalInfo["uploader_service.GoogleRupioAdditionalInfo"].CompletionInfo
	require.Equal(t, "SUCCESS", info.Status)
	_, body := c.do("GET", strings.TrimPrefix(info.CustomerSpecificInfo.URL, s.URL), nil, "")
	require.Equal(t, "data", body)

	p := newRaw(t, s, 1).connect().poll
	sent := &pb.SendChatMessageResponse{}
	require.Equal(t, ok, c.call("conversations/sendchatmessage", &pb.SendChatMessageRequest{
		ExistingMedia:      &pb.ExistingMedia{Photo: &pb.Photo{PhotoId: proto.String(info.CustomerSpecificInfo.PhotoID)}},
		EventRequestHeader: eventHeader(conversation(t, s, "direct"), 1),
	}, sent))
	photo := p.event().GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem().GetPlusPhoto()
	require.Equal(t, info.CustomerSpecificInfo.URL, photo.GetThumbnail().GetImageUrl())
	require.Equal(t, info.CustomerSpecificInfo.PhotoID, photo.GetPhotoId())

	require.Contains(t, begin(`{"createSessionRequest":{"fields":[]}}`), "No file")
	require.Contains(t, begin(strings.Replace(announce, `"size":4`, `"size":-1`, 1)), "size")
	require.Contains(t, begin(strings.Replace(announce, `"size":4`, `"size":999999999999`, 1)), "size")
}

func TestAvatars(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	resp, body := c.do("GET", "/avatars/"+s.Person("carol").GaiaID()+".png", nil, "")
	require.Equal(t, "image/png", resp.Header.Get("Content-Type"))
	require.True(t, bytes.HasPrefix([]byte(body), []byte("\x89PNG")))
	resp, _ = c.do("GET", "/avatars/404.png", nil, "")
	require.Equal(t, 404, resp.StatusCode)
	resp, _ = c.do("GET", "/photos/404/x", nil, "")
	require.Equal(t, 404, resp.StatusCode)
}
