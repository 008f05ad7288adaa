package hangouts_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProtocolReferences: each section that a file of the project refers to exists in the protocol page.
func TestProtocolReferences(t *testing.T) {
	const root, page = "..", "hangouts-protocol.md"
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	require.NoError(t, err)
	sections := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?)\.? `).FindAllStringSubmatch(string(text), -1) {
		require.False(t, sections[heading[1]], "two sections %s", heading[1])
		sections[heading[1]] = true
	}
	reference := regexp.MustCompile(`§(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?`)
	found := 0
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if ext := filepath.Ext(name); d.IsDir() || ext != ".go" && ext != ".proto" && ext != ".md" && ext != ".py" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, match := range reference.FindAllStringSubmatch(string(text), -1) {
			for _, section := range match[1:] {
				if section != "" {
					found++
					require.True(t, sections[section], "%s refers to §%s, which %s does not have", name, section, page)
				}
			}
		}
		return nil
	}))
	require.Greater(t, found, 300)
}
