package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// cookieFile writes cookies as "login -cookies" reads them.
func (p *place) cookieFile(cookies map[string]string) string {
	p.t.Helper()
	text, err := json.Marshal(cookies)
	require.NoError(p.t, err)
	return p.write("cookies.json", string(text))
}

func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	service := newService(t, nil)
	p := newPlace(t, service)
	ada := service.Account(0)
	wrong := maps.Clone(ada.Cookies())
	for name := range wrong {
		wrong[name] = "secret-" + wrong[name]
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"wrong token":     {[]string{"-refresh-token", p.write("wrong", "secret-1//wrong")}, "does not accept"},
		"wrong cookies":   {[]string{"-cookies", p.cookieFile(wrong)}, "does not accept"},
		"no SAPISID":      {[]string{"-cookies", p.write("some", `{"SID": "secret-1"}`)}, "SAPISID"},
		"no JSON":         {[]string{"-cookies", p.write("curl", `curl -b 'SAPISID=secret-2'`)}, "JSON object"},
		"other JSON":      {[]string{"-cookies", p.write("list", `["secret-3"]`)}, "JSON object"},
		"numbers":         {[]string{"-cookies", p.write("numbers", `{"SAPISID": 4711}`)}, "JSON object"},
		"empty object":    {[]string{"-cookies", p.write("none", `{}`)}, "JSON object"},
		"line feed":       {[]string{"-cookies", p.write("feed", `{"SAPISID": "secret-4\r\nX: y", "SID": "secret"}`)}, ""},
		"empty token":     {[]string{"-refresh-token", p.write("empty", "\n")}, "refresh token"},
		"two tokens":      {[]string{"-refresh-token", p.write("two", "secret-5\nsecret-6\n")}, "refresh token"},
		"missing file":    {[]string{"-refresh-token", p.path("missing")}, "no such file"},
		"folder":          {[]string{"-cookies", p.dir}, "directory"},
		"no file, but in": {[]string{"-refresh-token", "-"}, "refresh token"},
	} {
		r := p.run(append([]string{"login", "-irc-user", "ada"}, c.args...)...)
		r.refused(c.says)
		require.NotContains(t, r.String(), "secret-", name)
	}
	token := p.write("token", ada.RefreshToken())
	p.run("login", "-refresh-token", token, "-irc-user", "ada lovelace").refused("1 to 32 letters")
	p.run("login", "-refresh-token", token, "-matrix-user", "ada").refused("@name:server")
	require.NotEmpty(t, service.Account(0).RefreshToken())

	p.set("network.hangouts.base_url", "http://"+freeAddr(t))
	p.run("login", "-refresh-token", token, "-irc-user", "ada").refused("cannot be reached", "network.hangouts")
	p.run("login", "-cookies", p.cookieFile(ada.Cookies()), "-irc-user", "ada").refused("cannot be reached", "network.hangouts")
	require.Zero(t, p.count("SELECT COUNT(*) FROM account"))

	p.set("network.hangouts.base_url", service.URL)
	id, err := service.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503, Count: -1})
	require.NoError(t, err)
	p.run("login", "-refresh-token", token, "-irc-user", "ada").refused("cannot be reached")
	service.RemoveFault(id)
	require.Zero(t, p.count("SELECT COUNT(*) FROM account"), "what failed has left nothing behind")

	require.Contains(t, p.run("login", "-refresh-token", token, "-irc-user", "ada").ok().stdout, "Ada Lovelace")
	require.Equal(t, 1, p.count("SELECT COUNT(*) FROM account"))
}

// One account has one owner among the Matrix users.
func TestAccountOfAnotherUser(t *testing.T) {
	t.Parallel()
	service := newService(t, nil)
	p := newPlace(t, service)
	token := service.Account(0).RefreshToken()
	login := func(user string) result {
		return p.runInput(token, "login", "-refresh-token", "-", "-matrix-user", user)
	}
	login("@ada:" + domain).ok()
	login("@eve:" + domain).refused("another Matrix user")
	require.Equal(t, 1, p.count(fmt.Sprintf("SELECT COUNT(*) FROM account_grant WHERE user_id='@ada:%s'", domain)))
	require.Equal(t, 1, p.count("SELECT COUNT(*) FROM account_grant"))
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	for _, bad := range []string{"ada lovelace", "ada@home", "ada/x", "#ada", "a\nb", "äda", "123456789012345678901234567890123"} {
		p.run("irc-password", bad).refused("1 to 32 letters")
	}
	p.run("irc-password", "-revoke-all", "ada").refused("no such password")
	p.run("irc-password", "-revoke", "0123456789ab", "ada").refused("no such password")
	require.Empty(t, p.run("irc-password", "-list").ok().stdout)

	first, second := p.password("ada"), p.password("ada")
	require.NotEqual(t, first, second)
	list := p.run("irc-password", "-list", "ada").ok().stdout
	require.NotContains(t, list, first)
	require.NotContains(t, list, second)
	id := list[:12]
	p.run("irc-password", "-revoke", id, "grace").refused("no such password")
	p.run("irc-password", "-revoke", id, "ada").ok()
	p.run("irc-password", "-revoke", id, "ada").refused("no such password")
	require.Equal(t, 1, p.count("SELECT COUNT(*) FROM irc_token"))
	p.run("irc-password", "-revoke-all", "ada").ok()
	require.Zero(t, p.count("SELECT COUNT(*) FROM irc_token"))
}
