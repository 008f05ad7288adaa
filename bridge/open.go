package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/format"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// openCommands open the room of a conversation. The framework's create-portal refuses a
// conversation in which nothing was said yet, so it does the same as open.
func openCommands() []*commands.FullHandler {
	open := &commands.FullHandler{
		Name: "open", Func: fnOpen, RequiresLogin: true,
		Help: commands.HelpMeta{
			Section: commands.HelpSectionChats, Args: "[_conversation id or name_]",
			Description: "Open the room of a conversation, also one that you left; without arguments, list the conversations that you are not in the room of",
		},
	}
	create := &commands.FullHandler{
		Name: "create-portal", Func: fnOpen, RequiresLogin: true,
		Help: commands.HelpMeta{Section: commands.HelpSectionChats, Args: "[login ID] <chat ID>", Description: "The same as open"},
	}
	return []*commands.FullHandler{open, create}
}

// errNotIn: the account is not in the conversation that it wants to open.
var errNotIn = errors.New("not in the conversation any more")

// candidate is a conversation of one login.
type candidate struct {
	consumer *consumer
	chat.Conversation
	title string
}

func fnOpen(ce *commands.Event) {
	all, err := candidates(ce.Ctx, ce.User)
	if err != nil {
		ce.Log.Err(err).Msg("Failed to list conversations")
		ce.Reply("The conversations cannot be read now. Try again later.")
		return
	}
	found := matching(ce, all)
	switch {
	case len(ce.Args) == 0 && ce.Portal == nil:
		ce.Reply("%s", listClosed(ce.Ctx, all))
	case len(found) == 0:
		ce.Reply("You have no such conversation. `$cmdprefix open` lists those that you are not in the room of.")
	case len(found) > 1 && found[0].ID != found[1].ID:
		ce.Reply("There are several conversations of this name. Use the id:\n\n%s", list(found))
	default:
		openFirst(ce, found)
	}
}

// openFirst opens a conversation that several logins of the user may have.
func openFirst(ce *commands.Event, found []candidate) {
	for _, c := range found {
		room, err := c.consumer.open(ce.Ctx, c.Conversation)
		switch {
		case errors.Is(err, errNotIn):
			continue
		case err != nil:
			ce.Log.Err(err).Str("conversation", string(c.ID)).Msg("Failed to open a conversation")
			ce.Reply("The room cannot be opened now. Try again later.")
		default:
			ce.Reply("Opened [%s](%s)", format.EscapeMarkdown(c.title), room.MXID.URI(ce.Bridge.Matrix.ServerName()).MatrixToURL())
		}
		return
	}
	ce.Reply("You are not in this conversation any more.")
}

// candidates are the conversations of all logins of a user.
func candidates(ctx context.Context, user *bridgev2.User) (all []candidate, err error) {
	for _, login := range user.GetUserLogins() {
		client, ok := login.Client.(*Client)
		if !ok || client.consumer() == nil {
			continue
		}
		conversations, err := client.session.Conversations(ctx)
		if err != nil {
			return nil, fmt.Errorf("list conversations: %w", err)
		}
		for _, conversation := range conversations {
			people, err := client.People(ctx, portal.MemberIDs(conversation)...)
			if err != nil {
				return nil, fmt.Errorf("get members: %w", err)
			}
			all = append(all, candidate{client.consumer(), conversation, conversation.Title(client.id, people)})
		}
	}
	return all, nil
}

// matching are the candidates that a command means: those of its room, of an id, or of a
// name. A login may stand before an id.
func matching(ce *commands.Event, all []candidate) (found []candidate) {
	args := ce.Args
	var login networkid.UserLoginID
	if ce.Command == "create-portal" && len(args) == 2 {
		login, args = networkid.UserLoginID(args[0]), args[1:]
	}
	id, name := chat.ConversationID(strings.Join(args, " ")), strings.Join(args, " ")
	if len(args) == 0 && ce.Portal != nil {
		id = ids.ParsePortalID(ce.Portal.ID)
	}
	byName := []candidate{}
	for _, c := range all {
		switch {
		case c.consumer == nil || login != "" && c.consumer.login.ID != login:
		case c.ID == id:
			found = append(found, c)
		case name != "" && strings.EqualFold(c.title, name):
			byName = append(byName, c)
		}
	}
	if found == nil {
		return byName
	}
	return found
}

// listClosed lists the conversations that a user is in without being in their room.
func listClosed(ctx context.Context, all []candidate) string {
	var closed []candidate
	for _, c := range all {
		if c.consumer == nil || c.Standing == chat.Left {
			continue
		}
		room, err := c.consumer.connector.existing(ctx, c.consumer.Key(c.ID, c.Kind))
		if err == nil && (room == nil || c.consumer.absence(room).Out()) {
			closed = append(closed, c)
		}
	}
	if len(closed) == 0 {
		return "You are in the rooms of all your conversations."
	}
	return "You are not in the rooms of these conversations. Open one with `open` and its id or name:\n\n" + list(closed)
}

func list(all []candidate) string {
	lines := make([]string, len(all))
	for n, c := range all {
		lines[n] = fmt.Sprintf("* `%s` %s", c.ID, format.EscapeMarkdown(c.title))
	}
	return strings.Join(lines, "\n")
}

// openRoom is open for a login.
func (c *Client) openRoom(ctx context.Context, conversation chat.Conversation) (*bridgev2.Portal, error) {
	consumer := c.consumer()
	if consumer == nil {
		return nil, chat.ErrUnavailable
	}
	return consumer.open(ctx, conversation)
}

// open makes a conversation's room if there is none, fills in what it lacks, and lets the
// login's user take part in it again.
func (c *consumer) open(ctx context.Context, conversation chat.Conversation) (*bridgev2.Portal, error) {
	if conversation.Standing == chat.Left {
		return nil, errNotIn
	}
	room, err := c.keepRoom(ctx, conversation.ID, true, comesBack)
	if err == nil && room == nil {
		err = errNotBridged
	}
	return room, err
}
