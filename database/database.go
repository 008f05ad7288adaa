// Package database holds the project's own tables, beside those of bridgev2 in the same
// database: accounts, the log, the outbox, consumers' positions, and what the Matrix and
// IRC sides keep. Every store takes part in a transaction begun with DB.Txn through the
// context. Times are µs since the Unix epoch, UTC.
package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
	_ "go.mau.fi/util/dbutil/litestream" // the driver "sqlite3-fk-wal"
)

// VersionTable names the table that holds the version of this package's tables.
const VersionTable = "hangouts_version"

//go:embed upgrades/*.sql
var upgradeFiles embed.FS

var upgradeTable = dbutil.BuildUpgradeTable().WithFSPath(upgradeFiles, "upgrades").Finish()

// ErrNewer is returned by Upgrade when a newer program has changed the database.
var ErrNewer = errors.New("the database is of a newer version of this program; run that version or restore a backup")

// ErrNotFound is returned for rows that do not exist.
var ErrNotFound = errors.New("not found")

// ErrFinal is returned when a settled request was to be changed, or one that is gone.
var ErrFinal = errors.New("the request is settled already")

// DB is the database with this package's tables.
type DB struct {
	*dbutil.Database
	writer *writer
}

// New adds this package's tables to an open database; Upgrade creates them.
func New(parent *dbutil.Database, log zerolog.Logger) *DB {
	db := &DB{Database: parent.Child(VersionTable, upgradeTable, Logger(log)), writer: &writer{}}
	db.writer.db = db
	return db
}

// Open opens a database by itself, for use without the Matrix side. kind and uri are
// those of mautrix configurations ("sqlite3-fk-wal", "file:bridge.db?_txlock=immediate").
func Open(owner, kind, uri string, log zerolog.Logger) (*DB, error) {
	if err := CheckURI(kind, uri); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	parent, err := dbutil.NewFromConfig(owner, dbutil.Config{
		PoolConfig: dbutil.PoolConfig{Type: kind, URI: uri, MaxOpenConns: 5, MaxIdleConns: 5},
	}, Logger(log))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", Hide(err, uri))
	}
	return New(parent, log), nil
}

// Upgrade brings the tables to the current version.
func (db *DB) Upgrade(ctx context.Context) error {
	err := db.Database.Upgrade(ctx)
	if errors.Is(err, dbutil.ErrUnsupportedDatabaseVersion) {
		return fmt.Errorf("%w: %w", ErrNewer, err)
	}
	return err
}

// Outdated reports whether Upgrade would change tables that are there, under a bridge of an older
// version that may run on them.
func (db *DB) Outdated(ctx context.Context) (bool, error) {
	exists, err := db.TableExists(ctx, VersionTable)
	if err != nil || !exists {
		return false, err
	}
	version := 0
	err = db.QueryRow(ctx, `SELECT COALESCE(MAX(version), 0) FROM `+VersionTable).Scan(&version)
	return version > 0 && version < len(upgradeTable), err
}

// Txn runs fn in one transaction, or in the one that ctx already carries.
func (db *DB) Txn(ctx context.Context, fn func(ctx context.Context) error) error {
	return db.DoTxn(ctx, nil, fn)
}

// Sync makes sure that a power failure does not take back what is committed. SQLite syncs its
// WAL at checkpoints only, unless its type says otherwise. It does not belong into a transaction.
func (db *DB) Sync(ctx context.Context) error {
	if !db.IsSQLite() {
		return nil
	}
	for wait := time.Millisecond; ; wait *= 2 {
		var busy, frames, done int
		err := db.QueryRow(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &frames, &done)
		if err != nil || busy == 0 {
			return err
		}
		if wait > time.Second { // another connection has been at it all the time, and syncs what it copies
			return nil
		}
		time.Sleep(wait)
	}
}

// IsSQLite reports whether the database is SQLite.
func (db *DB) IsSQLite() bool { return db.Dialect == dbutil.SQLite }

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// scanAll reads all rows with one function.
func scanAll[T any](rows dbutil.Rows, err error, scan func(dbutil.Scannable) (T, error)) ([]T, error) {
	return dbutil.NewRowIterWithError(rows, scan, err).AsList()
}

// placeholders returns "$first, $first+1, …" for n values.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}
