package database

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// impatient opens a table in a database of which every connection gives up at once when
// SQLite itself would make it wait.
func impatient(t *testing.T, connections int) *sql.DB {
	t.Helper()
	db, err := sql.Open(Driver("sqlite3-fk-wal"), "file:"+filepath.Join(t.TempDir(), "test.db")+"?_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	var open []*sql.Conn
	for range connections {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0")
		require.NoError(t, err)
		open = append(open, conn)
	}
	for _, conn := range open {
		require.NoError(t, conn.Close()) // back to the pool
	}
	_, err = db.Exec("CREATE TABLE count (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO count VALUES (1, 0)")
	require.NoError(t, err)
	return db
}

func TestDriver(t *testing.T) {
	require.Contains(t, sql.Drivers(), Driver("sqlite3-fk-wal"))
	require.Contains(t, sql.Drivers(), Driver("litestream"))
	require.Equal(t, "postgres", Driver("postgres"))
}

func TestWritersWaitForEachOther(t *testing.T) {
	db := impatient(t, 5)
	ways := map[string]func(ctx context.Context) error{
		"transaction": func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if _, err = tx.Exec("UPDATE count SET n=n+1"); err != nil {
				return err
			}
			return tx.Commit()
		},
		"rolled back": func(ctx context.Context) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err = tx.Exec("UPDATE count SET n=n+1000"); err != nil {
				return err
			}
			return tx.Rollback()
		},
		"statement": func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, "UPDATE count SET n=n+1")
			return err
		},
		"statement with a row": func(ctx context.Context) error {
			var n int
			return db.QueryRowContext(ctx, "\n\t\tUPDATE count SET n=n+1 RETURNING n").Scan(&n)
		},
		"reading": func(ctx context.Context) error {
			var n int
			return db.QueryRowContext(ctx, "SELECT n FROM count").Scan(&n)
		},
	}
	const times = 100
	var wg, begun sync.WaitGroup
	errs := make(chan error, len(ways)*times)
	tx, err := db.Begin()
	require.NoError(t, err)
	for _, way := range ways {
		begun.Add(1)
		wg.Go(func() {
			begun.Done()
			for range times {
				errs <- way(t.Context())
			}
		})
	}
	begun.Wait()
	for range 1000 { // meanwhile the others come
		_, err = tx.Exec("UPDATE count SET n=n")
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err, "without a queue: database is locked")
	}
	var n int
	require.NoError(t, db.QueryRow("SELECT n FROM count").Scan(&n))
	require.Equal(t, 3*times, n)
}

func TestReadersDoNotWaitForWriters(t *testing.T) {
	db := impatient(t, 2)
	tx, err := db.Begin()
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	var n int
	require.NoError(t, db.QueryRow("SELECT n FROM count").Scan(&n))
}

func TestWaitingWriterHeedsItsContext(t *testing.T) {
	db := impatient(t, 3)
	tx, err := db.Begin()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(ctx, "UPDATE count SET n=2")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = db.BeginTx(ctx, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = db.QueryContext(ctx, "UPDATE count SET n=2 RETURNING n")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Commit())
	_, err = db.Exec("UPDATE count SET n=3")
	require.NoError(t, err, "the turn is free again")
}

// A write outside of the transaction by who holds it can never have its turn.
func TestWriterQueueEndsDeadlocks(t *testing.T) {
	q := make(writerQueue, 1)
	leave, err := q.enter(t.Context(), time.Minute)
	require.NoError(t, err)
	late, err := q.enter(t.Context(), time.Millisecond)
	require.NoError(t, err, "SQLite says what is wrong")
	late()
	_, err = q.enter(canceled(t), time.Minute)
	require.ErrorIs(t, err, context.Canceled, "the turn is not taken away from the holder")
	leave()
	leave()
	next, err := q.enter(t.Context(), time.Minute)
	require.NoError(t, err)
	next()
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
