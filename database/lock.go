package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrInUse: another process holds the database. It is wrapped with which one.
var ErrInUse = errors.New("another bridge uses the database")

const (
	lockPause = 100 * time.Millisecond // between attempts while another process holds it
	lockWatch = 5 * time.Second        // between looks whether PostgreSQL still has our lock
)

// Lock is a process's claim to be the only one that runs on a database. Processes that only
// add rows need none. The system gives it back when the process ends, however it ends.
type Lock struct {
	lost    chan error
	cancel  context.CancelFunc
	watched sync.WaitGroup
	file    *os.File
	conn    *sql.Conn
}

// Acquire locks the database, waiting for a while for another process that is just ending. The
// error wraps ErrInUse if it does not. kind and uri are those that the database was opened with.
func (db *DB) Acquire(ctx context.Context, kind, uri string, wait time.Duration) (*Lock, error) {
	return acquire(ctx, db.RawDB, kind, uri, wait)
}

func acquire(ctx context.Context, raw *sql.DB, kind, uri string, wait time.Duration) (*Lock, error) {
	l := &Lock{lost: make(chan error, 1), cancel: func() {}}
	try := func() (holder string, err error) { return "", nil }
	if _, ok := File(kind, uri); ok {
		var tables int // nothing is made beside what is no database
		var path string
		// SQLite's own name of the file is the same however the address is written.
		if err := raw.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM sqlite_master), file FROM pragma_database_list WHERE name='main'`).Scan(&tables, &path); err != nil {
			return nil, err
		}
		try = func() (string, error) { return l.lockFile(path) }
	} else if !strings.HasPrefix(kind, "sqlite") {
		try = func() (string, error) { return l.lockServer(ctx, raw) }
	}
	for began := time.Now(); ; {
		holder, err := try()
		switch {
		case err != nil:
			return nil, fmt.Errorf("lock database: %w", err)
		case holder == "":
			l.watch(raw)
			return l, nil
		case time.Since(began) >= wait:
			return nil, fmt.Errorf("%w: %s. End it first, or give this one another database.uri", ErrInUse, holder)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// self is how the holder of a lock is named.
func self() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("pid %d on %s since %s", os.Getpid(), host, time.Now().UTC().Format("2006-01-02 15:04:05 UTC"))
}

// lockFile locks a file beside the database: SQLite has locks of its own on the database, which
// closing another descriptor of it would end. Go opens files such that children do not inherit
// them. The file stays, since removing it would let two processes lock two files.
func (l *Lock) lockFile(path string) (holder string, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	file, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		text, _ := io.ReadAll(io.LimitReader(file, 500))
		_ = file.Close()
		if holder = strings.TrimSpace(string(text)); holder == "" {
			holder = "a process that has just started"
		}
		return holder, nil
	} else if err != nil {
		_ = file.Close()
		return "", err
	}
	l.file = file
	if err = file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(self()+"\n"), 0)
	}
	if err != nil {
		l.release()
	}
	return "", err
}

// lockClass and the schema's name make the key of the lock in a PostgreSQL database.
const lockClass = `hashtext('hangouts-bridge'), hashtext(current_schema())`

// lockServer takes an advisory lock of PostgreSQL on a connection that is kept. The name of
// the connection tells others which process it is.
func (l *Lock) lockServer(ctx context.Context, raw *sql.DB) (holder string, err error) {
	conn, err := raw.Conn(ctx)
	if err != nil {
		return "", err
	}
	var locked bool
	err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock(`+lockClass+`)`).Scan(&locked)
	if err == nil && locked {
		if _, err = conn.ExecContext(ctx, `SELECT set_config('application_name', $1, false)`, self()); err == nil {
			l.conn = conn
			return "", nil
		}
	}
	if err == nil {
		err = conn.QueryRowContext(ctx, `SELECT COALESCE(MAX(a.application_name||' (connection '||a.pid||')'), 'a process that has just ended')
			FROM pg_locks k JOIN pg_stat_activity a ON a.pid=k.pid
			WHERE k.locktype='advisory' AND k.granted AND k.database=(SELECT oid FROM pg_database WHERE datname=current_database())
			AND k.classid=(hashtext('hangouts-bridge')::bigint & 4294967295)::oid
			AND k.objid=(hashtext(current_schema())::bigint & 4294967295)::oid`).Scan(&holder)
	}
	_ = conn.Close()
	return holder, err
}

// watch takes the lock again when its connection has ended.
func (l *Lock) watch(raw *sql.DB) {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.watched.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lockWatch):
			}
			if l.conn != nil {
				if l.conn.PingContext(ctx) == nil {
					continue
				}
				_ = l.conn.Close()
				l.conn = nil
			}
			if holder, err := l.lockServer(ctx, raw); err == nil && holder != "" {
				l.lost <- fmt.Errorf("%w: %s took it over while the connection to the database was lost", ErrInUse, holder)
				return
			}
		}
	})
}

// Lost delivers an error when another process has taken the database over.
func (l *Lock) Lost() <-chan error { return l.lost }

// Close closes the database and gives it free. l may be nil.
func (l *Lock) Close(database func() error) error {
	if l == nil {
		return database()
	}
	if l.file == nil {
		l.release() // its connection is one of the database's
	}
	defer l.release()
	return database()
}

func (l *Lock) release() {
	l.cancel()
	l.watched.Wait()
	if l.conn != nil {
		_ = l.conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool would keep it, with the lock
		_ = l.conn.Close()
		l.conn = nil
	}
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}
