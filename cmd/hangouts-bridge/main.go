// Command hangouts-bridge connects Hangouts accounts with Matrix and IRC.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// Set by the build.
var (
	version = "unknown"
	commit  = "unknown"
)

// command is a subcommand: it gets what follows its name and returns the exit status.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string) int
}

// Exit statuses of the subcommands; "run" also uses those of mautrix bridges.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func commands() []command {
	return []command{
		{"run", "run the bridge (what happens without a subcommand); see run --help", func(_ context.Context, args []string) int { return runBridge(args) }},
		{"demo", "everything on this machine, with sample contacts and no account", runDemo},
		{"hangouts-server", "the Hangouts-compatible server alone", func(ctx context.Context, args []string) int {
			return hangoutstest.Main(ctx, args, os.Stdout, os.Stderr)
		}},
		{"login", "log an account in, with cookies or a refresh token from a file", runLogin},
		{"irc-password", "issue, list or revoke IRC passwords", runIRCPassword},
		{"version", "print the version", func(context.Context, []string) int {
			fmt.Printf("hangouts-bridge %s (%s)\n", version, commit)
			return exitOK
		}},
	}
}

func main() {
	syscall.Umask(0o077) // databases, logs and generated files hold secrets
	os.Exit(dispatch(os.Args[1:]))
}

func dispatch(args []string) int {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
			printUsage(os.Stdout)
		}
		return runBridge(args)
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		if c.name == "run" {
			return runBridge(args[1:])
		}
		signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
		if !signal.Ignored(syscall.SIGHUP) { // a terminal that is closed; under nohup it may be
			signals = append(signals, syscall.SIGHUP)
		}
		ctx, stop := signal.NotifyContext(context.Background(), signals...)
		defer stop()
		return c.run(ctx, args[1:])
	}
	if args[0] == "help" {
		printUsage(os.Stdout)
		return exitOK
	}
	fmt.Fprintf(os.Stderr, "hangouts-bridge: unknown subcommand %q\n", args[0])
	printUsage(os.Stderr)
	return exitUsage
}

func printUsage(w io.Writer) {
	fmt.Fprintln(w, "hangouts-bridge [subcommand] [flags]")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-16s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w)
}

// complain writes the one line that says why a subcommand failed.
func complain(err error) int {
	fmt.Fprintln(os.Stderr, "hangouts-bridge:", strings.Join(strings.Fields(err.Error()), " "))
	return exitError
}
