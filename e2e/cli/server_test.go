package cli_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// serverLine is what hangouts-server prints.
type serverLine struct {
	BaseURL    string                     `json:"base_url"`
	ControlURL string                     `json:"control_url"`
	ProxyURL   string                     `json:"proxy_url"`
	Accounts   []hangoutstest.AccountInfo `json:"accounts"`
}

// startServer runs hangouts-server.
func (p *place) startServer(args ...string) (*proc.Process, serverLine) {
	p.t.Helper()
	server := proc.Start(p.t, proc.Options{Name: "hangouts-server", Path: p.program, Args: append([]string{"hangouts-server"}, args...), Dir: p.dir})
	var line serverLine
	require.NoError(p.t, json.Unmarshal([]byte(server.WaitStdout("{")), &line))
	return server, line
}

// control asks the server's control interface.
func control(t *testing.T, url, verb string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	resp, err := http.Post(url+"/"+verb, "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", verb, answer)
	if out != nil {
		require.NoError(t, json.Unmarshal(answer, out))
	}
}

func TestServerPrintsOneLine(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	cmd := exec.Command(p.program, "hangouts-server", "--accounts", "3")
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }()
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(pipe).Decode(&raw))
	var line map[string]any
	require.NoError(t, json.Unmarshal(raw, &line))
	require.NotContains(t, string(raw), "\n")
	require.ElementsMatch(t, []string{"base_url", "control_url", "proxy_url", "accounts"}, keys(line))
	require.Len(t, line["accounts"], 3)
	for _, account := range line["accounts"].([]any) {
		fields := account.(map[string]any)
		require.Regexp(t, `^\d{21}$`, fields["gaia_id"])
		require.Contains(t, fields["email"], "@")
		require.NotEmpty(t, fields["refresh_token"])
		require.NotEmpty(t, fields["cookies"].(map[string]any)["SAPISID"])
	}
	control(t, line["control_url"].(string), "send", map[string]any{"as": "user1", "conversation": "team", "text": "hello"}, nil)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(pipe)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.Empty(t, strings.TrimSpace(string(rest)), "nothing else on standard output")
	require.Empty(t, stderr.String())
}

func keys(m map[string]any) (out []string) {
	for key := range m {
		out = append(out, key)
	}
	return out
}

// What the server has accepted survives kill -9, and a bridge goes on with it.
func TestServerState(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	listen := freeAddr(t)
	server, line := p.startServer("--listen", listen, "--state", "world.state")
	requirePrivate(t, p.path("world.state"))
	require.Equal(t, "http://"+listen, line.BaseURL)
	p.set("network.hangouts.base_url", line.BaseURL)
	p.runInput(line.Accounts[0].RefreshToken, "login", "-refresh-token", "-", "-irc-user", "ada").ok()
	password := p.password("ada")
	bridge := p.start()
	ada := p.chat("ada", password)
	subscribed := map[string]any{"account": "user1", "count": 1, "timeout_ms": patience.Milliseconds()}
	control(t, line.ControlURL, "wait-subscribed", subscribed, nil)
	var want []string
	exchange := func(round int) {
		control(t, line.ControlURL, "wait-subscribed", subscribed, nil)
		for i := range 3 {
			said := fmt.Sprintf("said %d.%d", round, i)
			control(t, line.ControlURL, "send", map[string]any{"as": "carol", "conversation": "carol", "text": said}, nil)
			ada.AwaitFunc(said, says(said))
			answer := fmt.Sprintf("answer %d.%d", round, i)
			ada.Send("PRIVMSG Carol_Capek :%s", answer)
			want = append(want, said, answer)
			control(t, line.ControlURL, "wait-events", map[string]any{"conversation": "carol", "count": 2 + len(want), "timeout_ms": patience.Milliseconds()}, nil)
		}
	}
	exchange(0)
	for round := 1; round < 3; round++ {
		server.Kill9()
		server.StartAgain()
		server.WaitPort(listen)
		exchange(round)
	}
	var events struct {
		Items []hangoutstest.EventInfo `json:"list"`
	}
	control(t, line.ControlURL, "events", map[string]any{"conversation": "carol"}, &events)
	var got []string
	for _, e := range events.Items[2:] {
		got = append(got, e.Text)
	}
	require.Equal(t, want, got)
	require.Zero(t, bridge.Terminate())

	p.run("hangouts-server", "--state", "world.state").refused("world.state") // it is in use
	require.Zero(t, server.Terminate())
	p.write("other.state", "this is no journal\n")
	p.run("hangouts-server", "--state", "other.state").refused("other.state")
	require.Equal(t, "this is no journal\n", p.read("other.state"))
}

func TestServerScenario(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.write("village.json", `{"people": [{"key": "ann", "name": "Ann", "email": "ann@example.com", "account": true}, {"key": "ben", "name": "Ben"}],
		"conversations": [{"key": "well", "members": ["ann", "ben"], "history": [{"from": "ben", "text": "Hi Ann"}]}]}`)
	_, line := p.startServer("--scenario", "village.json")
	require.Len(t, line.Accounts, 1)
	require.Equal(t, "Ann", line.Accounts[0].Name)
	p.write("broken.json", `{"people": [`)
	p.write("unknown.json", `{"people": [{"key": "ann", "email": "ann@example.com", "account": true}], "conversations": [{"members": ["ann", "nobody"]}]}`)
	p.run("hangouts-server", "--scenario", "broken.json").refused("broken.json")
	p.run("hangouts-server", "--scenario", "unknown.json").refused("nobody")
	p.run("hangouts-server", "--scenario", "missing.json").refused("missing.json")
	p.run("hangouts-server", "--proxy", "127.0.0.1:0").refused("--ca-out")
}

// Clients with fixed addresses reach the server through its proxy, and nothing else.
func TestServerProxy(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	server, line := p.startServer("--proxy", "127.0.0.1:0", "--ca-out", "ca.pem")
	requirePrivate(t, p.path("ca.pem"))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(p.read("ca.pem"))))
	proxy, err := url.Parse(line.ProxyURL)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for _, name := range []string{"https://clients6.google.com/chat/v1/contacts/getselfinfo", "https://0.client-channel.google.com/client-channel/channel/bind", "https://accounts.google.com/o/oauth2/token"} {
		resp, err := client.Post(name, "application/json", strings.NewReader("{}"))
		require.NoError(t, err, name)
		_ = resp.Body.Close()
		require.Contains(t, []int{http.StatusBadRequest, http.StatusUnauthorized}, resp.StatusCode, "it knows the path and wants credentials")
	}
	_, err = client.Get("https://example.com/")
	require.Error(t, err, "other names are refused")
	untrusting := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	_, err = untrusting.Get("https://clients6.google.com/")
	require.ErrorContains(t, err, "certificate")
	require.Zero(t, server.Terminate())
}
