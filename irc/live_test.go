package irc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
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

func (b *bench) typeIn(origin chat.Origin, id chat.ConversationID, state chat.TypingState) {
	b.t.Helper()
	require.NoError(b.t, b.session().SetTyping(context.Background(), chat.Typing{Conversation: id, Person: anna, State: state, Origin: origin}))
}

// typing waits for a state; it may be repeated.
func typing(c *ircclient.Client, state, target string) ircclient.Line {
	return c.AwaitFunc("typing "+state+" in "+target, func(l ircclient.Line) bool {
		return l.Is("TAGMSG", target) && l.Tags["+typing"] == state
	})
}

// tagmsgs are the states of all TAGMSGs so far.
func tagmsgs(c *ircclient.Client) (states []string) {
	for _, l := range c.Lines() {
		if l.Command == "TAGMSG" {
			states = append(states, l.Tags["+typing"])
		}
	}
	return states
}

func TestOwnTypingElsewhereIsShown(t *testing.T) {
	b := newBench(t)
	c, silent := b.client("modern", modern...), b.client("tagged", tagged...)
	shows := func(state, target string) { t.Helper(); require.Equal(t, "anna", typing(c, state, target).Nick()) }
	matrix := chat.Origin{Side: chat.OriginMatrix, Ref: "!room"}
	b.typeIn(matrix, trio, chat.TypingStarted)
	shows("active", "#Trio_co")
	b.typeIn(matrix, trio, chat.TypingStopped)
	shows("done", "#Trio_co")
	b.typeIn(matrix, duo, chat.TypingStarted)
	shows("active", "Bob_Brown") // a query: from oneself to the other person
	b.typeIn(matrix, duo, chat.TypingPaused)
	shows("paused", "Bob_Brown")
	b.net.Type(anna, trio, chat.TypingStarted) // another client of the network
	shows("active", "#Trio_co")
	b.net.Say(anna, trio, "done")
	c.Await("PRIVMSG", "#Trio_co", "done")
	silent.Await("PRIVMSG", "#Trio_co", "done")
	require.Empty(t, tagmsgs(silent), "it does not know own lines of elsewhere")
}

func TestOwnTypingIsShownToOtherSessionsOnly(t *testing.T) {
	b := newBench(t)
	// Without its own echo a line that came back would be seen at once.
	a := b.client("one", tagged...)
	a.Send("CAP REQ echo-message")
	a.Await("CAP", "*", "ACK")
	same, other := b.client("one", modern...), b.client("two", modern...)
	a.Send("@+typing=active TAGMSG #Trio_co")
	typing(same, "active", "#Trio_co")
	typing(other, "active", "#Trio_co")
	a.Send("@+typing=done TAGMSG #Trio_co")
	typing(same, "done", "#Trio_co")
	typing(other, "done", "#Trio_co")
	a.Roundtrip()
	a.Roundtrip() // what waits for a session may come after the first answer
	require.Equal(t, []string{"active", "done"}, tagmsgs(a), "the echoes only")

	// While two type, each is shown what the other does, as soon as it is the only one.
	a.Send("@+typing=active TAGMSG #Trio_co")
	typing(other, "active", "#Trio_co")
	other.Send("@+typing=active TAGMSG #Trio_co")
	other.Roundtrip()
	a.Send("@+typing=done TAGMSG #Trio_co")
	typing(other, "done", "#Trio_co")
	eventually(t, "the other's is shown", func() bool { return len(tagmsgs(a)) >= 5 })
	require.Equal(t, []string{"active", "done", "active", "done", "active"}, tagmsgs(a)[:5])
}

func TestTypingIsRepeatedUntilTheMessage(t *testing.T) {
	b := newBench(t)
	irc.SetTypingRepeat(b.g, 300*time.Millisecond)
	c := b.client("modern", modern...)
	b.net.Type(bob, trio, chat.TypingStarted)
	for range 2 { // clients forget it after 6 s
		require.Equal(t, "active", c.Await("TAGMSG", "#Trio_co").Tags["+typing"])
	}
	b.net.Say(bob, trio, "done")
	c.Await("PRIVMSG", "#Trio_co")
	time.Sleep(500 * time.Millisecond) // the absence of a repeat has no condition to wait for
	for _, l := range c.Roundtrip() {
		require.NotEqual(t, "active", l.Tags["+typing"], l.Raw)
	}
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

func TestTypingOfAClientThatFallsSilent(t *testing.T) {
	b := newBench(t)
	irc.SetTypingSilence(b.g, 20*time.Millisecond, 40*time.Millisecond)
	c := b.client("modern", modern...)
	states := func(id chat.ConversationID) (list []chat.TypingState) {
		for _, typing := range b.net.Typings() {
			if typing.Conversation == id {
				list = append(list, typing.State)
			}
		}
		return list
	}
	want := []chat.TypingState{chat.TypingStarted, chat.TypingPaused, chat.TypingStopped}
	c.Send("@+typing=active TAGMSG #Trio_co")
	eventually(t, "it ends by itself", func() bool { return len(states(trio)) == 3 })
	require.Equal(t, want, states(trio))
	c.Send("@+typing=paused TAGMSG Bob_Brown")
	eventually(t, "a pause ends too", func() bool { return len(states(duo)) == 2 })
	require.Equal(t, want[1:], states(duo))
}

// A client that asks is told what is stored, whoever has set it.
func TestStoredReadMarkerIsTold(t *testing.T) {
	b := newBench(t)
	marker := func(e chat.Event) string {
		return "timestamp=" + time.UnixMicro(e.Time).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	group, query := b.net.Say(bob, trio, "in the group"), b.net.Say(bob, duo, "in the query")
	b.net.Read(anna, trio, group.Time)
	b.net.Read(anna, duo, query.Time)
	eventually(t, "both are stored", func() bool {
		inGroup, err := b.session().ReadMarker(context.Background(), trio, chat.Origin{})
		inQuery, _ := b.session().ReadMarker(context.Background(), duo, chat.Origin{})
		return err == nil && inGroup == group.Time && inQuery == query.Time
	})
	b.stop()
	b.start()
	c := b.client("one", append(modern, "draft/read-marker")...)
	for target, want := range map[string]string{"#Trio_co": marker(group), "Bob_Brown": marker(query)} {
		c.Send("MARKREAD %s", target)
		require.Equal(t, want, c.Await("MARKREAD", target).Param(1))
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
	pages := len(b.net.Pages())
	c.Send("MARKREAD #Trio_co timestamp=2001-01-01T00:00:00.000Z")
	require.NotContains(t, c.Await("MARKREAD", "#Trio_co").Param(1), "2001", "never back")
	require.Len(t, b.net.Pages(), pages, "and no history is read for it")
	c.Send("MARKREAD #Trio_co timestamp=yesterday")
	c.Await("FAIL", "MARKREAD", "INVALID_PARAMS")
	c.Send("MARKREAD nobody")
	c.Await("FAIL", "MARKREAD", "INVALID_PARAMS", "nobody")
	c.Send("MARKREAD Cleo_Clark")
	c.Await("MARKREAD", "Cleo_Clark", "*")
}

// Only the own watermark is a marker, and only clients that have asked for markers get it.
func TestReadMarkersAreToldToWhomTheyConcern(t *testing.T) {
	b := newBench(t)
	c, old := b.client("marking", append(modern, "draft/read-marker")...), b.client("old")
	e := b.net.Say(cleo, trio, "read me")
	c.Await("PRIVMSG", "#Trio_co")
	b.net.Read(bob, trio, e.Time)
	b.net.Read(anna, trio, e.Time-1)
	c.Await("MARKREAD", "#Trio_co", "timestamp="+time.UnixMicro(e.Time-1).UTC().Format("2006-01-02T15:04:05.000Z"))
	b.net.Say(cleo, trio, "after")
	c.Await("PRIVMSG", "#Trio_co", "after")
	eventually(t, "the other client to have it", func() bool { return len(messages(old, "#Trio_co")) == 2 })
	markers := func(c *ircclient.Client) (n int) {
		for _, l := range c.Lines() {
			if l.Command == "MARKREAD" && l.Param(1) != "*" {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, markers(c))
	for _, l := range old.Lines() {
		require.NotEqual(t, "MARKREAD", l.Command)
	}
}

// A marker that the network has not answered is there for the client that has set it: in
// another session, after a reconnection and after a restart. A refused one is withdrawn.
func TestReadMarkerWithoutAnAnswer(t *testing.T) {
	b := newBench(t)
	marking := append(modern, "draft/read-marker")
	b.net.OnMark(func(chat.PersonID, int64) error { return chat.ErrUnavailable })
	c, other := b.client("one", marking...), b.client("two", marking...)
	b.net.Say(bob, trio, "read me")
	marker := "timestamp=" + c.Await("PRIVMSG", "#Trio_co").Tags["time"]
	asks := func(c *ircclient.Client, want string) {
		t.Helper()
		c.Send("MARKREAD #Trio_co")
		require.Equal(t, want, c.Await("MARKREAD", "#Trio_co").Param(1))
	}
	joins := func(want string) *ircclient.Client {
		t.Helper()
		c := b.dial()
		c.Register(ircclient.Login{Nick: "anna", Password: user + "@one:" + b.token, Caps: marking})
		require.Equal(t, want, c.Await("MARKREAD", "#Trio_co").Param(1))
		return c
	}
	asks(c, "*")
	c.Send("MARKREAD #Trio_co %s", marker)
	c.Await("MARKREAD", "#Trio_co", marker)
	second := joins(marker)
	asks(other, "*")
	second.Send("QUIT")
	c.Send("QUIT")
	c.WaitClosed()
	second.WaitClosed()
	joins(marker)
	b.stop()
	b.start()
	c = joins(marker)
	asks(c, marker)
	b.net.OnMark(func(chat.PersonID, int64) error { return chat.ErrRefused })
	eventually(t, "it is withdrawn", func() bool {
		c.Send("MARKREAD #Trio_co")
		return c.Await("MARKREAD", "#Trio_co").Param(1) == "*"
	})
	b.net.OnMark(nil)
	c.Send("MARKREAD #Trio_co %s", marker)
	eventually(t, "the network has it", func() bool { return len(b.net.Marks()) == 1 })
	eventually(t, "it is stored", func() bool {
		marks, err := b.session().Watermarks(context.Background(), trio)
		return err == nil && marks[anna] != 0
	})
	asks(b.client("two", marking...), marker)
}

func TestPeopleAreFollowed(t *testing.T) {
	b := newBench(t)
	c, old := b.client("modern", append(modern, "setname")...), b.client("old")
	irc.PersonChanged(b.g, anna, chat.Person{ID: bob, FullName: "Robert Brown"})
	require.Equal(t, "Bob_Brown", c.Await("NICK", "Robert_Brown").Nick())
	require.Equal(t, "Robert_Brown", c.Await("SETNAME", "Robert Brown").Nick())
	require.Equal(t, "Bob_Brown", old.Await("NICK", "Robert_Brown").Nick())
	old.ExpectNone("NICK")
	old.Send("PRIVMSG Bob_Brown :by the old nick")
	eventually(t, "it is sent", func() bool { return len(b.net.Sends()) == 1 })
	b.net.Say(bob, trio, "by the new one")
	require.Equal(t, "Robert_Brown", c.Await("PRIVMSG", "#Trio_co").Nick())
	irc.PersonChanged(b.g, anna, chat.Person{ID: bob, FullName: "Robert BROWN"})
	c.ExpectNone("NICK")
}

func TestConnectionLossIsSaid(t *testing.T) {
	b := newBench(t)
	c := b.client("modern", modern...)
	b.net.OnSync(func(chat.PersonID) error { return chat.ErrUnavailable })
	b.net.Cut(anna)
	said := func(text string) {
		t.Helper()
		c.AwaitFunc(text, func(l ircclient.Line) bool { return l.Command == "NOTICE" && strings.Contains(l.Last(), text) })
	}
	said("Connection to the network lost")
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrUnavailable}
	})
	eventually(t, "the account is not connected", func() bool { return b.session().State().Status != chat.Connected })
	c.Send("PRIVMSG #Trio_co :wait for it")
	said("your message waits")
	b.net.OnSend(nil)
	b.net.OnSync(nil)
	said("Connected to the network again")
	eventually(t, "its echo comes", func() bool { return len(messages(c, "#Trio_co")) == 1 })
}

func TestTLSOnThePlainPort(t *testing.T) {
	b := newBench(t)
	c := b.dial()
	c.SendRaw("\x16\x03\x01\x02\x00\x01\x00")
	require.Contains(t, c.Await("ERROR").Last(), "does not speak TLS")
}

func TestExpiredMessagesAreNotShown(t *testing.T) {
	b := newBench(t)
	c := b.client("modern", modern...)
	b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindMessage, Expires: 1, Message: &chat.Message{Text: chat.Plain("gone")}})
	b.net.Say(bob, trio, "here")
	c.Await("PRIVMSG", "#Trio_co", "here")
	require.Equal(t, []string{"here"}, messages(c, "#Trio_co"))
}
