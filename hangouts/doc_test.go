package hangouts_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRequestsAreDocumented: the comment of each request names its section of the protocol, what it
// pushes, and what refuses it.
func TestRequestsAreDocumented(t *testing.T) {
	found := 0
	for _, name := range []string{"requests_conversation.go", "requests_people.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			found++
			doc := f.Doc.Text()
			require.True(t, strings.HasPrefix(doc, f.Name.Name+" "), doc)
			for _, want := range []string{"See protocol §8.", "Pushes ", "Refused "} {
				require.Contains(t, strings.ReplaceAll(doc, "\n", " "), want, f.Name.Name)
			}
		}
	}
	require.Equal(t, len(methods), found, "each request is in the table of TestEveryMethod")
}

// TestIndependence: the client's tests script their own servers, and the server's tests bring a
// client of their own; only the tests made for it put the two together.
func TestIndependence(t *testing.T) {
	const module = "github.com/hangouts-bridge/hangouts-bridge/hangouts"
	for _, c := range []struct {
		pattern, forbidden string
		except             string
	}{
		{"*_test.go", module + "/hangoutstest", "interop_test.go interop_refusal_test.go interop_roster_test.go example_test.go secrets_test.go"},
		{"channel/*.go", module + "/hangoutstest", ""},
		{"pblite/*.go", module + "/hangoutstest", ""},
		{"hangoutstest/*.go", module, ""},
		{"hangoutstest/*.go", module + "/channel", ""},
	} {
		files, err := filepath.Glob(c.pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
			require.NoError(t, err)
			for _, i := range file.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				require.NoError(t, err)
				if path == c.forbidden && !strings.Contains(" "+c.except+" ", " "+filepath.Base(name)+" ") {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}
