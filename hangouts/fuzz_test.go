package hangouts

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/internal/pblitetest"
)

// FuzzPush gives any text to a client as a push: what observers get is always usable, and what is
// not understood is reported.
func FuzzPush(f *testing.F) {
	for _, push := range pblitetest.Pushes() {
		if len(push.Text) < 10_000 {
			f.Add(string(push.Text))
		}
	}
	for _, seed := range []string{
		`null`, ``, `[]`, `["n_nm",null,null,"tid"]`, `["cbu"]`, `["cbu",{"1":[]}]`, `["cbu",[7,null,,[]]]`, `[["cbu"]]`,
		`["cbu",[[[2,null,"-1",null,5],null,null,null,[["C"],["2","2"],7,1]]]]`,
		`["cbu",[[[1],null,null,null,null,null,null,[["2"],["C"],7]]],null,{"13":[["C"],1]}]`,
	} {
		f.Add(seed)
	}
	c, err := New(Config{}, map[string]string{"SAPISID": "x"})
	require.NoError(f, err)
	var batch []*pb.StateUpdate
	gaps := 0
	require.NoError(f, c.OnBatch.AddObserver(Observe(func(_ context.Context, b []*pb.StateUpdate) error { batch = b; return nil })))
	require.NoError(f, c.OnGap.AddObserver(Observe(func(context.Context, Gap) error { gaps++; return nil })))
	f.Fuzz(func(t *testing.T, text string) {
		batch, gaps = nil, 0
		require.NoError(t, (*push)(c).Payload(context.Background(), channel.Payload{Text: text}))
		require.LessOrEqual(t, gaps, 1)
		for _, update := range batch {
			require.NoError(t, checkUpdate(update))
		}
	})
}

// FuzzAnswer reads any body as an answer of the chat API and of the upload service.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"CgQIARAC", "Cg QI\nARAC", "====", "abc", `{"sessionStatus":{"state":"OPEN"}}`, `{"sessionStatus":null,"errorMessage":7}`,
		`{"errorMessage":{"additionalInfo":{"uploader_service.GoogleRupioAdditionalInfo":{"completionInfo":{"customerSpecificInfo":{"status":"x"}}}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var m pb.SyncRecentConversationsResponse
		if err := decodeAnswer(body, &m); err != nil {
			require.ErrorIs(t, err, ErrResponse)
		}
		for _, state := range m.GetConversationState() {
			MergeConversation(state.GetConversation(), state.GetConversation())
			for _, event := range state.GetEvent() {
				MessageText(event.GetChatMessage())
				KindOf(event)
			}
		}
		if status, err := uploadSession(body); err == nil {
			require.NotNil(t, status)
		}
	})
}

// FuzzLoginPage submits the forms of any page: nothing goes to a host that may not have it.
func FuzzLoginPage(f *testing.F) {
	for _, seed := range []string{
		`<form id="gaia_loginform" method="post" action="/password"><input type=hidden name=GALX value="h&amp;1"><input id=Email name=Email></form>`,
		`<form id=gaia_loginform action="https://evil.example/"><input id=Passwd name=p type=password></form>`,
		`<form action="/signin/challenge/totp/2"></form><form id=challenge><input id=totpPin name=Pin></form>`,
		`<form id=challenge action="//evil.example"><input id=idvPreregisteredPhonePin name=Pin type=checkbox checked></form>`,
		`<form action="/signin/challenge/az/2"></form><img id="captcha-img">`, `<form id=gaia_loginform action="http://[::1">`,
	} {
		f.Add(seed)
	}
	sent := &sentTo{}
	a, err := newAccountService(Config{BaseURL: "http://login.example", HTTPClient: &http.Client{Transport: sent}})
	require.NoError(f, err)
	address, err := url.Parse("http://login.example/page?x=1")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		sent.hosts = nil
		root, err := html.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		p := &page{address: address, root: root}
		for _, form := range []string{loginForm, verificationForm} {
			_, _ = a.submit(context.Background(), p, byID(form), map[string]string{emailInput: "e"})
			_, _ = a.submit(context.Background(), p, byID(form), nil)
		}
		_, _ = a.verify(context.Background(), p, nobody{})
		for _, host := range sent.hosts {
			require.Equal(t, "login.example", host)
		}
	})
}

// sentTo answers every request with an empty page and notes its host.
type sentTo struct{ hosts []string }

func (s *sentTo) RoundTrip(r *http.Request) (*http.Response, error) {
	s.hosts = append(s.hosts, r.URL.Host)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r, Header: http.Header{}}, nil
}

// nobody is a CredentialsPrompt with empty answers.
type nobody struct{}

func (nobody) Email(context.Context) (string, error)                     { return "", nil }
func (nobody) Password(context.Context) (string, error)                  { return "", nil }
func (nobody) VerificationCode(context.Context) (string, error)          { return "", nil }
func (nobody) AuthorizationCode(context.Context, string) (string, error) { return "", nil }
