package bridge

import (
	"fmt"
	"strings"

	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/format"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// clientOf is the login with which a command works, and its other arguments: the first argument, the
// login whose room it is, or the user's first. It answers by itself when there is none.
func clientOf(ce *commands.Event) (client *Client, args []string) {
	args = ce.Args
	login := ce.User.GetDefaultLogin()
	switch {
	case len(args) > 1 && ownsLogin(ce.Bridge, ce.User, args[0]):
		login, args = ce.Bridge.GetCachedUserLoginByID(networkid.UserLoginID(args[0])), args[1:]
	case ce.Portal != nil && ownsLogin(ce.Bridge, ce.User, string(ce.Portal.Receiver)):
		login = ce.Bridge.GetCachedUserLoginByID(ce.Portal.Receiver)
	}
	if login != nil {
		client, _ = login.Client.(*Client)
	}
	if client == nil || client.session == nil {
		ce.Reply("Your Hangouts account is not known any more. Log in again with the command `login`.")
		return nil, nil
	}
	return client, args
}

// searchPeople is the command search. The framework's says nothing when nobody is found, and takes
// names for markup.
func searchPeople(ce *commands.Event) {
	client, args := clientOf(ce)
	if client == nil {
		return
	}
	text := strings.Join(args, " ")
	if text == "" {
		ce.Reply("Usage: `$cmdprefix search <name, e-mail address or telephone number>`")
		return
	}
	people, err := client.Search(ce.Ctx, text)
	switch {
	case err != nil:
		ce.Log.Warn().Err(err).Msg("Search failed")
		ce.Reply("%s", portal.Sentence(err))
	case len(people) == 0:
		ce.Reply("Nobody was found.")
	default:
		lines := make([]string, len(people))
		for n, person := range people {
			lines[n] = fmt.Sprintf("* `%s` [%s](%s)", person.ID, format.EscapeMarkdown(person.DisplayName()), ce.Bridge.Matrix.GhostIntent(ids.MakeUserID(person.ID)).GetMXID().URI().MatrixToURL())
		}
		ce.Reply("Found. Begin a chat with `start-chat` and the id:\n\n%s", strings.Join(lines, "\n"))
	}
}
