package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// ownsLogin reports whether a login is this user's.
func ownsLogin(bridge *bridgev2.Bridge, user *bridgev2.User, login string) bool {
	found := bridge.GetCachedUserLoginByID(networkid.UserLoginID(login))
	return found != nil && found.UserMXID == user.MXID
}

// mayUseLogin reports whether a user may let others write through a login, or make rooms
// of its conversations: the owner, an administrator of the bridge, and everybody for
// logins that relay.default_relays names.
func (c *Connector) mayUseLogin(user *bridgev2.User, login string) bool {
	found := c.bridge.GetCachedUserLoginByID(networkid.UserLoginID(login))
	return found != nil && (found.UserMXID == user.MXID || user.Permissions.Admin || slices.Contains(c.bridge.Config.Relay.DefaultRelays, found.ID))
}

// ownsPortal reports whether a room is this user's: its account, or one of its accounts,
// is in the conversation. Everything is an administrator's.
func (c *Connector) ownsPortal(ctx context.Context, user *bridgev2.User, key networkid.PortalKey) bool {
	if user.Permissions.Admin {
		return true
	}
	if key.Receiver != "" {
		return ownsLogin(c.bridge, user, string(key.Receiver))
	}
	return slices.ContainsFunc(user.GetUserLogins(), func(login *bridgev2.UserLogin) bool { return isIn(ctx, login, key.ID) })
}

// isIn reports whether a login's account is in a conversation.
func isIn(ctx context.Context, login *bridgev2.UserLogin, portal networkid.PortalID) bool {
	client, ok := login.Client.(*Client)
	if !ok || client.session == nil {
		return false
	}
	conversation, err := client.session.Conversation(ctx, ids.ParsePortalID(portal))
	return err == nil && conversation.Standing != chat.Left
}

// A refusal does not differ between another user's and a missing one.
func noLogin(login string) string { return fmt.Sprintf("Login `%s` not found", login) }
func noChat(chat string) string   { return fmt.Sprintf("Conversation `%s` not found", chat) }
func noRoom() string              { return "This room is not one of your conversations." }

// ownLogin refuses a first argument that is not a login of the user's.
func (c *Connector) ownLogin(ce *commands.Event) string {
	if len(ce.Args) > 0 && !ownsLogin(c.bridge, ce.User, ce.Args[0]) {
		return noLogin(ce.Args[0])
	}
	return ""
}

// usableLogin refuses a first argument that is not a login through which the user may let
// others write.
func (c *Connector) usableLogin(ce *commands.Event) string {
	if len(ce.Args) > 0 && !c.mayUseLogin(ce.User, ce.Args[0]) {
		return noLogin(ce.Args[0])
	}
	return ""
}

// ownRoom refuses a portal that is not the user's.
func (c *Connector) ownRoom(ce *commands.Event) string {
	if ce.Portal != nil && !c.ownsPortal(ce.Ctx, ce.User, ce.Portal.PortalKey) {
		return noRoom()
	}
	return ""
}

// relayRoom is ownRoom, unless the operator has named logins for relaying: then those with
// power in a room decide about it, which the framework checks.
func (c *Connector) relayRoom(ce *commands.Event) string {
	if len(c.bridge.Config.Relay.DefaultRelays) > 0 {
		return ""
	}
	return c.ownRoom(ce)
}

// knownChat refuses "[login ID] <chat ID>" when the login may not be used or is not in
// that conversation.
func (c *Connector) knownChat(ce *commands.Event) string {
	words := slices.DeleteFunc(slices.Clone(ce.Args), func(word string) bool { return strings.HasPrefix(word, "--") })
	if len(words) == 0 || len(words) > 2 || ce.User.Permissions.Admin {
		return ""
	}
	wanted, logins := words[len(words)-1], ce.User.GetUserLogins()
	if len(words) == 2 {
		if !c.mayUseLogin(ce.User, words[0]) {
			return noLogin(words[0])
		}
		logins = []*bridgev2.UserLogin{c.bridge.GetCachedUserLoginByID(networkid.UserLoginID(words[0]))}
	} else if relay := c.bridge.Config.Relay; len(relay.DefaultRelays) > 0 && relay.AllowBridge {
		return ""
	}
	if !slices.ContainsFunc(logins, func(login *bridgev2.UserLogin) bool {
		return login != nil && isIn(ce.Ctx, login, networkid.PortalID(wanted))
	}) {
		return noChat(wanted)
	}
	return ""
}

// roomOfTheBot refuses to make a room a portal that is not fit for one.
func (c *Connector) roomOfTheBot(ce *commands.Event) string {
	if ce.Portal != nil || ce.User.Permissions.Admin {
		return ""
	}
	fit, err := c.isFit(ce.Ctx, ce.RoomID)
	if err != nil {
		ce.Log.Err(err).Msg("Failed to get the power levels of a room that is to be bridged")
	}
	if fit {
		return ""
	}
	return "In this room I could not take out somebody who is removed from the conversation: I need more power than everybody else has. `$cmdprefix open` makes a room that is fit."
}

// isFit reports whether the bot has more power in a room than everybody else. A user with as
// much could not be removed from it with the conversation, and would read on. Only the bot can
// change that later.
func (c *Connector) isFit(ctx context.Context, room id.RoomID) (bool, error) {
	levels, err := c.bridge.Matrix.GetPowerLevels(ctx, room)
	if err != nil {
		return false, err
	}
	bot := c.bridge.Bot.GetMXID()
	others := slices.Collect(maps.Keys(levels.Users))
	if create := levels.CreateEvent; create != nil {
		others = append(append(others, create.Sender), create.Content.AsCreate().AdditionalCreators...) // in newer rooms above all levels, and not named there
	}
	power := levels.GetUserLevel(bot)
	return power >= levels.Kick() && power > levels.UsersDefault && !slices.ContainsFunc(others, func(user id.UserID) bool {
		return user != bot && !c.bridge.IsGhostMXID(user) && power <= levels.GetUserLevel(user)
	}), nil
}

// targetRoom refuses to run something in a room that the user is not in, or that is a
// portal of others.
func (c *Connector) targetRoom(ce *commands.Event) string {
	if len(ce.Args) < 2 || ce.User.Permissions.Admin {
		return ""
	}
	room := id.RoomID(ce.Args[0])
	member, err := c.bridge.Matrix.GetMemberInfo(ce.Ctx, room, ce.User.MXID)
	if err != nil || member == nil || member.Membership != event.MembershipJoin {
		return noRoom()
	}
	portal, err := c.bridge.GetPortalByMXID(ce.Ctx, room)
	if err != nil || (portal != nil && !c.ownsPortal(ce.Ctx, ce.User, portal.PortalKey)) {
		return noRoom()
	}
	return ""
}
