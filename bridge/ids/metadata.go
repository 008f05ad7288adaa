package ids

import (
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"

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
