package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// addressed are the keys that are checked most closely, or hold secrets.
var addressed = regexp.MustCompile(`homeserver.address|database.uri|base_url|endpoints.api|hangouts.proxy|template|irc.listen`)

// usual is the database of the example, which is not opened for every wrong value.
const usual = "file:hangouts-bridge.db?_txlock=immediate&_stmt_cache_size=200"

const planted = "S3CR3T"

// wrongs are values that most keys refuse, each with a secret in it.
var wrongs = map[string]any{
	"text": planted, "short text": "`S3CR3T", "long text": "a`b" + planted + strings.Repeat("x", 50), "list": []any{planted}, "nested": []any{[]any{planted}},
	"mapping": map[string]any{"a": planted}, "quotes": `x"` + planted + `'y`, "template": "{{ " + planted + " }}", "address": "http://user:" + planted + "@host:x/",
	"address with a password": "http://user:" + planted + "@127.0.0.1:1/", "no address": "://" + planted, "duration": planted + "s", "regexp": "(" + planted,
}

// places are the keys of a config, sections included.
func places(node *yaml.Node, path string, found map[string]*yaml.Node) {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		at := strings.TrimPrefix(path+"."+node.Content[i].Value, ".")
		found[at] = node.Content[i+1]
		places(node.Content[i+1], at, found)
	}
}

func load(t *testing.T, path string) (errs []error) {
	t.Helper()
	var alone, whole settings
	file, err := config.LoadFile(path, alone.sections()...)
	errs = append(errs, err)
	if err == nil && file.Database.URI != usual {
		db, err := connect(context.Background(), file, zerolog.Nop())
		if err == nil {
			_ = db.Close()
		}
		errs = append(errs, err)
	}
	main := bridge.NewMain(bridge.Options{Name: "hangouts-bridge", Sections: whole.sections()})
	if err = main.LoadConfigFile(path, false); err == nil {
		err = main.CheckConfig()
	}
	return append(errs, err)
}

// TestBadConfigIsNotQuoted: no error about the config quotes a value, whatever the key and however
// wrong the value.
func TestBadConfigIsNotQuoted(t *testing.T) {
	t.Chdir(t.TempDir()) // some values are good names of databases
	var s settings
	text, err := config.Change(bridge.ExampleConfig(s.sections()...), map[string]any{
		"homeserver.address": "http://127.0.0.1:1", "homeserver.domain": "test.localhost", "appservice.as_token": "as", "appservice.hs_token": "hs",
		"bridge.permissions": map[string]string{"test.localhost": "user"},
	})
	require.NoError(t, err)
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(text), &root))
	keys := make(map[string]*yaml.Node)
	places(root.Content[0], "", keys)
	require.Greater(t, len(keys), 100)
	path := "config.yaml"
	failed := 0
	check := func(what string, text []byte) {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		for _, err := range load(t, path) {
			if err != nil {
				failed++
				require.NotContains(t, err.Error(), planted[:4], what)
			}
		}
	}
	some := []string{"text", "mapping"}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		names := some
		if addressed.MatchString(key) {
			names = slices.Sorted(maps.Keys(wrongs))
		}
		for _, name := range names {
			node, before := keys[key], *keys[key]
			var wrong yaml.Node
			require.NoError(t, wrong.Encode(wrongs[name]))
			*node = wrong
			changed, err := yaml.Marshal(&root)
			*node = before
			require.NoError(t, err)
			check(key+": "+name, changed)
		}
	}
	for _, malformed := range []string{"database:\n  uri: \"" + planted, "database: {uri: " + planted, "a: *" + planted, "a: !" + planted + " b\nb: @" + planted,
		planted, "- " + planted, "homeserver:\n  address: a: " + planted, "a: \"\\" + planted + "\"", "\t" + planted, "a: |" + planted + "\n b", "%" + planted + " 1\n---\na: b"} {
		check(malformed, []byte(malformed))
	}
	require.Greater(t, failed, 100)
}

// TestBadDatabaseAddressIsNotQuoted: passwords with characters that have a meaning in an address.
func TestBadDatabaseAddressIsNotQuoted(t *testing.T) {
	for _, password := range []string{"a/b", "a@b", "a#b", "a?b", "a%zz", "a b", "a:b", `a"b`, "a'b", "a`b", "a\\b", "[", "%", "a\nb", "a\x7f", "1/b", "1?b", "1#b"} {
		secret := planted + password + planted
		for _, uri := range []string{"postgres://user:" + secret + "@127.0.0.1:1/db", "postgres://user:" + password + planted + "@127.0.0.1:1/db", "postgresql://user:" + secret + "@127.0.0.1:1/db?sslmode=disable",
			"host=127.0.0.1 port=1 password=" + secret, "host=127.0.0.1 port=1 password='" + secret, "host=127.0.0.1 port=" + secret, "://" + secret, secret} {
			file := &config.File{Network: config.Default()}
			file.Database.Type, file.Database.URI = "postgres", uri
			_, err := connect(t.Context(), file, zerolog.Nop())
			require.Error(t, err)
			require.NotContains(t, err.Error(), planted, "%q", uri)
		}
	}
	// The driver quotes an option that it does not know when the lock is taken, too.
	file := &config.File{Network: config.Default()}
	file.Database.Type, file.Database.URI = "postgres", "host=127.0.0.1 port=1 user=hb sslmode="+planted
	_, err := connectAs(t.Context(), file, zerolog.Nop(), func(db *database.DB) error {
		_, err := db.Acquire(t.Context(), file.Database.Type, file.Database.URI, 0)
		return err
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), planted)
	require.NoError(t, database.CheckURI("postgres", "postgres://user:p%40ss@127.0.0.1:1/db?sslmode=disable"))
	require.NoError(t, database.CheckURI("postgres", "host=127.0.0.1 password='a b'"))
	require.NoError(t, database.CheckURI("sqlite3-fk-wal", "file:x.db?_txlock=immediate"))
}

// TestEnvironmentIsNotQuoted: values from the environment.
func TestEnvironmentIsNotQuoted(t *testing.T) {
	var s settings
	path := filepath.Join(t.TempDir(), "config.yaml")
	text, err := config.Change(bridge.ExampleConfig(s.sections()...), map[string]any{"env_config_prefix": "TEST_BRIDGE_"})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	for _, key := range []string{"appservice.port", "network.initial_chat_sync", "bridge.private_chat_portal_meta", "appservice.as_token.x", "database.max_open_conns"} {
		name := "TEST_BRIDGE_" + strings.ReplaceAll(strings.ToUpper(key), ".", "__")
		require.NoError(t, os.Setenv(name, planted))
		main := bridge.NewMain(bridge.Options{Name: "hangouts-bridge", Sections: s.sections()})
		err := main.LoadConfigFile(path, false)
		require.NoError(t, os.Unsetenv(name))
		require.NotContains(t, fmt.Sprint(err), planted, key)
	}
}

// TestCredentialsGivenAsAPathAreNotQuoted: a token in the place of the name of its file.
func TestCredentialsGivenAsAPathAreNotQuoted(t *testing.T) {
	for _, args := range [][2]string{{"", planted}, {planted, ""}, {"", "1//" + planted}} {
		_, err := readCredentials(args[0], args[1])
		require.Error(t, err)
		require.NotContains(t, err.Error(), planted)
	}
}
