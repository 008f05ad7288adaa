package irc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestTypingFromTheNetwork(t *testing.T) {
	b := newBench(t)
	c, old := b.client("modern", modern...), b.client("old", "server-time")
	b.net.Type(bob, trio, chat.TypingStarted)
	l := c.Await("TAGMSG", "#Trio_co")
	require.Equal(t, "active", l.Tags["+typing"])
	require.Equal(t, "Bob_Brown", l.Nick())
	b.net.Type(bob, trio, chat.TypingPaused)
	require.Equal(t, "paused", c.Await("TAGMSG", "#Trio_co").Tags["+typing"])
	b.net.Type(bob, duo, chat.TypingStarted)
	require.Equal(t, "active", c.Await("TAGMSG", "anna").Tags["+typing"])
	b.net.Type(bob, duo, chat.TypingStopped)
	require.Equal(t, "done", c.Await("TAGMSG", "anna").Tags["+typing"])
	old.ExpectNone("TAGMSG")
}

func TestTypingIsRepeatedUntilTheMessage(t *testing.T) {
	b := newBench(t)
	c := b.client("modern", modern...)
	b.net.Type(bob, trio, chat.TypingStarted)
	for range 2 { // clients forget it after 6 s
		require.Equal(t, "active", c.Await("TAGMSG", "#Trio_co").Tags["+typing"])
	}
	b.net.Say(bob, trio, "done")
	c.Await("PRIVMSG", "#Trio_co")
	time.Sleep(4200 * time.Millisecond) // the absence of a repeat has no condition to wait for
	c.ExpectNone("TAGMSG")
}

func TestTypingToTheNetwork(t *testing.T) {
	b := newBench(t)
	c := b.client("modern", modern...)
	c.Send("@+typing=active TAGMSG #Trio_co")
	c.Await("TAGMSG", "#Trio_co") // echo
	c.Send("@+typing=active TAGMSG #Trio_co")
	c.Send("@+typing=done TAGMSG #Trio_co")
	c.Send("@+typing=active TAGMSG Bob_Brown")
	c.Send("@+other=x TAGMSG Bob_Brown")
	c.Send("@+typing=active TAGMSG nobody")
	c.Send("QUIT")
	want := map[chat.ConversationID][]chat.TypingState{duo: {chat.TypingStarted, chat.TypingStopped}, trio: {chat.TypingStopped}}
	eventually(t, "the last states arrive", func() bool {
		got := map[chat.ConversationID]chat.TypingState{}
		for _, typing := range b.net.Typings() {
			got[typing.Conversation] = typing.State
		}
		return got[duo] == want[duo][1] && got[trio] == want[trio][0]
	})
	for _, typing := range b.net.Typings() {
		require.Contains(t, []chat.ConversationID{duo, trio}, typing.Conversation)
	}
}

func TestReadMarkers(t *testing.T) {
	b := newBench(t)
	c, other := b.client("one", append(modern, "draft/read-marker")...), b.client("two", append(modern, "draft/read-marker")...)
	e := b.net.Say(bob, trio, "read me")
	l := c.Await("PRIVMSG", "#Trio_co")
	other.Await("PRIVMSG", "#Trio_co")
	c.Send("MARKREAD #Trio_co")
	c.Await("MARKREAD", "#Trio_co", "*")
	c.Send("MARKREAD #Trio_co timestamp=%s", l.Tags["time"])
	c.Await("MARKREAD", "#Trio_co", "timestamp="+l.Tags["time"])
	other.Await("MARKREAD", "#Trio_co", "timestamp="+l.Tags["time"])
	eventually(t, "the network is told", func() bool { return len(b.net.Marks()) == 1 })
	require.Equal(t, e.Time, b.net.Marks()[0].Time, "in µs, not cut to ms")

	later := b.net.Say(bob, trio, "read elsewhere")
	b.net.Read(anna, trio, later.Time)
	c.Await("MARKREAD", "#Trio_co", "timestamp="+time.UnixMicro(later.Time).UTC().Format("2006-01-02T15:04:05.000Z"))
	c.Send("MARKREAD #Trio_co timestamp=2001-01-01T00:00:00.000Z")
	require.NotContains(t, c.Await("MARKREAD", "#Trio_co").Param(1), "2001", "never back")
	c.Send("MARKREAD #Trio_co timestamp=yesterday")
	c.Await("FAIL", "MARKREAD", "INVALID_PARAMS")
	c.Send("MARKREAD nobody")
	c.Await("FAIL", "MARKREAD", "INVALID_PARAMS", "nobody")
	c.Send("MARKREAD Cleo_Clark")
	c.Await("MARKREAD", "Cleo_Clark", "*")
}
