package irc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

func TestMessagesFromTheNetwork(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	e := b.net.Say(bob, trio, "hello\n\nworld")
	l := c.Await("PRIVMSG", "#Trio_co", "hello")
	require.Equal(t, "Bob_Brown", l.Nick())
	require.True(t, strings.HasSuffix(l.Source, "@"+string(bob)+".hangouts"), l.Source)
	require.Equal(t, string(e.ID), l.Tags["msgid"])
	require.Equal(t, time.UnixMicro(e.Time).UTC().Format("2006-01-02T15:04:05.000Z"), l.Tags["time"])
	require.NotContains(t, l.Tags, "account", "not asked for")
	l = c.Expect("PRIVMSG", "#Trio_co", "world")
	require.NotContains(t, l.Tags, "msgid", "only the first line")
	require.Contains(t, l.Tags, "time")

	b.net.Say(bob, duo, "psst")
	require.Equal(t, "Bob_Brown", c.Await("PRIVMSG", "anna", "psst").Nick())
	b.net.Post(chat.Event{Conversation: trio, Author: cleo, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("waves"), Emote: true}})
	c.Await("PRIVMSG", "#Trio_co", "\x01ACTION waves\x01")
	b.net.Say(anna, duo, "from my phone")
	require.Equal(t, "anna", c.Await("PRIVMSG", "Bob_Brown", "from my phone").Nick(), "own message of elsewhere")
	b.net.Post(chat.Event{Conversation: trio, Author: cleo, Kind: chat.KindMessage, Message: &chat.Message{
		Attachments: []chat.Attachment{{Kind: chat.AttachPhoto, Name: "cat\r\nQUIT.jpg", URL: "https://example.org/cat.jpg"}}}})
	c.Await("PRIVMSG", "#Trio_co", "[photo] cat  QUIT.jpg https://example.org/cat.jpg")
}

func TestMessagesToTheNetwork(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop")
	b.client("phone", modern...).Roundtrip()
	c.Send("PRIVMSG #trio_CO :hi \x02all\x02 https://example.org/")
	c.Send("PRIVMSG bob_brown,#Trio_co :two targets")
	c.Send("PRIVMSG #Trio_co :\x01ACTION dances\x01")
	c.Send("NOTICE Bob_Brown :notice")
	eventually(t, "all are sent", func() bool { return len(b.net.Sends()) == 5 })
	events := b.net.Events(trio)
	require.Len(t, events, 3)
	require.Equal(t, chat.Text{{Kind: chat.SegmentText, Text: "hi "}, {Kind: chat.SegmentText, Text: "all", Bold: true},
		{Kind: chat.SegmentText, Text: " "}, {Kind: chat.SegmentLink, Text: "https://example.org/", Target: "https://example.org/"}}, events[0].Message.Text)
	require.True(t, events[2].Message.Emote)
	require.Equal(t, "dances", events[2].Message.Text.String())
	require.Len(t, b.net.Events(duo), 2)
	c.ExpectNone("PRIVMSG") // no echo without the capability
	eventually(t, "who writes has read", func() bool { return len(b.net.Marks()) > 0 })
}

func TestOtherSessionsSeeOwnMessages(t *testing.T) {
	b := newBench(t)
	laptop, phone := b.client("laptop"), b.client("phone", tagged...)
	laptop.Send("PRIVMSG #Trio_co :from the laptop")
	l := phone.Await("PRIVMSG", "#Trio_co", "from the laptop")
	require.Equal(t, "anna", l.Nick())
	laptop.Send("PRIVMSG Bob_Brown :to bob")
	phone.Await("PRIVMSG", "Bob_Brown", "to bob")
	phone.Send("PRIVMSG Bob_Brown :and from the phone")
	require.Equal(t, "and from the phone", text(laptop.Await("PRIVMSG", "Bob_Brown")))
	phone.ExpectNone("PRIVMSG")
}

func TestSelfMessagesByPrefix(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.SelfMessages = "prefix" })
	hexchat, modernOne := b.client("hexchat", "server-time"), b.client("modern", modern...)
	b.net.Say(anna, duo, "elsewhere")
	require.Equal(t, "Bob_Brown", hexchat.Await("PRIVMSG", "anna", "<anna> elsewhere").Nick())
	modernOne.Await("PRIVMSG", "Bob_Brown", "elsewhere")
}

// Clients that know own messages by a capability get them as they are, and "off" shows none.
func TestOtherWaysOfSelfMessages(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.SelfMessages = "prefix" })
	c := b.client("znc", "server-time", "znc.in/self-message")
	b.net.Say(anna, duo, "elsewhere")
	require.Equal(t, "anna", c.Await("PRIVMSG", "Bob_Brown", "elsewhere").Nick())

	b = newBench(t, func(c *irc.Config) { c.SelfMessages = "off" })
	plain, modernOne := b.client("plain", "server-time"), b.client("modern", modern...)
	b.net.Say(anna, duo, "elsewhere")
	modernOne.Await("PRIVMSG", "Bob_Brown", "elsewhere")
	b.net.Say(bob, duo, "answer")
	plain.Await("PRIVMSG", "anna", "answer")
	for _, l := range plain.Lines() {
		require.NotContains(t, l.Last(), "elsewhere")
	}
}

// A line has one response with its label: its echo, or, for several targets, what ends the line.
func TestOneResponseHasTheLabel(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", modern...)
	labeled := func(label string) (commands []string) {
		for _, l := range c.Lines() {
			if l.Tags["label"] == label {
				commands = append(commands, l.Command)
			}
		}
		return commands
	}
	c.Send("@label=one PRIVMSG #Trio_co :to one")
	c.Await("PRIVMSG", "#Trio_co", "to one")
	c.Roundtrip()
	require.Equal(t, []string{"PRIVMSG"}, labeled("one"))
	c.Send("@label=two PRIVMSG #Trio_co,Bob_Brown :to both")
	eventually(t, "both echoes", func() bool { return len(messages(c, "#Trio_co")) == 2 && len(messages(c, "Bob_Brown")) == 1 })
	c.Roundtrip()
	require.Equal(t, []string{"ACK"}, labeled("two"))
}

func TestEchoAndLabels(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", modern...)
	c.Send("@label=one PRIVMSG #Trio_co :echo me")
	echo := c.Await("PRIVMSG", "#Trio_co", "echo me")
	require.Equal(t, "one", echo.Tags["label"])
	events := b.net.Events(trio)
	require.Equal(t, string(events[0].ID), echo.Tags["msgid"])
	require.Equal(t, string(anna), echo.Tags["account"])
	c.ExpectNone("PRIVMSG")

	c.Send("@label=two PRIVMSG nobody :x")
	require.Equal(t, "two", c.Await("401", "anna", "nobody").Tags["label"])
	c.Send("@label=three PING x")
	require.Equal(t, "three", c.Await("PONG").Tags["label"])
	c.Send("@label=four AWAY")
	require.Equal(t, "four", c.Await("305").Tags["label"])
	c.Send("@label=five MODE anna +i")
	require.Equal(t, "five", c.Await("ACK").Tags["label"])
	c.Send("@label=six WHO #Trio_co")
	batch := c.Await("BATCH")
	require.Equal(t, "six", batch.Tags["label"])
	require.Equal(t, "labeled-response", batch.Param(1))
	id := strings.TrimPrefix(batch.Param(0), "+")
	for range 3 {
		require.Equal(t, id, c.Expect("352").Tags["batch"])
	}
	c.Expect("315")
	c.Expect("BATCH", "-"+id)

	plain := b.client("other", "labeled-response", "batch")
	plain.Send("@label=ack PRIVMSG #Trio_co :no echo")
	require.Equal(t, "ack", plain.Await("ACK").Tags["label"])
}

func TestTargetsThatDoNotExist(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop")
	for line, want := range map[string]string{
		"PRIVMSG": "411", "PRIVMSG #Trio_co": "412", "PRIVMSG #Trio_co :\x02\x02": "412", "PRIVMSG nobody :x": "401",
		"PRIVMSG #nowhere :x": "403", "PRIVMSG a,b,c,d,e :x": "407", "NOSUCH x": "421", "USER a b c d": "462", "JOIN": "461",
	} {
		c.Send("%s", line)
		c.Expect(want, "anna")
	}
	c.Send("PART #Trio_co")
	c.Await("PART", "#Trio_co")
	c.Send("PRIVMSG #Trio_co :x")
	c.Expect("404", "anna", "#Trio_co")
	require.Empty(t, b.net.Sends())
}

func TestNewQuery(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	c.Send("PRIVMSG Cleo_Clark :first words")
	eventually(t, "both are sent", func() bool { return len(b.net.Sends()) == 2 }) // the conversation, the message
	e := b.net.Events("created-one_to_one-" + chat.ConversationID(cleo))
	require.Equal(t, "first words", e[0].Message.Text.String())
	b.net.Say(cleo, e[0].Conversation, "answer")
	require.Equal(t, "Cleo_Clark", c.Await("PRIVMSG", "anna", "answer").Nick())
}

func TestFailuresAreReportedWhereTheyBelong(t *testing.T) {
	b := newBench(t)
	refuse := func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("%w: because", chat.ErrRefused)}
	}
	b.net.OnSend(refuse)
	c := b.client("laptop", modern...)
	c.Send("@label=x PRIVMSG #Trio_co :lost words")
	l := c.Await("NOTICE", "#Trio_co")
	require.Equal(t, "x", l.Tags["label"], "the response to the label")
	require.Contains(t, l.Last(), `not delivered: the network refused it: "lost words"`)
	c.Send("PRIVMSG Bob_Brown :lost too")
	require.Contains(t, c.Await("NOTICE", "anna").Last(), "lost too")
	c.Roundtrip()

	c.Send("PRIVMSG #Trio_co :%s", strings.Repeat("x", 300))
	c.Await("NOTICE", "#Trio_co")
}

// TestFailureIsToldLater: the client is gone, and so was the program, when it became
// clear that its line would not arrive.
func TestFailureIsToldLater(t *testing.T) {
	b := newBench(t)
	gone := make(chan struct{})
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		select {
		case <-gone:
			return accounttest.Fault{Err: chat.ErrRefused}
		default:
			return accounttest.Fault{Err: chat.ErrUnavailable}
		}
	})
	c := b.client("laptop")
	c.Send("PRIVMSG #Trio_co :doomed")
	c.Roundtrip()
	c.Close()
	b.stop()
	close(gone)
	b.start()
	eventually(t, "the request failed", func() bool {
		logged, err := b.db.Log().Read(context.Background(), anna, trio, 0, 10)
		require.NoError(t, err)
		return len(logged) == 1 && logged[0].Failure != nil
	})
	b.client("phone").ExpectNone("NOTICE")
	require.Contains(t, b.client("laptop").Await("NOTICE", "#Trio_co").Last(), `not delivered: the network refused it: "doomed"`)
	b.client("laptop").ExpectNone("NOTICE")
}

// A writer whose connection is dead has seen no report: another session of the client is, now or
// later, though it has confirmed everything else.
func TestFailureThatTheWriterDoesNotConfirm(t *testing.T) {
	for _, how := range []string{"closed", "reopened", "silent"} {
		t.Run(how, func(t *testing.T) {
			b := newBench(t)
			if how == "silent" {
				irc.SetSole(b.g, 500*time.Millisecond)
			}
			b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Err: chat.ErrRefused} })
			other, writer := b.client("laptop", tagged...), b.client("laptop", tagged...)
			writer.HoldPong(true)
			writer.Send("PRIVMSG #Trio_co :doomed")
			writer.Await("NOTICE", "#Trio_co")
			b.net.Say(bob, trio, "after")
			switch how {
			case "reopened":
				other.Close()
				other.WaitClosed()
				writer.Close()
				other = b.client("laptop", tagged...)
			case "closed":
				writer.Close()
			}
			require.Contains(t, other.Await("NOTICE", "#Trio_co").Last(), `not delivered: the network refused it: "doomed"`)
			other.Await("PRIVMSG", "#Trio_co", "after")
			b.client("laptop", tagged...).ExpectNone("NOTICE")
		})
	}
}

// A line whose submission takes long shows once in each session, also in one that joins meanwhile,
// and its failure is not reported.
func TestLineThatIsBeingSubmitted(t *testing.T) {
	b := newBench(t)
	slow := &slowAccounts{Accounts: b.m, slowSession: slowSession{b.session(), make(chan struct{}), make(chan struct{})}}
	b.g.Stop()
	b.g = irc.NewGateway(b.cfg, slow, b.db, zerolog.Nop())
	require.NoError(t, b.g.Start(context.Background()))
	c := b.client("laptop", modern...)
	c.Send("PRIVMSG #Trio_co :on its way")
	<-slow.entered
	other := b.client("laptop", modern...)
	other.Roundtrip()
	close(slow.leave)
	c.Await("PRIVMSG", "#Trio_co", "on its way")
	other.Await("PRIVMSG", "#Trio_co", "on its way")
	require.Empty(t, c.Roundtrip())
	require.Empty(t, other.Roundtrip())
	for _, l := range append(c.Lines(), other.Lines()...) {
		require.NotEqual(t, "NOTICE", l.Command, l.Raw)
	}
}

// refusingAccounts has one account, which takes no request.
type refusingAccounts struct {
	account.Accounts
	refusingSession
}

type refusingSession struct{ account.Session }

func (a *refusingAccounts) Get(chat.PersonID) (account.Session, bool) {
	return &a.refusingSession, true
}

func (s *refusingSession) Submit(context.Context, chat.Request) error { return chat.ErrUnavailable }

// A line that is not accepted is reported once, in the words that the client knows.
func TestLineThatIsNotAccepted(t *testing.T) {
	b := newBench(t)
	b.g.Stop()
	b.g = irc.NewGateway(b.cfg, &refusingAccounts{b.m, refusingSession{b.session()}}, b.db, zerolog.Nop())
	require.NoError(t, b.g.Start(context.Background()))
	for name, c := range map[string]*ircclient.Client{"FAIL": b.client("modern", modern...), "404": b.client("old")} {
		c.Roundtrip()
		c.Send("PRIVMSG #Trio_co :words")
		lines := c.Roundtrip()
		require.Len(t, lines, 1)
		require.Equal(t, name, lines[0].Command)
		require.Contains(t, lines[0].Last(), "the network cannot be reached")
	}
}

// slowAccounts has one account, which waits before it submits.
type slowAccounts struct {
	account.Accounts
	slowSession
}

type slowSession struct {
	account.Session
	entered, leave chan struct{}
}

func (a *slowAccounts) Get(chat.PersonID) (account.Session, bool) { return &a.slowSession, true }

func (s *slowSession) Submit(ctx context.Context, r chat.Request) error {
	close(s.entered)
	<-s.leave
	return s.Session.Submit(ctx, r)
}

// After the waiting time the session that wrote gets a notice where it wrote, and no other does.
func TestUnreachableNetworkIsToldToTheWriter(t *testing.T) {
	b := newBench(t)
	b.stop()
	b.sendWait = 300 * time.Millisecond
	b.start()
	b.ready(b.session())
	c, same, other := b.client("laptop", modern...), b.client("laptop", modern...), b.client("phone", modern...)
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrUnavailable}
	})
	for target, context := range map[string]string{"#Trio_co": "#Trio_co", "Bob_Brown": "anna"} {
		c.Send("@label=l PRIVMSG %s :late words", target)
		l := c.Await("NOTICE", context)
		require.Equal(t, `Message not delivered: the network could not be reached in time: "late words"`, l.Last())
		require.Equal(t, "l", l.Tags["label"])
	}
	b.net.OnSend(nil)
	c.Send("PRIVMSG #Trio_co :in time")
	for _, client := range []*ircclient.Client{c, same, other} {
		client.Await("PRIVMSG", "#Trio_co", "in time")
		notices := 0
		for _, l := range client.Lines() {
			if l.Command == "NOTICE" || l.Command == "FAIL" {
				notices++
			}
		}
		require.Equal(t, map[bool]int{true: 2}[client == c], notices)
		require.Equal(t, []string{"in time"}, messages(client, "#Trio_co"), "what was given up never comes")
	}
	require.Len(t, b.net.Sends(), 1)
}

// A client that floods is slowed down, and nobody else.
func TestLinesPerSecondAreLimited(t *testing.T) {
	for name, tt := range map[string]struct {
		line          string
		burst, perSec int
	}{
		"messages":  {"PRIVMSG nobody :x", 20, 4},
		"questions": {"MODE #Trio_co", 120, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c, other := b.client("one"), b.client("two")
			other.Roundtrip()
			began := time.Now()
			over := tt.perSec + tt.perSec/2 // 1.5 s
			for range tt.burst + over {
				c.Send("%s", tt.line)
			}
			answers := func() (n int) {
				for _, l := range c.Lines() {
					if l.Is("401") || l.Is("324") {
						n++
					}
				}
				return n
			}
			other.Roundtrip()
			eventually(t, "all is answered in the end", func() bool { return answers() == tt.burst+over })
			// A slow machine takes longer, none less.
			require.Greater(t, time.Since(began), time.Second)
		})
	}
}

func TestOfflineIsSaid(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	b.net.OnSync(func(chat.PersonID) error { return chat.ErrUnavailable })
	b.net.Refuse(anna, true)
	c.AwaitFunc("the news", func(l ircclient.Line) bool {
		return l.Is("NOTICE", "anna") && strings.Contains(l.Last(), "Log in again")
	})
	c.Send("PRIVMSG #Trio_co :x")
	require.Contains(t, c.Await("404", "anna", "#Trio_co").Last(), "log in again")
}

func TestLongMessages(t *testing.T) {
	b := newBench(t)
	plain, full := b.client("plain"), b.client("full", tagged...)
	for _, sent := range []string{strings.Repeat("é", 600), strings.Repeat("👨\u200d👩\u200d👧\u200d👦", 100), strings.Repeat("word ", 900) + "end"} {
		b.net.Say(bob, trio, sent)
		for _, c := range []*ircclient.Client{plain, full} {
			got := ""
			for len(got) < len(sent) {
				l := c.Await("PRIVMSG", "#Trio_co")
				require.True(t, utf8.ValidString(l.Raw))
				_, body, tags := strings.Cut(l.Raw, " ")
				if !tags || l.Raw[0] != '@' {
					body = l.Raw
				}
				require.LessOrEqual(t, len(body), 510)
				got += text(l)
			}
			require.Equal(t, sent, got)
		}
	}
}

// TestHostileNetwork: nothing that people on the network write may become a line.
func TestHostileNetwork(t *testing.T) {
	b := newBench(t)
	const evil = chat.PersonID("100000000000000000666")
	b.net.AddPerson(evil, "Eve\r\nQUIT :x")
	b.net.AddConversation("evil", "a\nPRIVMSG x :y\x00\u202e", anna, bob, evil)
	c := b.client("laptop", modern...)
	b.net.Say(evil, "evil", "one\r\nQUIT :two\x00\x01ACTION three\x01 \x02bold\x03"+"4red")
	require.Equal(t, "Eve_QUIT_x", c.Await("PRIVMSG", "#a_PRIVMSG_x_y", "one").Nick())
	c.Expect("PRIVMSG", "#a_PRIVMSG_x_y", "QUIT :twoACTION three bold4red")
	b.net.Post(chat.Event{Conversation: "evil", Author: evil, Kind: chat.KindRename, Rename: &chat.Rename{New: "b\r\nQUIT"}})
	c.Await("TOPIC", "#a_PRIVMSG_x_y", "b  QUIT")
	b.net.Post(chat.Event{Conversation: "evil", Author: evil, Kind: chat.KindNotice, Notice: &chat.Notice{Text: "n\r\nQUIT"}})
	c.Await("NOTICE", "#a_PRIVMSG_x_y", "Eve_QUIT_x n  QUIT")
	b.net.Post(chat.Event{Conversation: "evil", Author: evil, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Text{
		{Kind: chat.SegmentLink, Text: "x\r\nQUIT", Target: "https://x/\r\nQUIT"}}}})
	c.Await("PRIVMSG", "#a_PRIVMSG_x_y", "x  QUIT <https://x/  QUIT>")
	c.Send("WHOIS Eve_QUIT_x")
	c.Await("311", "anna", "Eve_QUIT_x")
	c.Send("WHO #a_PRIVMSG_x_y %%tcuhnfdar,1")
	c.Await("315")
	for _, l := range c.Lines() {
		require.NotEqual(t, "QUIT", l.Command, l.Raw)
		require.False(t, l.Command == "PRIVMSG" && l.Param(0) == "x", l.Raw)
	}
}

func TestHostileClient(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop")
	c.SendRaw(strings.Repeat("x", 100_000) + "\r\n")
	c.Await("417", "anna")
	c.SendRaw("@a \r\n:x\r\n\x00\r\n@b\r\n\r\r\n:\r\n@ \r\nprivmsg\t#c\r\n")
	c.SendRaw("PRIVMSG #Trio_co :a\x00b\rQUIT\r\n")
	c.SendRaw("PRIVMSG #Trio_co :l\xe4tin\r\n")
	require.Contains(t, c.Await("NOTICE", "anna").Last(), "UTF-8")
	c.SendRaw("PRIVMSG #Trio_co :" + strings.Repeat("y", 480) + "\r\n")
	c.Roundtrip()
	eventually(t, "the texts are sent", func() bool { return len(b.net.Sends()) == 3 })
	require.Equal(t, "abQUIT", b.net.Sends()[0].Text)
	require.Equal(t, "lätin", b.net.Sends()[1].Text)

	strict := b.client("strict", modern...)
	strict.SendRaw("PRIVMSG #Trio_co :l\xe4tin\r\n")
	strict.Await("FAIL", "PRIVMSG", "INVALID_UTF8")

	early := b.dial()
	early.Send("GET / HTTP/1.1")
	early.WaitClosed()
	flood := b.dial()
	flood.SendRaw(strings.Repeat("CAP LS\r\n", 100))
	require.Contains(t, flood.Await("ERROR").Last(), "Too many lines")
	endless := b.dial()
	endless.SendRaw(strings.Repeat("x", 2<<20))
	endless.WaitClosed()
	c.Roundtrip()
}

func TestCTCP(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop")
	c.Send("PRIVMSG Bob_Brown :\x01VERSION\x01")
	require.Contains(t, c.Await("NOTICE", "anna").Last(), "\x01VERSION hangouts-bridge")
	c.Send("PRIVMSG #Trio_co :\x01VERSION\x01")
	c.Send("NOTICE Bob_Brown :\x01VERSION mine\x01")
	c.Send("PRIVMSG Bob_Brown :\x01DCC SEND x 1 2 3\x01")
	require.Contains(t, c.Await("NOTICE", "anna").Last(), "DCC")
	require.Empty(t, b.net.Sends())
}
