package bridge_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// begin starts the bridge without waiting for Matrix.
func (w *world) begin() {
	w.t.Helper()
	w.failed = make(chan error, 1)
	w.main = w.newMain(w.hs.URL())
	require.NoError(w.t, w.main.Setup())
	main := w.main
	w.t.Cleanup(func() {
		if w.main == main {
			main.Shutdown()
		}
	})
	main.StartMatrix(func(err error) { w.failed <- err })
}

func TestAccountsLiveWithoutTheHomeserver(t *testing.T) {
	w, alice, room := talk(t)
	w.stop()
	w.hs.Stop()
	w.begin()
	w.eventually("the account", func() bool { return w.network.Subscribed(anna) })
	w.network.Say(carl, direct, "meanwhile")
	require.False(t, w.main.Running())
	require.NoError(t, w.hs.Resume())
	w.eventually("Matrix", w.main.Running)
	w.waitLines(room, line{ghost(carl), "first"}, line{ghost(carl), "meanwhile"})
	alice.SendText(room, "all well")
	w.waitTexts(direct, "first", "meanwhile", "all well")
	select {
	case err := <-w.failed:
		t.Fatal(err)
	default:
	}
}

func TestShutdownWhileWaitingForTheHomeserver(t *testing.T) {
	w := newWorld(t)
	w.hs.Stop()
	w.begin()
	w.stop() // returns
	require.NoError(t, w.hs.Resume())
}

func TestWrongRegistrationEndsTheStart(t *testing.T) {
	for name, change := range map[string]func(*bridgeconfig.Config){
		"as_token": func(c *bridgeconfig.Config) { c.AppService.ASToken = "wrong" },
		"hs_token": func(c *bridgeconfig.Config) { c.AppService.HSToken = "wrong" },
		"id":       func(c *bridgeconfig.Config) { c.AppService.ID = "wrong" },
		"bot":      func(c *bridgeconfig.Config) { c.AppService.Bot.Username = "wrongbot" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change = change
			w.begin()
			select {
			case err := <-w.failed:
				require.ErrorIs(t, err, homeserver.ErrRegistration)
				require.NotContains(t, err.Error(), "\n")
				require.NotContains(t, err.Error(), w.tokens.AppToken)
			case <-time.After(wait.Patience):
				t.Fatal("no error")
			}
		})
	}
}

// What stands before the bridge may answer for it while it is down or busy.
func TestBusyProxyBeforeTheBridge(t *testing.T) {
	w := newWorld(t)
	target, err := url.Parse("http://" + w.addr())
	require.NoError(t, err)
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if n := asked.Add(1); n <= 2 {
			rw.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests}[n-1])
			return
		}
		httputil.NewSingleHostReverseProxy(target).ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	w.tokens.URL = proxy.URL
	w.begin()
	w.eventually("Matrix", func() bool {
		select {
		case err := <-w.failed:
			t.Fatal(err)
		default:
		}
		return w.main.Running()
	})
	require.Greater(t, asked.Load(), int32(2))
}

func TestPortInUse(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", w.addr())
	require.NoError(t, err)
	defer listener.Close()
	err = w.newMain(w.hs.URL()).Setup()
	require.ErrorIs(t, err, homeserver.ErrListen)
	require.Contains(t, err.Error(), "appservice.port")
}

func TestExampleConfigHasOurDefaults(t *testing.T) {
	text := bridge.ExampleConfig()
	var cfg bridgeconfig.Config
	require.NoError(t, yaml.Unmarshal([]byte(text), &cfg))
	require.True(t, cfg.Bridge.DeduplicateMatrixMessages)
	require.Zero(t, cfg.Bridge.PortalEventBuffer)
	require.Equal(t, "sqlite3-fk-wal", cfg.Database.Type)
	require.Contains(t, cfg.Database.URI, "_txlock=immediate&_stmt_cache_size=200")
	require.Equal(t, 1, cfg.Homeserver.RetryLimit)
	require.True(t, cfg.Backfill.Enabled)
	require.Equal(t, "info", cfg.Logging.MinLevel.String())
	require.Equal(t, "!hangouts", cfg.Bridge.CommandPrefix)
	require.Equal(t, "hangouts_{{.}}", cfg.AppService.UsernameTemplate)
	require.Contains(t, text, "It is part of a complete installation")
	require.NotContains(t, text, "Don't touch", "every change of the example has found its place")
}

func TestFilesOfTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	path, registration := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "registration.yaml")
	run := func(args ...string) int {
		return bridge.NewMain(bridge.Options{Name: "hangouts-bridge"}).Run(append([]string{"-c", path, "-r", registration}, args...))
	}
	require.Equal(t, bridge.ExitConfig, run(), "no config")
	require.Zero(t, run("-e"))
	require.NotZero(t, run("-e"), "nothing is overwritten")
	require.NotZero(t, run("-g"), "the domain is not set")
	require.NoFileExists(t, registration)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, bridge.ExampleConfig(), string(text), "a refused -g changes nothing")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), "domain: example.com", "domain: test.localhost", 1)), 0o600))
	require.NotZero(t, run("-g", "-n"), "tokens could not be saved")
	require.Zero(t, run("-g"))

	reg, err := appservice.LoadRegistration(registration)
	require.NoError(t, err)
	require.Equal(t, appservice.NamespaceList{{Regex: `^#hangouts_[0-9a-f]+:test\.localhost$`, Exclusive: true}}, reg.Namespaces.RoomAliases)
	info, err := os.Stat(registration)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	main := bridge.NewMain(bridge.Options{Name: "hangouts-bridge"})
	require.NoError(t, main.LoadConfigFile(path, false))
	require.Equal(t, reg.AppToken, main.Config.AppService.ASToken)
	require.Equal(t, reg.ServerToken, main.Config.AppService.HSToken)
	require.Zero(t, run("-v"))
	require.Zero(t, run("-h"))
	require.NotZero(t, run("--nonsense"))
	require.NotZero(t, run("stray"))
	require.NoError(t, os.WriteFile(path, []byte("network: [\n"), 0o600))
	require.Equal(t, bridge.ExitConfig, run())
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	_, err := w.main.Store().Exec(t.Context(), "UPDATE hangouts_version SET version=1000, compat=1000")
	require.NoError(t, err)
	w.stop()
	err = w.newMain(w.hs.URL()).Setup()
	require.ErrorContains(t, err, "newer version")
}

// A transaction that the homeserver repeats, whichever, is handled once.
func TestRepeatedTransactions(t *testing.T) {
	w, alice, room := talk(t)
	alice.SendText(room, "one")
	alice.SendText(room, "two")
	w.waitTexts(direct, "first", "one", "two")
	for _, txn := range w.hs.Transactions() {
		status, err := w.hs.Replay(t.Context(), txn)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
	w.stop()
	w.start()
	for _, txn := range w.hs.Transactions() {
		_, err := w.hs.Replay(t.Context(), txn)
		require.NoError(t, err)
	}
	alice.SendText(room, "three")
	w.waitTexts(direct, "first", "one", "two", "three")
}

// What was stored before the bridge stopped is handled at the next start, once.
func TestStoredEventsAreHandledAtStart(t *testing.T) {
	w, alice, room := talk(t)
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("down: %w", chat.ErrUnavailable)}
	})
	alice.SendText(room, "waits 1")
	alice.SendText(room, "waits 2")
	w.eventually("both to be stored", func() bool {
		var n int
		err := w.main.Store().QueryRow(t.Context(), "SELECT COUNT(*) FROM matrix_inbox WHERE NOT done AND body LIKE '%waits%'").Scan(&n)
		return err == nil && n == 2
	})
	w.stop()
	w.network.OnSend(nil)
	w.start()
	w.waitTexts(direct, "first", "waits 1", "waits 2")
	w.eventually("no text to remain", func() bool {
		var n int
		err := w.main.Store().QueryRow(t.Context(), "SELECT COUNT(*) FROM matrix_inbox WHERE body<>''").Scan(&n)
		return err == nil && n == 0
	})
	require.Empty(t, w.notices(room))
}

func TestTransactionsNeedTheToken(t *testing.T) {
	w := newWorld(t)
	w.start()
	for _, token := range []string{"", "wrong", w.tokens.AppToken} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+w.addr()+"/_matrix/app/v1/transactions/1", strings.NewReader(`{"events":[]}`))
		require.NoError(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.GreaterOrEqual(t, resp.StatusCode, 400)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+w.addr()+"/_matrix/app/v1/transactions/1", strings.NewReader(`{"events":{}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.tokens.ServerToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}
