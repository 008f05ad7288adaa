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

// MessageMetadata is kept with each part of a message: the latest edit that it shows.
type MessageMetadata struct {
	Edited int64        `json:"edited,omitempty"` // µs; 0 = not edited
	Edit   chat.EventID `json:"edit,omitempty"`
}

// Shows reports whether a part of a message shows an edit, or a later one.
func Shows(part *database.Message, edit chat.Event) bool {
	meta, ok := part.Metadata.(*MessageMetadata)
	return ok && meta != nil && (meta.Edited > edit.Time || meta.Edited == edit.Time && meta.Edit == edit.ID)
}

// PortalMetadata is kept with a portal.
type PortalMetadata struct {
	// Filled says that the initial history is in the room: members and live messages
	// may follow.
	Filled bool `json:"filled,omitempty"`
	// Shapes are, by login, the ShapeHash of the conversation that the room was last
	// brought up to date with.
	Shapes map[networkid.UserLoginID]string `json:"shapes,omitempty"`
	// Locals are, by login, what of its own view of the conversation its user was last shown:
	// muted, archived.
	Locals map[networkid.UserLoginID]string `json:"locals,omitempty"`
	// Absences are, by login, why its Matrix user does not take part in the room.
	Absences Absences `json:"absences,omitzero"`
	// GapAfter (µs) says that events after this time may be missing from the room, since
	// no login delivered to it for a while; 0 = none are.
	GapAfter int64 `json:"gap_after,omitempty"`
	// GapBefore (µs) ends the gap; 0 = it goes on to the present.
	GapBefore int64 `json:"gap_before,omitempty"`
	// Latest says when what the room shows of the conversation's name and members has come about.
	Latest Latest `json:"latest,omitzero"`
}

// Absence says why the Matrix user of a login does not take part in a portal's room. ""
// is a login whose user does.
type Absence string

// Absences.
const (
	// Hidden: the user left the room in Matrix and is still in the conversation.
	Hidden Absence = "hidden"
	// Declined: the user left the room of an invitation.
	Declined Absence = "declined"
	// Invited: the account is only invited; the room is an invitation.
	Invited Absence = "invited"
	// Removed: the account is not in the conversation any more, and the user is out of
	// the room.
	Removed Absence = "removed"
	// Expelled is Removed as another account has seen it: the login's own account may not
	// know it yet, so that its being in the conversation means nothing.
	Expelled Absence = "expelled"
	// Reader: the account is not in the conversation any more, but no other login uses
	// the room, so the user keeps it to read.
	Reader Absence = "reader"
)

// Out reports whether the user is out of the room, so that the login delivers nothing to it.
func (a Absence) Out() bool {
	return a == Hidden || a == Declined || a == Removed || a == Expelled
}

// Absences are the absences of logins from one room. They are read while others change
// them.
type Absences struct {
	copied[networkid.UserLoginID, Absence]
}

// Set changes the absence of a login; "" ends it. No two calls may run at once.
func (a *Absences) Set(login networkid.UserLoginID, absence Absence) {
	next := a.copy()
	if next[login] = absence; absence == "" {
		delete(next, login)
	}
	a.now.Store(&next)
}

// SetShape changes the shape of a login; "" forgets it. The map that was there before
// stays as it is, since it may just be written to the database.
func (m *PortalMetadata) SetShape(login networkid.UserLoginID, shape string) {
	m.Shapes = with(m.Shapes, login, shape)
}

// SetLocal changes the local of a login, as SetShape does.
func (m *PortalMetadata) SetLocal(login networkid.UserLoginID, local string) {
	m.Locals = with(m.Locals, login, local)
}

func with(all map[networkid.UserLoginID]string, login networkid.UserLoginID, value string) map[networkid.UserLoginID]string {
	next := maps.Clone(all)
	if next == nil {
		next = map[networkid.UserLoginID]string{}
	}
	if next[login] = value; value == "" {
		delete(next, login)
	}
	return next
}

// MetaTypes are the metadata types for bridgev2.
func MetaTypes() database.MetaTypes {
	return database.MetaTypes{
		Portal:    func() any { return &PortalMetadata{} },
		Message:   func() any { return &MessageMetadata{} },
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
