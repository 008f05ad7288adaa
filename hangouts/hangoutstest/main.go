package hangoutstest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
)

// startLine is the one JSON line that Main prints when the server is ready.
type startLine struct {
	BaseURL    string        `json:"base_url"`
	ControlURL string        `json:"control_url"`
	ProxyURL   string        `json:"proxy_url"`
	CAFile     string        `json:"ca_file,omitempty"`
	Accounts   []AccountInfo `json:"accounts"`
}

const usageHead = `Usage: hangouts-bridge hangouts-server [flags]

Runs a Hangouts-compatible server. When it is ready it prints one JSON line with its
addresses and test accounts on standard output, and nothing else there:

  {"base_url":"http://127.0.0.1:PORT","control_url":"...","proxy_url":"...","accounts":[{"email":"...","gaia_id":"...","refresh_token":"...","cookies":{"SAPISID":"...",...}}]}

It answers every path of Google's hosts on one listener, whatever the Host header is.

Flags:
`

const usageTail = `
Scenario file: JSON; all fields are in go doc ./hangouts/hangoutstest Scenario and docs/hangouts-server.md.

  {"people": [{"key": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "account": true},
              {"key": "bob", "name": "Bob", "bot": "echo"}],
   "conversations": [
     {"members": ["ada", "bob"], "history": [{"from": "bob", "text": "Hello Ada", "ago": "2h"}]},
     {"key": "team", "type": "group", "name": "Team", "members": ["ada", "bob"], "unread": {"ada": 1}}]}

Control interface: POST JSON (Content-Type: application/json) to {control_url}/{verb}; the answer is
JSON, an error is {"error":"..."} with a status of 400 or more. Unknown fields are errors. People are
named by key, e-mail or gaia id, conversations by id or key, times are in microseconds. A question mark
stands behind the name of what may be left out.

`

// Main runs the server as a command until ctx ends and returns the exit status: 0 after a
// clean end, 1 when it cannot start, 2 for wrong arguments.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, scenario, verbose, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if opts.Scenario, err = LoadScenario(scenario); err != nil {
		fmt.Fprintln(stderr, "hangouts-server:", err)
		return 1
	}
	if verbose {
		opts.Logger = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := Start(opts)
	if err != nil {
		fmt.Fprintln(stderr, "hangouts-server:", err)
		return 1
	}
	defer s.Close()
	line, err := json.Marshal(startLine{s.URL, s.ControlURL, s.ProxyURL, opts.CAFile, s.Accounts()})
	if err != nil {
		fmt.Fprintln(stderr, "hangouts-server:", err)
		return 1
	}
	if _, err := stdout.Write(append(line, '\n')); err != nil {
		return 1
	}
	<-ctx.Done()
	return 0
}

func parseFlags(args []string, stderr io.Writer) (opts Options, scenario string, verbose bool, err error) {
	fs := flag.NewFlagSet("hangouts-server", flag.ContinueOnError)
	fs.SetOutput(stderr)
	set := DefaultSettings()
	var noop, poll, sessionIdle, botDelay int64
	fs.StringVar(&opts.Listen, "listen", "127.0.0.1:0", "address to listen on")
	fs.IntVar(&opts.Accounts, "accounts", 0, "least number of accounts; made up when the scenario has fewer")
	fs.StringVar(&scenario, "scenario", "default", "JSON file with people, conversations and history, or the built-in default or demo")
	fs.StringVar(&opts.StateFile, "state", "", "file that keeps everything accepted, across kill -9 too")
	fs.StringVar(&opts.ProxyListen, "proxy", "", "address of a CONNECT proxy for Google's host names")
	fs.StringVar(&opts.CAFile, "ca-out", "", "file to write the proxy's certificate authority to")
	fs.Uint64Var(&opts.Seed, "seed", 1, "decides every id and token")
	fs.BoolVar(&set.Dedup, "dedup", set.Dedup, "answer a repeated client_generated_id with the first event")
	fs.BoolVar(&set.Bots, "bots", set.Bots, "let people with a bot answer")
	fs.Int64Var(&botDelay, "bot-delay-ms", int64(set.BotDelay), "how long a bot reads, and types")
	fs.Int64Var(&noop, "noop-ms", int64(set.NoopInterval), "time between keep-alives")
	fs.Int64Var(&poll, "poll-ms", int64(set.PollDuration), "when a long poll ends regularly")
	fs.Int64Var(&sessionIdle, "session-idle-ms", int64(set.SessionIdle), "how long a SID lives without a poll")
	fs.BoolVar(&verbose, "verbose", false, "log requests to standard error")
	fs.Usage = func() {
		fmt.Fprint(stderr, usageHead)
		fs.PrintDefaults()
		fmt.Fprint(stderr, usageTail, ControlHelp(), "\nFaults of requests (verb fault): ", faultNames(requestFaults),
			"\nFaults of pushes: ", faultNames(pushFaults), "\n")
	}
	if err = fs.Parse(args); err != nil {
		return opts, "", false, err
	}
	set.NoopInterval, set.PollDuration, set.SessionIdle, set.BotDelay = Millis(noop), Millis(poll), Millis(sessionIdle), Millis(botDelay)
	switch {
	case fs.NArg() > 0:
		err = fmt.Errorf("%w: unexpected %q", ErrInvalid, fs.Arg(0))
	case opts.Accounts < 0 || opts.Accounts > 10000:
		err = fmt.Errorf("%w: --accounts must be from 0 to 10000", ErrInvalid)
	case (opts.ProxyListen == "") != (opts.CAFile == ""):
		err = fmt.Errorf("%w: --proxy and --ca-out go together", ErrInvalid)
	default:
		err = set.check()
	}
	if err != nil {
		fmt.Fprintln(stderr, "hangouts-server:", err)
		return opts, "", false, err
	}
	opts.Configure = func(s *Settings) { *s = set }
	return opts, scenario, verbose, nil
}
