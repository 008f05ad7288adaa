package ircclient_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	wait.Until(t, what, cond)
}

func TestParseLine(t *testing.T) {
	for raw, want := range map[string]ircclient.Line{
		"PING":                {Command: "PING"},
		":tiny 001 bob :a: b": {Source: "tiny", Command: "001", Params: []string{"bob", "a: b"}},
		"@time=1;+x=a\\sb\\:\\\\;flag :n!u@h PRIVMSG #c :": {Source: "n!u@h", Command: "PRIVMSG", Params: []string{"#c", ""},
			Tags: map[string]string{"time": "1", "+x": `a b;\`, "flag": ""}},
		"": {},
	} {
		want.Raw = raw
		if want.Tags == nil {
			want.Tags = map[string]string{}
		}
		got := ircclient.ParseLine(raw)
		if len(got.Params) == 0 {
			got.Params = nil
		}
		require.Equal(t, want, got)
	}
	require.Equal(t, "n", ircclient.ParseLine(":n!u@h X").Nick())
	require.True(t, ircclient.ParseLine("PRIVMSG #c :hi").Is("PRIVMSG", "*", "hi"))
	require.False(t, ircclient.ParseLine("PRIVMSG #c").Is("PRIVMSG", "*", "*"))
}

func TestRawClient(t *testing.T) {
	for _, login := range []ircclient.Login{
		{Nick: "bob", Password: sessionPassword},
		{Nick: "bob", Password: sessionPassword, User: "bob", Caps: []string{"server-time", "no-such-cap"}},
	} {
		server := startTinyServer(t)
		c := ircclient.Dial(t, server.addr)
		require.Equal(t, "bob", c.Register(login).Param(0))
		require.Equal(t, login.User != "", server.got("CAP REQ :sasl server-time"))
		c.Expect("JOIN", "#family")
		c.Expect("332", "bob", "#family", "Dinner plans")
		c.Await("366")
		c.ExpectNone("PRIVMSG")

		server.push("@time=2022-11-01T00:00:00.000Z :alice!u@h PRIVMSG #family :soup?")
		said := c.Expect("PRIVMSG", "#family", "*")
		require.Equal(t, "alice", said.Nick())
		require.Equal(t, "soup?", said.Last())
		require.Equal(t, "2022-11-01T00:00:00.000Z", said.Tags["time"])
		c.Send("PRIVMSG #family :yes, %s", "soup")
		require.Empty(t, c.Roundtrip())
		require.True(t, server.got("PRIVMSG #family :yes, soup"))

		c.HoldPong(true)
		server.push("PING held")
		eventually(t, "a PING", func() bool { return c.Pings() == 1 })
		c.HoldPong(false)
		server.push("PING answered")
		eventually(t, "the PONG", func() bool { return server.got("PONG :answered") })
		require.False(t, server.got("PONG :held"))
		c.Send("QUIT :done")
		c.Await("ERROR")
		c.Close()
		c.WaitClosed()
	}
}

// irssi really connects, shows what comes, sends what is typed, and logs.
func TestIrssi(t *testing.T) {
	for name, server := range map[string]ircclient.Server{
		"PASS": {Nick: "bob", Password: sessionPassword},
		"SASL": {Nick: "bob", Password: sessionPassword, User: "bob"},
	} {
		t.Run(name, func(t *testing.T) {
			tiny := startTinyServer(t)
			server.Addr = tiny.addr
			irssi := ircclient.StartIrssi(t, server)
			irssi.WaitLog("#family", "bob")
			irssi.Goto("#family")
			irssi.WaitScreen("Dinner plans")
			require.Equal(t, name == "SASL", tiny.got("AUTHENTICATE PLAIN"))

			tiny.push(":alice!u@h PRIVMSG #family :grüße aus der Küche")
			irssi.WaitScreen("grüße aus der Küche")
			irssi.WaitLog("#family", "alice> grüße")
			irssi.Enter("hällo -- \"quoted\" #1")
			eventually(t, "what was typed", func() bool { return tiny.got("PRIVMSG #family :hällo -- \"quoted\" #1") })

			tiny.push(":carol!u@h PRIVMSG bob :psst")
			irssi.Goto("carol")
			irssi.WaitScreen("psst")
			irssi.WaitGone("grüße")
		})
	}
}

// WeeChat shows and sends typing as well.
func TestWeeChat(t *testing.T) {
	tiny := startTinyServer(t)
	weechat := ircclient.StartWeeChat(t, ircclient.Server{Addr: tiny.addr, Nick: "bob", Password: sessionPassword, User: "bob"})
	weechat.WaitScreen("#family")
	weechat.WaitLog("#family", "bob")
	weechat.Buffer("#family")
	tiny.push(":alice!u@h PRIVMSG #family :soup?")
	weechat.WaitScreen("soup?")
	weechat.WaitLog("#family", "soup?")
	tiny.push("@+typing=active :alice!u@h TAGMSG #family")
	eventually(t, "typing in the status bar", func() bool { return strings.HasSuffix(weechat.StatusBar(), "alice") })

	weechat.Type("half a sent")
	eventually(t, "typing sent", func() bool { return tiny.got("@+typing=active TAGMSG #family") })
	weechat.Enter("ence")
	eventually(t, "the sentence", func() bool { return tiny.got("PRIVMSG #family :half a sentence") })
}
