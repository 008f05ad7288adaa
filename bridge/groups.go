package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// groupCommand is the framework's create-group with requests that are named after the command's
// event, so that a command that is run again makes no second group and another attempt is one.
var groupCommand = &commands.FullHandler{
	Name: "create-group", Aliases: []string{"create"}, Func: createGroup, RequiresLogin: true,
	Help: commands.HelpMeta{Section: commands.HelpSectionChats, Args: "[_people_]", Description: "Make a group of people by Gaia id, e-mail address or telephone number, or of those in this room, called as the room is"},
}

var joinCommand = &commands.FullHandler{
	Name: "join", Func: joinByLink, RequiresLogin: true,
	Help: commands.HelpMeta{Section: commands.HelpSectionChats, Args: "[_link_]", Description: "Join a group by its link; without arguments, the same as accept"},
}

// maxGroup is how many people a new group has beside oneself (protocol §8.13).
const maxGroup = 149

func createGroup(ce *commands.Event) {
	if ce.Portal != nil {
		ce.Reply("This room is a conversation already. `$cmdprefix add` adds people to it.")
		return
	}
	client, args := clientOf(ce)
	if client == nil {
		return
	}
	group, refusal := chat.NewConversation{Kind: chat.Group}, ""
	if len(args) > 0 {
		group.People, refusal = client.named(ce, args)
	} else {
		group.Name, group.People, refusal = client.gathered(ce)
	}
	group.People = slices.DeleteFunc(group.People, func(p chat.PersonID) bool { return p == client.id })
	slices.Sort(group.People)
	group.People = slices.Compact(group.People)
	switch {
	case refusal != "":
		ce.Reply("%s", refusal)
	case len(group.People) == 0:
		ce.Reply("There is nobody here to make a group with. Invite their users, or name them: `$cmdprefix create-group <people>`")
	case len(group.People) > maxGroup:
		ce.Reply("A group has at most %d people.", maxGroup+1)
	default:
		c, err := client.Start(ce.Ctx, "group/"+string(ce.EventID), group)
		client.arrive(ce, c, err, "The group is made:")
	}
}

// named are the people whom words name.
func (c *Client) named(ce *commands.Event, words []string) (people []chat.PersonID, refusal string) {
	for _, word := range words {
		word = strings.Trim(word, ",;")
		if user, ok := ce.Bridge.Matrix.ParseGhostMXID(id.UserID(word)); ok {
			word = string(user)
		}
		person, found, err := c.Find(ce.Ctx, word)
		if err != nil || !found {
			says := "Nobody was found."
			if err != nil {
				says = portal.Sentence(err)
			}
			return nil, fmt.Sprintf("`%s`: %s", strings.ReplaceAll(word, "`", ""), says)
		}
		people = append(people, person.ID)
	}
	return people, ""
}

// gathered are the people of the command's room, and its name: ghosts, and who has joined it with an
// account of their own. An invitation alone does not tell whose account is whose.
func (c *Client) gathered(ce *commands.Event) (name string, people []chat.PersonID, refusal string) {
	members, err := ce.Bridge.Matrix.GetMembers(ce.Ctx, ce.RoomID)
	if err != nil {
		ce.Log.Err(err).Msg("Failed to get the members of a room that is to be a group")
		return "", nil, "I cannot see now who is in this room. Try again later."
	}
	for user, member := range members {
		if ghost, ok := ce.Bridge.Matrix.ParseGhostMXID(user); ok && member.Membership.IsInviteOrJoin() {
			if person, err := ids.ParseUserID(ghost); err == nil {
				people = append(people, person)
			}
		} else if user != ce.User.MXID && member.Membership == event.MembershipJoin {
			if person, ok := accountOf(ce.Ctx, ce.Bridge, user); ok {
				people = append(people, person)
			}
		}
	}
	if named, err := c.connector.matrix().GetStateEvent(ce.Ctx, ce.RoomID, event.StateRoomName, ""); err == nil && named != nil {
		name = chat.CleanName(named.Content.AsRoomName().Name)
	}
	if secret.In(name) { // the guard has not seen it: the bot came later
		return "", nil, "The name of this room looks like a key to a Google account. **Please give the room another name**, and then write this again."
	}
	return name, people, ""
}

// accountOf is the account with which somebody works by default. It is the only one of theirs that others learn of.
func accountOf(ctx context.Context, bridge *bridgev2.Bridge, user id.UserID) (person chat.PersonID, ok bool) {
	known, err := bridge.GetExistingUserByMXID(ctx, user)
	if err != nil || known == nil {
		return "", false
	}
	login := known.GetDefaultLogin()
	if login == nil {
		return "", false
	}
	client, ok := login.Client.(*Client)
	if !ok || client.session == nil {
		return "", false
	}
	return client.id, true
}

func joinByLink(ce *commands.Event) {
	if len(ce.Args) == 0 && ce.Portal != nil {
		for _, command := range manageCommands {
			if command.name == "accept" {
				command.run(ce)
			}
		}
		return
	}
	client, args := clientOf(ce)
	switch {
	case client == nil:
	case len(args) != 1:
		ce.Reply("Usage: `$cmdprefix join <link of the group>`")
	default:
		c, err := client.JoinLink(ce.Ctx, "link/"+string(ce.EventID), strings.Trim(args[0], "<>"))
		switch {
		case errors.Is(err, chat.ErrInvalidRequest):
			ce.Reply("This is no link of a group.")
		case errors.Is(err, chat.ErrRefused), errors.Is(err, chat.ErrUnknownConversation):
			ce.Reply("Hangouts does not accept this link. It is wrong, not valid any more, or joining by link is off.")
		default:
			client.arrive(ce, c, err, "You are in the group:")
		}
	}
}

// arrive opens the room of a conversation that a command has found.
func (c *Client) arrive(ce *commands.Event, conversation chat.Conversation, err error, done string) {
	var room *bridgev2.Portal
	if err == nil {
		room, err = c.openRoom(ce.Ctx, conversation)
	}
	if err != nil {
		ce.Log.Warn().Err(err).Str("command", ce.Command).Msg("Command failed")
		ce.Reply("%s", portal.Sentence(err))
		return
	}
	ce.Reply("%s [%s](%s)", done, format.EscapeMarkdown(room.Name), room.MXID.URI(ce.Bridge.Matrix.ServerName()).MatrixToURL())
}
