// Command terminal is a small chat client for a terminal.
//
//	go run ./hangouts/examples/terminal -url http://127.0.0.1:16680 -token-file refresh-token
//
// It prints what is written anywhere. Lines that are typed go to the open conversation; these begin with a slash:
//
//	/list       all conversations with their numbers
//	/open N     opens a conversation and shows its last messages
//	/quit       ends the client
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:16680", "base URL of the service")
	tokenFile := flag.String("token-file", "refresh-token", "file for the refresh token")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, hangouts.Config{BaseURL: *url}, *tokenFile, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "terminal:", err)
		os.Exit(1)
	}
}

// terminal is one person at a keyboard.
type terminal struct {
	client *hangouts.Client
	roster *hangouts.Roster
	out    io.Writer
	listed []string // conversation ids, by the numbers that /list gave
	open   string   // id of the open conversation
}

// run logs in and chats until the input ends, /quit, or ctx ends.
func run(ctx context.Context, cfg hangouts.Config, tokenFile string, in *os.File, out io.Writer) error {
	tokens := hangouts.NewRefreshTokenCache(tokenFile)
	cfg.MaxRetries = hangouts.Retries(hangouts.Unlimited)
	cfg.NoBlindRepeats = true
	cfg.Renew = func(ctx context.Context) (map[string]string, error) {
		return hangouts.GetAuth(ctx, cfg, nil, tokens, false)
	}
	cookies, err := hangouts.GetAuth(ctx, cfg, &hangouts.TerminalPrompt{In: in, Out: out}, tokens, true)
	if err != nil {
		return err
	}
	client, err := hangouts.New(cfg, cookies)
	if err != nil {
		return err
	}
	defer client.Close()
	t := &terminal{client: client, roster: hangouts.NewRoster(client, 0), out: &oneAtATime{out: out}}
	if err := t.watch(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() {
		over <- t.roster.Run(ctx)
		cancel()
	}()
	t.read(ctx, in)
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// oneAtATime lets several goroutines write.
type oneAtATime struct {
	mu  sync.Mutex
	out io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(p)
}

// watch prints what happens.
func (t *terminal) watch() error {
	onEvent := t.roster.OnEvent.AddObserver(hangouts.Observe(func(_ context.Context, e *pb.Event) error {
		t.show(e)
		return nil
	}))
	onSubscribed := t.client.OnSubscribed.AddObserver(hangouts.Observe(func(context.Context, hangouts.Subscribed) error {
		fmt.Fprintf(t.out, "* connected as %s\n", t.roster.Self().Name.Full)
		return nil
	}))
	onDisconnect := t.client.OnDisconnect.AddObserver(hangouts.Observe(func(_ context.Context, d hangouts.Disconnected) error {
		fmt.Fprintln(t.out, "* connection lost:", d.Err)
		return nil
	}))
	return errors.Join(onEvent, onSubscribed, onDisconnect)
}

func (t *terminal) show(e *pb.Event) {
	what := hangouts.MessageText(e.GetChatMessage())
	if e.GetChatMessage() == nil {
		what = "* " + hangouts.KindOf(e).String()
	}
	id := e.GetConversationId().GetId()
	fmt.Fprintf(t.out, "%s [%s] %s: %s\n", hangouts.FromMicros(e.GetTimestamp()).Local().Format("15:04"),
		printable(t.roster.Title(id)), printable(t.roster.Person(e.GetSenderId().GetGaiaId()).Name.First), printable(what))
}

// printable keeps others from controlling the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// maxLine bounds a line that is typed or pasted, in bytes; a longer one ends the client with a word.
const maxLine = 1 << 20

// read handles what is typed.
func (t *terminal) read(ctx context.Context, in io.Reader) {
	lines := make(chan string)
	go func() { // ends with the input, or with the program
		defer close(lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxLine)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
		if err := scanner.Err(); err != nil && ctx.Err() == nil {
			fmt.Fprintln(t.out, "* reading the input:", err)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case line, more := <-lines:
			if !more || line == "/quit" {
				return
			}
			if err := t.line(ctx, line); err != nil && ctx.Err() == nil {
				fmt.Fprintln(t.out, "*", err)
			}
		}
	}
}

func (t *terminal) line(ctx context.Context, line string) error {
	switch command, rest, _ := strings.Cut(line, " "); {
	case strings.TrimSpace(line) == "":
		return nil
	case command == "/list":
		t.list()
		return nil
	case command == "/open":
		return t.choose(ctx, strings.TrimSpace(rest))
	case strings.HasPrefix(line, "/"):
		return fmt.Errorf("no such command: %s", command)
	case t.open == "":
		return errors.New("no conversation is open, see /list and /open")
	}
	return hangouts.Retry(ctx, func(ctx context.Context) error {
		_, err := t.client.SendSegments(ctx, t.open, hangouts.ParseText(line))
		return err
	})
}

func (t *terminal) list() {
	t.listed = nil
	for _, c := range t.roster.Conversations() {
		if !hangouts.IsArchived(c) {
			t.listed = append(t.listed, c.GetConversationId().GetId())
			fmt.Fprintf(t.out, "%3d  %s\n", len(t.listed), printable(t.roster.Title(t.listed[len(t.listed)-1])))
		}
	}
}

func (t *terminal) choose(ctx context.Context, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(t.listed) {
		return fmt.Errorf("no conversation has the number %q, see /list", number)
	}
	t.open = t.listed[n-1]
	answer, err := t.client.GetConversation(ctx, &pb.GetConversationRequest{
		ConversationSpec: &pb.ConversationSpec{ConversationId: &pb.ConversationId{Id: proto.String(t.open)}},
		IncludeEvent:     proto.Bool(true), MaxEventsPerConversation: proto.Uint64(10),
	})
	for _, e := range answer.GetConversationState().GetEvent() {
		t.show(e)
	}
	return err
}
