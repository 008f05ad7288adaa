package irc_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	anna = chat.PersonID("100000000000000000001")
	bob  = chat.PersonID("100000000000000000002")
	cleo = chat.PersonID("100000000000000000003")
	duo  = chat.ConversationID("duo")
	trio = chat.ConversationID("trio")
	user = "anna"
)

// modern are the capabilities of a client of today.
var modern = []string{"message-tags", "server-time", "batch", "echo-message", "labeled-response", "standard-replies", "account-tag"}

// tagged are those without echo-message.
var tagged = []string{"message-tags", "server-time"}

// bench is a network with Anna, Bob and Cleo, of whom Anna uses the gateway.
type bench struct {
	t     *testing.T
	net   *accounttest.Network
	path  string
	cfg   irc.Config
	token string

	sendWait     time.Duration // 0 = 20 s
	refreshEvery time.Duration // 0 = 50 ms

	db *database.DB
	m  *account.Manager
	g  *irc.Gateway
}

func newBench(t *testing.T, configure ...func(*irc.Config)) *bench {
	n := accounttest.New()
	n.AddPerson(anna, "Anna Arnold")
	n.AddPerson(bob, "Bob Brown")
	n.AddPerson(cleo, "Cleo Clark")
	n.AddConversation(duo, "", anna, bob)
	n.AddConversation(trio, "Trio: & co", anna, bob, cleo)
	b := &bench{t: t, net: n, path: filepath.Join(t.TempDir(), "bridge.db"), cfg: irc.Config{Listen: []string{"127.0.0.1:0"}}}
	for _, fn := range configure {
		fn(&b.cfg)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	b.login(anna)
	var err error
	b.token, err = irc.IssuePassword(context.Background(), b.db.IRCTokens(), user)
	require.NoError(t, err)
	return b
}

func (b *bench) start() {
	log := zerolog.New(zerolog.NewTestWriter(b.t)).Level(zerolog.WarnLevel)
	db, err := database.Open("test", "sqlite3-fk-wal", "file:"+b.path+"?_txlock=immediate", zerolog.Nop())
	require.NoError(b.t, err)
	require.NoError(b.t, db.Upgrade(context.Background()))
	b.db = db
	b.m = account.NewManager(db, b.net, account.Options{DoubtDelay: 50 * time.Millisecond, BackoffMin: 10 * time.Millisecond,
		BackoffMax: 50 * time.Millisecond, MarkDelay: 10 * time.Millisecond, RefreshEvery: cmp.Or(b.refreshEvery, 50*time.Millisecond), SendWait: cmp.Or(b.sendWait, 20*time.Second)}, log)
	require.NoError(b.t, b.m.Start(context.Background()))
	b.g = irc.NewGateway(b.cfg, b.m, db, log)
	irc.SetSettle(b.g, 20*time.Millisecond)
	irc.SetConfirm(b.g, 0)
	require.NoError(b.t, b.g.Start(context.Background()))
}

func (b *bench) stop() {
	b.g.Stop()
	b.m.Stop()
	require.NoError(b.t, b.db.Close())
}

// login logs an account in and waits until it is connected and knows its conversations.
func (b *bench) login(id chat.PersonID) account.Session {
	b.t.Helper()
	s, err := b.m.Login(context.Background(), chat.Credentials{RefreshToken: string(id)}, account.User{Side: chat.OriginIRC, ID: user})
	require.NoError(b.t, err)
	b.ready(s)
	return s
}

func (b *bench) ready(s account.Session) {
	b.t.Helper()
	eventually(b.t, "the account is connected", func() bool {
		list, err := s.Conversations(context.Background())
		return err == nil && len(list) >= 2 && s.State().Status == chat.Connected
	})
}

func (b *bench) session() account.Session {
	s, ok := b.m.Get(anna)
	require.True(b.t, ok)
	return s
}

func (b *bench) dial() *ircclient.Client {
	b.t.Helper()
	return ircclient.Dial(b.t, b.addr())
}

func (b *bench) addr() string { return b.g.Addrs()[0].String() }

// client connects and registers as "anna@name".
func (b *bench) client(name string, caps ...string) *ircclient.Client {
	b.t.Helper()
	c := b.dial()
	c.Register(ircclient.Login{Nick: "anna", Password: user + "@" + name + ":" + b.token, Caps: caps})
	c.Await("366", "anna", "#Trio_co")
	return c
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	wait.Until(t, what, cond)
}

func TestAddressInUse(t *testing.T) {
	b := newBench(t)
	other := irc.NewGateway(irc.Config{Listen: []string{"127.0.0.1:0", b.addr()}}, b.m, b.db, zerolog.Nop())
	err := other.Start(context.Background())
	require.ErrorIs(t, err, irc.ErrInUse)
	require.ErrorContains(t, err, b.addr())
	other.Stop()
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]irc.Config{
		"listen":        {Listen: []string{"6667"}},
		"server_name":   {ServerName: "nodot"},
		"spaces":        {ServerName: "a b.c"},
		"self_messages": {SelfMessages: "maybe"},
	} {
		t.Run(name, func(t *testing.T) {
			g := irc.NewGateway(cfg, nil, &database.DB{}, zerolog.Nop())
			require.ErrorIs(t, g.Start(context.Background()), irc.ErrConfig)
			g.Stop()
		})
	}
}

func TestStopSaysGoodbye(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop")
	waiting := b.dial() // not registered
	waiting.Send("NICK x")
	waiting.Roundtrip()
	b.g.Stop()
	c.Await("ERROR", "Closing link: Server is shutting down")
	c.WaitClosed()
	waiting.WaitClosed()
	_, err := net.DialTimeout("tcp", b.addr(), time.Second)
	require.Error(t, err)
	b.g.Stop() // again: harmless
}

func TestPasswords(t *testing.T) {
	b := newBench(t)
	ctx, store := context.Background(), b.db.IRCTokens()
	_, err := irc.IssuePassword(ctx, store, "not valid")
	require.ErrorIs(t, err, irc.ErrBadUser)
	token, err := irc.IssueNamedPassword(ctx, store, "Carol", "phone")
	require.NoError(t, err)
	require.Len(t, token, 32)
	list, err := irc.ListPasswords(ctx, store, "carol")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "carol", list[0].User)
	require.Equal(t, "phone", list[0].Label)
	require.True(t, list[0].Used.IsZero())
	require.NotContains(t, fmt.Sprint(list), token)
	rows, err := b.db.Query(ctx, `SELECT hash FROM irc_token WHERE user_id='carol'`)
	require.NoError(t, err)
	require.True(t, rows.Next())
	var stored string
	require.NoError(t, rows.Scan(&stored))
	require.NoError(t, rows.Close())
	sum := sha256.Sum256([]byte(token))
	require.Equal(t, hex.EncodeToString(sum[:]), stored)
	for _, file := range []string{b.path, b.path + "-wal"} {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(content), token, "nowhere on disk")
		require.NotContains(t, string(content), b.token)
	}
	n, err := irc.RevokePassword(ctx, store, "carol", list[0].ID)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	list, err = irc.ListPasswords(ctx, store, "")
	require.NoError(t, err)
	require.Len(t, list, 1, "anna's")
}

// text is the text of a line, without the time that is shown to old clients.
func text(l ircclient.Line) string {
	s := l.Last()
	if strings.HasPrefix(s, "[") {
		_, s, _ = strings.Cut(s, "] ")
	}
	return s
}
