package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"sync"
	"time"

	_ "go.mau.fi/util/dbutil/litestream" // the drivers of queuedDrivers
)

// queuedDrivers are the SQLite drivers that get a queue for writers.
var queuedDrivers = []string{"sqlite3-fk-wal", "litestream"}

// queuePatience is how long a writer waits for its turn. Then it goes on and leaves it to
// SQLite: a write outside of a transaction by who holds one must end with an error.
const queuePatience = 10 * time.Second

// Driver is the name of the driver to open a database of a kind with, which is that of
// mautrix configurations. SQLite has one writer at a time and makes the others ask again
// after pauses of up to 100 ms, in no order; the drivers returned here have writers of one
// program wait in a queue instead. Readers never wait.
func Driver(kind string) string {
	if slices.Contains(queuedDrivers, kind) {
		return kind + "-queued"
	}
	return kind
}

func init() {
	for _, name := range queuedDrivers {
		db, err := sql.Open(name, "")
		if err != nil {
			panic(err) // not registered
		}
		sql.Register(Driver(name), &writerDriver{Driver: db.Driver(), patience: queuePatience, queues: map[string]writerQueue{}})
		_ = db.Close()
	}
}

// writerDriver gives each database file one queue.
type writerDriver struct {
	driver.Driver
	patience time.Duration

	mu     sync.Mutex
	queues map[string]writerQueue // by path
}

// Open implements driver.Driver.
func (d *writerDriver) Open(uri string) (driver.Conn, error) {
	conn, err := d.Driver.Open(uri)
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(sqliteConn)
	if !ok {
		return conn, nil
	}
	return &writerConn{sqliteConn: inner, queue: d.queue(uri), patience: d.patience}, nil
}

func (d *writerDriver) queue(uri string) writerQueue {
	path, _, _ := strings.Cut(strings.TrimPrefix(uri, "file:"), "?")
	d.mu.Lock()
	defer d.mu.Unlock()
	if path == "" || strings.Contains(path, ":memory:") {
		return make(writerQueue, 1)
	}
	if d.queues[path] == nil {
		d.queues[path] = make(writerQueue, 1)
	}
	return d.queues[path]
}

// writerQueue is held by the one who writes. Go wakes those who wait in their order.
type writerQueue chan struct{}

// enter waits for the turn. leave, which may be called more than once, ends it.
func (q writerQueue) enter(ctx context.Context, patience time.Duration) (leave func(), err error) {
	select {
	case q <- struct{}{}:
		return sync.OnceFunc(func() { <-q }), nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case q <- struct{}{}:
		return sync.OnceFunc(func() { <-q }), nil
	case <-timer.C:
		return func() {}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sqliteConn is what the driver's connections can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
}

// writerConn is a connection whose transactions and single writes wait for their turn.
// Statements that are prepared do not: nothing here prepares any.
type writerConn struct {
	sqliteConn
	queue    writerQueue
	patience time.Duration
	inTxn    bool // database/sql uses a connection from one goroutine at a time
}

// BeginTx implements driver.ConnBeginTx.
func (c *writerConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	leave, err := c.queue.enter(ctx, c.patience)
	if err != nil {
		return nil, err
	}
	tx, err := c.sqliteConn.BeginTx(ctx, opts)
	if err != nil {
		leave()
		return nil, err
	}
	c.inTxn = true
	return &writerTx{Tx: tx, conn: c, leave: leave}, nil
}

type writerTx struct {
	driver.Tx
	conn  *writerConn
	leave func()
}

// Commit implements driver.Tx.
func (t *writerTx) Commit() error {
	defer t.over()
	return t.Tx.Commit()
}

// Rollback implements driver.Tx.
func (t *writerTx) Rollback() error {
	defer t.over()
	return t.Tx.Rollback()
}

func (t *writerTx) over() {
	t.conn.inTxn = false
	t.leave()
}

// ExecContext implements driver.ExecerContext.
func (c *writerConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.inTxn {
		return c.sqliteConn.ExecContext(ctx, query, args)
	}
	leave, err := c.queue.enter(ctx, c.patience)
	if err != nil {
		return nil, err
	}
	defer leave()
	return c.sqliteConn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext. What writes and returns rows (INSERT …
// RETURNING) has its turn until the rows are closed.
func (c *writerConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.inTxn || !writes(query) {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	leave, err := c.queue.enter(ctx, c.patience)
	if err != nil {
		return nil, err
	}
	rows, err := c.sqliteConn.QueryContext(ctx, query, args)
	if err != nil {
		leave()
		return nil, err
	}
	return &writerRows{Rows: rows, leave: leave}, nil
}

// writes reports whether a statement is one that changes rows.
func writes(query string) bool {
	word, _, _ := strings.Cut(strings.TrimLeft(query, " \t\r\n"), " ")
	switch strings.ToUpper(strings.TrimSpace(word)) {
	case "INSERT", "UPDATE", "DELETE", "REPLACE":
		return true
	}
	return false
}

type writerRows struct {
	driver.Rows
	leave func()
}

// Close implements driver.Rows.
func (r *writerRows) Close() error {
	defer r.leave()
	return r.Rows.Close()
}
