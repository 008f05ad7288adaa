package bridge

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// SetGap notes that a room lacks what came after a time (µs), while nothing is delivered to it.
func SetGap(ctx context.Context, m *Main, room *bridgev2.Portal, after int64) error {
	unlock, err := m.connector.delivery.portals.lock(ctx, room.PortalKey)
	if err != nil {
		return err
	}
	defer unlock()
	ids.PortalMeta(room).GapAfter = after
	return room.Save(ctx)
}

// Alias is the alias that a portal's room is made with.
func (m *Main) Alias(portal networkid.PortalKey) id.RoomAlias {
	return m.hs.AliasOf(m.hs.GenerateDeterministicRoomID(portal))
}

// KeyRoomsMade is where it is noted that an account's first rooms are made.
func KeyRoomsMade(m *Main, person chat.PersonID) bridgedb.Key {
	return m.connector.loginOf(person).keyRoomsMade()
}

// Settled reports whether events are handled as soon as the homeserver pushes them.
func (m *Main) Settled() bool { return m.hs.Settled() }

// SyncToken is up to where /sync of the homeserver was read, "" before the first time.
func (m *Main) SyncToken(ctx context.Context) (string, error) {
	return m.db.MatrixInbox().SyncToken(ctx)
}

// OpenSends is the number of messages whose rows may not exist yet.
func (m *Main) OpenSends() int { return m.hs.OpenSends() }

// Refresh brings a conversation's room up to date for a login, as a change of the conversation does.
func Refresh(ctx context.Context, login *bridgev2.UserLogin, conversation chat.ConversationID) error {
	_, err := login.Client.(*Client).consumer().keepRoom(ctx, conversation, false, follows)
	return err
}

// EditsAsMessages is the setting of that name switched on.
func (m *Main) EditsAsMessages() { m.connector.config.EditsAsMessages = true }

// FileLimits changes what files may have.
func (m *Main) FileLimits(mib, seconds int) {
	m.connector.config.MaxFileSize, m.connector.config.FileTimeout = mib, seconds
}
