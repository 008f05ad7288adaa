package bridge

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// removal is what the bot can promise about a message with credentials.
type removal struct{ possible bool }

// sentence describes what happens to a message with credentials. Outside of a room it is empty.
func (r *removal) sentence() string {
	switch {
	case r == nil:
		return ""
	case r.possible:
		return " Your message is removed from the room at once."
	}
	return " **I may not remove messages from this room: delete yours yourself as soon as you have sent it.**"
}

// keyRemoval is where a context carries a removal.
type keyRemoval struct{}

func withRemoval(ctx context.Context, r removal) context.Context {
	return context.WithValue(ctx, keyRemoval{}, &r)
}

func removalOf(ctx context.Context) *removal {
	r, _ := ctx.Value(keyRemoval{}).(*removal)
	return r
}

// loginRoom refuses to ask for credentials anywhere but in the management room while its
// user is alone there with the bot.
func (m *Main) loginRoom(ce *commands.Event) string {
	management := ce.User.ManagementRoom
	switch {
	case management == "":
		return "Log in only in a direct chat between you and me, so that nobody else can read your credentials. Start one and send `login` there."
	case ce.OrigRoomID != management || ce.RoomID != management:
		return fmt.Sprintf("Log in only in [our direct chat](%s), so that nobody else can read your credentials. Send `%s` there.",
			management.URI().MatrixToURL(), ce.Command)
	}
	members, err := m.Matrix.Bot.Members(ce.Ctx, management) // a database that was restored may know others
	if err != nil {
		return "I cannot see who else is in this room, and so I ask for no credentials here. Try again."
	}
	for _, e := range members.Chunk {
		member := id.UserID(e.GetStateKey())
		if member != ce.User.MXID && member != m.Matrix.Bot.UserID && e.Content.AsMember().Membership.IsInviteOrJoin() {
			return "Somebody else is in this room and could read your credentials. Start a direct chat with me, send `$cmdprefix set-management-room` there, and then `login`."
		}
	}
	ce.Ctx = withRemoval(ce.Ctx, removal{m.mayErase(ce.Ctx, management, ce.User)})
	return ""
}

// mayErase reports whether a user's messages in a room can be removed.
func (m *Main) mayErase(ctx context.Context, room id.RoomID, user *bridgev2.User) bool {
	if levels, err := m.Bridge.Matrix.GetPowerLevels(ctx, room); err == nil {
		power := levels.GetUserLevel(m.Matrix.Bot.UserID)
		if power >= levels.Redact() && power >= levels.GetEventLevel(event.EventRedaction) {
			return true
		}
	}
	return user.DoublePuppet(ctx) != nil
}
