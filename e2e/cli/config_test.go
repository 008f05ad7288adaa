package cli_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// down is an address where no homeserver is.
const down = "http://127.0.0.1:9"

// A config that cannot be used ends the start with one line, with and without Matrix. Nothing is written: neither a
// database nor the config, from which the rewriting would take what it does not understand.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key   string
		value any
		says  []string
	}{
		"network: text for a number":    {"network.initial_chat_sync", "lots", []string{"line", "into int"}},
		"accounts: no duration":         {"network.accounts.send_wait", "soon", []string{"line", "into time.Duration"}},
		"network: broken template":      {"network.displayname_template", "{{.Nope}}", []string{"network.displayname_template"}},
		"hangouts: no address":          {"network.hangouts.base_url", "not an address", []string{"network.hangouts"}},
		"hangouts: list for a text":     {"network.hangouts.proxy", []string{"a"}, []string{"config.yaml"}},
		"accounts: too long":            {"network.accounts.send_wait", "9h", []string{"network.accounts", "send_wait", "between"}},
		"accounts: too often":           {"network.accounts.catchup_every", "1s", []string{"network.accounts", "catchup_every"}},
		"accounts: negative":            {"network.accounts.history_keep", "-1h", []string{"network.accounts", "history_keep"}},
		"accounts: text for a section":  {"network.accounts", "all", []string{"line"}},
		"irc: no port":                  {"network.irc.listen", []string{"localhost"}, []string{"network.irc", "listen", "entry 1"}},
		"irc: server name without dot":  {"network.irc.server_name", "hangouts", []string{"network.irc", "server_name"}},
		"irc: unknown choice":           {"network.irc.self_messages", "yes please", []string{"network.irc", "self_messages"}},
		"irc: text for a number":        {"network.irc.limits.connections", "many", []string{"line", "into int"}},
		"irc: negative number":          {"network.irc.limits.per_account", -1, []string{"network.irc", "limits"}},
		"irc: a key mistyped":           {"network.irc.limits", map[string]int{"conections": 3}, []string{"line", "network.irc.limits.conections"}},
		"irc: negative time":            {"network.irc.limits.ping_after", "-3s", []string{"network.irc", "limits"}},
		"network: text for the section": {"network", "none", []string{"line"}},
		"database: nothing":             {"database.uri", "", []string{"database.uri"}},
		"logging: unknown level":        {"logging.min_level", "chatty", []string{"Level"}},
	} {
		for _, homeserver := range []string{"", down} {
			t.Run(name+" "+map[bool]string{true: "with Matrix"}[homeserver != ""], func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, nil)
				if homeserver != "" {
					p.matrix(homeserver)
				}
				p.set(c.key, c.value)
				before := p.files()
				p.run().refused(c.says...)
				require.Equal(t, before, p.files())
			})
		}
	}
}

// What everybody has to fill in.
func TestMatrixConfigIsNotFilledIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key   string
		value any
		says  []string
	}{
		"address":           {"homeserver.address", "http://example.localhost:8008", []string{"homeserver.address"}},
		"domain":            {"homeserver.domain", "example.com", []string{"homeserver.domain"}},
		"software":          {"homeserver.software", "synapse", []string{"homeserver.software", "standard"}},
		"permissions":       {"bridge.permissions", map[string]string{"*": "relay", "example.com": "user", "@admin:example.com": "admin"}, []string{"bridge.permissions", domain}},
		"permission level":  {"bridge.permissions", map[string]string{domain: "king"}, []string{"permissions level"}},
		"no tokens":         {"appservice.as_token", "This value is generated when generating the registration", []string{"appservice.as_token", "-g"}},
		"username template": {"appservice.username_template", "hangouts", []string{"appservice.username_template"}},
		"port":              {"appservice.port", 99999, []string{"line", "into uint16"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, nil)
			p.matrix(down)
			p.set(c.key, c.value)
			before := p.files()
			p.run().refused(c.says...)
			require.Equal(t, before, p.files())
		})
	}
}

func TestUnreadableConfig(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.write("broken.yaml", "network:\n  irc: [\n")
	p.write("tabs.yaml", "network:\n\tirc: {}\n")
	p.write("empty.yaml", "")
	p.write("token", "1//token")
	require.NoError(t, os.Mkdir(p.path("folder"), 0o700))
	before := p.files()
	for _, command := range [][]string{{}, {"run"}, {"login", "-refresh-token", "token", "-irc-user", "ada"}, {"irc-password"}} {
		call := func(config string) result {
			args := append(append([]string{}, command...), "-c", config)
			if len(command) > 0 && command[0] == "irc-password" {
				args = append(args, "ada")
			}
			return p.run(args...)
		}
		call("missing.yaml").refused("missing.yaml", "no such file")
		call("folder").refused("folder", "directory")
		call("broken.yaml").refused("broken.yaml", "yaml")
		call("tabs.yaml").refused("tabs.yaml", "yaml", "line 2")
		call("empty.yaml").refused("database.uri")
	}
	require.Equal(t, before, p.files())
}

func TestNothingToRun(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.set("network.irc.enabled", false)
	p.run().refused("homeserver.address", "network.irc.enabled")
	require.NoFileExists(t, p.path("bridge.db"))
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.run("frobnicate").usage(`unknown subcommand "frobnicate"`, "irc-password")
	p.run("--frobnicate").refused("frobnicate", "--help")
	p.run("run", "stray").refused("stray", "--help")
	p.run("login").usage("-refresh-token")
	p.run("login", "-cookies", "a", "-refresh-token", "b", "-irc-user", "ada").usage("-cookies")
	p.run("login", "-cookies", "a", "-irc-user", "ada", "-matrix-user", "@a:b").usage("-matrix-user")
	p.run("irc-password").usage("-revoke")
	p.run("irc-password", "ada", "grace").usage("-revoke")
	p.run("irc-password", "-frobnicate", "ada").usage("frobnicate")
	p.run("demo", "stray").usage("-irc")
	require.NotZero(t, p.run("hangouts-server", "stray").code)
	require.NoFileExists(t, p.path("bridge.db"))
}
