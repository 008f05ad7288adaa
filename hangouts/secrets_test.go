package hangouts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// secret makes a value that is recognised wherever it turns up.
func secret(what string) string { return "SECRET" + what + "SECRET" }

// output collects everything that is written anywhere.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) error(err error) {
	if err == nil {
		return
	}
	var network *hangouts.NetworkError
	var auth *hangouts.GoogleAuthError
	fmt.Fprintf(o, "%v\n", err) // what is below in the chain is for errors.Is and errors.As; nobody prints it
	if errors.As(err, &network) {
		fmt.Fprintf(o, "%v %v %v\n", network.Op, network.Reason, network.Description)
	}
	if errors.As(err, &auth) {
		fmt.Fprintf(o, "%v %v\n", auth.Step, auth.Reason)
	}
}

// logger logs everything.
func (o *output) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(o, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// capture directs the default logs and the standard streams to one place.
func capture(t *testing.T) (context.Context, *output) {
	o := &output{}
	before, flags, writer := slog.Default(), log.Flags(), log.Writer()
	slog.SetDefault(o.logger())
	log.SetOutput(o)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = write, write
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(o, read) })
	t.Cleanup(func() {
		os.Stdout, os.Stderr = stdout, stderr
		_ = write.Close()
		wg.Wait()
		_ = read.Close()
		slog.SetDefault(before)
		log.SetFlags(flags)
		log.SetOutput(writer)
	})
	return context.Background(), o
}

// misbehave answers in one of the ways that make an HTTP client quote what it was sent.
var misbehave = map[string]func(w http.ResponseWriter, r *http.Request){
	"status": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, r.Header.Get("Cookie")+r.URL.String()+secret("echo"))
	},
	"cut":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"no HTTP":      wire(secret("answer") + " is no HTTP\r\n\r\n"),
	"bad status":   wire("HTTP/1.1 " + secret("answer") + "\r\n\r\n"),
	"bad header":   wire("HTTP/1.1 200 OK\r\nSet-Cookie SID=" + secret("cookie") + "\r\n\r\n"),
	"bad length":   wire("HTTP/1.1 200 OK\r\nContent-Length: " + secret("length") + "\r\n\r\n"),
	"bad encoding": wire("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secret("encoding") + "\r\n\r\n"),
	"bad chunk":    wire("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret("chunk") + "\r\n"),
	"bad trailer":  wire("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + secret("trailer") + "\r\n\r\n"),
	"bad redirect": wire("HTTP/1.1 302 Found\r\nLocation: http://%zz/" + secret("location") + "\r\nContent-Length: 0\r\n\r\n"),
	"foreign":      wire("HTTP/1.1 302 Found\r\nLocation: http://evil.example/?uberauth=" + secret("location") + "\r\nContent-Length: 0\r\n\r\n"),
	"junk":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12\n"+secret("body")) },
	"JSON error": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"error":"`+secret("error")+`"}`)
	},
	"error as status": wire("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n" + `{"error":"` + secret("error") + `","error_description":"` + secret("description") + `"}`),
	"quoted cookie": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "SID=\x01"+secret("cookie")+"\";=; Path")
		w.WriteHeader(http.StatusUnauthorized)
	},
}

// wire answers with bytes of which nothing need be right.
func wire(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = rw.WriteString(text)
		_ = rw.Flush()
	}
}

type secretPrompt struct{}

func (secretPrompt) Email(context.Context) (string, error)    { return "ada@example.com", nil }
func (secretPrompt) Password(context.Context) (string, error) { return secret("password"), nil }
func (secretPrompt) VerificationCode(context.Context) (string, error) {
	return secret("verification"), nil
}
func (secretPrompt) AuthorizationCode(context.Context, string) (string, error) {
	return secret("authorization"), nil
}

// TestSecretsStayInside walks every path, each broken in every way, at trace level: no credential is
// in a log line, in a standard stream, or in the text of an error.
func TestSecretsStayInside(t *testing.T) {
	ctx, out := capture(t)
	cookies := map[string]string{"SAPISID": secret("sapisid"), "SID": secret("sid")}
	for _, answer := range misbehave {
		secretsOfLogin(ctx, out, answer)
		secretsOfClient(ctx, t, out, answer, cookies)
	}
	secretsOfSuccess(ctx, t, out, cookies)
	cache := hangouts.NewRefreshTokenCache(filepath.Join(t.TempDir(), "none", "token"))
	cache.Logger = out.logger()
	cache.Set(ctx, secret("refresh"))
	out.error(fmt.Errorf("%v", cache.Get(ctx)))
	_, err := hangouts.New(hangouts.Config{Proxy: "://user:" + secret("proxy") + "@h"}, cookies)
	out.error(err)
	c, err := hangouts.New(hangouts.Config{BaseURL: "http://127.0.0.1:1", Proxy: "http://user:" + secret("proxy") + "@127.0.0.1:1"}, cookies)
	require.NoError(t, err)
	_, err = c.GetSelfInfo(ctx, nil)
	out.error(err)
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	out.error(err)
	c.Close()

	text := out.String()
	require.Contains(t, text, "google login", "the errors were collected")
	require.Contains(t, text, "push channel", "the channel failed too")
	require.Contains(t, text, `"level":"DEBUG"`, "the logs were collected")
	for _, line := range strings.Split(text, "\n") {
		require.NotContains(t, line, "SECRET")
		require.NotContains(t, line, "SAPISIDHASH")
	}
}

// secretsOfLogin breaks each step of a log-in, after those before it worked.
func secretsOfLogin(ctx context.Context, out *output, answer func(http.ResponseWriter, *http.Request)) {
	for _, step := range []string{"/o/oauth2/token", "/accounts/OAuthLogin", "/MergeSession", "/o/oauth2/programmatic_auth", "/password", "/check", "/verify"} {
		for _, manual := range []bool{false, true} {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.URL.Path == step {
					answer(w, r)
					return
				}
				switch r.URL.Path {
				case "/o/oauth2/token":
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"access_token":"`+secret("access")+`","refresh_token":"`+secret("refresh")+`"}`)
				case "/accounts/OAuthLogin":
					_, _ = io.WriteString(w, secret("uberauth"))
				case "/o/oauth2/programmatic_auth":
					_, _ = io.WriteString(w, emailPage)
				case "/password":
					_, _ = io.WriteString(w, passwordPage)
				case "/check":
					_, _ = io.WriteString(w, smsPage)
				case "/verify":
					w.Header().Set("Set-Cookie", "oauth_code="+secret("code"))
				default:
					w.Header().Add("Set-Cookie", "SAPISID="+secret("sapisid"))
				}
			}))
			srv.Config.ErrorLog = log.New(io.Discard, "", 0) // the server's own
			srv.Start()
			cfg := hangouts.Config{BaseURL: srv.URL, Logger: out.logger(), OAuth: hangouts.OAuth{ClientID: "id", ClientSecret: secret("client")}}
			store := &memory{}
			if step == "/accounts/OAuthLogin" && manual {
				store.token = secret("refresh")
			}
			_, err := hangouts.GetAuth(ctx, cfg, secretPrompt{}, store, manual)
			out.error(err)
			srv.Close()
		}
	}
}

// secretsOfClient breaks requests, upload, download, and the channel at each of its requests.
func secretsOfClient(ctx context.Context, t *testing.T, out *output, answer func(http.ResponseWriter, *http.Request), cookies map[string]string) {
	for _, at := range []string{"create", "poll", "services", "rest"} {
		s := newScript(t)
		s.srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			query, here := r.URL.Query(), "rest"
			if strings.HasPrefix(r.URL.Path, "/client-channel/") {
				switch {
				case r.Method == http.MethodGet:
					here = "poll"
				case query.Get("SID") == "":
					here = "create"
				default:
					here = "services"
				}
			}
			if here == at {
				_, _ = io.Copy(io.Discard, r.Body)
				answer(w, r)
				return
			}
			s.ServeHTTP(w, r)
		})
		s.poll = func(_ int, p *stream) { p.start(); p.push(`["cbu",[["` + secret("text") + `"]]]`); p.hold() }
		srv := httptest.NewUnstartedServer(handler)
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.Start()
		c, err := hangouts.New(hangouts.Config{
			BaseURL: srv.URL, APIKey: secret("key"), MaxRetries: hangouts.Retries(1), RetryBackoffBase: 0.001, Attempts: 1,
			RequestTimeout: 2 * time.Second, IdleTimeout: 2 * time.Second, Logger: out.logger(),
		}, cookies)
		require.NoError(t, err)
		c.OnCookies = func(map[string]string) {}
		require.NoError(t, c.OnDisconnect.AddObserver(hangouts.Observe(func(_ context.Context, d hangouts.Disconnected) error {
			out.error(d.Err)
			return nil
		})))
		if at == "rest" {
			_, err = c.SendChatMessage(ctx, &pb.SendChatMessageRequest{MessageContent: &pb.MessageContent{Segment: hangouts.ParseText(secret("text"))}})
			require.Error(t, err)
			out.error(err)
			_, err = c.UploadImage(ctx, strings.NewReader(secret("image")), "x.png")
			out.error(err)
			_, err = c.Download(ctx, srv.URL+"/photo?"+secret("address"), 0)
			out.error(err)
			out.error(c.SetActive(ctx))
		} else {
			limited, cancel := context.WithTimeout(ctx, 3*time.Second)
			out.error(c.Connect(limited))
			cancel()
		}
		c.Close()
		srv.CloseClientConnections()
		srv.Close()
	}
}

// secretsOfSuccess: nothing breaks, and cookies are changed on the way.
func secretsOfSuccess(ctx context.Context, t *testing.T, out *output, cookies map[string]string) {
	s := newScript(t)
	s.api = func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Add("Set-Cookie", "SIDCC="+secret("rotated"))
		reply(w, &pb.GetSelfInfoResponse{ResponseHeader: &pb.ResponseHeader{
			Status: pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST.Enum(), ErrorDescription: proto.String("no"),
		}})
	}
	done := make(chan struct{})
	s.poll = func(_ int, p *stream) {
		p.start()
		p.push(`["` + secret("tag") + `",[1]]`)
		p.push(`["cbu",[` + event("one") + `]]`)
		p.hold()
	}
	c, err := hangouts.New(hangouts.Config{BaseURL: s.srv.URL, APIKey: secret("key"), Logger: out.logger()}, cookies)
	require.NoError(t, err)
	require.NoError(t, c.OnBatch.AddObserver(hangouts.Observe(func(context.Context, []*pb.StateUpdate) error { close(done); return nil })))
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.Equal(t, secret("rotated"), c.Cookies()["SIDCC"])
	out.error(err)
	var wg sync.WaitGroup
	wg.Go(func() { out.error(c.Connect(ctx)) })
	<-done
	c.Disconnect()
	wg.Wait()
	c.Close()
}
