package cli_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// Whatever a client sends, the program lives, and so do its other clients.
func TestHostileIRCInput(t *testing.T) {
	t.Parallel()
	p, w := newWorld(t)
	bridge := w.start(p)
	from := len(w.service.Events("carol"))
	long := strings.Repeat("x", 100_000)
	for _, input := range []string{
		"PRIVMSG Carol_Capek :" + long + "\r\n",
		"@" + long + " PRIVMSG Carol_Capek :tags\r\n",
		"@a \r\n", "@\r\n", "@a=b\r\n", ":x\r\n", ": \r\n", "\r\n\r\n", " \r\n", "@a :b \r\n", "@a;b=;=c :x \r\n",
		"PRIVMSG\x00 Carol_Capek :nul\r\n", "PRI\x00VMSG\r\n", "\x00\x00\x00\r\n",
		"PING\r\n", "PONG\r\n", "CAP\r\n", "CAP REQ\r\n", "CAP REQ :" + strings.Repeat("x ", 200) + "\r\n",
		"PRIVMSG " + strings.Repeat("#a,", 100) + " :many\r\n", "JOIN " + strings.Repeat("#a,", 100) + "\r\n", "JOIN 0\r\n",
		"MODE\r\n", "WHO\r\n", "WHO \xff\xfe\r\n", "WHOIS a a a a\r\n", "NICK :\r\n", "NICK :a b\r\n", "USER x\r\n", "AUTHENTICATE\r\n",
		"BATCH +x draft/multiline\r\n", "BATCH\r\n", "MARKREAD\r\n", "MARKREAD #Team timestamp=never\r\n", "CHATHISTORY LATEST * * 99999999999\r\n",
		strings.Repeat("A ", 200) + "\r\n", "PRIVMSG Carol_Capek :\x01\r\n", "PRIVMSG Carol_Capek :\x01ACTION\r\n", "PRIVMSG Carol_Capek :\x03\x03,\x02\x1d\r\n",
	} {
		stranger := ircclient.Dial(t, p.irc) // not registered
		stranger.SendRaw(input)
		w.client.SendRaw(input)
		stranger.Close()
	}
	require.NotEmpty(t, w.client.Roundtrip())
	waitTexts(t, w.service, "carol", from, "nul", ",") // what is left of two of them when the rest is taken out
	endless, err := net.Dial("tcp", p.irc)             // a line without an end
	require.NoError(t, err)
	defer endless.Close()
	require.NoError(t, endless.SetDeadline(time.Now().Add(patience)))
	for sent := 0; err == nil; sent += 64 << 10 {
		require.Less(t, sent, 64<<20, "the gateway has not given up")
		_, err = endless.Write([]byte(strings.Repeat("y", 64<<10)))
	}
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	talk(t, p, w, "still here")
	require.True(t, bridge.Running())
	requireNoPanic(t, bridge.Log())
}

// evil carries line ends, what would be IRC commands after them, and HTML.
const evil = "Eve\r\nINJECTED :one\n:irc INJECTED two\r@t=x INJECTED three\x00\u2028INJECTED <b>&amp;</b>\u0007"

// Names, titles and texts of Hangouts never make an IRC line of their own.
func TestHostileHangouts(t *testing.T) {
	t.Parallel()
	scenario := hangoutstest.DefaultScenario()
	scenario.People = append(scenario.People,
		hangoutstest.ScenarioPerson{Key: "eve", Name: evil, FirstName: evil, Email: "eve@example.com"},
		hangoutstest.ScenarioPerson{Key: "blank", Name: "\r\n", FirstName: "\r\n", Email: "blank@example.com"},
		hangoutstest.ScenarioPerson{Key: "html", Name: "<script>alert(1)</script>", Email: "html@example.com"})
	scenario.Conversations = append(scenario.Conversations,
		hangoutstest.ScenarioConversation{Key: "eve", Type: "one_to_one", Members: []string{"user1", "eve"}},
		hangoutstest.ScenarioConversation{Key: "html", Type: "one_to_one", Members: []string{"user1", "html"}},
		hangoutstest.ScenarioConversation{Key: "den", Type: "group", Name: evil, Members: []string{"user1", "eve", "blank", "html"}},
		hangoutstest.ScenarioConversation{Key: "long", Type: "group", Name: strings.Repeat("Ω", 5000), Members: []string{"user1", "eve", "carol"}})
	service := newService(t, scenario)
	p := newPlace(t, service)
	w := &world{service: service, ada: service.Account(0), carol: service.Person("carol")}
	w.password = p.enroll(w.ada, "ada")
	bridge := w.start(p)
	client := ircclient.Dial(t, p.irc)
	client.Register(ircclient.Login{Nick: "ada", User: "ada", Password: w.password,
		Caps: []string{"message-tags", "server-time", "batch", "echo-message", "labeled-response", "account-tag", "extended-join", "setname", "standard-replies", "draft/read-marker", "draft/multiline"}})
	waitSubscribed(t, w.ada)

	eve := service.Person("eve")
	for _, conversation := range []string{"eve", "den"} {
		_, err := eve.Send(conversation, evil)
		require.NoError(t, err)
		_, err = eve.SendMessage(conversation, message(evil))
		require.NoError(t, err)
		_, err = eve.SendMessage(conversation, link(evil, "https://example.com/\r\nINJECTED :four"))
		require.NoError(t, err)
		_, err = eve.SendPhoto(conversation, evil, "photo\r\nINJECTED :five.png", []byte("\x89PNG\r\n\x1a\n"))
		require.NoError(t, err)
		_, err = eve.SendMessage(conversation, message(strings.Repeat("\n", 3000)+"end of the feeds"))
		require.NoError(t, err)
	}
	_, err := eve.Rename("den", "other\r\nINJECTED :six")
	require.NoError(t, err)
	require.NoError(t, eve.SetProfile(evil+"2", evil+"2", "https://example.com/\r\nINJECTED :seven"))
	_, err = service.Person("html").Send("html", "<b>bold?</b> &lt;")
	require.NoError(t, err)
	for _, c := range []*ircclient.Client{w.client, client} {
		eventually(t, "HTML as it was written", func() bool { return count(c, says("<b>bold?</b> &lt;")) == 1 })
		eventually(t, "the end of both lots", func() bool { return count(c, says("end of the feeds")) == 2 })
	}
	for _, question := range []string{"LIST", "NAMES", "WHO *", "LUSERS", "MOTD"} {
		client.Send("%s", question)
	}
	for _, l := range client.Lines() {
		if l.Is("JOIN") {
			client.Send("WHO %s", l.Param(0))
			client.Send("TOPIC %s", l.Param(0))
			client.Send("NAMES %s", l.Param(0))
		}
	}
	client.Send("WHOIS %s", "Eve")
	client.Roundtrip()
	talk(t, p, w, "all well")
	client.AwaitFunc("all well", says("all well?"))
	for _, c := range []*ircclient.Client{w.client, client} {
		requireClean(t, c)
	}
	require.True(t, bridge.Running())
	requireNoPanic(t, bridge.Log())
	require.Positive(t, count(client, func(l ircclient.Line) bool { return strings.Contains(l.Raw, "INJECTED") }), "the attack was there, as text")
}

// A message of a megabyte arrives whole, in pieces, and those after it too.
func TestHugeMessage(t *testing.T) {
	t.Parallel()
	p, w := newWorld(t)
	bridge := w.start(p)
	var words strings.Builder
	for i := 0; words.Len() < 1<<20; i++ {
		fmt.Fprintf(&words, "word%06d ", i)
	}
	text := strings.TrimSpace(words.String())
	_, err := w.carol.Send("carol", text)
	require.NoError(t, err)
	_, err = w.carol.Send("carol", strings.Repeat("€", 100_000)) // nowhere to break
	require.NoError(t, err)
	_, err = w.carol.Send("carol", "after it")
	require.NoError(t, err)
	w.client.AwaitFunc("what came after it", says("after it"))
	var got, euros strings.Builder
	for _, l := range w.client.Lines() {
		if l.Is("PRIVMSG", "ada") && strings.Contains(l.Last(), "word") {
			got.WriteString(strings.TrimSpace(l.Last()) + " ")
		} else if l.Is("PRIVMSG", "ada") {
			euros.WriteString(l.Last())
		}
	}
	require.Equal(t, len(text), len(strings.TrimSpace(got.String())))
	require.True(t, text == strings.TrimSpace(got.String()), "every word, once, in order")
	require.Equal(t, 100_000, strings.Count(euros.String(), "€"))
	requireClean(t, w.client)
	talk(t, p, w, "short again")
	require.True(t, bridge.Running())
}

func message(text string) *pb.ChatMessage {
	return &pb.ChatMessage{MessageContent: &pb.MessageContent{Segment: []*pb.Segment{{Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: proto.String(text)}}}}
}

func link(text, target string) *pb.ChatMessage {
	m := message(text)
	m.MessageContent.Segment[0].Type = pb.SegmentType_SEGMENT_TYPE_LINK.Enum()
	m.MessageContent.Segment[0].LinkData = &pb.LinkData{LinkTarget: proto.String(target)}
	return m
}

// requireClean looks at every line that a client got.
func requireClean(t *testing.T, c *ircclient.Client) {
	t.Helper()
	for _, l := range c.Lines() {
		require.NotContains(t, l.Command, "INJECTED", "%q", l.Raw)
		require.NotContains(t, l.Source, "INJECTED :", "%q", l.Raw)
		require.Regexp(t, `^([A-Z]+|\d{3})$`, l.Command, "%q", l.Raw)
		require.False(t, strings.ContainsAny(l.Raw, "\r\n\x00"), "%q", l.Raw)
		require.True(t, utf8.ValidString(l.Raw), "%q", l.Raw)
		body := l.Raw
		if strings.HasPrefix(body, "@") {
			_, body, _ = strings.Cut(body, " ")
		}
		require.LessOrEqual(t, len(body), 510, "%q", l.Raw)
	}
}

func requireNoPanic(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		for _, word := range []string{"panic", "goroutine ", "Internal error"} {
			require.NotContains(t, line, word)
		}
	}
}
