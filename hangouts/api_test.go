package hangouts_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func TestSAPISIDHashVectors(t *testing.T) {
	type vector struct {
		ID, SAPISID, Origin string
		Time                float64
		TimeMS              int64 `json:"time_ms"`
		Headers             map[string]string
	}
	for _, c := range vectors[vector](t, "sapisidhash", 5) {
		seconds := int64(c.Time)
		if c.TimeMS != 0 {
			seconds = c.TimeMS
		}
		require.Equal(t, c.Headers["authorization"], hangouts.SAPISIDHash(c.SAPISID, c.Origin, seconds), c.ID)
	}
}

func TestRequestEncodingVectors(t *testing.T) {
	type vector struct {
		ID, Endpoint, Message, Why string
		JSON                       json.RawMessage
		WireHex                    string `json:"wire_hex"`
	}
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		reply(w, &pb.GetSelfInfoResponse{ResponseHeader: okHeader()})
	}
	s.poll = func(_ int, p *stream) { p.start(); p.hold() }
	c := s.client(t, nil)
	for i, v := range vectors[vector](t, "request_encoding", 12) {
		if i == 1 { // the first one is sent before the client id is known
			connect(t, c)
			eventually(t, func() bool { return c.ClientID() != "" })
		}
		typ, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("hangouts." + v.Message))
		require.NoError(t, err)
		req := typ.New().Interface()
		require.NoError(t, protojson.Unmarshal(v.JSON, req))
		req.ProtoReflect().Clear(req.ProtoReflect().Descriptor().Fields().ByNumber(1))
		require.NoError(t, send(c, req), v.ID)
		got := s.seen("/chat/v1/" + v.Endpoint)
		require.NotEmpty(t, got, v.ID)
		require.Equal(t, v.WireHex, hex.EncodeToString(got[len(got)-1].body), "%s: %s", v.ID, v.Why)
	}
}

// send calls the method that belongs to a request.
func send(c *hangouts.Client, req proto.Message) error {
	for _, m := range methods {
		if m.request == req.ProtoReflect().Descriptor().Name() {
			return m.call(c, req)
		}
	}
	return fmt.Errorf("no method for %T", req)
}

type method struct {
	request protoreflect.Name
	path    string
	call    func(*hangouts.Client, proto.Message) error
	none    func(*hangouts.Client) error
}

func of[Q, A any, P interface {
	*Q
	proto.Message
}](path string, call func(*hangouts.Client, context.Context, *Q) (*A, error)) method {
	return method{
		request: P(new(Q)).ProtoReflect().Descriptor().Name(), path: path,
		call: func(c *hangouts.Client, req proto.Message) error {
			_, err := call(c, context.Background(), req.(P))
			return err
		},
		none: func(c *hangouts.Client) error {
			_, err := call(c, context.Background(), nil)
			return err
		},
	}
}

var methods = []method{
	of("conversations/adduser", (*hangouts.Client).AddUser),
	of("conversations/createconversation", (*hangouts.Client).CreateConversation),
	of("conversations/deleteconversation", (*hangouts.Client).DeleteConversation),
	of("conversations/easteregg", (*hangouts.Client).EasterEgg),
	of("conversations/getconversation", (*hangouts.Client).GetConversation),
	of("contacts/getentitybyid", (*hangouts.Client).GetEntityByID),
	of("conversations/getgroupconversationurl", (*hangouts.Client).GetGroupConversationURL),
	of("contacts/getselfinfo", (*hangouts.Client).GetSelfInfo),
	of("contacts/getsuggestedentities", (*hangouts.Client).GetSuggestedEntities),
	of("presence/querypresence", (*hangouts.Client).QueryPresence),
	of("conversations/removeuser", (*hangouts.Client).RemoveUser),
	of("conversations/renameconversation", (*hangouts.Client).RenameConversation),
	of("contacts/searchentities", (*hangouts.Client).SearchEntities),
	of("conversations/sendchatmessage", (*hangouts.Client).SendChatMessage),
	of("conversations/modifyotrstatus", (*hangouts.Client).ModifyOTRStatus),
	of("devices/sendoffnetworkinvitation", (*hangouts.Client).SendOffnetworkInvitation),
	of("clients/setactiveclient", (*hangouts.Client).SetActiveClient),
	of("conversations/setconversationnotificationlevel", (*hangouts.Client).SetConversationNotificationLevel),
	of("conversations/setfocus", (*hangouts.Client).SetFocus),
	of("conversations/setgrouplinksharingenabled", (*hangouts.Client).SetGroupLinkSharingEnabled),
	of("presence/setpresence", (*hangouts.Client).SetPresence),
	of("conversations/settyping", (*hangouts.Client).SetTyping),
	of("conversations/syncallnewevents", (*hangouts.Client).SyncAllNewEvents),
	of("conversations/syncrecentconversations", (*hangouts.Client).SyncRecentConversations),
	of("conversations/updatewatermark", (*hangouts.Client).UpdateWatermark),
	of("conversations/replytoinvite", (*hangouts.Client).ReplyToInvite),
	of("conversations/modifyconversationview", (*hangouts.Client).ModifyConversationView),
	of("conversations/opengroupconversationfromurl", (*hangouts.Client).OpenGroupConversationFromURL),
	of("conversations/markeventobserved", (*hangouts.Client).MarkEventObserved),
}

// TestEveryMethod checks path, success, refusal and bad input of each request.
func TestEveryMethod(t *testing.T) {
	s := newScript(t)
	header := okHeader()
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		reply(w, &pb.GetSelfInfoResponse{ResponseHeader: header})
	}
	c := s.client(t, nil)
	for _, m := range methods {
		t.Run(string(m.request), func(t *testing.T) {
			typ, err := protoregistry.GlobalTypes.FindMessageByName("hangouts." + protoreflect.FullName(m.request))
			require.NoError(t, err)
			header = okHeader()
			before := typ.New().Interface()
			require.NoError(t, m.call(c, before))
			require.Zero(t, proto.Size(before), "the caller's message must stay as it is")
			require.Len(t, s.seen("/chat/v1/"+m.path+"?alt=proto&key=test-key"), 1)

			header = &pb.ResponseHeader{
				Status:           pb.ResponseStatus_RESPONSE_STATUS_INVALID_CONVERSATION.Enum(),
				ErrorDescription: proto.String("no"),
			}
			err = m.call(c, typ.New().Interface())
			var network *hangouts.NetworkError
			require.ErrorAs(t, err, &network)
			require.Equal(t, m.path, network.Op)
			require.Equal(t, "no", network.Description)
			require.ErrorIs(t, err, hangouts.ErrInvalidConversation)
			require.False(t, hangouts.Ambiguous(err))

			require.ErrorIs(t, m.none(c), hangouts.ErrBadRequest)
			require.Len(t, s.seen("/chat/v1/"+m.path), 2)
		})
	}
}

func TestRequestMissingRequiredField(t *testing.T) {
	c := newScript(t).client(t, nil)
	_, err := c.SendChatMessage(context.Background(), &pb.SendChatMessageRequest{
		MessageContent: &pb.MessageContent{Segment: []*pb.Segment{{Text: proto.String("no type")}}},
	})
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
}

func TestAPIResponseVectors(t *testing.T) {
	type vector struct {
		ID, Body, Why string
		Expected      struct {
			OK      json.RawMessage
			Error   string
			Message *string
		}
	}
	s := newScript(t)
	c := s.client(t, nil)
	for _, v := range vectors[vector](t, "api_response", 7) {
		t.Run(v.ID, func(t *testing.T) {
			s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = io.WriteString(w, v.Body) }
			got, err := c.GetSelfInfo(context.Background(), &pb.GetSelfInfoRequest{})
			if v.Expected.Error == "" {
				require.NoError(t, err)
				var want pb.GetSelfInfoResponse
				require.NoError(t, protojson.Unmarshal(v.Expected.OK, &want))
				require.True(t, proto.Equal(&want, got))
				return
			}
			var network *hangouts.NetworkError
			require.ErrorAs(t, err, &network)
			if v.Expected.Message != nil {
				require.Contains(t, strings.ToLower(err.Error()), strings.ToLower(*v.Expected.Message))
			}
			require.Equal(t, v.ID != "status-4", hangouts.Ambiguous(err), "only a status says that nothing was done")
		})
	}
}

func TestResponseStatusIsKept(t *testing.T) {
	s := newScript(t)
	c := s.client(t, nil)
	for status := range pb.ResponseStatus_name {
		if status == 1 {
			continue
		}
		s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			reply(w, &pb.SetTypingResponse{ResponseHeader: &pb.ResponseHeader{
				Status: pb.ResponseStatus(status).Enum(), BackoffDurationMillis: proto.Uint64(1500),
			}})
		}
		_, err := c.SetTyping(context.Background(), &pb.SetTypingRequest{})
		var network *hangouts.NetworkError
		require.ErrorAs(t, err, &network)
		require.EqualValues(t, status, network.Status)
		require.True(t, network.HasStatus)
		require.Equal(t, status == 7, errors.Is(err, hangouts.ErrRateLimited))
		require.Equal(t, 1500*time.Millisecond, hangouts.RetryAfter(err))
		var family hangouts.HangupsError
		require.ErrorAs(t, err, &family)
	}
}

func TestRequestHeaders(t *testing.T) {
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if strings.Contains(r.URL.Path, "querypresence") {
			w.Header().Add("Set-Cookie", `SIDCC="new/val=ue"; Path=/; Secure; HttpOnly`)
			w.Header().Add("Set-Cookie", "GONE=x; Max-Age=0")
			w.Header().Add("Set-Cookie", "SID=; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
		}
		reply(w, &pb.GetSelfInfoResponse{ResponseHeader: okHeader()})
	}
	c := s.client(t, nil)
	var changes []map[string]string
	c.OnCookies = func(m map[string]string) { changes = append(changes, m) }
	ctx := context.Background()
	_, err := c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.NoError(t, err)
	require.Empty(t, changes)
	_, err = c.QueryPresence(ctx, &pb.QueryPresenceRequest{})
	require.NoError(t, err)
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.NoError(t, err)

	want := map[string]string{"SAPISID": "sapisid/EfGh-04_x", "SIDCC": "new/val=ue"}
	require.Equal(t, []map[string]string{want}, changes)
	require.Equal(t, want, c.Cookies())
	h := s.seen("/chat/v1/contacts/getselfinfo")
	require.Equal(t, "SAPISID=sapisid/EfGh-04_x; SID=s=1", h[0].header.Get("Cookie"))
	require.Equal(t, "SAPISID=sapisid/EfGh-04_x; SIDCC=new/val=ue", h[1].header.Get("Cookie"))
	require.Equal(t, "application/x-protobuf", h[0].header.Get("Content-Type"))
	require.Equal(t, "base64", h[0].header.Get("X-Goog-Encode-Response-If-Executable"))
	require.Equal(t, "https://hangouts.google.com", h[0].header.Get("Origin"))
	require.Equal(t, "0", h[0].header.Get("X-Goog-Authuser"))
	var seconds int64
	_, err = fmt.Sscanf(h[0].header.Get("Authorization"), "SAPISIDHASH %d_", &seconds)
	require.NoError(t, err)
	require.Equal(t, hangouts.SAPISIDHash("sapisid/EfGh-04_x", "https://hangouts.google.com", seconds), h[0].header.Get("Authorization"))
}

func TestMissingSAPISID(t *testing.T) {
	_, err := hangouts.New(hangouts.Config{}, map[string]string{"SID": "x"})
	var auth *hangouts.GoogleAuthError
	require.ErrorAs(t, err, &auth)
	require.False(t, auth.Unavailable())
	var family hangouts.HangupsError
	require.False(t, errors.As(err, &family), "GoogleAuthError is not of the family")
}

// TestFailedRequests lists what can go wrong below the message, how often the request was
// sent, and what the caller may conclude.
func TestFailedRequests(t *testing.T) {
	cut := func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "17")
			w.Header().Set("Location", "/elsewhere")
			http.Error(w, `{"error":{}}`, code)
		}
	}
	tests := []struct {
		name      string
		fail      func(http.ResponseWriter)
		attempts  int // with blind repeats
		ambiguous bool
		is        error
	}{
		{"no answer", cut, 3, true, nil},
		{"body cut off", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "99"); _, _ = io.WriteString(w, "abc") }, 3, true, nil},
		{"body too large", func(w http.ResponseWriter) { _, _ = io.WriteString(w, strings.Repeat("A", 5000)) }, 1, true, hangouts.ErrResponse},
		{"bad base64", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "abc") }, 1, true, hangouts.ErrResponse},
		{"400", status(400), 1, false, nil},
		{"401", status(401), 1, false, hangouts.ErrUnauthorized},
		{"403", status(403), 1, false, nil},
		{"404", status(404), 1, false, nil},
		{"429", status(429), 1, false, hangouts.ErrRateLimited},
		{"500", status(500), 1, true, nil},
		{"502", status(502), 1, true, nil},
		{"503", status(503), 1, false, nil},
		{"504", status(504), 1, true, nil},
		{"302", status(302), 1, false, nil},
		{"204", func(w http.ResponseWriter) { w.WriteHeader(204) }, 1, false, nil},
	}
	for _, c := range tests {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s strict=%v", c.name, strict), func(t *testing.T) {
				s := newScript(t)
				s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) { c.fail(w) }
				client := s.client(t, func(cfg *hangouts.Config) { cfg.NoBlindRepeats, cfg.MaxResponseSize = strict, 4096 })
				_, err := client.SendChatMessage(context.Background(), &pb.SendChatMessageRequest{})
				var network *hangouts.NetworkError
				require.ErrorAs(t, err, &network)
				require.Equal(t, c.ambiguous, hangouts.Ambiguous(err), "%v", err)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
				require.NotContains(t, err.Error(), "test-key")
				if network.Code >= 300 {
					require.Equal(t, 17*time.Second, hangouts.RetryAfter(err))
				}
				want := c.attempts
				if strict {
					want = 1
				}
				require.Len(t, s.seen("/chat/v1/conversations/sendchatmessage"), want)
				require.Empty(t, s.seen("/elsewhere"), "redirects are not followed")

				// A request without an effect is repeated in any case.
				_, err = client.SetTyping(context.Background(), &pb.SetTypingRequest{})
				require.Error(t, err)
				require.Len(t, s.seen("/chat/v1/conversations/settyping"), c.attempts)
			})
		}
	}
}

func TestRepeatSucceeds(t *testing.T) {
	s := newScript(t)
	var n atomic.Int32
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		if n.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
		reply(w, &pb.SetTypingResponse{ResponseHeader: okHeader()})
	}
	_, err := s.client(t, nil).SetTyping(context.Background(), &pb.SetTypingRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, n.Load())
}

// TestRefusalAfterLostAnswer: the first attempt may have worked, so a refused repeat proves nothing.
func TestRefusalAfterLostAnswer(t *testing.T) {
	s := newScript(t)
	var n atomic.Int32
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}
	_, err := s.client(t, nil).SendChatMessage(context.Background(), &pb.SendChatMessageRequest{})
	require.ErrorIs(t, err, hangouts.ErrRateLimited)
	require.True(t, hangouts.Ambiguous(err))
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	c, err := hangouts.New(hangouts.Config{BaseURL: "http://" + address, NoBlindRepeats: true}, testCookies)
	require.NoError(t, err)
	_, err = c.SendChatMessage(context.Background(), &pb.SendChatMessageRequest{})
	var network *hangouts.NetworkError
	require.ErrorAs(t, err, &network)
	require.False(t, hangouts.Ambiguous(err), "no connection, no effect")
	require.Zero(t, network.Code)
}

func TestTimeouts(t *testing.T) {
	s := newScript(t)
	release := make(chan struct{})
	s.api = func(http.ResponseWriter, *http.Request, []byte) { <-release }
	defer close(release)
	c := s.client(t, func(cfg *hangouts.Config) { cfg.RequestTimeout, cfg.Attempts = 30*time.Millisecond, 2 })
	_, err := c.SetTyping(context.Background(), &pb.SetTypingRequest{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, hangouts.Ambiguous(err))
	require.Len(t, s.seen("/chat/v1/"), 2)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.SetTyping(ctx, &pb.SetTypingRequest{})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, hangouts.Ambiguous(err))
	require.Len(t, s.seen("/chat/v1/"), 2, "nothing is sent for a context that has ended")
}

func TestTrustedHosts(t *testing.T) {
	for _, c := range []struct {
		api, address string
		hosts        []string
		want         bool
	}{
		{"", "https://chat-pa.clients6.google.com/x", nil, true},
		{"", "https://CHAT.Google.COM:443/x", nil, true},
		{"", "https://google.com/", nil, false},
		{"", "https://evilgoogle.com/", nil, false},
		{"", "https://www.google.com.evil.net/", nil, false},
		{"", "https://lh3.googleusercontent.com/", nil, false},
		{"", "http://docs.google.com/", nil, false},
		{"http://127.0.0.1:1", "http://127.0.0.1:1/x", []string{"127.0.0.1:1"}, true},
		{"http://127.0.0.1:1", "http://127.0.0.1:2/x", []string{"127.0.0.1:1"}, false},
		{"http://localhost:1", "http://localhost:2/x", []string{"localhost"}, true},
	} {
		cfg := hangouts.Config{TrustedHosts: c.hosts, Endpoints: hangouts.Endpoints{API: c.api}}
		require.Equal(t, c.want, hangouts.Trusted(t, cfg, c.address), c.address)
	}

	s := newScript(t)
	c := s.client(t, func(cfg *hangouts.Config) { cfg.TrustedHosts = []string{"elsewhere.example"} })
	_, err := c.GetSelfInfo(context.Background(), &pb.GetSelfInfoRequest{})
	require.ErrorIs(t, err, hangouts.ErrUntrustedHost)
	require.Empty(t, s.requests)
	require.ErrorIs(t, c.Connect(context.Background()), hangouts.ErrUntrustedHost)
	require.Empty(t, s.requests)
}

func TestConfig(t *testing.T) {
	_, err := hangouts.New(hangouts.Config{}, testCookies)
	require.NoError(t, err)
	for _, cfg := range []hangouts.Config{
		{BaseURL: "no-host"}, {BaseURL: "://"}, {Endpoints: hangouts.Endpoints{API: "ftp://x/"}},
		{Endpoints: hangouts.Endpoints{Channel: "/relative"}}, {Proxy: "127.0.0.1:1"},
	} {
		_, err := hangouts.New(cfg, testCookies)
		require.ErrorIs(t, err, hangouts.ErrConfig, "%+v", cfg)
	}
	e := hangouts.EndpointsOf(t, hangouts.Config{BaseURL: "http://h:1/", Endpoints: hangouts.Endpoints{Token: "http://t/x"}})
	require.Equal(t, hangouts.Endpoints{
		Channel: "http://h:1/client-channel/channel/bind", API: "http://h:1", Upload: "http://h:1/upload/photos/resumable",
		Login: "http://h:1/o/oauth2/programmatic_auth", Token: "http://t/x", OAuthLogin: "http://h:1/accounts/OAuthLogin",
		Merge: "http://h:1/MergeSession", MergeContinue: "http://www.google.com", Origin: "https://hangouts.google.com",
	}, e)
}

// TestProxyAndClient: requests go through a configured proxy, and through a given client, whose
// redirects, jar and time-out are left aside.
func TestProxyAndClient(t *testing.T) {
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		reply(w, &pb.GetSelfInfoResponse{ResponseHeader: okHeader()})
	}
	c, err := hangouts.New(hangouts.Config{BaseURL: "http://chat.invalid", Proxy: s.srv.URL}, testCookies)
	require.NoError(t, err)
	_, err = c.GetSelfInfo(context.Background(), &pb.GetSelfInfoRequest{})
	require.NoError(t, err)
	c.Close()
	require.Len(t, s.seen("/chat/v1/contacts/getselfinfo"), 1, "the proxy got the request")

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	given := &http.Client{Timeout: time.Nanosecond, Transport: transport}
	c, err = hangouts.New(hangouts.Config{BaseURL: s.srv.URL, HTTPClient: given}, testCookies)
	require.NoError(t, err)
	_, err = c.GetSelfInfo(context.Background(), &pb.GetSelfInfoRequest{})
	require.NoError(t, err)
	require.Equal(t, time.Nanosecond, given.Timeout, "the given client is not changed")
}

// TestCookiesThatMakeNoSession are refused at once and for good: nothing is tried again with them.
func TestCookiesThatMakeNoSession(t *testing.T) {
	good := map[string]string{"SAPISID": "a/b", "SID": "\"quoted\" c=d"}
	c, err := hangouts.New(hangouts.Config{}, good)
	require.NoError(t, err)
	for _, cookies := range []map[string]string{
		nil, {"SID": "x"}, {"SAPISID": "a\n"}, {"SAPISID": "a", "SID": "x\r\nInjected: y"}, {"SAPISID": "a", "SID": "x; HSID=y"},
		{"SAPISID": "a", "SID": "\x7f"}, {"SAPISID": "a", "S=ID": "x"}, {"SAPISID": "a", "S\nID": "x"},
	} {
		_, err := hangouts.New(hangouts.Config{}, cookies)
		for _, err := range []error{err, c.SetCookies(cookies)} {
			require.ErrorIs(t, err, hangouts.ErrRefused, "%q", cookies)
			require.False(t, hangouts.Temporary(err), "%q", cookies)
		}
	}
	require.Equal(t, good, c.Cookies())
}
