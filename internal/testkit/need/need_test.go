package need

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRootHoldsTheScript(t *testing.T) {
	root, err := Root()
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "e2e", "setup.sh"))
}

func TestUnknownPartIsAnError(t *testing.T) {
	missing, err := setup([]string{"no-such-part"})
	require.ErrorContains(t, err, "unknown part")
	require.Empty(t, missing)
}

// A program that is neither there nor installable is missing, not an error.
func TestMissingIsToldFromBroken(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"bash", "dirname", "id", "cat"} {
		for _, dir := range []string{"/usr/bin", "/bin"} {
			if _, err := os.Stat(filepath.Join(dir, tool)); err == nil {
				_ = os.Symlink(filepath.Join(dir, tool), filepath.Join(bin, tool))
			}
		}
	}
	t.Setenv("PATH", bin) // without apt-get, irssi, and flock
	missing, err := setup([]string{"irssi"})
	require.NoError(t, err)
	require.Contains(t, missing, "irssi is missing")
}

func TestLockExcludes(t *testing.T) {
	unlock, err := Lock("need-test")
	require.NoError(t, err)
	taken := make(chan struct{})
	go func() {
		second, err := Lock("need-test")
		if err == nil {
			second()
		}
		close(taken)
	}()
	select {
	case <-taken:
		t.Fatal("two hold the lock")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	<-taken
}
