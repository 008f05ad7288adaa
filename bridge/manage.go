package bridge

import (
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// conversationCommand is a command in a conversation's room that becomes a request.
type conversationCommand struct {
	name, alias string
	args, help  string
	// request makes the request of the arguments, and what is said when it is done. It answers by
	// itself, with refusal, what is no request.
	request func(ce *commands.Event, c place) (request chat.Request, done, refusal string)
}

// place is the conversation of a room as the account of a command sees it.
type place struct {
	chat.Conversation
	client *Client
}

// onOff makes a command of a state that is shown without arguments.
func onOff(name, help, state string, now func(chat.Conversation) bool, set func(on bool) chat.Request) conversationCommand {
	word := map[bool]string{true: "on", false: "off"}
	return conversationCommand{name: name, args: "[`on`|`off`]", help: help,
		request: func(ce *commands.Event, c place) (chat.Request, string, string) {
			wanted := strings.ToLower(strings.Join(ce.Args, " "))
			switch {
			case wanted == "":
				return chat.Request{}, "", fmt.Sprintf("%s is %s.", state, word[now(c.Conversation)])
			case wanted != "on" && wanted != "off":
				return chat.Request{}, "", fmt.Sprintf("Usage: `$cmdprefix %s on` or `$cmdprefix %s off`", name, name)
			case (wanted == "on") == now(c.Conversation):
				return chat.Request{}, "", fmt.Sprintf("%s is %s already.", state, wanted)
			}
			return set(wanted == "on"), fmt.Sprintf("%s is %s now.", state, wanted), ""
		}}
}

// plain makes a command without arguments.
func plain(name, alias, help, done string, request chat.Request) conversationCommand {
	return conversationCommand{name: name, alias: alias, help: help, request: func(*commands.Event, place) (chat.Request, string, string) {
		return request, done, ""
	}}
}

var manageCommands = []conversationCommand{
	plain("accept", "", "Accept the invitation to this conversation", "You have accepted the invitation.", chat.Request{Join: true}),
	plain("decline", "", "Decline the invitation to this conversation", "You have declined the invitation.", chat.Request{Decline: true}),
	plain("leave", "", "Leave this conversation on Hangouts", "You have left this conversation.", chat.Request{Leave: true}),
	{name: "mute", alias: "unmute", help: "Let new messages of this conversation make no noise; `unmute` ends that", request: func(ce *commands.Event, _ place) (chat.Request, string, string) {
		if ce.Command == "unmute" { // the framework has it as another name of mute
			return chat.Request{Muted: ptr.Ptr(false)}, "This conversation is not muted any more.", ""
		}
		return chat.Request{Muted: ptr.Ptr(true)}, "This conversation is muted.", ""
	}},
	plain("archive", "", "Move this conversation into the archive", "This conversation is archived.", chat.Request{Archived: ptr.Ptr(true)}),
	plain("unarchive", "", "Take this conversation out of the archive", "This conversation is not archived any more.", chat.Request{Archived: ptr.Ptr(false)}),
	{name: "delete-chat", help: "Delete your history of this conversation on Hangouts. The room stays until you leave it", request: func(_ *commands.Event, c place) (chat.Request, string, string) {
		return chat.Request{Clear: &chat.Clear{UpTo: c.SortTime}}, "Your history of this conversation is deleted on Hangouts. This room stays until you leave it.", ""
	}},
	showingOlder(onOff("history", "Show whether Hangouts keeps new messages of this conversation, or change it; with a number, show so many older messages", "History",
		func(c chat.Conversation) bool { return !c.HistoryOff },
		func(on bool) chat.Request { return chat.Request{HistoryMode: &chat.HistoryMode{Off: !on}} })),
	showingLink(onOff("link", "Show whether others can join this conversation by its link, and the link, or change it", "Joining by link",
		func(c chat.Conversation) bool { return c.LinkSharing },
		func(on bool) chat.Request { return chat.Request{LinkSharing: &chat.LinkSharing{On: on}} })),
	{name: "easter-egg", args: "[_animation_]", help: "Show an animation to everybody in this conversation; without arguments, list them", request: easterEgg},
	{name: "rename", args: "<_name_>", help: "Give this conversation another name", request: func(ce *commands.Event, _ place) (chat.Request, string, string) {
		name := chat.CleanName(strings.Join(ce.Args, " "))
		if name == "" {
			return chat.Request{}, "", "Usage: `$cmdprefix rename <name>`"
		}
		return chat.Request{Rename: &chat.Rename{New: name}}, "The conversation has its new name.", ""
	}},
	{name: "add", args: "<_people_>", help: "Add people to this conversation, by Gaia id or by their user id in Matrix", request: func(ce *commands.Event, _ place) (chat.Request, string, string) {
		people, refusal := peopleOf(ce)
		return chat.Request{AddPeople: people}, "They are added.", refusal
	}},
	{name: "remove", args: "<_people_>", help: "Remove people from this conversation, by Gaia id or by their user id in Matrix", request: func(ce *commands.Event, _ place) (chat.Request, string, string) {
		people, refusal := peopleOf(ce)
		return chat.Request{RemovePeople: people}, "They are removed.", refusal
	}},
}

// showingLink makes the command link show the link, too.
func showingLink(command conversationCommand) conversationCommand {
	request := command.request
	command.request = func(ce *commands.Event, c place) (chat.Request, string, string) {
		r, done, refusal := request(ce, c)
		if len(ce.Args) > 0 || !c.LinkSharing {
			return r, done, refusal
		}
		link, err := c.client.session.GroupLink(ce.Ctx, c.ID)
		if err != nil {
			return r, done, refusal + " The link cannot be shown now: " + portal.Sentence(err)
		}
		return r, done, refusal + " Anyone can join with this link: " + link
	}
	return command
}

// easterEgg makes the request of an animation.
func easterEgg(ce *commands.Event, c place) (chat.Request, string, string) {
	all := c.client.session.Features(c.Conversation).EasterEggs
	wanted := strings.ToLower(strings.Join(ce.Args, " "))
	if len(all) > 0 && !slices.Contains(all, wanted) {
		return chat.Request{}, "", fmt.Sprintf("There are these animations: `%s`. Usage: `$cmdprefix easter-egg %s`", strings.Join(all, "`, `"), all[0])
	}
	return chat.Request{EasterEgg: wanted}, "Sent.", ""
}

// peopleOf are the people that a command names.
func peopleOf(ce *commands.Event) (people []chat.PersonID, refusal string) {
	for _, word := range ce.Args {
		word = strings.Trim(word, ",;")
		if user, ok := ce.Bridge.Matrix.ParseGhostMXID(id.UserID(word)); ok {
			word = string(user)
		}
		person, err := chat.ParsePersonID(word)
		if err != nil {
			return nil, fmt.Sprintf("I know no person `%s`. Name people by Gaia id or by their user id in Matrix.", strings.ReplaceAll(word, "`", ""))
		}
		people = append(people, person)
	}
	if len(people) == 0 {
		return nil, fmt.Sprintf("Usage: `$cmdprefix %s <people>`", ce.Command)
	}
	return people, ""
}

// ours are the names of our own commands, which say themselves what they do.
var ours = map[string]bool{SendAnyway: true, "open": true, "create-portal": true, "create-group": true, "join": true, "do-not-disturb": true}

func init() {
	for _, command := range manageCommands {
		ours[command.name] = true
	}
}

// conversationCommands are the commands that change a conversation from its room.
func conversationCommands() (list []*commands.FullHandler) {
	for _, command := range manageCommands {
		handler := &commands.FullHandler{
			Name: command.name, Func: command.run, RequiresPortal: true, RequiresLogin: true,
			Help: commands.HelpMeta{Section: commands.HelpSectionChats, Args: command.args, Description: command.help},
		}
		if command.alias != "" {
			handler.Aliases = []string{command.alias}
		}
		list = append(list, handler)
	}
	return list
}

// run makes the request with the login that writes for the user in the room.
func (command conversationCommand) run(ce *commands.Event) {
	login, _, err := ce.Portal.FindPreferredLogin(ce.Ctx, ce.User, false)
	if err != nil || login == nil {
		ce.Reply("%s", noRoom())
		return
	}
	client, ok := login.Client.(*Client)
	if !ok || client.session == nil {
		ce.Reply("Your Hangouts account is not known any more. Log in again with the command `login`.")
		return
	}
	conversation, err := client.session.Conversation(ce.Ctx, ids.ParsePortalID(ce.Portal.ID))
	if err != nil {
		ce.Reply("%s", portal.Sentence(err))
		return
	}
	request, done, refusal := command.request(ce, place{conversation, client})
	if refusal != "" {
		ce.Reply("%s", strings.ReplaceAll(refusal, "$cmdprefix", ce.Bridge.Config.CommandPrefix))
		return
	}
	if _, err = client.Do(ce.Ctx, ce.Portal, ce.EventID, request); err != nil {
		ce.Log.Warn().Err(err).Str("request", string(request.Kind())).Msg("Request of a command failed")
		ce.Reply("%s", portal.Sentence(err))
		return
	}
	ce.Reply("%s", done)
}
