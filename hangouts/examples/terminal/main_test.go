package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// screen is what the client printed.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestTerminal is a chat with a lost channel, a rate limit and a restart of the server in between.
func TestTerminal(t *testing.T) {
	options := hangoutstest.Options{StateFile: filepath.Join(t.TempDir(), "state")}
	srv := hangoutstest.New(options)
	defer func() { srv.Close() }()
	options.Listen = strings.TrimPrefix(srv.URL, "http://")
	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(srv.Account(0).RefreshToken()), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	in, keys, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	out := &screen{}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, hangouts.Config{BaseURL: srv.URL, RetryBackoffBase: 1.05, RequestTimeout: 20 * time.Second}, tokenFile, in, out)
	}()
	types := func(line string) {
		t.Helper()
		_, err := fmt.Fprintln(keys, line)
		require.NoError(t, err)
	}
	shows := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(out.String(), text) }, time.Minute, 5*time.Millisecond, text)
	}
	arrives := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			for _, e := range srv.Events("team") {
				if e.Text == text {
					return true
				}
			}
			return false
		}, time.Minute, 5*time.Millisecond, text)
	}

	shows("* connected as Ada Lovelace")
	types("hello")
	shows("no conversation is open")
	types("/list")
	team, _ := srv.Conversation("team")
	shows("  " + team.Name + "\n")
	number := regexp.MustCompile(`(?m)^ *(\d+)  ` + regexp.QuoteMeta(team.Name) + `$`).FindStringSubmatch(out.String())
	require.NotNil(t, number)
	types("/open 99")
	shows(`no conversation has the number "99"`)
	types("/nonsense")
	shows("no such command: /nonsense")
	types("/open " + number[1])
	long := strings.Repeat("long ", 20_000)
	types(long)
	arrives(long)
	_, err = srv.Person("carol").Send("team", "Hello\x1b[2J Ada")
	require.NoError(t, err)
	shows("[" + team.Name + "] Carol: Hello?[2J Ada\n")
	types("**Hello** Carol")
	arrives("Hello Carol")
	shows("[" + team.Name + "] Ada: Hello Carol\n")

	_, err = srv.Drop("user1", hangoutstest.DropTruncate)
	require.NoError(t, err)
	_, err = srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: http.StatusTooManyRequests, Endpoint: "conversations/sendchatmessage"})
	require.NoError(t, err)
	types("after a loss")
	arrives("after a loss")
	shows("Ada: after a loss\n")

	srv.Close()
	srv, err = hangoutstest.Start(options)
	require.NoError(t, err)
	_, err = srv.Person("carol").Send("team", "back again")
	require.NoError(t, err)
	shows("Carol: back again\n")
	types("good")
	arrives("good")
	require.Equal(t, 1, strings.Count(out.String(), "Carol: back again\n"))
	types("/quit")
	require.NoError(t, <-done)
	keys.Close()
}
