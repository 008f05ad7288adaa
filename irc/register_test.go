package irc_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

// TestStockClientsRegister sends what unmodified clients send, in their order.
func TestStockClientsRegister(t *testing.T) {
	b := newBench(t)
	tests := map[string][]string{
		"irssi": {"CAP LS 302", "JOIN :", "CAP REQ :multi-prefix extended-join setname server-time", "CAP END", "PASS %s", "NICK anna",
			"USER anna anna 127.0.0.1 :Anna", "MODE anna +i", "MODE #Trio_co", "WHO #Trio_co %%tcuhnfdar,743"},
		"WeeChat": {"PASS %s", "CAP LS 302", "NICK anna", "USER anna 0 * :Anna", "CAP REQ :cap-notify extended-join message-tags server-time setname",
			"CAP END", "MODE #Trio_co", "WHO #Trio_co %%cuhsnfdar"},
		"HexChat": {"CAP LS 302", "PASS %s", "NICK anna", "USER anna 0 * :Anna", "CAP REQ :account-tag cap-notify extended-join multi-prefix server-time ",
			"CAP END", "MODE #Trio_co", "WHO #Trio_co %%chtsunfra,152"},
		"EPIC5":  {"PASS %s", "USER anna anna 127.0.0.1 :Anna", "NICK anna", "USERHOST anna", "MODE #Trio_co", "WHO #Trio_co "},
		"ii":     {"PASS %s", "NICK anna", "USER anna localhost 127.0.0.1 :Anna"},
		"before": {"NICK anna", "PASS %s", "PING early", "USER anna 0 * :Anna"},
	}
	for name, lines := range tests {
		t.Run(name, func(t *testing.T) {
			c := b.dial()
			for _, line := range lines {
				if strings.Contains(line, "%s") {
					line = fmt.Sprintf(line, b.token)
				}
				c.Send("%s", strings.ReplaceAll(line, "%%", "%"))
			}
			if name == "irssi" {
				c.Await("451", "*")
			}
			c.Await("001", "anna")
			c.Await("005", "anna")
			c.Await("422", "anna")
			c.Await("JOIN", "#Trio_co")
			c.Await("332", "anna", "#Trio_co", "Trio: & co")
			names := c.Await("353", "anna", "=", "#Trio_co")
			require.ElementsMatch(t, []string{"anna", "Bob_Brown", "Cleo_Clark"}, strings.Fields(names.Last()))
			if strings.Contains(strings.Join(lines, " "), "MODE #") {
				c.Await("324", "anna", "#Trio_co")
				c.Await("329", "anna", "#Trio_co")
				c.Await("315", "anna", "#Trio_co")
			}
			for _, l := range c.Lines() {
				if name == "ii" || name == "EPIC5" || name == "before" {
					require.False(t, strings.HasPrefix(l.Raw, "@"), "no tags for a client without capabilities: %s", l.Raw)
				}
				require.LessOrEqual(t, len(l.Raw), 510)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	c := newBench(t).dial()
	c.Send("CAP LS")
	require.NotContains(t, c.Await("CAP", "*", "LS").Last(), "=", "no values before version 302")
	c.Send("CAP LS 302")
	require.Contains(t, c.Await("CAP", "*", "LS").Last(), "sasl=PLAIN")
	c.Send("CAP REQ :server-time no-such  batch")
	c.Expect("CAP", "*", "NAK", "server-time no-such  batch")
	c.Send("CAP REQ :server-time  batch")
	c.Expect("CAP", "*", "ACK", "server-time  batch")
	c.Send("CAP REQ -cap-notify")
	c.Expect("CAP", "*", "NAK")
	c.Send("CAP REQ -batch")
	c.Expect("CAP", "*", "ACK")
	c.Send("CAP LIST")
	require.ElementsMatch(t, []string{"cap-notify", "server-time"}, strings.Fields(c.Await("CAP", "*", "LIST").Last()))
	c.Send("CAP WHAT")
	c.Expect("410", "*", "WHAT")
}

func TestSASL(t *testing.T) {
	b := newBench(t)
	c := b.dial()
	c.Send("AUTHENTICATE PLAIN")
	c.Expect("904")
	c.Send("CAP LS 302")
	c.Await("CAP", "*", "LS")
	c.Send("CAP REQ sasl")
	c.Await("CAP", "*", "ACK")
	c.Send("AUTHENTICATE SCRAM-SHA-256")
	c.Expect("908", "*", "PLAIN")
	c.Expect("904")
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	c.Send("AUTHENTICATE *")
	c.Expect("906")
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	c.Send("AUTHENTICATE %s", strings.Repeat("x", 401))
	c.Expect("905")
	for _, payload := range []string{"!!!", base64.StdEncoding.EncodeToString([]byte("eve\x00anna\x00" + b.token))} {
		c.Send("AUTHENTICATE PLAIN")
		c.Await("AUTHENTICATE", "+")
		c.Send("AUTHENTICATE %s", payload)
		c.Expect("904")
	}
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	c.Send("AUTHENTICATE %s", base64.StdEncoding.EncodeToString([]byte("\x00Anna@phone\x00"+b.token)))
	c.Expect("900", "*", "*", "anna")
	c.Expect("903")
	c.Send("NICK anna")
	c.Send("USER x 0 * :x")
	c.Send("CAP END")
	c.Await("001", "anna")
}

func TestSASLInChunks(t *testing.T) {
	b := newBench(t)
	// The authzid may repeat the authcid; together they make exactly 400 characters.
	payload := base64.StdEncoding.EncodeToString([]byte("anna\x00anna\x00" + b.token))
	c := b.dial()
	c.Send("CAP REQ sasl")
	c.Await("CAP", "*", "ACK")
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	c.Send("AUTHENTICATE %s", strings.Repeat("A", 400))
	c.Send("AUTHENTICATE +")
	c.Expect("904")
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	c.Send("AUTHENTICATE %s", payload)
	c.Expect("900")
}

func TestLoginRefused(t *testing.T) {
	b := newBench(t)
	lonely, err := irc.IssuePassword(context.Background(), b.db.IRCTokens(), "lonely")
	require.NoError(t, err)
	tests := map[string]struct{ pass, want string }{
		"none":            {"", "irc-password"},
		"wrong":           {"anna:secret-guess", "wrong"},
		"of another user": {"bob:" + b.token, "wrong"},
		"no account":      {"lonely:" + lonely, "no account is linked"},
		"other account":   {"anna/nobody@x.org:" + b.token, "no such account"},
		"bad client name": {"anna@a!b:" + b.token, "invalid client name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := b.dial()
			if tt.pass != "" {
				c.Send("PASS :%s", tt.pass)
			}
			c.Send("NICK anna")
			c.Send("USER anna 0 * :Anna")
			c.Await("464", "anna")
			line := c.Await("ERROR")
			require.Contains(t, line.Last(), tt.want)
			require.NotContains(t, line.Last(), "secret-guess")
			c.WaitClosed()
		})
	}
}

// try logs in by PASS and returns what the client reads.
func (b *bench) try(pass string) string {
	c := b.dial()
	defer c.Close()
	c.Send("PASS :%s", pass)
	c.Send("NICK anna")
	c.Send("USER anna 0 * :Anna")
	return c.AwaitFunc("the answer", func(l ircclient.Line) bool { return l.Command == "001" || l.Command == "ERROR" }).Last()
}

// TestLoginRateLimit: wrong passwords are limited, and a right one is never refused for them.
func TestLoginRateLimit(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.LoginBurst, c.Limits.LoginMinute = 2, 1 })
	for range 2 {
		require.NotContains(t, b.try("anna:guess"), "too many")
	}
	require.Contains(t, b.try("anna:guess"), "too many failed logins")
	require.Contains(t, b.try("anna:"+b.token), "Welcome", "the same user")
	for i := range 40 {
		require.Contains(t, b.try(fmt.Sprintf("user%d:guess", i)), "wrong")
	}
	require.Contains(t, b.try("somebody:guess"), "too many failed logins", "of the whole address")
	require.Contains(t, b.try("anna:"+b.token), "Welcome")

	c := b.dial()
	c.Send("CAP REQ sasl")
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	c.Send("AUTHENTICATE %s", base64.StdEncoding.EncodeToString([]byte("\x00anna\x00guess")))
	c.Await("904")
	require.Contains(t, c.Await("ERROR").Last(), "Too many failed logins", "no second attempt on this connection")
}

func TestNickRules(t *testing.T) {
	b := newBench(t)
	c := b.dial()
	c.Send("PASS :%s", b.token)
	c.Send("NICK")
	c.Expect("431")
	for _, bad := range []string{"7up", "#chan", "a.b", "a!b", "a*", strings.Repeat("x", 33), "a\u202eb"} {
		c.Send("NICK %s", bad)
		c.Expect("432")
	}
	c.Send("USER anna 0 * :Anna")
	first := b.client("first") // gives the contacts their nicks
	c.Send("NICK BOB_brown")
	c.Expect("433", "BOB_brown")
	c.Send("NICK änna")
	c.Await("001", "änna")
	c.Await("366", "änna", "#Trio_co")
	c.Send("NICK Cleo_Clark")
	c.Await("433", "änna", "Cleo_Clark")
	c.Send("NICK annika")
	require.Equal(t, "änna!anna@100000000000000000001.hangouts", c.Await("NICK", "annika").Source)
	c.Send("PRIVMSG #Trio_co :hello")
	require.Equal(t, "anna", first.Await("PRIVMSG", "#Trio_co").Nick(), "each session has its own nick")
}

func TestRegistrationTimesOut(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.RegisterIn = 100 * time.Millisecond })
	c := b.dial()
	c.Send("CAP LS 302")
	require.Contains(t, c.Await("ERROR").Last(), "Registration timed out")
}

func TestConnectionsPerAddress(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.PerAddress = 2 })
	b.client("one")
	second := b.client("two")
	require.Contains(t, b.try(b.token), "too many connections from your address")
	second.Close()
	eventually(t, "a place is free again", func() bool { return strings.Contains(b.try(b.token), "Welcome") })
}

// TestIdleConnectionsMakeRoom: connections that do not log in keep nobody out, and there are only so
// many of them.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	for name, limit := range map[string]func(*irc.Limits){
		"from one address": func(l *irc.Limits) { l.PerAddress = 4 },
		"in all":           func(l *irc.Limits) { l.Connections = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *irc.Config) { limit(&c.Limits) })
			user := b.client("user")
			idle := make([]*ircclient.Client, 12)
			for i := range idle {
				idle[i] = b.dial()
				idle[i].Roundtrip()
			}
			for _, c := range idle[:len(idle)-4] {
				require.Contains(t, c.Await("ERROR").Last(), "have not logged in")
				c.WaitClosed()
			}
			for _, c := range idle[len(idle)-4:] {
				c.Roundtrip()
			}
			require.Contains(t, b.try(b.token), "Welcome")
			user.Roundtrip()
		})
	}
}

func TestSessionsPerAccount(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.PerAccount = 1 })
	b.client("one")
	c := b.dial()
	c.Send("PASS :%s", b.token)
	c.Send("NICK two")
	c.Send("USER x 0 * :x")
	require.Contains(t, c.Await("ERROR").Last(), "Too many connections to this account")
}

func TestGrantsBindSessions(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	b.login(bob) // a second account of the same IRC user
	c := b.client("x")
	c.Send("WHOIS anna")
	require.Equal(t, string(anna), c.Await("330", "anna", "anna").Param(2), "the first account without a selection")

	other := b.dial()
	other.Register(ircclient.Login{Nick: "bb", Password: user + "/" + string(bob) + "@x:" + b.token})
	other.Await("366", "bb")
	other.Send("WHOIS bb")
	require.Equal(t, string(bob), other.Await("330", "bb", "bb").Param(2))

	require.NoError(t, b.m.Revoke(ctx, bob, account.User{Side: chat.OriginIRC, ID: user}))
	require.Contains(t, other.Await("ERROR").Last(), "revoked")
	other.WaitClosed()
	c.Roundtrip() // lives on

	_, err := irc.RevokePassword(ctx, b.db.IRCTokens(), user, "")
	require.NoError(t, err)
	irc.CheckTokens(b.g)
	require.Contains(t, c.Await("ERROR").Last(), "password was revoked")
}

// A grant that another process gives and takes back between two refreshes of the manager ends its session, too.
func TestGrantThatTheManagerNeverSaw(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.refreshEvery = 2 * time.Second
	b.start()
	b.ready(b.session())
	ctx := context.Background()
	token, err := irc.IssuePassword(ctx, b.db.IRCTokens(), "guest")
	require.NoError(t, err)
	mine, guest := b.client("x"), b.dial()
	require.NoError(t, b.db.Accounts().PutGrant(ctx, database.GrantRow{Account: anna, Side: chat.OriginIRC, UserID: "guest", Role: string(account.RoleUser)}))
	guest.Register(ircclient.Login{Nick: "guest", Password: "guest:" + token})
	guest.Roundtrip()
	_, err = b.db.Accounts().DeleteGrant(ctx, anna, chat.OriginIRC, "guest")
	require.NoError(t, err)
	require.Contains(t, guest.Await("ERROR").Last(), "revoked")
	guest.WaitClosed()
	mine.Roundtrip()
}

func TestAccountRemoved(t *testing.T) {
	b := newBench(t)
	c := b.client("x")
	require.NoError(t, b.m.Remove(context.Background(), anna))
	require.Contains(t, c.Await("ERROR").Last(), "removed")
}

func TestQuit(t *testing.T) {
	b := newBench(t)
	c := b.client("x")
	c.Send("QUIT :bye now")
	c.Await("ERROR", "Closing link: Quit: bye now")
	c.WaitClosed()
}
