// Package mxclient is a person with a Matrix client, for tests: it registers, logs in, keeps a /sync loop running and
// remembers per room what it has seen, in order. It speaks only client-server API (and Synapse's endpoint for making
// users), so the same test runs against package nullhs and a real Synapse.
//
// Methods that cannot go on fail the test. What they do not cover is reachable through the Matrix field.
package mxclient

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Patience is how long methods wait for something to happen when no other time is named.
const Patience = wait.Patience

// Homeserver is where people live: *nullhs.Server, *nullhs.Process and *synapse.Server.
type Homeserver interface {
	URL() string
	ServerName() string
	SharedSecret() string
}

// Client is a logged-in person. Its methods may be called from any goroutine.
type Client struct {
	// Matrix is the plain client, for requests of your own.
	Matrix *mautrix.Client

	t      testing.TB
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	olm    *encryption // nil for a client that does not encrypt

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced after every sync
	rooms    map[id.RoomID]*roomView
	autoJoin bool
	syncs    int
}

// roomView is what the client knows of one room.
type roomView struct {
	membership event.Membership
	timeline   []*event.Event
	seen       map[id.EventID]bool
	state      map[string]map[string]*event.Event
	typing     []id.UserID
	receipts   map[id.UserID]id.EventID
}

// New makes the user when missing (its password is its name), logs in on a new device and starts to sync; it stops with
// the test. The first sync has been received when New returns.
func New(t testing.TB, hs Homeserver, localpart string) *Client {
	t.Helper()
	ctx := silent(context.Background())
	if err := Register(ctx, hs, localpart, localpart); err != nil {
		t.Fatalf("register %s: %v", localpart, err)
	}
	return Login(t, hs, localpart, localpart)
}

// silent keeps the library from the logger that a program in the same process makes its
// default.
func silent(ctx context.Context) context.Context {
	log, nop := zerolog.New(io.Discard), zerolog.Nop()
	return nop.WithContext(log.WithContext(ctx)) // alone it would not be put there
}

// Login logs an existing user in on a new device and starts to sync.
func Login(t testing.TB, hs Homeserver, localpart, password string) *Client {
	t.Helper()
	return login(t, hs, localpart, password, false)
}

func login(t testing.TB, hs Homeserver, localpart, password string, encrypt bool) *Client {
	t.Helper()
	matrix, err := mautrix.NewClient(hs.URL(), id.NewUserID(localpart, hs.ServerName()), "")
	if err != nil {
		t.Fatalf("client for %s: %v", localpart, err)
	}
	matrix.Log = zerolog.Nop()
	c := &Client{Matrix: matrix, t: t, done: make(chan struct{}), changed: make(chan struct{}), rooms: map[id.RoomID]*roomView{}}
	c.ctx, c.cancel = context.WithCancel(silent(context.Background()))
	_, err = matrix.Login(c.ctx, &mautrix.ReqLogin{
		Type:       mautrix.AuthTypePassword,
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: localpart},
		Password:   password, StoreCredentials: true,
	})
	if err != nil {
		t.Fatalf("log in as %s: %v", localpart, err)
	}
	if encrypt {
		if err = c.startEncryption(); err != nil {
			t.Fatalf("encryption of %s: %v", localpart, err)
		}
	}
	go c.syncLoop()
	t.Cleanup(c.Close)
	c.WaitFor("the first sync", func() bool { return c.Syncs() > 0 })
	return c
}

// Register makes a user with the homeserver's shared secret. A user that exists is no error.
func Register(ctx context.Context, hs Homeserver, localpart, password string) error {
	matrix, err := mautrix.NewClient(hs.URL(), "", "")
	if err != nil {
		return err
	}
	matrix.Log = zerolog.Nop()
	url := matrix.BuildURL(mautrix.SynapseAdminURLPath{"v1", "register"})
	var nonce struct{ Nonce string }
	if _, err = matrix.MakeRequest(ctx, "GET", url, nil, &nonce); err != nil {
		return fmt.Errorf("get nonce: %w", err)
	}
	mac := hmac.New(sha1.New, []byte(hs.SharedSecret()))
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00notadmin", nonce.Nonce, localpart, password)
	_, err = matrix.MakeRequest(ctx, "POST", url, map[string]any{
		"nonce": nonce.Nonce, "username": localpart, "password": password, "admin": false, "mac": hex.EncodeToString(mac.Sum(nil)),
	}, nil)
	if err != nil && !strings.Contains(err.Error(), "M_USER_IN_USE") {
		return err
	}
	return nil
}

// Close ends the sync loop. Tests need not call it.
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// UserID is the person's full id.
func (c *Client) UserID() id.UserID { return c.Matrix.UserID }

// AutoJoin makes the client accept every invitation, those it already has included.
func (c *Client) AutoJoin() {
	c.mu.Lock()
	c.autoJoin = true
	c.mu.Unlock()
	c.acceptInvites()
}

// Syncs counts the answers to /sync so far.
func (c *Client) Syncs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.syncs
}

// WaitFor waits until cond, which is asked again after every sync, and fails the test after Patience.
func (c *Client) WaitFor(what string, cond func() bool) {
	c.t.Helper()
	c.WaitWithin(Patience, what, cond)
}

// WaitWithin is WaitFor with a limit of its own.
func (c *Client) WaitWithin(limit time.Duration, what string, cond func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	// Conditions may also look at other things than this client, which no sync announces.
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if cond() {
			return
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-deadline.C:
			c.t.Fatalf("%s waited %v for %s\n%s", c.UserID(), limit, what, c.describe())
		}
	}
}

// describe says what the client knows, for failures.
func (c *Client) describe() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for roomID, r := range c.rooms {
		fmt.Fprintf(&b, "room %s %q (%s), %d events\n", roomID, r.name(), r.membership, len(r.timeline))
		for _, ev := range r.timeline[max(0, len(r.timeline)-20):] {
			fmt.Fprintf(&b, "  %s %s %s\n", ev.Sender, ev.Type.Type, brief(ev))
		}
	}
	return b.String()
}

func brief(ev *event.Event) string {
	text := string(ev.Content.VeryRaw)
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}

func (r *roomView) name() string {
	if ev := r.state["m.room.name"][""]; ev != nil {
		return ev.Content.AsRoomName().Name
	}
	return ""
}

// Rooms returns the joined rooms, in order of id.
func (c *Client) Rooms() []id.RoomID { return c.roomsWith(event.MembershipJoin) }

// Invites returns the rooms to which the person is invited, in order of id.
func (c *Client) Invites() []id.RoomID { return c.roomsWith(event.MembershipInvite) }

func (c *Client) roomsWith(m event.Membership) []id.RoomID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []id.RoomID
	for roomID, r := range c.rooms {
		if r.membership == m {
			list = append(list, roomID)
		}
	}
	slices.Sort(list)
	return list
}
