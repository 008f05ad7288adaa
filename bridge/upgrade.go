package bridge

import (
	"context"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const unfitUpgrade = "I do not follow: only somebody who is in the conversation may move it, and only into a room to which I am invited and in which I have more power than everybody else, so that I can take out somebody who is removed from the conversation. `$cmdprefix unbridge` and `$cmdprefix open` make a room that is fit."

// roomReplaced sees that a room is replaced before the framework does, which moves the
// conversation wherever the bot can join, and removes a room that has no replacement. It
// passes by what `bridge` and `unbridge` would refuse.
func (m *Main) roomReplaced(ctx context.Context, e *event.Event) {
	content, ok := e.Content.Parsed.(*event.TombstoneEventContent)
	if !ok || e.GetStateKey() != "" || e.Sender == m.Matrix.Bot.UserID || m.Bridge.IsGhostMXID(e.Sender) {
		return
	}
	follow := false
	defer func() {
		if !follow {
			m.guard.drop(e)
		}
	}()
	log := zerolog.Ctx(ctx).With().Stringer("room", e.RoomID).Stringer("replacement", content.ReplacementRoom).Logger()
	portal, err := m.Bridge.GetPortalByMXID(ctx, e.RoomID)
	if err != nil {
		log.Err(err).Msg("Failed to look up a room that is replaced")
		return
	}
	sender, err := m.Bridge.GetUserByMXID(ctx, e.Sender)
	if err != nil {
		log.Err(err).Msg("Failed to look up who replaces a room")
		return
	}
	if portal == nil || portal.MXID != e.RoomID || sender.Permissions.Admin {
		follow = true
		return
	}
	if m.connector.ownsPortal(ctx, sender, portal.PortalKey) {
		follow, err = m.mayMove(ctx, content.ReplacementRoom, e.Sender)
	}
	if follow {
		return
	}
	log.Warn().Err(err).Msg("Not following into a room")
	if err = m.guard.reply(ctx, e, "upgrade", unfitUpgrade); err != nil {
		log.Err(err).Msg("Failed to say that the bridge does not follow into a room")
	}
}

// mayMove reports whether a conversation may move into a room; into none it may.
func (m *Main) mayMove(ctx context.Context, room id.RoomID, sender id.UserID) (bool, error) {
	if room == "" {
		return true, nil
	}
	// The framework sees only those that it has loaded.
	if taken, err := m.Bridge.GetPortalByMXID(ctx, room); err != nil || taken != nil {
		return false, err
	}
	if err := m.Bridge.Bot.EnsureJoined(ctx, room, bridgev2.EnsureJoinedParams{Via: []string{sender.Homeserver()}}); err != nil {
		return false, err
	}
	return m.connector.isFit(ctx, room)
}
