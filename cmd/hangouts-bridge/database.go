package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

func quietLog() zerolog.Logger {
	return zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr}).Level(zerolog.WarnLevel).With().Timestamp().Logger()
}

// connect opens the database that a config file names, beside a bridge that may be running on
// it, and brings our tables up to date, unless that bridge is of an older version and needs them
// as they are. A new file is readable by its owner only.
func connect(ctx context.Context, file *config.File, log zerolog.Logger) (*database.DB, error) {
	var lock *database.Lock
	defer func() { _ = lock.Close(func() error { return nil }) }()
	return connectAs(ctx, file, log, func(db *database.DB) error {
		outdated, err := db.Outdated(ctx)
		if err == nil && outdated {
			lock, err = db.Acquire(ctx, file.Database.Type, file.Database.URI, 0)
		}
		return err
	})
}

// connectAs is connect that calls fn with the open database before anything is changed in it.
func connectAs(ctx context.Context, file *config.File, log zerolog.Logger, fn func(*database.DB) error) (*database.DB, error) {
	if file.Database.URI == "" {
		return nil, errors.New("the config has no database.uri")
	}
	if file.Database.Type == "sqlite3" {
		file.Database.Type = "sqlite3-fk-wal" // as the framework has it
	}
	if err := database.CheckURI(file.Database.Type, file.Database.URI); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	name := "(database.uri)" // an address may hold a password
	if path, ok := database.File(file.Database.Type, file.Database.URI); ok {
		name = path
		config.Narrow(log, config.DatabaseFiles(path)...)
		if err := touchPrivate(path); err != nil {
			return nil, fmt.Errorf("open database: %w", err)
		}
	}
	db, err := database.Open(bridge.DBOwner, file.Database.Type, file.Database.URI, log)
	if err != nil {
		return nil, err
	}
	if err = fn(db); err != nil {
		_ = db.Close()
		if !errors.Is(err, database.ErrInUse) { // that one names a process
			err = database.Hide(err, file.Database.URI)
		}
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	if err = db.Upgrade(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("upgrade database %s: %w", name, database.Hide(err, file.Database.URI))
	}
	return db, nil
}

// openDatabase is connect for the running bridge, the only one on its database: it says what
// is wrong and returns nil with the exit status.
func openDatabase(ctx context.Context, file *config.File, log zerolog.Logger) (db *database.DB, lock *database.Lock, code int) {
	db, err := connectAs(ctx, file, log, func(db *database.DB) (err error) {
		lock, err = db.Acquire(ctx, file.Database.Type, file.Database.URI, bridge.LockWait)
		return err
	})
	if err != nil {
		_ = lock.Close(func() error { return nil }) // is closed already
		complain(err)
		return nil, nil, bridge.ExitDatabase
	}
	return db, lock, exitOK
}

func touchPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// exitCode is the exit status for a failed start.
func exitCode(err error) int {
	switch {
	case errors.Is(err, irc.ErrInUse):
		return bridge.ExitListen
	case errors.Is(err, irc.ErrConfig):
		return bridge.ExitConfig
	case errors.Is(err, database.ErrNewer), errors.Is(err, database.ErrInUse):
		return bridge.ExitDatabase
	}
	return exitError
}
