package database

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

const lockChild = "DATABASE_TEST_LOCK"

func TestMain(m *testing.M) {
	if uri := os.Getenv(lockChild); uri != "" {
		holdLock(uri)
	}
	os.Exit(m.Run())
}

// holdLock is a process that holds a database until its standard input ends.
func holdLock(uri string) {
	kind, uri, _ := strings.Cut(uri, " ")
	db, err := Open("test", kind, uri, zerolog.Nop())
	if err == nil {
		_, err = db.Acquire(context.Background(), kind, uri, 0)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// holder is another process; end kills it.
type holder struct {
	says string
	pid  int
	end  func()
}

func startHolder(t *testing.T, kind, uri string) holder {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockChild+"="+kind+" "+uri)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	says, _ := bufio.NewReader(out).ReadString('\n')
	end := func() { _ = cmd.Process.Kill(); _, _ = cmd.Process.Wait(); _ = in.Close() }
	t.Cleanup(end)
	return holder{strings.TrimSpace(says), cmd.Process.Pid, end}
}

func checkLock(t *testing.T, kind, uri string) {
	ctx := context.Background()
	other := startHolder(t, kind, uri)
	require.Equal(t, "locked", other.says)
	db, err := Open("test", kind, uri, zerolog.Nop())
	require.NoError(t, err)
	_, err = db.Acquire(ctx, kind, uri, 0)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, fmt.Sprintf("pid %d on ", other.pid))
	require.ErrorContains(t, err, " since 20")

	time.AfterFunc(300*time.Millisecond, other.end)
	lock, err := db.Acquire(ctx, kind, uri, time.Minute)
	require.NoError(t, err, "a process that is ending is waited for, however it ends")
	sleeper := exec.Command("sleep", "60") // inherits nothing
	require.NoError(t, sleeper.Start())
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	third := startHolder(t, kind, uri)
	require.Contains(t, third.says, fmt.Sprintf("pid %d on ", os.Getpid()))
	require.NoError(t, lock.Close(db.Close))
	require.Eventually(t, func() bool {
		fourth := startHolder(t, kind, uri)
		defer fourth.end()
		return fourth.says == "locked"
	}, time.Minute, 50*time.Millisecond, "given free")
}

func TestOneProcessOwnsAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bridge.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	checkLock(t, "sqlite3-fk-wal", "file:"+path+"?_txlock=immediate")

	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	require.Equal(t, "locked", startHolder(t, "sqlite3-fk-wal", "file:"+path).says)
	require.Contains(t, startHolder(t, "sqlite3-fk-wal", "file:"+link).says, "another bridge", "by another name")
	info, err := os.Stat(path + ".lock")
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
}

// SQLite reads several addresses as one file.
func TestOneLockForAllSpellingsOfAnAddress(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("bridge.db", nil, 0o600))
	require.NoError(t, os.Symlink(dir, "folder"))
	require.NoError(t, os.Symlink("bridge.db", "link.db"))
	require.Equal(t, "locked", startHolder(t, "sqlite3-fk-wal", "file:bridge.db?_txlock=immediate").says)
	for _, uri := range []string{
		"bridge.db", dir + "/bridge.db", "file:./bridge.db?mode=rwc", "file:" + dir + "//bridge.db", "file://" + dir + "/bridge.db",
		"file://localhost" + dir + "/bridge.db", "file:br%69dge.db", "file:%2e/bridge%2Edb?x=%20", "file:bridge.db#part?x=y",
		"file:folder/bridge.db", "link.db", "file:folder/link.db",
	} {
		require.Contains(t, startHolder(t, "sqlite3-fk-wal", uri).says, "another bridge", uri)
		path, ok := File("sqlite3-fk-wal", uri)
		require.True(t, ok, uri)
		same, err := filepath.EvalSymlinks(path)
		require.NoError(t, err, uri)
		if !filepath.IsAbs(same) {
			same = filepath.Join(dir, same)
		}
		require.Equal(t, filepath.Join(dir, "bridge.db"), same, uri)
	}
	_, ok := File("sqlite3-fk-wal", "file:name?mode=memory&cache=shared")
	require.False(t, ok)
	locks, err := filepath.Glob("*.lock")
	require.NoError(t, err)
	require.Equal(t, []string{"bridge.db.lock"}, locks)
}

func TestADatabaseInMemoryNeedsNoLock(t *testing.T) {
	db, err := Open("test", "sqlite3-fk-wal", "file::memory:?_txlock=immediate", zerolog.Nop())
	require.NoError(t, err)
	lock, err := db.Acquire(context.Background(), "sqlite3-fk-wal", "file::memory:?_txlock=immediate", 0)
	require.NoError(t, err)
	require.NoError(t, lock.Close(db.Close))
}

// postgresProgram is the path of a program of PostgreSQL, which Debian keeps outside of PATH.
func postgresProgram(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	require.NoError(t, err)
	require.NotEmpty(t, found, "no program %s", name)
	return found[len(found)-1]
}

// startPostgres runs a server of PostgreSQL. It refuses to run as root.
func startPostgres(t *testing.T) (uri string) {
	t.Helper()
	need.Part(t, "postgres")
	dir, err := os.MkdirTemp("", "pg")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		const nobody = 65534
		require.NoError(t, os.Chown(dir, nobody, nobody))
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(postgresProgram(t, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		return cmd
	}
	data := filepath.Join(dir, "data")
	out, err := command("initdb", "-D", data, "-A", "trust", "-U", "bridge", "-N").CombinedOutput()
	require.NoError(t, err, string(out))
	server := command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Signal(os.Interrupt); _ = server.Wait() })
	uri = "postgres://bridge@/postgres?sslmode=disable&host=" + dir
	require.Eventually(t, func() bool {
		db, err := Open("test", "postgres", uri, zerolog.Nop())
		if err != nil {
			return false
		}
		defer func() { _ = db.Close() }()
		return db.RawDB.Ping() == nil
	}, time.Minute, 100*time.Millisecond)
	return uri
}

func TestOneProcessOwnsADatabaseOfPostgreSQL(t *testing.T) {
	uri := startPostgres(t)
	checkLock(t, "postgres", uri)

	// The connection is lost, and meanwhile another process takes the database.
	db, err := Open("test", "postgres", uri, zerolog.Nop())
	require.NoError(t, err)
	lock, err := db.Acquire(context.Background(), "postgres", uri, time.Minute)
	require.NoError(t, err)
	defer func() { _ = lock.Close(db.Close) }()
	admin, err := Open("test", "postgres", uri, zerolog.Nop())
	require.NoError(t, err)
	defer func() { _ = admin.Close() }()
	_, err = admin.RawDB.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype='advisory'`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		other := startHolder(t, "postgres", uri)
		return other.says == "locked"
	}, time.Minute, 10*time.Millisecond)
	select {
	case err = <-lock.Lost():
		require.ErrorIs(t, err, ErrInUse)
	case <-time.After(time.Minute):
		t.Fatal("the loss is not noticed")
	}
}
