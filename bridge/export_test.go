package bridge

import (
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"
)

// Alias is the alias that a portal's room is made with.
func (m *Main) Alias(portal networkid.PortalKey) id.RoomAlias {
	local := m.matrix.rooms.alias(m.matrix.GenerateDeterministicRoomID(portal))
	return id.NewRoomAlias(local, m.matrix.AS.HomeserverDomain)
}
