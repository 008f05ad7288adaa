package bridge

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

// botCommands are all commands, the framework's and ours, each with the checks that it
// needs. To everybody but an administrator of the bridge, another user's login, room or
// conversation does not exist.
func (m *Main) botCommands() []commands.CommandHandler {
	c := m.connector
	list := []commands.CommandHandler{
		guarded(commands.CommandLogin, m.loginRoom),
		guarded(commands.CommandRelogin, c.ownLogin, m.loginRoom),
		guarded(commands.CommandLogout, c.ownLogin),
		guarded(replaced(commands.CommandSetPreferredLogin, m.preferLogin), c.ownRoom, c.ownLogin),
		guarded(commands.CommandSetRelay, c.relayRoom, c.usableLogin),
		guarded(replaced(commands.CommandUnsetRelay, m.unsetRelay), c.relayRoom),
		guarded(commands.CommandBridge, c.ownRoom, c.knownChat, c.roomOfTheBot),
		guarded(commands.CommandDoIn, m.onlyCommands, c.targetRoom),
		guarded(replaced(matrix.CommandLoginMatrix, m.loginMatrix)),
		guarded(replaced(matrix.CommandSetPowerLevel, setPowerLevel)),
		guarded(replaced(matrix.CommandDiscardMegolmSession, m.discardSession)),
		guarded(replaced(matrix.CommandPingMatrix, pingMatrix)),
		guarded(&sendAnywayCommand),
		guarded(replaced(commands.CommandBlockUser, blockUser)), guarded(disturbCommand),
	}
	for _, own := range openCommands() { // they find the conversations of the user's own logins only
		list = append(list, guarded(own))
	}
	for _, own := range conversationCommands() {
		list = append(list, guarded(own, c.ownRoom))
	}
	for _, inRoom := range []*commands.FullHandler{
		commands.CommandID, commands.CommandUnbridge, commands.CommandSyncChat,
		groupCommand, joinCommand,
	} {
		list = append(list, guarded(inRoom, c.ownRoom))
	}
	for _, unnamed := range []*commands.FullHandler{
		commands.CommandHelp, commands.CommandCancel, replaced(commands.CommandListLogins, listLogins), commands.CommandSetManagementRoom, matrix.CommandLogoutMatrix,
		commands.CommandResolveIdentifier, commands.CommandStartChat, replaced(commands.CommandSearch, searchPeople), commands.CommandImportImagePack,
		commands.CommandRegisterPush, commands.CommandSendAccountData, commands.CommandResetNetwork,
		commands.CommandDeletePortal, commands.CommandDeleteAllPortals, commands.CommandFilter, commands.CommandSudo,
	} {
		list = append(list, guarded(unnamed))
	}
	return list
}

// check returns why a command is refused, or "".
type check func(ce *commands.Event) (refusal string)

// guarded makes a command run only if all checks agree and logins can do what it needs;
// otherwise the help leaves it out.
func guarded(original *commands.FullHandler, checks ...check) *commands.FullHandler {
	h := *original
	if h.Help.Description != "" && !ours[h.Name] {
		h.Help.Description = descriptions[h.Name]
	}
	if h.NetworkAPI != nil && !h.NetworkAPI((*Client)(nil)) {
		h.Help.Description = ""
		h.Func = func(ce *commands.Event) { ce.Reply("Hangouts does not support this command.") }
		return &h
	}
	h.Func = func(ce *commands.Event) {
		for _, check := range checks {
			if refusal := check(ce); refusal != "" {
				ce.Reply("%s", strings.ReplaceAll(refusal, "$cmdprefix", ce.Bridge.Config.CommandPrefix))
				return
			}
		}
		original.Func(ce)
	}
	return &h
}

// replaced is a command of the framework that does something else.
func replaced(original *commands.FullHandler, run func(*commands.Event)) *commands.FullHandler {
	h := *original
	h.Func, h.NetworkAPI = run, nil
	return &h
}

// listLogins is the command list-logins, with the present state of each account.
// mautrix: bridgev2/user.go GetFormattedUserLogins, until it reads the state under a lock.
func listLogins(ce *commands.Event) {
	logins := ce.User.GetUserLogins()
	slices.SortFunc(logins, func(a, b *bridgev2.UserLogin) int { return cmp.Compare(a.ID, b.ID) })
	lines := make([]string, len(logins))
	for i, login := range logins {
		lines[i] = fmt.Sprintf("* `%s` (%s) - `%s`", login.ID, login.RemoteName, loginState(login))
	}
	if len(lines) == 0 {
		lines = append(lines, "You're not logged in")
	}
	ce.Reply("%s", strings.Join(lines, "\n"))
}

// loginState is the state of a login's account; a login without an account has bad credentials.
func loginState(login *bridgev2.UserLogin) status.BridgeStateEvent {
	if client, ok := login.Client.(*Client); ok && client.session != nil {
		if state, known := bridgeState(client.session.State()); known {
			return state.StateEvent
		}
		return status.StateUnknownError
	}
	return status.StateBadCredentials
}

// sendAnywayCommand explains itself: with a text, in a conversation's room, the guard makes
// it an ordinary message.
var sendAnywayCommand = commands.FullHandler{
	Name: SendAnyway,
	Help: commands.HelpMeta{
		Section: commands.HelpSectionChats, Args: "<_text_>",
		Description: "Send a text although it looks like a key to a Google account",
	},
	Func: func(ce *commands.Event) {
		ce.Reply("Usage, in the room of a conversation: `$cmdprefix " + SendAnyway + " <text>`")
	},
}

// wordsOf are the words that begin the given commands.
func wordsOf(list []commands.CommandHandler) map[string]bool {
	words := map[string]bool{}
	for _, command := range list {
		words[command.GetName()] = true
		if aliased, ok := command.(commands.AliasedCommandHandler); ok {
			for _, alias := range aliased.GetAliases() {
				words[alias] = true
			}
		}
	}
	return words
}

// commandGate is the one way to the commands.
type commandGate struct {
	bridgev2.CommandProcessor
	bot   func() bridgev2.MatrixAPI
	guard *secretGuard
	sync  func(context.Context) error // of the database
}

// Handle implements bridgev2.CommandProcessor. Commands of one user run one by one. Only the management room answers questions
// of the bot, which may be about credentials. What is no command is not logged: it may be
// a secret that does not look like one. What a command did outlives a power failure.
func (g commandGate) Handle(ctx context.Context, roomID id.RoomID, eventID id.EventID, user *bridgev2.User, message string, replyTo id.EventID) {
	unlock, err := g.guard.running.lock(ctx, user.MXID)
	if err != nil {
		return
	}
	defer unlock()
	if ctx.Err() != nil {
		return // the bridge stops
	}
	words := strings.Fields(message)
	known := len(words) > 0 && g.guard.commands[strings.ToLower(words[0])]
	if state := commands.LoadCommandState(user); state != nil && roomID != user.ManagementRoom && !known {
		content := format.RenderMarkdown("Unknown command, use the `help` command for help. Answer my question in our direct chat.", true, false)
		content.MsgType = event.MsgNotice
		if _, err := g.bot().SendMessage(ctx, roomID, event.EventMessage, &event.Content{Parsed: &content}, nil); err != nil {
			zerolog.Ctx(ctx).Err(err).Msg("Failed to refuse an answer outside of the management room")
		}
		return
	}
	log := zerolog.Ctx(ctx).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, says string) {
		if says == "Received unknown command" {
			e.Discard()
		}
	}))
	g.CommandProcessor.Handle(log.WithContext(ctx), roomID, eventID, user, message, replyTo)
	if err = g.sync(context.WithoutCancel(ctx)); err != nil {
		log.Err(err).Msg("Failed to sync what a command did")
	}
}

// onlyCommands refuses to answer the bot's questions by way of another room.
func (m *Main) onlyCommands(ce *commands.Event) string {
	if len(ce.Args) > 1 && !m.guard.commands[strings.ToLower(ce.Args[1])] {
		return "Unknown command, use the `help` command for help."
	}
	return ""
}

// setPowerLevel unwraps the bot for a command that expects the framework's type.
func setPowerLevel(ce *commands.Event) {
	if bot, ok := ce.Bot.(*homeserver.Intent); ok {
		ce.Bot = bot.ASIntent
	}
	matrix.CommandSetPowerLevel.Func(ce)
}

func (m *Main) discardSession(ce *commands.Event) {
	if m.Matrix.Crypto == nil {
		ce.Reply("This bridge instance doesn't have end-to-bridge encryption enabled")
		return
	}
	m.Matrix.Crypto.ResetSession(ce.Ctx, ce.RoomID)
	ce.Reply("Successfully reset Megolm session in this room. New decryption keys will be shared the next time a message is sent from the remote network.")
}

func pingMatrix(ce *commands.Event) {
	puppet, ok := ce.User.DoublePuppet(ce.Ctx).(*homeserver.Intent)
	if !ok {
		ce.Reply("You don't have double puppeting enabled.")
		return
	}
	who, err := puppet.Matrix.Whoami(ce.Ctx)
	switch {
	case err != nil:
		ce.Reply("Failed to validate Matrix login: %v", err)
	case puppet.Matrix.SetAppServiceUserID && who.DeviceID == "":
		ce.Reply("Confirmed valid access token for %s (appservice double puppeting)", who.UserID)
	default:
		ce.Reply("Confirmed valid access token for %s / %s", who.UserID, who.DeviceID)
	}
}

// loginMatrix removes the message with the access token before anything else.
func (m *Main) loginMatrix(ce *commands.Event) {
	if len(ce.Args) > 0 {
		if m.guard.erase(ce.Ctx, ce.OrigRoomID, ce.EventID, ce.User) != nil {
			ce.Reply("I may not remove messages from this room. **Please delete your message with the access token yourself.**")
		}
	}
	if refusal := m.loginRoom(ce); refusal != "" {
		ce.Reply("%s", refusal)
		return
	}
	matrix.CommandLoginMatrix.Func(ce)
}
