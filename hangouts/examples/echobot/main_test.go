package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEchobot: every message is answered once, over a lost channel, a rate limit, refused cookies, a restart of the
// server, and a restart of the bot.
func TestEchobot(t *testing.T) {
	dir := t.TempDir()
	options := hangoutstest.Options{StateFile: filepath.Join(t.TempDir(), "state")}
	srv := hangoutstest.New(options)
	defer func() { srv.Close() }()
	options.Listen = strings.TrimPrefix(srv.URL, "http://")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "refresh-token"), []byte(srv.Account(0).RefreshToken()), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	start := func() (stop func()) {
		botCtx, end := context.WithCancel(ctx)
		done := make(chan error, 1)
		cfg := hangouts.Config{BaseURL: srv.URL, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), RetryBackoffBase: 1.05, RequestTimeout: 20 * time.Second}
		go func() { done <- run(botCtx, cfg, dir, nil) }()
		return func() {
			end()
			require.NoError(t, <-done)
		}
	}
	said := 0
	say := func() {
		t.Helper()
		said++
		_, err := srv.Person("carol").Send("carol", fmt.Sprint("message ", said))
		require.NoError(t, err)
	}
	history := len(srv.Events("carol"))
	answered := func() {
		t.Helper()
		require.NoError(t, srv.WaitEvents(ctx, "carol", history+2*said))
		counts := map[string]int{}
		for _, e := range srv.Events("carol")[history:] {
			counts[e.Text]++
		}
		for i := 1; i <= said; i++ {
			require.Equal(t, 1, counts[fmt.Sprint("You said: message ", i)], "%v", counts)
		}
	}
	inject := func(f hangoutstest.Fault) {
		t.Helper()
		_, err := srv.Inject(f)
		require.NoError(t, err)
	}

	stop := start()
	require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
	say()
	answered()

	_, err := srv.Drop("user1", hangoutstest.DropUnknownSID)
	require.NoError(t, err)
	say()
	answered()

	inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: http.StatusTooManyRequests, Endpoint: "conversations/sendchatmessage"})
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: http.StatusTooManyRequests, Endpoint: "channel/poll"})
	say()
	answered()

	require.NoError(t, srv.InvalidateCookies("user1"))
	_, err = srv.Drop("user1", hangoutstest.DropTruncate)
	require.NoError(t, err)
	say()
	answered()

	// The server goes away and comes back with other answers cut short.
	srv.Close()
	srv, err = hangoutstest.Start(options)
	require.NoError(t, err)
	srv.Configure(func(s *hangoutstest.Settings) { s.SyncMaxEvents = 2 })
	for range 5 {
		say()
	}
	answered()

	stop()
	say()
	say()
	stop = start()
	answered()
	require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
	say()
	answered()
	stop()
}

// TestEchobotWithoutLogin: what only a person can mend ends the bot.
func TestEchobotWithoutLogin(t *testing.T) {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	err := run(t.Context(), hangouts.Config{BaseURL: srv.URL}, t.TempDir(), nil)
	require.ErrorContains(t, err, "no refresh token")
}

// TestEchobotKeepsItsTime: an event that was missed comes after newer ones, which are not answered again after a restart.
func TestEchobotKeepsItsTime(t *testing.T) {
	b := &bot{roster: hangouts.NewRoster(nil, 100), synced: filepath.Join(t.TempDir(), "synced")}
	require.NoError(t, b.answer(t.Context(), &pb.Event{Timestamp: proto.Uint64(50)}))
	synced, err := b.readSynced()
	require.NoError(t, err)
	require.EqualValues(t, 100, synced)
	require.NoError(t, b.answer(t.Context(), &pb.Event{Timestamp: proto.Uint64(150)}))
	synced, err = b.readSynced()
	require.NoError(t, err)
	require.EqualValues(t, 150, synced)
}
