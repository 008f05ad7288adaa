package irc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

var multiline = append([]string{"draft/multiline"}, modern...)

func TestMultilineFromTheNetwork(t *testing.T) {
	b := newBench(t)
	c := b.client("modern", multiline...)
	long := strings.Repeat("x", 600)
	e := b.net.Say(bob, trio, "one\n\n"+long+"\n")
	open := c.Await("BATCH")
	require.Equal(t, []string{"draft/multiline", "#Trio_co"}, open.Params[1:])
	require.Equal(t, string(e.ID), open.Tags["msgid"])
	require.Equal(t, "Bob_Brown", open.Nick())
	id := strings.TrimPrefix(open.Param(0), "+")
	var texts []string
	for range 4 {
		l := c.Expect("PRIVMSG", "#Trio_co")
		require.Equal(t, id, l.Tags["batch"])
		require.NotContains(t, l.Tags, "msgid")
		_, concat := l.Tags["draft/multiline-concat"]
		require.Equal(t, len(texts) == 3, concat)
		texts = append(texts, l.Last())
	}
	c.Expect("BATCH", "-"+id)
	require.Equal(t, []string{"one", "", long}, append(texts[:2:2], texts[2]+texts[3]))
	b.net.Say(bob, trio, "single")
	c.Await("PRIVMSG", "#Trio_co", "single")
}

func TestMultilineToTheNetwork(t *testing.T) {
	b := newBench(t)
	c := b.client("modern", multiline...)
	c.Send("@label=L BATCH +7 draft/multiline #Trio_co")
	c.Send("@batch=7 PRIVMSG #Trio_co :one")
	c.Send("@batch=7 PRIVMSG #Trio_co :")
	c.Send("@batch=7 PRIVMSG #Trio_co :two ")
	c.Send("@batch=7;draft/multiline-concat PRIVMSG #Trio_co :and more")
	c.Send("BATCH -7")
	echo := c.Await("BATCH")
	require.Equal(t, "L", echo.Tags["label"])
	c.ExpectNone("ACK")
	require.Len(t, b.net.Sends(), 1)
	require.Equal(t, "one\n\ntwo and more", b.net.Sends()[0].Text)
}

func TestMultilineRefused(t *testing.T) {
	b := newBench(t)
	line := func(text string) string { return "@batch=7 PRIVMSG #Trio_co :" + text }
	many := func(text string, n int) string {
		return strings.TrimSuffix(strings.Repeat(line(text)+"\r\n", n), "\r\n")
	}
	open := "@label=L BATCH +7 draft/multiline #Trio_co"
	tests := map[string]struct {
		lines []string
		code  string
	}{
		"bytes":  {[]string{open, many(strings.Repeat("x", 400), 22), "BATCH -7"}, "MULTILINE_MAX_BYTES"},
		"lines":  {[]string{open, many("x", 101), "BATCH -7"}, "MULTILINE_MAX_LINES"},
		"target": {[]string{open, line("x"), "@batch=7 PRIVMSG Bob_Brown :y", "BATCH -7"}, "MULTILINE_INVALID_TARGET"},
		"mixed":  {[]string{open, line("x"), "@batch=7 NOTICE #Trio_co :y", "BATCH -7"}, "MULTILINE_INVALID"},
		"blank":  {[]string{open, line(""), line(" "), "BATCH -7"}, "MULTILINE_INVALID"},
		"concat": {[]string{open, line("x"), "@batch=7;draft/multiline-concat PRIVMSG #Trio_co :", "BATCH -7"}, "MULTILINE_INVALID"},
		"type":   {[]string{"@label=L BATCH +7 chathistory #Trio_co"}, "UNKNOWN_TYPE"},
		"ref":    {[]string{"@label=L BATCH -9"}, "INVALID_REFTAG"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := b.client(name, multiline...)
			c.SendRaw(strings.Join(tt.lines, "\r\n") + "\r\n")
			l := c.AwaitFunc("the refusal", func(l ircclient.Line) bool { return l.Is("FAIL", "BATCH") })
			require.Equal(t, tt.code, l.Param(1))
			require.Equal(t, "L", l.Tags["label"])
			for _, l := range c.Roundtrip() {
				require.NotContains(t, []string{"FAIL", "ACK", "BATCH"}, l.Command, "one answer to the label: %s", l.Raw)
			}
		})
	}
	require.Empty(t, b.net.Sends())
}
