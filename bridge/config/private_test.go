package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/zeroconfig"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
)

func TestNarrow(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	for name, mode := range map[string][2]os.FileMode{
		"all": {0o666, 0o600}, "group": {0o640, 0o600}, "others": {0o604, 0o600}, "read-only": {0o444, 0o400}, "private": {0o600, 0o600}, "programs": {0o755, 0o700},
	} {
		path := at(name, mode[0])
		var log bytes.Buffer
		config.Narrow(zerolog.New(&log), path)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode[1], info.Mode().Perm(), name)
		lines := strings.Count(log.String(), "\n")
		require.Equal(t, mode[0]&0o077 != 0, lines == 1, name)
		config.Narrow(zerolog.New(&log), path)
		require.Equal(t, lines, strings.Count(log.String(), "\n"), "once")
	}
	var log bytes.Buffer
	config.Narrow(zerolog.New(&log), "", dir, filepath.Join(dir, "missing"), "/dev/null", "/dev/stdin")
	require.Empty(t, log.String())
	config.Narrow(zerolog.New(&log), "/proc/sys/kernel/ostype") // even root cannot change it
	require.Contains(t, log.String(), "cannot be changed")

	for _, name := range []string{"bridge.log", "bridge-2026.log", "bridge-2026.log.gz", "bridge.db", "bridge.db-wal"} {
		at(name, 0o644)
	}
	logging := &zeroconfig.Config{Writers: []zeroconfig.WriterConfig{{Type: zeroconfig.WriterTypeStdout},
		{Type: zeroconfig.WriterTypeFile, FileConfig: zeroconfig.FileConfig{Filename: filepath.Join(dir, "bridge.log")}}}}
	require.ElementsMatch(t, []string{"bridge.log", "bridge-2026.log", "bridge-2026.log.gz"}, names(config.LogFiles(logging)))
	require.Equal(t, []string{"b.db", "b.db-wal", "b.db-shm", "b.db-journal"}, config.DatabaseFiles("b.db"))
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("data.db", nil, 0o600))
	require.NoError(t, os.Symlink("data.db", "link.db"))
	require.Equal(t, []string{"data.db", "data.db-wal", "data.db-shm", "data.db-journal"}, config.DatabaseFiles("link.db"))
}

func names(paths []string) (out []string) {
	for _, path := range paths {
		out = append(out, filepath.Base(path))
	}
	return out
}
