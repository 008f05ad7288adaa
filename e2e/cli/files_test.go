package cli_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

var update = flag.Bool("update", false, "rewrite the committed example files")

// sameAsCommitted compares a generated file with the one at the module's root.
func sameAsCommitted(t *testing.T, name, text string) {
	t.Helper()
	root, err := need.Root()
	require.NoError(t, err)
	path := filepath.Join(root, name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	committed, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(committed), text, "%s is out of date; run this test with -update", name)
}

func requirePrivate(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), path)
}

func TestExampleConfig(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	require.NoError(t, os.Remove(p.path("config.yaml")))
	p.run("-e").ok()
	sameAsCommitted(t, "example-config.yaml", p.read("config.yaml"))
	requirePrivate(t, p.path("config.yaml"))
	require.Equal(t, p.read("config.yaml"), p.run("-e", "-c", "-").ok().stdout)

	p.write("mine.yaml", "mine: true\n")
	p.run("-e", "-c", "mine.yaml").refused("mine.yaml already exists")
	require.Equal(t, "mine: true\n", p.read("mine.yaml"))
	p.run("-e", "-c", "nowhere/config.yaml").refused("nowhere/config.yaml")
	p.run().refused("config.yaml", "homeserver.address")
}

// The example needs only two changes to run without Matrix. All that it then writes is private.
func TestExampleConfigRuns(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	require.NoError(t, os.Remove(p.path("config.yaml")))
	p.run("-e").ok()
	text := strings.Replace(p.read("config.yaml"), "address: http://example.localhost:8008", "address: ''", 1)
	p.write("config.yaml", strings.Replace(text, "127.0.0.1:6667", p.irc, 1))
	bridge := p.start()
	require.Zero(t, bridge.Terminate())
	for path := range p.files() {
		requirePrivate(t, path)
	}
	require.FileExists(t, p.path("hangouts-bridge.db"))
}

var generated = regexp.MustCompile(`(?m)^(as_token|hs_token|sender_localpart): \S+$`)

func TestRegistration(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	require.NoError(t, os.Remove(p.path("config.yaml")))
	p.run("-e").ok()
	example := p.read("config.yaml")
	p.run("-g").refused("homeserver.domain")
	require.NoFileExists(t, p.path("registration.yaml"))
	require.Equal(t, example, p.read("config.yaml"), "a refused call changes nothing")

	config := strings.Replace(example, "domain: example.com", "domain: example.org", 1)
	require.NoError(t, os.WriteFile(p.path("config.yaml"), []byte(config), 0o644))
	require.NoError(t, os.Chmod(p.path("config.yaml"), 0o644))
	p.run("-g", "-n").refused("--no-update")
	p.run("-g").ok()
	text := p.read("registration.yaml")
	requirePrivate(t, p.path("registration.yaml"))
	requirePrivate(t, p.path("config.yaml")) // it holds tokens now
	require.Len(t, generated.FindAllString(text, -1), 3)
	sameAsCommitted(t, "registration.yaml.example", generated.ReplaceAllString(text, "$1: made by -g"))

	var registration struct {
		AS string `yaml:"as_token"`
		HS string `yaml:"hs_token"`
	}
	var saved struct {
		AppService struct {
			AS string `yaml:"as_token"`
			HS string `yaml:"hs_token"`
		} `yaml:"appservice"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &registration))
	require.NoError(t, yaml.Unmarshal([]byte(p.read("config.yaml")), &saved))
	require.Equal(t, registration, struct {
		AS string `yaml:"as_token"`
		HS string `yaml:"hs_token"`
	}(saved.AppService))
	require.NotEqual(t, registration.AS, registration.HS)
	require.Greater(t, len(registration.AS), 32)

	before := p.files()
	p.run("-g").refused("registration.yaml already exists")
	require.Equal(t, before, p.files(), "an installed registration keeps its tokens")
	p.run("-g", "-r", "nowhere/registration.yaml").refused("nowhere/registration.yaml")
	require.Equal(t, before, p.files())
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	require.Contains(t, p.run("version").ok().stdout, "hangouts-bridge ")
	require.Contains(t, p.run("-v").ok().stdout, "hangouts-bridge ")
	require.Contains(t, p.run("--version-json").ok().stdout, `"Mautrix":`)
	for _, args := range [][]string{{"-h"}, {"help"}} {
		help := p.run(args...).ok().stdout
		for _, name := range []string{"run", "demo", "hangouts-server", "login", "irc-password", "version"} {
			require.Contains(t, help, "  "+name+" ")
		}
	}
	for _, name := range []string{"login", "irc-password", "demo", "hangouts-server"} {
		require.Contains(t, p.run(name, "-h").ok().stderr, name)
	}
}

// Files that others can read, as a copy that was put back may be, are narrowed at start, with one line in the log for each.
func TestOpenFilesAreNarrowed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.set("logging.writers", []any{map[string]any{"type": "stdout", "format": "json"}, map[string]any{"type": "file", "format": "json", "filename": "bridge.log"}})
	p.run("irc-password", "ada").ok()
	p.write("bridge.log", "")
	p.write("bridge-2026.log", "")
	open := []string{"config.yaml", "bridge.db", "bridge.log", "bridge-2026.log"}
	widen := func() {
		for _, name := range open {
			require.NoError(t, os.Chmod(p.path(name), 0o644))
		}
	}
	widen()
	bridge := p.start()
	require.Zero(t, bridge.Terminate())
	for path := range p.files() {
		requirePrivate(t, path)
	}
	require.Equal(t, len(open), strings.Count(p.read("bridge.log"), "was open to other users"), "one line each; bridge.log itself was renamed first")

	widen()
	warned := p.run("irc-password", "-list").ok().stderr
	for _, name := range open[:2] {
		requirePrivate(t, p.path(name))
		require.Contains(t, warned, name)
	}
}

// A password in an address of the config is never shown, however wrong the address is.
func TestAddressesAreNotShown(t *testing.T) {
	t.Parallel()
	for key, values := range map[string][]string{
		"database.uri":              {"postgres://user:S3CR3T@ho st/db", "postgres://user:S3CR/3T@host/db", "host=127.0.0.1 port=1 password=S3CR3T x"},
		"network.hangouts.proxy":    {"http://user:S3CR3T@ho st", "S3CR3T"},
		"network.hangouts.base_url": {"http://user:S3CR3T@127.0.0.1", "S3CR3T"},
		"homeserver.address":        {"http://user:S3CR3T@127.0.0.1:1", "http://user:S3CR3T@ho st", "S3CR3T:1"},
	} {
		for _, value := range values {
			p := newPlace(t, nil)
			p.matrix("http://127.0.0.1:1")
			if key == "database.uri" {
				p.set("database.type", "postgres")
			}
			p.set(key, value)
			p.set("logging.min_level", "trace")
			for _, args := range [][]string{{}, {"irc-password", "-list"}} {
				if key == "homeserver.address" && len(args) > 0 {
					continue // subcommands need no homeserver
				}
				r := p.run(args...)
				require.NotZero(t, r.code, "%s %s", key, value)
				require.NotContains(t, r.stdout+r.stderr, "S3CR", "%s %s", key, value)
			}
		}
	}
}
