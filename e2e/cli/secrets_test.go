package cli_test

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// secrets are texts that may appear nowhere.
type secrets map[string]string // to what they are

// of adds all credentials that an account has now.
func (s secrets) of(person *hangoutstest.Person) {
	info := person.Info()
	if info.RefreshToken != "" {
		s[info.RefreshToken] = "refresh token of " + info.Key
	}
	s.cookies(info.Cookies, "cookie of "+info.Key)
}

func (s secrets) cookies(cookies map[string]string, what string) {
	for name, value := range cookies {
		if len(value) > 8 { // shorter ones are not secret, and are everywhere
			s[value] = what + ": " + name
		}
	}
}

var encoded = regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}`)

func (s secrets) absent(t *testing.T, where, text string) {
	t.Helper()
	for _, data := range encoded.FindAllString(text, -1) { // databases log what they store this way
		if decoded, err := base64.StdEncoding.DecodeString(data); err == nil {
			text += "\n" + string(decoded)
		}
	}
	for secret, what := range s {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s shows a %s: …%s…", where, what, text[max(0, i-200):min(len(text), i+200)])
		}
	}
}

// Nothing that is said through any way of logging in appears in the program's output, at the most talkative level.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	service := newService(t, nil)
	p := newPlace(t, service)
	p.set("logging.min_level", "trace")
	p.set("logging.writers", []any{map[string]any{"type": "stdout", "format": "json"}, map[string]any{"type": "file", "format": "json", "filename": "bridge.log"}})
	hs := "127.0.0.1:" + portOf(freeAddr(t))
	p.matrix("http://" + hs)
	homeserver := p.homeserver(hs)
	ada, grace := service.Account(0), service.Account(1)
	hidden := secrets{}
	hidden.of(ada)
	hidden.of(grace)
	appservice := p.config["appservice"].(map[string]any)
	hidden[appservice["as_token"].(string)], hidden[appservice["hs_token"].(string)] = "as_token", "hs_token"
	var said strings.Builder
	keep := func(r result) result {
		said.WriteString(r.stdout + r.stderr)
		return r
	}

	bridge := p.start()
	login := func(args ...string) result {
		return keep(p.run(append([]string{"login", "-irc-user", "ada"}, args...)...))
	}
	login("-cookies", p.cookieFile(ada.Cookies())).ok()
	login("-refresh-token", p.write("token", ada.RefreshToken())).ok()
	hidden.of(ada)
	wrong := maps.Clone(ada.Cookies())
	for name := range wrong {
		wrong[name] = "wrong-cookie-" + name
	}
	hidden.cookies(wrong, "wrong cookie")
	hidden["1//wrong-refresh-token"] = "wrong refresh token"
	login("-cookies", p.cookieFile(wrong)).refused("does not accept")
	login("-refresh-token", p.write("token", "1//wrong-refresh-token")).refused("does not accept")
	login("-cookies", p.write("half", `{"SAPISID": "wrong-cookie-SAPISID", `)).refused("JSON")

	password := p.password("ada") // its output is the one place where it is shown
	hidden[password] = "IRC password"
	hidden["wrong-irc-password"] = "wrong IRC password"
	keep(p.run("irc-password", "-list"))
	client := p.chat("ada", password)
	hidden[base64.StdEncoding.EncodeToString([]byte("\x00ada\x00"+password))] = "IRC password in SASL"
	ircclient.Dial(t, p.irc).Register(ircclient.Login{Nick: "ada2", User: "ada", Password: password, Caps: []string{"message-tags"}})
	for _, lines := range [][]string{
		{"PASS wrong-irc-password", "NICK ada", "USER ada 0 * :Ada"},
		{"CAP REQ :sasl", "NICK ada", "USER ada 0 * :Ada", "AUTHENTICATE PLAIN",
			"AUTHENTICATE " + base64.StdEncoding.EncodeToString([]byte("\x00ada\x00wrong-irc-password"))},
	} {
		guess := ircclient.Dial(t, p.irc)
		for _, line := range lines {
			guess.Send("%s", line)
		}
		guess.AwaitFunc("the refusal", func(l ircclient.Line) bool { return l.Command == "464" || l.Command == "904" })
	}

	// The bot.
	user := mxclient.New(t, homeserver, "grace")
	user.AutoJoin()
	room := user.CreateDM("@hangoutsbot:" + domain)
	user.WaitFor("the bot to join", func() bool { return user.Members(room)["@hangoutsbot:"+domain] == "join" })
	var ask func(text, answer string)
	ask = func(text, answer string) {
		seen, unknown := len(user.Timeline(room)), false
		user.SendText(room, text)
		user.WaitFor("the bot to say "+answer, func() bool {
			timeline := user.Timeline(room)
			return slices.ContainsFunc(mxclient.Texts(timeline[min(seen, len(timeline)):]), func(s string) bool {
				unknown = unknown || strings.Contains(s, "Unknown command") // the bot asks a moment before it listens
				return unknown || strings.Contains(s, answer)
			})
		})
		if unknown {
			ask(text, answer)
		}
	}
	ask("login token", "Please enter your refresh token")
	ask("1//wrong-refresh-token", "does not accept")
	ask("login token 1//wrong-refresh-token", "does not accept")
	ask("login token", "Please enter your refresh token")
	ask(grace.RefreshToken(), "Logged in as")
	hidden.of(grace)
	user.SendText(room, "!hangouts 1//wrong-refresh-token") // when nobody has asked
	user.WaitText(room, "Unknown command")
	ask("login cookies", "Login URL")
	ask(`{"SAPISID": "wrong-cookie-SAPISID", "SID": "wrong-cookie-SID"}`, "does not accept")
	ask("login cookies", "Login URL")
	ask(`{"SAPISID": "wrong-cookie-SAPISID", "SID": `, "JSON")
	ask("cancel", "ogin")
	ask("login cookies", "Login URL")
	ask(`curl 'https://hangouts.google.com/' -H 'Cookie: SAPISID=wrong-cookie-SAPISID; SID=wrong-cookie-SID'`, "does not accept")

	// A session that ends and is renewed, and one that is refused.
	// The database is busy meanwhile: the framework logs slow statements, with what they store.
	unlock := p.lockDatabase()
	_, mark := service.Requests(0)
	require.NoError(t, service.InvalidateCookies(ada.GaiaID()))
	eventually(t, "the test of new cookies", func() bool {
		list, _ := service.Requests(mark)
		return slices.ContainsFunc(list, func(r hangoutstest.RequestInfo) bool {
			return r.Endpoint == "contacts/getselfinfo" && r.Account == ada.GaiaID()
		})
	})
	hidden.of(ada)
	time.Sleep(1500 * time.Millisecond) // more than what counts as slow
	unlock()
	bridge.WaitLine("Query took long")
	eventually(t, "the new session", func() bool { return ada.Subscribed() == 1 })
	waitSubscribed(t, grace)
	require.NoError(t, service.RevokeTokens(grace.GaiaID()))
	require.NoError(t, service.InvalidateCookies(grace.GaiaID()))
	eventually(t, "grace's account to be refused", func() bool {
		return p.count("SELECT COUNT(*) FROM account WHERE status='bad_credentials'") == 1
	})
	_, err := service.Person("carol").Send("carol", "text of a message")
	require.NoError(t, err)
	client.AwaitFunc("a message", says("text of a message"))
	require.Zero(t, bridge.Terminate())

	hidden.absent(t, "the output of commands", said.String())
	hidden.absent(t, "the bridge's output", bridge.Log())
	hidden.absent(t, "the log file", p.read("bridge.log"))
	for _, line := range client.Lines() {
		hidden.absent(t, "IRC", line.Raw)
	}
	for _, e := range user.Timeline(room) {
		if e.Sender != user.UserID() {
			hidden.absent(t, "the bot", e.Content.AsMessage().Body)
		}
	}
	require.Contains(t, bridge.Log(), `"level":"trace"`, "the test has looked at the most talkative level")
	require.Greater(t, len(hidden), 20)
}
