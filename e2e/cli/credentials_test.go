package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// says fits a line of a person with this text.
func says(text string) func(ircclient.Line) bool {
	return func(l ircclient.Line) bool { return l.Command == "PRIVMSG" && l.Last() == text }
}

func notice(words string) func(ircclient.Line) bool {
	return func(l ircclient.Line) bool { return l.Command == "NOTICE" && strings.Contains(l.Last(), words) }
}

func count(c *ircclient.Client, fits func(ircclient.Line) bool) (n int) {
	for _, line := range c.Lines() {
		if fits(line) {
			n++
		}
	}
	return n
}

// Refused credentials stop one account, which says so; the other one goes on. A new login by another process mends it,
// and nothing is lost.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	service := newService(t, nil)
	p := newPlace(t, service)
	ada, grace, carol := service.Account(0), service.Account(1), service.Person("carol")
	p.run("login", "-cookies", p.cookieFile(ada.Cookies()), "-irc-user", "ada").ok()
	adaPassword, gracePassword := p.password("ada"), p.enroll(grace, "grace")
	bridge := p.start()
	adaChat, graceChat := p.chat("ada", adaPassword), p.chat("grace", gracePassword)
	waitSubscribed(t, ada)
	waitSubscribed(t, grace)

	require.NoError(t, service.InvalidateCookies(ada.GaiaID()))
	adaChat.AwaitFunc("the bad news", notice("refuses the account's credentials"))
	_, err := carol.Send("carol", "are you there?")
	require.NoError(t, err)
	_, err = carol.Send("team", "Ada does not answer")
	require.NoError(t, err)
	graceChat.AwaitFunc("what the other account does not get", says("Ada does not answer"))
	adaChat.Send("PRIVMSG Carol_Capek :one moment")
	require.Contains(t, adaChat.Await("404").Last(), "has to log in again")
	later := p.chat("ada", adaPassword) // a client that comes now hears it as well
	later.AwaitFunc("the bad news", notice("refuses the account's credentials"))
	from := len(service.Events("direct"))
	graceChat.Send("PRIVMSG Ada_Lovelace :hello")
	waitTexts(t, service, "direct", from, "hello")

	mark := bridge.Mark()
	p.run("login", "-refresh-token", p.write("token", ada.RefreshToken()), "-irc-user", "ada").ok()
	eventually(t, "the good news and what carol wrote meanwhile, in any order", func() bool {
		return count(adaChat, notice("Connected to the network again")) > 0 && count(adaChat, says("are you there?")) > 0
	})
	require.True(t, bridge.Running())
	require.NotContains(t, strings.Join(strings.Split(bridge.Log(), "\n")[mark:], "\n"), "panic")
	from = len(service.Events("carol"))
	adaChat.Send("PRIVMSG Carol_Capek :here I am")
	waitTexts(t, service, "carol", from, "here I am")

	for what, fits := range map[string]func(ircclient.Line) bool{
		"the good news": notice("Connected to the network again"), "the bad news": notice("refuses the account's credentials"),
		"carol's line": says("are you there?"), "grace's line": says("hello"), "the line for all": says("Ada does not answer"),
	} {
		require.Equal(t, 1, count(adaChat, fits), what)
	}
}

// A refused refresh token is the same state; stored bad credentials are it from the start on.
func TestRevokedToken(t *testing.T) {
	t.Parallel()
	service := newService(t, nil)
	p := newPlace(t, service)
	ada := service.Account(0)
	password := p.enroll(ada, "ada")
	bridge := p.start()
	client := p.chat("ada", password)
	waitSubscribed(t, ada)
	require.NoError(t, service.RevokeTokens(ada.GaiaID()))
	require.NoError(t, service.InvalidateCookies(ada.GaiaID()))
	client.AwaitFunc("the bad news", notice("refuses the account's credentials"))
	require.Zero(t, bridge.Terminate())
	bridge.StartAgain()
	bridge.WaitPort(p.irc)
	p.chat("ada", password).AwaitFunc("the bad news again", notice("refuses the account's credentials"))
}

// Revoked IRC passwords and grants end what uses them; what is right stays.
func TestRevokedPassword(t *testing.T) {
	t.Parallel()
	service := newService(t, nil)
	p := newPlace(t, service)
	first := p.enroll(service.Account(0), "ada")
	id := p.run("irc-password", "-list", "ada").ok().stdout[:12]
	second := p.password("ada")
	bridge := p.start()
	old, kept := p.chat("ada", first), p.chat("ada", second)
	p.run("irc-password", "-revoke", id, "ada").ok()
	eventually(t, "the session to end", func() bool {
		return count(old, func(l ircclient.Line) bool { return l.Command == "ERROR" && strings.Contains(l.Raw, "revoked") }) == 1
	})
	kept.Roundtrip()
	wrong := ircclient.Dial(t, p.irc)
	for _, line := range []string{"PASS " + first, "NICK ada", "USER ada 0 * :Ada"} {
		wrong.Send("%s", line)
	}
	wrong.Await("464")
	require.True(t, bridge.Running())
}
