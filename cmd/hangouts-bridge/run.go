package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.mau.fi/zeroconfig"
	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// runBridge runs the bridge with the flags of mautrix bridges: with Matrix, or without
// when the config file names no homeserver.
func runBridge(args []string) int {
	if path, only := withoutMatrix(args); only {
		return runWithoutMatrix(path)
	}
	var s settings
	var c core
	main := bridge.NewMain(bridge.Options{
		Name: "hangouts-bridge", Description: "A bridge between Hangouts, Matrix and IRC.", URL: "https://github.com/hangouts-bridge/hangouts-bridge",
		Version: release, Tag: version, Commit: commit,
		Sections: s.sections(),
		Start: func(ctx context.Context, env bridge.Env) (account.Accounts, error) {
			if err := c.start(ctx, env.DB, &s, env.Log); err != nil {
				return nil, err
			}
			return c.accounts, nil
		},
		Stop:     c.stop,
		SendWait: func() time.Duration { return s.accounts.SendWait },
		ExitCode: exitCode,
	})
	return main.Run(args)
}

// release is the latest released version.
const release = "0.1.0"

// withoutMatrix decides from the flags and the config file whether there is a homeserver.
// Whatever is odd about them is left to the normal start, which says so.
func withoutMatrix(args []string) (path string, only bool) {
	path = "config.yaml"
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		switch name {
		case "-c", "--config":
			if !joined && i+1 < len(args) {
				i++
				value = args[i]
			}
			path = value
		case "-n", "--no-update":
		default:
			return path, false
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return path, false
	}
	var file struct {
		Homeserver struct {
			Address string `yaml:"address"`
		} `yaml:"homeserver"`
	}
	if yaml.Unmarshal(text, &file) != nil {
		return path, false
	}
	return path, file.Homeserver.Address == ""
}

// runWithoutMatrix runs the accounts and the IRC server until it is told to stop.
func runWithoutMatrix(path string) int {
	var s settings
	file, err := config.LoadFile(path, s.sections()...)
	if err != nil {
		complain(err)
		return bridge.ExitConfig
	}
	if !s.irc.Enabled {
		complain(errors.New("nothing to do: the config names no homeserver (homeserver.address) and network.irc.enabled is false"))
		return bridge.ExitConfig
	}
	if len(file.Logging.Writers) == 0 {
		file.Logging = zeroconfig.Config{Writers: []zeroconfig.WriterConfig{{Type: zeroconfig.WriterTypeStdout, Format: zeroconfig.LogFormatPrettyColored}}}
	}
	log, err := file.Logging.Compile()
	if err != nil {
		complain(fmt.Errorf("logging: %w", err))
		return bridge.ExitConfig
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, lock, code := openDatabase(ctx, file, *log)
	if db == nil {
		return code
	}
	defer func() { _ = lock.Close(db.Close) }()
	var c core
	defer c.stop()
	if err = c.start(ctx, db, &s, *log); err != nil {
		complain(err)
		return exitCode(err)
	}
	log.Info().Msg("Running without Matrix: the config names no homeserver")
	select {
	case <-ctx.Done():
	case err = <-lock.Lost():
		complain(err)
		return exitCode(err)
	}
	log.Info().Msg("Stopping")
	return exitOK
}

// flags makes the flags of a subcommand that works on the bridge's database.
func flags(name, usage string) (set *flag.FlagSet, path *string) {
	set = flag.NewFlagSet("hangouts-bridge "+name, flag.ContinueOnError)
	path = set.String("c", "config.yaml", "config `file`")
	set.Usage = func() {
		fmt.Fprintln(set.Output(), usage)
		set.PrintDefaults()
	}
	return set, path
}

// parse reads the flags of a subcommand; done says that it ends with code.
func parse(set *flag.FlagSet, args []string) (code int, done bool) {
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK, true
	case err != nil:
		return exitUsage, true
	}
	return exitOK, false
}

// open reads the config and opens the database for a subcommand. Its log goes to standard
// error, warnings only.
func open(ctx context.Context, path string, s *settings) (*database.DB, error) {
	file, err := config.LoadFile(path, s.sections()...)
	if err != nil {
		return nil, err
	}
	return connect(ctx, file, quietLog())
}
