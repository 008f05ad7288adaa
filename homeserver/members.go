package homeserver

import (
	"context"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// GetMembers and GetPowerLevels are those of the embedded connector. bridgev2 only logs what fails; the attempt has it.
// mautrix: Portal.syncParticipants in bridgev2/portal.go, until its error is returned.
func (c *Connector) GetMembers(ctx context.Context, room id.RoomID) (map[id.UserID]*event.MemberEventContent, error) {
	members, err := c.Connector.GetMembers(ctx, room)
	fails(ctx, err)
	return members, err
}

// GetPowerLevels is described with GetMembers.
func (c *Connector) GetPowerLevels(ctx context.Context, room id.RoomID) (*event.PowerLevelsEventContent, error) {
	levels, err := c.Connector.GetPowerLevels(ctx, room)
	fails(ctx, err)
	return levels, err
}
