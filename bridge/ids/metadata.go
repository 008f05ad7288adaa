package ids

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// LoginMetadata is kept with a login: only the key of the account. Its credentials live
// with the account.
type LoginMetadata struct {
	Account chat.PersonID `json:"account"`
}

// PortalMetadata is kept with a portal.
type PortalMetadata struct {
	// Filled says that the initial history is in the room: members and live messages
	// may follow.
	Filled bool `json:"filled,omitempty"`
	// Shapes are, by login, the ShapeHash of the conversation that the room was last
	// brought up to date with.
	Shapes map[networkid.UserLoginID]string `json:"shapes,omitempty"`
}

// SetShape changes the shape of a login; "" forgets it. The map that was there before
// stays as it is, since it may just be written to the database.
func (m *PortalMetadata) SetShape(login networkid.UserLoginID, shape string) {
	shapes := maps.Clone(m.Shapes)
	if shapes == nil {
		shapes = map[networkid.UserLoginID]string{}
	}
	if shapes[login] = shape; shape == "" {
		delete(shapes, login)
	}
	m.Shapes = shapes
}

// MetaTypes are the metadata types for bridgev2.
func MetaTypes() database.MetaTypes {
	return database.MetaTypes{
		Portal:    func() any { return &PortalMetadata{} },
		UserLogin: func() any { return &LoginMetadata{} },
	}
}

// PortalMeta returns the metadata of a portal; changes take effect with its Save.
func PortalMeta(portal *bridgev2.Portal) *PortalMetadata {
	meta, ok := portal.Metadata.(*PortalMetadata)
	if !ok || meta == nil {
		meta = &PortalMetadata{}
		portal.Metadata = meta
	}
	return meta
}

// ShapeHash shortens a description of what shows in a room, for PortalMetadata.Shapes.
func ShapeHash(shape string) string {
	sum := sha256.Sum256([]byte(shape))
	return hex.EncodeToString(sum[:8])
}
