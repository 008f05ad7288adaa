// Command echobot answers every message that the account gets, for as long as it runs.
//
//	go run ./hangouts/examples/echobot -url http://127.0.0.1:16680 -dir ~/.echobot
//
// At the first start it asks for an authorization code. The folder keeps the refresh token, so that later starts do not
// ask, and the time up to which messages were answered, so that the bot also answers those sent while it was down.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:16680", "base URL of the service")
	dir := flag.String("dir", ".echobot", "folder for what the bot keeps")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, hangouts.Config{BaseURL: *url, Logger: log}, *dir, &hangouts.TerminalPrompt{}); err != nil {
		fmt.Fprintln(os.Stderr, "echobot:", err)
		os.Exit(1)
	}
}

// bot is one account that answers.
type bot struct {
	client *hangouts.Client
	roster *hangouts.Roster
	synced string // file with the time up to which messages were answered, in µs
	log    *slog.Logger
}

// run answers until ctx ends. It returns an error only when a person has to do something.
func run(ctx context.Context, cfg hangouts.Config, dir string, prompt hangouts.CredentialsPrompt) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tokens := hangouts.NewRefreshTokenCache(filepath.Join(dir, "refresh-token"))
	cfg.MaxRetries = hangouts.Retries(hangouts.Unlimited) // an outage of any length does not end the bot
	cfg.NoBlindRepeats = true                             // rather one answer lost than one given twice
	cfg.Renew = func(ctx context.Context) (map[string]string, error) {
		return hangouts.GetAuth(ctx, cfg, nil, tokens, false)
	}
	var cookies map[string]string
	err := hangouts.Retry(ctx, func(ctx context.Context) (err error) {
		cookies, err = hangouts.GetAuth(ctx, cfg, prompt, tokens, true)
		return err
	})
	if err != nil {
		return unlessOver(ctx, err)
	}
	client, err := hangouts.New(cfg, cookies)
	if err != nil {
		return err
	}
	defer client.Close()
	b := &bot{client: client, synced: filepath.Join(dir, "synced"), log: cfg.Logger}
	since, err := b.readSynced()
	if err != nil {
		return err
	}
	b.roster = hangouts.NewRoster(client, since)
	if err := b.roster.OnEvent.AddObserver(hangouts.Observe(b.answer)); err != nil {
		return err
	}
	return unlessOver(ctx, b.roster.Run(ctx))
}

func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// answer echoes one message. A failure loses this answer, not the bot.
func (b *bot) answer(ctx context.Context, event *pb.Event) error {
	id := event.GetConversationId().GetId()
	text := strings.TrimSpace(hangouts.MessageText(event.GetChatMessage()))
	if text != "" && event.GetSenderId().GetGaiaId() != b.roster.Self().GaiaID {
		err := hangouts.Retry(ctx, func(ctx context.Context) error {
			// The end of the bot waits for an answer that is under way, so that it is not given again.
			_, err := b.client.SendText(context.WithoutCancel(ctx), id, "You said: "+text)
			return err
		})
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, hangouts.ErrUnauthorized):
			return err // answered after the next start
		default:
			b.log.WarnContext(ctx, "Failed to answer", "conversation", id, "error", err)
		}
	}
	// An event that was missed comes after newer ones that were answered.
	return b.writeSynced(max(event.GetTimestamp(), b.roster.SyncedTo()))
}

func (b *bot) readSynced() (uint64, error) {
	text, err := os.ReadFile(b.synced)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	us, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", b.synced, err)
	}
	return us, nil
}

// writeSynced replaces the file as a whole, so that a crash leaves the old or the new one.
func (b *bot) writeSynced(us uint64) error {
	next := b.synced + ".next"
	if err := os.WriteFile(next, []byte(strconv.FormatUint(us, 10)), 0o600); err != nil {
		return err
	}
	return os.Rename(next, b.synced)
}
