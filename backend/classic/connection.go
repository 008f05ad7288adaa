package classic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// connection is one account's connection. Its client is replaced when a refresh token
// brought new cookies.
type connection struct {
	b *Backend

	renewing sync.Mutex // one renewal at a time

	mu      sync.Mutex
	keep    stored
	client  *hangouts.Client
	sink    account.Sink // of the running Run
	unsaved bool         // keep has changed and no sink was there to take it
	self    chat.Person
	names   map[chat.PersonID]string
}

func newConnection(b *Backend, keep stored) (*connection, error) {
	client, err := hangouts.New(b.config, keep.Cookies)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", chat.ErrBadCredentials, err)
	}
	c := &connection{b: b, keep: keep, names: make(map[chat.PersonID]string)}
	c.adopt(client)
	return c, nil
}

// adopt makes client the one that is used. mu is held, or c is not shared yet.
func (c *connection) adopt(client *hangouts.Client) {
	client.OnCookies = c.cookiesChanged
	c.client = client
}

func (c *connection) cookiesChanged(cookies map[string]string) {
	if cookies["SAPISID"] == "" {
		return // an answer took it away: what is stored may still work
	}
	c.mu.Lock()
	c.keep.Cookies = cookies
	data, err := json.Marshal(c.keep)
	sink := c.sink
	c.unsaved = sink == nil
	c.mu.Unlock()
	if err == nil && sink != nil {
		sink.Credentials(data)
	}
}

func (c *connection) current() *hangouts.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client
}

// renew gets new cookies with the refresh token after the present ones were refused to
// client. Without a refresh token the credentials are bad.
func (c *connection) renew(ctx context.Context, client *hangouts.Client, refused error) error {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	c.mu.Lock()
	token, renewed := c.keep.RefreshToken, c.client != client
	c.mu.Unlock()
	switch {
	case renewed:
		return nil
	case token == "":
		return fmt.Errorf("%w: %w", chat.ErrBadCredentials, refused)
	}
	cookies, err := c.b.cookiesOf(ctx, token)
	if err != nil {
		return err
	}
	fresh, err := hangouts.New(c.b.config, cookies)
	if err != nil {
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	// Cookies that are refused as well end the attempt, which is repeated after a pause.
	if _, err = fresh.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{}); err != nil {
		fresh.Close()
		return verdict(err, false)
	}
	c.mu.Lock()
	c.adopt(fresh)
	c.mu.Unlock()
	client.Disconnect()
	client.Close()
	c.cookiesChanged(fresh.Cookies())
	return nil
}

// call makes one request, renewing the cookies and asking again once if they are
// refused: a refused request had no effect.
func call[T any](ctx context.Context, c *connection, request func(*hangouts.Client) (T, error)) (T, error) {
	client := c.current()
	answer, err := request(client)
	if errors.Is(err, hangouts.ErrUnauthorized) {
		if err = c.renew(ctx, client, err); err != nil {
			return answer, err
		}
		if answer, err = request(c.current()); errors.Is(err, hangouts.ErrUnauthorized) {
			return answer, verdict(err, false)
		}
	}
	return answer, mapError(err)
}

// Run implements account.Connection.
func (c *connection) Run(ctx context.Context, sink account.Sink) error {
	c.mu.Lock()
	c.sink = sink
	unsaved, cookies := c.unsaved, c.keep.Cookies
	c.mu.Unlock()
	if unsaved {
		c.cookiesChanged(cookies)
	}
	defer func() {
		c.mu.Lock()
		c.sink = nil
		c.mu.Unlock()
	}()
	for {
		client := c.current()
		err := c.runClient(ctx, client, sink)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, hangouts.ErrUnauthorized) {
			if err = c.renew(ctx, client, err); err != nil {
				return err
			}
		}
		if c.current() != client {
			continue
		}
		return mapError(err)
	}
}

// runClient holds one client's push channel open. Subscribing and gaps both mean that
// something may be missing.
func (c *connection) runClient(ctx context.Context, client *hangouts.Client, sink account.Sink) error {
	missing := func() error {
		sink.Subscribed()
		return nil
	}
	onBatch := hangouts.Observe(func(ctx context.Context, updates []*pb.StateUpdate) error {
		update := batch(updates)
		c.learn(&update)
		return sink.Push(ctx, update)
	})
	onSubscribed := hangouts.Observe(func(context.Context, hangouts.Subscribed) error { return missing() })
	onReconnect := hangouts.Observe(func(context.Context, hangouts.Connected) error { return missing() })
	onGap := hangouts.Observe(func(context.Context, hangouts.Gap) error { return missing() })
	onDisconnect := hangouts.Observe(func(context.Context, hangouts.Disconnected) error {
		sink.Lost()
		return nil
	})
	client.OnActivity = sink.Alive
	if err := errors.Join(client.OnBatch.AddObserver(onBatch), client.OnSubscribed.AddObserver(onSubscribed),
		client.OnReconnect.AddObserver(onReconnect), client.OnGap.AddObserver(onGap), client.OnDisconnect.AddObserver(onDisconnect)); err != nil {
		return err
	}
	defer func() {
		_ = client.OnBatch.RemoveObserver(onBatch)
		_ = client.OnSubscribed.RemoveObserver(onSubscribed)
		_ = client.OnReconnect.RemoveObserver(onReconnect)
		_ = client.OnGap.RemoveObserver(onGap)
		_ = client.OnDisconnect.RemoveObserver(onDisconnect)
	}()
	return client.Connect(ctx)
}

// learn remembers names and takes the sender's name off "/me" messages, which begin with
// it on the wire.
func (c *connection) learn(u *account.Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range u.Conversations {
		for _, m := range d.Members {
			if m.Name != "" {
				c.names[m.ID] = m.Name
			}
		}
	}
	for _, p := range u.People {
		c.names[p.ID] = p.FullName
	}
	for _, e := range u.Events {
		if e.Message != nil && e.Message.Emote && len(e.Message.Text) > 0 && e.Message.Text[0].Kind == chat.SegmentText {
			first := &e.Message.Text[0]
			name := c.names[e.Author]
			short, _, _ := strings.Cut(name, " ")
			for _, prefix := range []string{name, short} {
				if rest, ok := strings.CutPrefix(first.Text, prefix+" "); ok && prefix != "" {
					first.Text = rest
					break
				}
			}
		}
	}
}

// Close implements account.Connection.
func (c *connection) Close() {
	client := c.current()
	client.Disconnect()
	client.Close()
}

// SetActive implements account.Connection.
func (c *connection) SetActive(ctx context.Context) error {
	_, err := call(ctx, c, func(client *hangouts.Client) (struct{}, error) {
		err := client.SetActive(ctx)
		if errors.Is(err, hangouts.ErrNoClientID) {
			err = nil // not connected yet: nobody is rung for
		}
		return struct{}{}, err
	})
	return err
}

// SetDoNotDisturb implements account.Connection (protocol §8.7).
func (c *connection) SetDoNotDisturb(ctx context.Context, lasting time.Duration) error {
	setting := &pb.DndSetting{DoNotDisturb: proto.Bool(lasting > 0)}
	if lasting > 0 {
		setting.TimeoutSecs = proto.Uint64(uint64(lasting.Seconds()))
	}
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.SetPresenceResponse, error) {
		return client.SetPresence(ctx, &pb.SetPresenceRequest{DndSetting: setting})
	})
	return err
}

// SetTyping implements account.Connection.
func (c *connection) SetTyping(ctx context.Context, id chat.ConversationID, state chat.TypingState) error {
	kind := pb.TypingType_TYPING_TYPE_STOPPED
	for wire, ours := range typingStates {
		if ours == state {
			kind = wire
		}
	}
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.SetTypingResponse, error) {
		return client.SetTyping(ctx, &pb.SetTypingRequest{ConversationId: conversationID(id), Type: kind.Enum()})
	})
	return err
}

// SetWatermark implements account.Connection.
func (c *connection) SetWatermark(ctx context.Context, id chat.ConversationID, time int64) error {
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.UpdateWatermarkResponse, error) {
		return client.UpdateWatermark(ctx, &pb.UpdateWatermarkRequest{ConversationId: conversationID(id), LastReadTimestamp: proto.Uint64(uint64(time))})
	})
	return err
}

// ownName is the account's name, asked for once.
func (c *connection) ownName(ctx context.Context) (string, error) {
	c.mu.Lock()
	self := c.self
	c.mu.Unlock()
	if self.ID != "" {
		return self.FullName, nil
	}
	info, err := call(ctx, c, func(client *hangouts.Client) (*pb.GetSelfInfoResponse, error) {
		return client.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	self = person(info.GetSelfEntity())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.self = self
	c.names[self.ID] = self.FullName
	return self.FullName, nil
}
