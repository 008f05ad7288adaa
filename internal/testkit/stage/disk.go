package stage

import (
	"bytes"
	"database/sql"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed testdata/synced.c
var syncedSource []byte

// The two files of a database in WAL mode. The third one, "-shm", holds nothing that counts.
var databaseFiles = []string{"", "-wal"}

// KeepSynced has the bridge that is started later keep a copy of what it has synced of its database, for PowerFailure.
func (s *Stage) KeepSynced() {
	s.T.Helper()
	s.must(os.MkdirAll(s.syncedDir(), 0o700))
	source, library := filepath.Join(s.Dir, "synced.c"), filepath.Join(s.Dir, "synced.so")
	s.must(os.WriteFile(source, syncedSource, 0o600))
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		s.T.Fatalf("build %s: %v\n%s", library, err, out)
	}
	s.Env = append(s.Env, "LD_PRELOAD="+library, "SYNCED_DIR="+s.syncedDir())
}

func (s *Stage) syncedDir() string { return filepath.Join(s.Dir, "synced") }

// synced is the path of the copy of a database file.
func (s *Stage) synced(suffix string) string {
	return filepath.Join(s.syncedDir(), filepath.Base(s.Database())+suffix)
}

// PowerFailure puts the database of a bridge that was killed back as a disk may hold it when the power fails: what was synced,
// and with a share above 0 that part of what was written to the WAL since.
func (s *Stage) PowerFailure(share float64) {
	s.T.Helper()
	wal, err := os.ReadFile(s.synced("-wal"))
	if os.IsNotExist(err) {
		err = nil
	}
	s.must(err)
	written, err := os.ReadFile(s.Database() + "-wal")
	if err == nil && share > 0 {
		wal = tear(wal, written, share)
	}
	database, err := os.ReadFile(s.synced(""))
	s.must(err)
	s.replaceDatabase(database, wal)
}

// tear is a file of which so much has reached the disk of what was written after the last sync.
func tear(synced, written []byte, share float64) []byte {
	same := 0
	for same < min(len(synced), len(written)) && synced[same] == written[same] {
		same++
	}
	cut := same + int(share*float64(len(written)-same))
	return bytes.Join([][]byte{written[:cut], synced[min(cut, len(synced)):]}, nil)
}

// Backup copies the database of a running bridge into a new file.
func (s *Stage) Backup(to string) {
	s.T.Helper()
	s.must(Exec(s.Database(), "VACUUM INTO ?", to))
}

// CopyFiles copies the database of a bridge that does not run into a new file.
func (s *Stage) CopyFiles(to string) {
	s.T.Helper()
	for _, suffix := range databaseFiles {
		content, err := os.ReadFile(s.Database() + suffix)
		if suffix != "" && os.IsNotExist(err) {
			continue
		}
		s.must(err)
		s.must(os.WriteFile(to+suffix, content, 0o600))
	}
}

// Restore puts a copy in the place of the database of a bridge that does not run.
func (s *Stage) Restore(from string) {
	s.T.Helper()
	database, err := os.ReadFile(from)
	s.must(err)
	s.replaceDatabase(database, nil)
}

// replaceDatabase is synced, too. Without a WAL there is none.
func (s *Stage) replaceDatabase(database, wal []byte) {
	s.T.Helper()
	for n, content := range [][]byte{database, wal} {
		for _, path := range []string{s.Database() + databaseFiles[n], s.synced(databaseFiles[n])} {
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				continue // nothing is kept
			}
			s.must(os.RemoveAll(path))
			if content != nil {
				s.must(os.WriteFile(path, content, 0o600))
			}
		}
	}
	s.must(os.RemoveAll(s.Database() + "-shm"))
}

// ColumnOf is Column for a copy of the database.
func ColumnOf(path, query string) ([]string, error) { return column("file:"+path, query) }

func column(uri, query string) (out []string, err error) {
	db, err := sql.Open("sqlite3-fk-wal", uri)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err = rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// Exec changes the database of a running bridge, or a copy of one.
func Exec(path, query string, args ...any) error {
	db, err := sql.Open("sqlite3-fk-wal", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(query, args...)
	return err
}
