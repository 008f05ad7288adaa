package layers

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sound is a graph of the design's packages that breaks no rule.
func sound() Graph {
	return Graph{
		"chat":                   {},
		"database":               {"chat"},
		"account":                {"chat", "database"},
		"bridge/ids":             {"chat"},
		"puppet":                 {"account", "bridge/ids", "chat"},
		"portal":                 {"account", "bridge/ids", "chat", "puppet"},
		"homeserver":             {"database"},
		"bridge":                 {"account", "bridge/ids", "homeserver", "portal", "puppet"},
		"irc":                    {"account", "chat", "irc/guard"},
		"irc/guard":              {},
		"hangouts/hangoutspb":    {},
		"hangouts/pblite":        {},
		"hangouts/channel":       {"hangouts/pblite"},
		"hangouts":               {"hangouts/channel", "hangouts/hangoutspb"},
		"hangouts/hangoutstest":  {"hangouts/hangoutspb", "hangouts/pblite"},
		"backend/classic":        {"account", "chat", "hangouts"},
		"cmd/hangouts-bridge":    {"account", "backend/classic", "bridge", "irc", "hangouts/hangoutstest"},
		"internal/testkit/proc":  {},
		"e2e/matrix":             {"internal/testkit/proc", "account", "hangouts/hangoutstest"},
		"internal/layers":        {},
		"chatty":                 {"irc"}, // a name that only begins like a layer
		"bridge/ids/idstestdata": {},
	}
}

func TestSoundGraphHasNoViolation(t *testing.T) {
	require.Empty(t, Check(sound()))
}

// Every rule catches the import that breaks it, also when it comes through a package that may itself have it.
func TestRulesCatchViolations(t *testing.T) {
	for _, tc := range []struct {
		name, pkg, imports string
		want               []string // "package on dependency", at least these
	}{
		{"chat imports ours", "chat", "database", []string{"chat on database"}},
		{"database knows account", "database", "account", []string{"database on account"}},
		{"account knows a back end", "account", "backend/classic", []string{"account on backend/classic", "account on hangouts"}},
		{"bridge knows the library", "bridge", "hangouts", []string{"bridge on hangouts", "bridge on hangouts/channel"}},
		{"below a layer", "irc/guard", "hangouts/pblite", []string{"irc/guard on hangouts/pblite", "irc on hangouts/pblite"}},
		{"homeserver knows account", "homeserver", "account", []string{"homeserver on account"}},
		{"homeserver knows bridge/ids", "homeserver", "bridge/ids", []string{"homeserver on bridge/ids"}},
		{"homeserver knows chat", "homeserver", "chat", []string{"homeserver on chat"}},
		{"homeserver knows portal", "homeserver", "portal", []string{"homeserver on portal"}},
		{"portal knows homeserver", "portal", "homeserver", []string{"portal on homeserver"}},
		{"irc knows homeserver", "irc", "homeserver", []string{"irc on homeserver"}},
		{"through a helper", "portal", "chatty", []string{"portal on irc", "bridge on irc"}},
		{"irc knows Matrix", "irc", "bridge/ids", []string{"irc on bridge/ids"}},
		{"puppet knows portal", "puppet", "portal", []string{"puppet on portal"}},
		{"portal knows bridge", "portal", "bridge", []string{"portal on bridge"}},
		{"ids reaches up", "bridge/ids", "puppet", []string{"bridge/ids on puppet"}},
		{"library knows chat", "hangouts/pblite", "chat", []string{"hangouts on chat", "hangouts/pblite on chat"}},
		{"test server uses the client", "hangouts/hangoutstest", "hangouts", []string{"hangouts/hangoutstest on hangouts"}},
		{"test server uses the channel", "hangouts/hangoutstest", "hangouts/channel", []string{"hangouts/hangoutstest on hangouts/channel"}},
		{"library carries the test server", "hangouts/channel", "hangouts/hangoutstest", []string{"hangouts on hangouts/hangoutstest"}},
		{"program uses the harness", "irc", "internal/testkit/proc", []string{"irc on internal/testkit/proc"}},
		{"command uses the harness", "cmd/hangouts-bridge", "internal/testkit/proc", []string{"cmd/hangouts-bridge on internal/testkit/proc"}},
		{"command uses a test", "cmd/hangouts-bridge", "e2e/matrix", []string{"cmd/hangouts-bridge on e2e/matrix"}},
		{"harness uses a test", "internal/testkit/proc", "e2e/matrix", []string{"internal/testkit/proc on e2e/matrix"}},
		{"layer uses tools", "account", "internal/layers", []string{"account on internal/layers"}},
		{"second meeting point", "chatty", "backend/classic", []string{"chatty on hangouts"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := sound()
			g[tc.pkg] = append(g[tc.pkg], tc.imports)
			var got []string
			for _, v := range Check(g) {
				got = append(got, v.Package+" on "+v.On)
				require.Equal(t, v.Package, v.Path[0])
				require.Equal(t, v.On, v.Path[len(v.Path)-1])
				require.NotEmpty(t, v.Reason)
			}
			require.Subset(t, got, tc.want)
		})
	}
}

func TestParseKeepsOwnPackages(t *testing.T) {
	g, err := parse(strings.NewReader(`
		{"ImportPath":"example.org/m","Imports":["fmt","example.org/m/chat"]}
		{"ImportPath":"fmt","Imports":["os"]}
		{"ImportPath":"example.org/m/chat","Imports":["example.org/mother"]}`), "example.org/m")
	require.NoError(t, err)
	require.Equal(t, Graph{".": {"chat"}, "chat": {}}, g)

	_, err = parse(strings.NewReader(`{"ImportPath":`), "example.org/m")
	require.Error(t, err)
}

// The module itself keeps the rules.
func TestModuleKeepsLayers(t *testing.T) {
	noteSources(t, "../..")
	g, err := List(t.Context(), ".")
	require.NoError(t, err)
	require.Contains(t, g, "internal/layers", "the module's own packages must be in the graph")
	for _, v := range Check(g) {
		t.Error(v)
	}
}

// noteSources looks at every Go file of the module: go test keeps a result until a file changes that the test itself has
// looked at, and the go command that List calls does not count.
func noteSources(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	require.NoError(t, err)
}
