package mxclient

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// encryption makes a client write and read encrypted rooms. Its keys are in memory.
type encryption struct {
	machine *crypto.OlmMachine
	state   mautrix.StateStore
	post    *keyPost
}

// NewEncrypting is New for a client that encrypts where the room is encrypted. Timelines show
// what it could decrypt as it was written.
func NewEncrypting(t testing.TB, hs Homeserver, localpart string) *Client {
	t.Helper()
	if err := Register(silent(context.Background()), hs, localpart, localpart); err != nil {
		t.Fatalf("register %s: %v", localpart, err)
	}
	return login(t, hs, localpart, localpart, true)
}

// Encrypts reports whether this is a client of NewEncrypting.
func (c *Client) Encrypts() bool { return c.olm != nil }

func (c *Client) startEncryption() error {
	post := &keyPost{base: http.DefaultTransport}
	c.Matrix.Client = &http.Client{Transport: post}
	state := mautrix.NewMemoryStateStore()
	c.Matrix.StateStore = state
	log := zerolog.Nop()
	machine := crypto.NewOlmMachine(c.Matrix, &log, crypto.NewMemoryStore(nil), state.(crypto.StateStore))
	if err := machine.Load(c.ctx); err != nil {
		return err
	}
	c.olm = &encryption{machine, state, post}
	return machine.ShareKeys(c.ctx, 0)
}

// sync takes in keys and what the machine has to know of rooms.
func (o *encryption) sync(ctx context.Context, resp *mautrix.RespSync, since string) {
	o.machine.ProcessSyncResponse(ctx, resp, since)
	for roomID, joined := range resp.Rooms.Join {
		for _, list := range [][]*event.Event{joined.State.Events, joined.Timeline.Events} {
			for _, ev := range list {
				if ev.StateKey == nil {
					continue
				}
				ev.RoomID, ev.Type.Class = roomID, event.StateEventType
				_ = ev.Content.ParseRaw(ev.Type)
				mautrix.UpdateStateStore(ctx, o.state, ev)
				if ev.Type == event.StateMember {
					o.machine.HandleMemberEvent(ctx, ev)
				}
			}
		}
	}
}

// open puts the clear events in the place of encrypted ones whose keys are there.
func (o *encryption) open(ctx context.Context, timeline []*event.Event) {
	for n, ev := range timeline {
		if ev.Type.Type != event.EventEncrypted.Type || ev.Content.Parsed == nil {
			continue
		}
		if clear, err := o.machine.DecryptMegolmEvent(ctx, ev); err == nil {
			timeline[n] = clear
		}
	}
}

// seal encrypts what goes into an encrypted room, but for reactions and redactions.
func (c *Client) seal(ctx context.Context, roomID id.RoomID, eventType event.Type, content any) (event.Type, any, error) {
	if c.olm == nil || eventType == event.EventReaction || eventType == event.EventRedaction {
		return eventType, content, nil
	}
	if encrypted, err := c.olm.state.IsEncrypted(ctx, roomID); err != nil || !encrypted {
		return eventType, content, err
	}
	sealed, err := c.olm.machine.EncryptMegolmEvent(ctx, roomID, eventType, content)
	if crypto.IsShareError(err) {
		var members []id.UserID
		for who, membership := range c.Members(roomID) {
			if membership.IsInviteOrJoin() {
				members = append(members, who)
			}
		}
		if err = c.olm.machine.ShareGroupSession(ctx, roomID, members); err == nil {
			sealed, err = c.olm.machine.EncryptMegolmEvent(ctx, roomID, eventType, content)
		}
	}
	return event.EventEncrypted, sealed, err
}

// DiscardSession makes the client use a new key for what it writes into a room from now on.
func (c *Client) DiscardSession(roomID id.RoomID) {
	c.t.Helper()
	c.Do("discard a session", func(ctx context.Context) error {
		return c.olm.machine.CryptoStore.RemoveOutboundGroupSession(ctx, roomID)
	})
}

// HoldKeys keeps the keys that the client sends to others from leaving.
func (c *Client) HoldKeys() { c.olm.post.hold() }

// ReleaseKeys sends the keys that were held.
func (c *Client) ReleaseKeys() {
	c.t.Helper()
	c.Do("send keys", func(ctx context.Context) error { return c.olm.post.release(ctx) })
}

// CrossSign makes cross-signing keys for the person and signs this device with them.
func (c *Client) CrossSign() {
	c.t.Helper()
	c.Do("cross-sign", func(ctx context.Context) error {
		_, _, err := c.olm.machine.GenerateAndUploadCrossSigningKeysWithPassword(ctx, c.UserID().Localpart(), "")
		if err == nil {
			err = c.olm.machine.SignOwnDevice(ctx, c.olm.machine.OwnIdentity())
		}
		return err
	})
}

// keyPost is a transport that can hold encrypted to-device messages.
type keyPost struct {
	base http.RoundTripper

	mu      sync.Mutex
	holding bool
	held    []*http.Request
}

// RoundTrip implements http.RoundTripper. Who sends something that is held is told that it left.
func (p *keyPost) RoundTrip(req *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.holding || !strings.Contains(req.URL.Path, "/sendToDevice/m.room.encrypted/") {
		p.mu.Unlock()
		defer p.mu.Lock()
		return p.base.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	later := req.Clone(context.Background())
	later.Body = io.NopCloser(bytes.NewReader(body))
	p.held = append(p.held, later)
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2,
	}, nil
}

func (p *keyPost) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holding = true
}

func (p *keyPost) release(ctx context.Context) error {
	p.mu.Lock()
	held := p.held
	p.held, p.holding = nil, false
	p.mu.Unlock()
	for _, req := range held {
		resp, err := p.base.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
	}
	return nil
}
