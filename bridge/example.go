package bridge

import (
	"fmt"
	"strings"
	"text/template"

	"maunium.net/go/mautrix/bridgev2/matrix/mxmain"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
)

// exampleChanges are the framework's defaults that we ship otherwise: old and new text,
// each old one standing exactly once in its example.
var exampleChanges = []struct{ old, new string }{
	{"    # The database type. \"sqlite3-fk-wal\" and \"postgres\" are supported.\n",
		"    # The database type. \"sqlite3-fk-wal\" and \"postgres\" are supported. \"sqlite3-fk-wal-fullsync\" waits for the disk\n" +
			"    # after each change, in case of a power failure; that is about half as fast.\n"},
	{"    type: postgres\n", "    type: sqlite3-fk-wal\n"},
	{"    uri: postgres://user:password@host/database?sslmode=disable\n", "    uri: file:hangouts-bridge.db?_txlock=immediate&_stmt_cache_size=200\n"},
	{"    max_idle_conns: 1\n", "    max_idle_conns: 5\n"},
	{"    # Size of the portal event buffer. Don't touch if you don't know what it means.\n    portal_event_buffer: 64\n",
		"    # Always 0: the bridge needs to know what became of each event.\n    portal_event_buffer: 0\n"},
	{"    deduplicate_matrix_messages: false\n", "    deduplicate_matrix_messages: true\n"},
	{"        avatar: \n", "        avatar: \"\"\n"},
	{"    retry_limit: 4\n", "    retry_limit: 1\n"},
	{"backfill:\n    # Whether to do backfilling at all.\n    enabled: false\n", "backfill:\n    # Whether new rooms get the latest messages of their conversation.\n    enabled: true\n"},
	{"    tag_only_on_create: true\n", "    tag_only_on_create: false\n"},
	{"    mute_only_on_create: true\n", "    mute_only_on_create: false\n"},
	{"    min_level: debug\n", "    min_level: info\n"},
	{"    # Shared secrets for automatic double puppeting.\n", "    # Shared secrets for automatic double puppeting: what you write with another Hangouts client then\n" +
		"    # appears as written by you, you are in new rooms at once, and your reading elsewhere counts here.\n" +
		"    # It needs a second registration in the homeserver, with an empty url and the namespace @.*:your.domain\n" +
		"    # (not exclusive); its as_token goes here. It is part of a complete installation.\n"},
}

// ExampleConfig is the complete example config of a program with these sections.
func ExampleConfig(sections ...config.Section) string {
	return newConnector(sections...).exampleConfig()
}

func (c *Connector) exampleConfig() string {
	var out strings.Builder
	out.WriteString("# Options of the bridge to Hangouts\nnetwork:\n")
	for line := range strings.Lines(c.config.ExampleText()) {
		out.WriteString("    " + line)
	}
	out.WriteString("\n")
	base := template.Must(template.New("example").Delims("$<<", ">>").Parse(mxmain.MatrixExampleConfigBase))
	if err := base.Execute(&out, c.GetName()); err != nil {
		panic(fmt.Errorf("make example config: %w", err)) // both parts are embedded
	}
	text := out.String()
	for _, change := range exampleChanges {
		text = strings.Replace(text, change.old, change.new, 1)
	}
	return text
}
