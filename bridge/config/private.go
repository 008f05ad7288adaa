package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"go.mau.fi/zeroconfig"
)

// others are the permissions of everybody but the owner.
const others os.FileMode = 0o077

// Narrow takes the permissions of everybody but their owner off files, with a line in the log for
// each that had some. Files that are not there, and what is no file, are passed over; one that cannot
// be changed is only reported.
func Narrow(log zerolog.Logger, paths ...string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == "" || err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&others == 0 {
			continue
		}
		event := log.Warn().Str("file", path).Stringer("mode", info.Mode().Perm())
		if err = os.Chmod(path, info.Mode().Perm()&^others); err != nil {
			event.Err(err).Msg("A file with secrets is open to other users and cannot be changed")
			continue
		}
		event.Msg("A file with secrets was open to other users; now only its owner can read it")
	}
}

// DatabaseFiles gives the files of an SQLite database. SQLite makes the others beside the file that a
// symbolic link leads to.
func DatabaseFiles(path string) []string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return []string{path, path + "-wal", path + "-shm", path + "-journal"}
}

// LogFiles gives the files that the log is written to, and the older ones that they were rotated to.
func LogFiles(c *zeroconfig.Config) (paths []string) {
	for _, w := range c.Writers {
		if w.Type == zeroconfig.WriterTypeFile && w.Filename != "" {
			paths = append(paths, rotated(w.Filename)...)
		}
	}
	return paths
}

func rotated(path string) []string {
	extension := filepath.Ext(path)
	older, _ := filepath.Glob(strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(strings.TrimSuffix(path, extension)) + "-*" + extension + "*")
	return append([]string{path}, older...)
}
