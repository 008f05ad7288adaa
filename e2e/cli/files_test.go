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

	"github.com/hangouts-bridge/hangouts-bridge/e2e/need"
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
