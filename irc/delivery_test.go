package irc_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

// messages are the texts of a channel that a client has got, in order.
func messages(c *ircclient.Client, target string) []string {
	var out []string
	for _, l := range c.Lines() {
		if l.Is("PRIVMSG", target) {
			out = append(out, text(l))
		}
	}
	return out
}

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s %d", prefix, i)
	}
	return out
}

func TestMissedLinesAreReplayedOnceInOrder(t *testing.T) {
	b := newBench(t)
	first := b.client("laptop", tagged...)
	b.net.Say(bob, trio, "seen")
	first.Await("PRIVMSG", "#Trio_co", "seen")
	b.confirmed("laptop")
	first.Close()
	want := numbered("missed", 120)
	for _, s := range want {
		b.net.Say(bob, trio, s)
		b.net.Say(bob, duo, "private "+s)
	}
	again := b.client("laptop", tagged...)
	eventually(t, "all has come", func() bool {
		return len(messages(again, "#Trio_co")) >= 120 && len(messages(again, "anna")) >= 120
	})
	again.Roundtrip()
	require.Equal(t, want, messages(again, "#Trio_co"))
	require.Len(t, messages(again, "anna"), 120)
	b.confirmed("laptop")
	again.Close()

	b.stop()
	b.start()
	b.ready(b.session())
	third := b.client("laptop", tagged...)
	b.net.Say(bob, trio, "after the restart")
	third.Await("PRIVMSG", "#Trio_co", "after the restart")
	require.Equal(t, []string{"after the restart"}, messages(third, "#Trio_co"), "nothing twice")
}

func TestUnconfirmedLinesAreReplayedWithTheSameID(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	c.HoldPong(true)
	b.net.Say(bob, trio, "one")
	l := c.Await("PRIVMSG", "#Trio_co", "one")
	b.net.Say(bob, trio, "two") // waits: one is not confirmed
	c.Close()
	again := b.client("laptop", tagged...)
	l2 := again.Await("PRIVMSG", "#Trio_co", "one")
	require.Equal(t, l.Tags["msgid"], l2.Tags["msgid"])
	require.Equal(t, l.Tags["time"], l2.Tags["time"])
	again.Await("PRIVMSG", "#Trio_co", "two")
	require.Equal(t, []string{"one", "two"}, messages(again, "#Trio_co"))
}

func TestClientThatNeverAnswersIsDropped(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.PingTimeout = 100 * time.Millisecond })
	c := b.client("laptop", tagged...)
	c.HoldPong(true)
	b.net.Say(bob, trio, "one")
	require.Contains(t, c.Await("ERROR").Last(), "Ping timeout")
	b.client("laptop", tagged...).Await("PRIVMSG", "#Trio_co", "one")
}

func TestSilentClientIsAsked(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.PingAfter = 50 * time.Millisecond })
	c := b.client("laptop")
	c.Await("PING")
	c.Await("PING")
	c.Roundtrip()
}

func TestNewClientNameStartsAtTheEnd(t *testing.T) {
	b := newBench(t)
	laptop := b.client("laptop", tagged...)
	b.net.Say(bob, trio, "before")
	laptop.Await("PRIVMSG", "#Trio_co", "before")
	c := b.client("new", tagged...)
	b.net.Say(bob, trio, "after")
	c.Await("PRIVMSG", "#Trio_co", "after")
	require.Equal(t, []string{"after"}, messages(c, "#Trio_co"))
}

// TestSameClientNameTwice: both live; the position is shared, and the one that comes
// second gets what the first has not confirmed.
func TestSameClientNameTwice(t *testing.T) {
	b := newBench(t)
	dead := b.client("phone", tagged...)
	dead.HoldPong(true)
	b.net.Say(bob, trio, "unconfirmed")
	dead.Await("PRIVMSG", "#Trio_co", "unconfirmed")
	alive := b.client("phone", tagged...)
	alive.Await("PRIVMSG", "#Trio_co", "unconfirmed")
	b.net.Say(bob, trio, "next")
	alive.Await("PRIVMSG", "#Trio_co", "next")
	dead.Await("PRIVMSG", "#Trio_co", "next")
	require.Equal(t, []string{"unconfirmed", "next"}, messages(dead, "#Trio_co"))
	require.Equal(t, []string{"unconfirmed", "next"}, messages(alive, "#Trio_co"))
	alive.Send("PRIVMSG #Trio_co :own")
	dead.Await("PRIVMSG", "#Trio_co", "own")
	alive.ExpectNone("PRIVMSG")
	dead.Close()
	b.net.Say(bob, trio, "last")
	alive.Await("PRIVMSG", "#Trio_co", "last")
}

func TestTimeForClientsWithoutServerTime(t *testing.T) {
	b := newBench(t)
	c := b.client("ii")
	e := b.net.Say(bob, trio, "an hour ago") // by the network's clock
	c.Await("PRIVMSG", "#Trio_co", time.UnixMicro(e.Time).Format("[15:04]")+" an hour ago")
	b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("acts"), Emote: true}})
	require.Equal(t, "* acts", text(c.Await("PRIVMSG", "#Trio_co")))
}

// TestSlowClient: it is dropped, and nobody waits for it, not even a session with the
// same client name.
func TestSlowClient(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.WriteTimeout = 300 * time.Millisecond })
	good := b.client("laptop", tagged...)
	ours, theirs := net.Pipe() // nothing is buffered in between
	defer theirs.Close()
	irc.Serve(b.g, ours)
	_, err := fmt.Fprintf(theirs, "PASS anna@laptop:%s\r\nNICK anna\r\nUSER a 0 * :a\r\n", b.token)
	require.NoError(t, err)
	for _, s := range numbered("meanwhile", 50) {
		b.net.Say(bob, trio, s)
		good.Await("PRIVMSG", "#Trio_co", s)
	}
	eventually(t, "the slow client is dropped", func() bool {
		_ = theirs.SetWriteDeadline(time.Now().Add(time.Second))
		_, err := theirs.Write([]byte("PING x\r\n"))
		return err != nil
	})
	good.Roundtrip()
}

// TestSendQueueIsBounded: what a client asks for and does not read is not kept without
// end.
func TestSendQueueIsBounded(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.SendQueue, c.Limits.WriteTimeout = 16<<10, time.Minute })
	good := b.client("good", tagged...)
	ours, theirs := net.Pipe()
	irc.Serve(b.g, ours)
	_, err := fmt.Fprintf(theirs, "PASS anna@slow:%s\r\nNICK anna\r\nUSER a 0 * :a\r\n", b.token)
	require.NoError(t, err)
	_ = theirs.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	for err == nil { // in the end the gateway stops reading, because it cannot answer
		_, err = theirs.Write([]byte("HELP\r\n"))
	}
	require.Less(t, irc.Queued(b.g), 16<<10+512)
	b.net.Say(bob, trio, "meanwhile")
	good.Await("PRIVMSG", "#Trio_co", "meanwhile")
	theirs.Close()
}

func TestChannelsFollowTheConversation(t *testing.T) {
	b := newBench(t)
	const dora = chat.PersonID("100000000000000000004")
	b.net.AddPerson(dora, "Dora Dean")
	c := b.client("laptop", append(modern, "extended-join")...)
	post := func(e chat.Event) {
		e.Conversation = trio
		b.net.Post(e)
	}
	post(chat.Event{Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{dora}}})
	join := c.Await("JOIN", "#Trio_co", string(dora), "Dora Dean")
	require.Equal(t, "Dora_Dean", join.Nick())
	post(chat.Event{Author: dora, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{dora}}})
	require.Equal(t, "Dora_Dean", c.Await("PART", "#Trio_co").Nick())
	post(chat.Event{Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{cleo}}})
	require.Equal(t, "Bob_Brown", c.Await("KICK", "#Trio_co", "Cleo_Clark").Nick())
	post(chat.Event{Author: bob, Kind: chat.KindRename, Rename: &chat.Rename{Old: "x", New: "New Name"}})
	require.Equal(t, "Bob_Brown", c.Await("TOPIC", "#Trio_co", "New Name").Nick())
	post(chat.Event{Author: bob, Kind: chat.KindHistoryMode, HistoryMode: &chat.HistoryMode{Off: true}})
	require.Contains(t, c.Await("NOTICE", "#Trio_co").Last(), "Bob_Brown turned history off")
	post(chat.Event{Author: bob, Kind: chat.KindCall, Call: &chat.Call{URL: "https://meet.example/x"}})
	c.Await("NOTICE", "#Trio_co", "Bob_Brown started a call https://meet.example/x")
	post(chat.Event{Author: bob, Kind: "something-new"})
	b.net.AddConversation("fresh", "Fresh group", anna, bob)
	b.net.Say(bob, "fresh", "welcome")
	c.Await("JOIN", "#Fresh_group")
	c.Await("PRIVMSG", "#Fresh_group", "welcome")
	post(chat.Event{Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{anna}}})
	c.AwaitFunc("leaving", func(l ircclient.Line) bool { return l.Is("KICK", "#Trio_co", "anna") || l.Is("PART", "#Trio_co") })
	c.Send("JOIN #Trio_co")
	c.Await("473", "anna", "#Trio_co")
	seen := 0
	for _, l := range c.Lines() {
		if l.Is("JOIN", "#Trio_co", string(dora)) || l.Is("TOPIC") {
			seen++
		}
	}
	require.Equal(t, 2, seen, "the snapshots bring nothing twice")
}

func TestArchivedGroupsAreOnlyListed(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	b.net.Archive(anna, trio, true)
	require.Equal(t, "archived", c.Await("PART", "#Trio_co").Last())
	c.Send("LIST")
	require.Equal(t, "[archived] Trio: & co", c.Await("322", "anna", "#Trio_co").Last())
	again := b.dial()
	again.Register(ircclient.Login{Nick: "anna", Password: b.token})
	again.ExpectNone("JOIN")
	again.Send("JOIN #Trio_co") // opened by hand it stays open
	again.Await("366", "anna", "#Trio_co")
	b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindRename, Rename: &chat.Rename{New: "Renamed"}})
	again.Await("TOPIC", "#Trio_co", "Renamed")
	time.Sleep(100 * time.Millisecond) // well past the comparison that the change leads to
	again.ExpectNone("PART")
	b.net.Archive(anna, trio, false)
	c.Await("JOIN", "#Trio_co")
}

func TestInvitations(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	b.net.AddConversation("club", "The Club", anna, bob, cleo)
	b.net.Invite(anna, "club", cleo)
	b.net.AddPerson("100000000000000000004", "Dora Dean")
	b.net.AddConversation("stranger", "", anna, "100000000000000000004")
	b.net.Invite(anna, "stranger", "100000000000000000004")
	invited := func(c *ircclient.Client) {
		t.Helper()
		var channel, query bool // in either order
		c.AwaitFunc("both invitations", func(l ircclient.Line) bool {
			switch {
			case l.Is("INVITE"):
				require.Equal(t, "Cleo_Clark", l.Nick())
				require.Equal(t, []string{"anna", "#The_Club"}, l.Params)
				channel = true
			case l.Command == "NOTICE" && strings.Contains(l.Last(), "Dora_Dean wants to talk to you"):
				query = true
			}
			return channel && query
		})
	}
	invited(c)
	c.Send("LIST #The_Club")
	require.Equal(t, "[invited] The Club", c.Await("322", "anna", "#The_Club").Last())
	c.Send("INVITE")
	c.Await("336", "anna", "#The_Club")
	c.Await("337", "anna")
	c.Send("JOIN #The_Club")
	require.Contains(t, c.Await("473", "anna", "#The_Club").Last(), "accept the invitation")
	invited(b.client("phone", tagged...))

	// Others' messages there are shown without a JOIN, and writing is refused.
	b.net.Post(chat.Event{Conversation: "club", Author: cleo, Kind: chat.KindRename, Rename: &chat.Rename{New: "The Club"}})
	b.net.Post(chat.Event{Conversation: "club", Author: cleo, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: true, People: []chat.PersonID{"100000000000000000004"}}})
	b.net.Type(cleo, "club", chat.TypingStarted)
	for n := range 3 {
		text := fmt.Sprint("psst ", n)
		b.net.Say(cleo, "club", text)
		line := c.AwaitFunc("the line", func(l ircclient.Line) bool { return l.Command == "NOTICE" && strings.HasSuffix(l.Last(), text) })
		require.Equal(t, "[#The_Club, invited] <Cleo_Clark> "+text, line.Last())
		require.Equal(t, "anna", line.Params[0])
		time.Sleep(100 * time.Millisecond) // well past the comparison that the change leads to
	}
	c.Send("PRIVMSG #The_Club :may I?")
	c.Await("404", "anna", "#The_Club")
	c.Send("PRIVMSG Dora_Dean :may I?")
	c.AwaitFunc("a refusal", func(l ircclient.Line) bool { return strings.Contains(l.Last(), "you are only invited") })
	require.Empty(t, b.net.Sends())
	shown := 0
	for _, l := range c.Lines() {
		require.False(t, l.Is("JOIN", "#The_Club") || l.Is("PART", "#The_Club") || l.Is("PRIVMSG", "#The_Club"), l.Raw)
		if l.Is("INVITE") {
			shown++
		}
	}
	require.Equal(t, 1, shown)
	b.net.Invite(anna, "club", "") // accepted elsewhere
	c.Await("JOIN", "#The_Club")
	for _, l := range c.Lines() {
		require.False(t, l.Is("JOIN", "#The_Club") && l.Nick() != "anna", l.Raw)
	}
}

func TestPartHides(t *testing.T) {
	b := newBench(t)
	one, two := b.client("one", tagged...), b.client("two", tagged...)
	one.Send("PART #trio_co")
	one.Await("PART", "#Trio_co")
	two.Await("PART", "#Trio_co")
	require.Equal(t, 3, len(mustConversation(b, trio).Members), "still a member")
	one.Send("LIST")
	require.Equal(t, "Trio: & co", one.Await("322", "anna", "#Trio_co").Last())
	third := b.dial()
	third.Register(ircclient.Login{Nick: "anna", Password: b.token})
	third.ExpectNone("JOIN")
	b.net.Say(bob, trio, "come back")
	for _, c := range []*ircclient.Client{one, two} {
		c.Await("JOIN", "#Trio_co")
		c.Await("PRIVMSG", "#Trio_co", "come back")
	}
	one.Send("PART #Trio_co :x")
	two.Await("PART", "#Trio_co")
	two.Send("JOIN #Trio_co,#nowhere,#Trio_co")
	two.Await("JOIN", "#Trio_co")
	two.Await("366", "anna", "#Trio_co")
	two.Await("403", "anna", "#nowhere")
	one.Await("JOIN", "#Trio_co")
}

// A slow session that is shown a message only after another one has parted the channel opens it again; a
// JOIN after that still reaches every session.
func TestJoinAfterALateMessage(t *testing.T) {
	b := newBench(t)
	one, two := b.client("one", tagged...), b.client("two", tagged...)
	one.Send("PART #trio_co")
	one.Await("PART", "#Trio_co")
	two.Await("PART", "#Trio_co")
	changed, err := irc.OpenedElsewhere(b.g, anna, trio)
	require.NoError(t, err)
	require.True(t, changed)
	two.Send("JOIN #Trio_co")
	two.Await("JOIN", "#Trio_co")
	one.Await("JOIN", "#Trio_co")
}

func mustConversation(b *bench, id chat.ConversationID) chat.Conversation {
	c, err := b.session().Conversation(b.t.Context(), id)
	require.NoError(b.t, err)
	return c
}

func TestNamesAreStableAndFollow(t *testing.T) {
	b := newBench(t)
	const twin = chat.PersonID("100000000000000000009")
	b.net.AddPerson(twin, "Bob Brown")
	b.net.AddConversation("twins", "Twins", anna, bob, twin)
	b.net.Say(bob, "twins", "hi")
	c := b.client("laptop", tagged...)
	c.Send("NAMES #Twins")
	names := strings.Fields(c.Await("353", "anna", "=", "#Twins").Last())
	require.Len(t, names, 3)
	require.Contains(t, names, "Bob_Brown")
	c.Close()
	b.stop()
	b.start()
	b.ready(b.session())
	c = b.client("laptop", tagged...)
	c.Send("NAMES #Twins")
	require.ElementsMatch(t, names, strings.Fields(c.Await("353", "anna", "=", "#Twins").Last()))
}

func TestQuestions(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", "message-tags", "userhost-in-names", "multi-prefix")
	ask := func(line, want string, params ...string) ircclient.Line {
		t.Helper()
		c.Send("%s", line)
		return c.Await(want, params...)
	}
	ask("WHOIS bob_brown", "311", "anna", "Bob_Brown")
	c.Expect("319", "anna", "Bob_Brown", "#Trio_co")
	c.Expect("312")
	c.Expect("330", "anna", "Bob_Brown", string(bob))
	c.Expect("318", "anna", "bob_brown")
	ask("WHOIS nobody", "401", "anna", "nobody")
	c.Expect("318", "anna", "nobody")
	ask("WHOWAS x", "406")
	ask("ISON Bob_Brown nobody :anna", "303", "anna", "Bob_Brown anna")
	require.Contains(t, ask("USERHOST Bob_Brown anna", "302").Last(), "Bob_Brown=+u")
	l := ask("WHO #Trio_co %cnar", "354", "anna", "#Trio_co")
	require.Len(t, l.Params, 5)
	ask("WHO Bob_Brown %tn,42", "354", "anna", "42", "Bob_Brown")
	ask("WHO Bob_Brown", "352", "anna", "*", "*", "*", "*", "Bob_Brown")
	ask("WHO *", "315", "anna", "*")
	require.Contains(t, ask("NAMES #Trio_co", "353").Last(), "anna!anna@")
	ask("NAMES", "366", "anna", "*")
	ask("MODE #Trio_co", "324", "anna", "#Trio_co", "+nst")
	ask("MODE #Trio_co b", "368")
	ask("MODE #Trio_co +o anna", "482")
	ask("MODE anna", "221", "anna", "+i")
	ask("MODE Bob_Brown", "502")
	ask("TOPIC #Trio_co", "332", "anna", "#Trio_co", "Trio: & co")
	require.Contains(t, ask("TOPIC #Trio_co :new", "482", "anna", "#Trio_co").Last(), "cannot be renamed")
	ask("KICK #Trio_co Bob_Brown", "482")
	ask("INVITE x #Trio_co", "482")
	ask("INVITE", "337")
	ask("LUSERS", "251")
	ask("VERSION", "351")
	ask("TIME", "391")
	ask("INFO", "374")
	ask("HELP", "706")
	ask("ADMIN", "423")
	ask("MOTD", "422")
	ask("OPER a b", "491")
	ask("AWAY :gone", "306")
	ask("USERHOST anna", "302", "anna", "anna=-anna@100000000000000000001.hangouts")
	ask("AWAY", "305")
	ask("PING", "409")
	ask("LIST #Trio_co", "322", "anna", "#Trio_co", "3")
	ask("SETNAME x", "NOTICE")
}

// TestReconnectsLoseNothing: a client that loses its connection again and again sees
// every message, in order, and twice only what it had not confirmed.
func TestReconnectsLoseNothing(t *testing.T) {
	b := newBench(t)
	b.client("laptop", tagged...).Close()
	const total = 300
	go func() {
		for i := range total {
			b.net.Say(bob, trio, fmt.Sprint("m ", i))
			if i%10 == 0 {
				time.Sleep(2 * time.Millisecond) // spreads them over the connections
			}
		}
	}()
	seen := map[string]bool{}
	var order []string
	for round := 0; len(order) < total; round++ {
		require.Less(t, round, 300)
		c := b.client("laptop", tagged...)
		c.HoldPong(round%3 == 2)
		c.Await("PRIVMSG", "#Trio_co")
		if round%2 == 0 {
			c.Roundtrip() // a little longer
		}
		c.Close()
		c.WaitClosed()
		for _, l := range c.Lines() { // what was confirmed counts, read by the test or not
			if id := l.Tags["msgid"]; l.Command == "PRIVMSG" && !seen[id] {
				seen[id] = true
				order = append(order, l.Last())
			}
		}
	}
	require.Equal(t, numbered("m", total), order)
}

// A client is asked to confirm lines at once, then only from time to time; its answer counts for all before.
func TestLinesAreConfirmedFromTimeToTime(t *testing.T) {
	b := newBench(t)
	irc.SetConfirm(b.g, time.Hour)
	c := b.client("laptop", tagged...)
	b.net.Say(bob, trio, "first")
	c.Await("PRIVMSG", "#Trio_co", "first")
	c.Await("PING")
	for i, s := range numbered("line", 100) {
		b.net.Say(bob, []chat.ConversationID{trio, duo}[i%2], s)
	}
	all := func(c *ircclient.Client, n int) {
		eventually(t, "all lines", func() bool { return len(messages(c, "#Trio_co")) == n && len(messages(c, "anna")) == 50 })
		c.Roundtrip()
	}
	all(c, 51)
	pings := 0
	for _, l := range c.Lines() {
		if l.Command == "PING" {
			pings++
		}
	}
	require.Equal(t, 1, pings)
	c.Close()

	b.stop()
	b.start()
	b.ready(b.session())
	all(b.client("laptop", tagged...), 50) // again, but for the first
	b.confirmed("laptop")
}

// confirmed waits until a client has confirmed all lines.
func (b *bench) confirmed(name string) {
	b.t.Helper()
	eventually(b.t, "an answer that confirms all", func() bool {
		waiting, err := b.db.Consumers().Standings(b.t.Context(), database.ConsumerKey{Account: anna, Side: chat.OriginIRC, Name: name})
		return err == nil && len(waiting) == 0
	})
}
