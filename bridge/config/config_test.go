package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mau.fi/util/configupgrade"
	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A key of the example that the upgrader does not copy would be reset at every start.
func TestUpgradeCopiesEveryKey(t *testing.T) {
	var example yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(config.Example), &example))
	changed := map[string]string{}
	change(example.Content[0], "", changed)
	require.NotEmpty(t, changed)
	old, err := yaml.Marshal(&example)
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, old, 0o600))
	upgrader := &configupgrade.StructUpgrader{SimpleUpgrader: config.Default().Upgrade, Base: config.Example}
	data, ok, err := configupgrade.Do(path, false, upgrader)
	require.NoError(t, err)
	require.True(t, ok)
	var got yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &got))
	kept := map[string]string{}
	collect(got.Content[0], "", kept)
	require.Equal(t, changed, kept)
}

// change gives every leaf another value of its type and notes it.
func change(node *yaml.Node, path string, noted map[string]string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		value, at := node.Content[i+1], path+"/"+node.Content[i].Value
		switch {
		case value.Kind == yaml.MappingNode:
			change(value, at, noted)
			continue
		case value.Tag == "!!bool":
			value.Value = map[string]string{"true": "false", "false": "true"}[value.Value]
		case value.Tag == "!!int":
			value.Value = "4711"
		default:
			value.Value = "changed"
		}
		noted[at] = value.Value
	}
}

func collect(node *yaml.Node, path string, noted map[string]string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		value, at := node.Content[i+1], path+"/"+node.Content[i].Value
		if value.Kind == yaml.MappingNode {
			collect(value, at, noted)
		} else {
			noted[at] = value.Value
		}
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		says   string
	}{
		"defaults":        {func(*config.Config) {}, ""},
		"broken template": {func(c *config.Config) { c.DisplaynameTemplate = "{{.Name" }, "displayname_template"},
		"unknown field":   {func(c *config.Config) { c.DisplaynameTemplate = "{{.Nick}}" }, "displayname_template"},
		"empty names":     {func(c *config.Config) { c.DisplaynameTemplate = " " }, "displayname_template"},
		"room left":       {func(c *config.Config) { c.OnRoomLeft = "keep" }, "on_room_left"},
		"left":            {func(c *config.Config) { c.OnConversationLeft = "" }, "on_conversation_left"},
		"no files":        {func(c *config.Config) { c.MaxFileSize = 0 }, "max_file_size"},
		"endless files":   {func(c *config.Config) { c.FileTimeout = 3600 }, "file_timeout"},
		"negative count":  {func(c *config.Config) { c.InitialChatSync = -1 }, "initial_chat_sync"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			c.change(cfg)
			err := cfg.Validate()
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, config.ErrInvalid)
			require.ErrorContains(t, err, c.says)
			require.False(t, strings.Contains(err.Error(), "\n"), "one line")
		})
	}
}

func TestDisplayname(t *testing.T) {
	cfg := config.Default()
	require.Equal(t, "Ada Lovelace (Hangouts)", cfg.Displayname(chat.Person{ID: "1", FullName: "Ada Lovelace"}))
	require.Equal(t, "17 (Hangouts)", cfg.Displayname(chat.Person{ID: "17"}))
	cfg.DisplaynameTemplate = "{{.First}}"
	require.NoError(t, cfg.Validate())
	require.Equal(t, "Ada", cfg.Displayname(chat.Person{ID: "1", FullName: "Ada Lovelace"}))
}

func TestLoadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte("network:\n  initial_chat_sync: 3\nhomeserver:\n  address: x\ndatabase:\n  type: sqlite3-fk-wal\n  uri: file:x.db\n"), 0o600))
	file, err := config.LoadFile(path)
	require.NoError(t, err)
	require.Equal(t, 3, file.Network.InitialChatSync)
	require.Equal(t, config.Default().DisplaynameTemplate, file.Network.DisplaynameTemplate)
	require.Equal(t, "sqlite3-fk-wal", file.Database.Type)

	require.NoError(t, os.WriteFile(path, []byte("network:\n  initial_chat_sync: -1\n"), 0o600))
	_, err = config.LoadFile(path)
	require.ErrorIs(t, err, config.ErrInvalid)
	for text, says := range map[string]string{
		"network:\n  initial_chat_sink: 1\n":      "line 2: there is no setting network.initial_chat_sink",
		"network:\n  part:\n    listn: [x]\n":     "line 3: there is no setting network.part.listn",
		"network:\n  parts:\n    listen: [x]\n":   "line 2: there is no setting network.parts",
		"network:\n  part:\n    listen: [x, y]\n": "",
		"network:\n  part:\n":                     "",
	} {
		var part struct{ Listen []string }
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err = config.LoadFile(path, config.Section{Name: "part", Example: "listen: []\n", Value: &part})
		if says == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorIs(t, err, config.ErrInvalid)
		require.ErrorContains(t, err, says)
	}
	_, err = config.LoadFile(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}
