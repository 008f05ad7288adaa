// Package ids makes and reads every identifier and every metadata value that the Matrix
// side puts into bridgev2's tables. All of it is permanent database content: a format
// that was released never changes.
//
//	person        Gaia id, or "tel-" and digits        networkid.UserID
//	login         Gaia id of the account               networkid.UserLoginID
//	portal        conversation id                      networkid.PortalID
//	message       conversation id "/" event id         networkid.MessageID
package ids

import (
	"strconv"
	"strings"

	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// MakeUserID returns the ghost id of a person.
func MakeUserID(person chat.PersonID) networkid.UserID { return networkid.UserID(person) }

// ParseUserID returns the person of a ghost id, or chat.ErrInvalidID.
func ParseUserID(user networkid.UserID) (chat.PersonID, error) {
	return chat.ParsePersonID(string(user))
}

// MakeLoginID returns the login id of an account.
func MakeLoginID(account chat.PersonID) networkid.UserLoginID { return networkid.UserLoginID(account) }

// ParseLoginID returns the account of a login id, or chat.ErrInvalidID.
func ParseLoginID(login networkid.UserLoginID) (chat.PersonID, error) {
	return chat.ParsePersonID(string(login))
}

// MakePortalKey returns the key of a conversation's portal for one account. One-to-one
// conversations have a portal for each account, groups share one, unless split says that
// every account has its own (bridgev2's split_portals).
func MakePortalKey(conversation chat.ConversationID, kind chat.ConversationKind, account chat.PersonID, split bool) networkid.PortalKey {
	key := networkid.PortalKey{ID: networkid.PortalID(conversation)}
	if split || kind != chat.Group {
		key.Receiver = MakeLoginID(account)
	}
	return key
}

// ParsePortalID returns the conversation of a portal.
func ParsePortalID(portal networkid.PortalID) chat.ConversationID {
	return chat.ConversationID(portal)
}

var (
	escaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// MakeMessageID returns the message id of an event. Event ids are unique only within
// their conversation, so the conversation is part of it.
func MakeMessageID(conversation chat.ConversationID, event chat.EventID) networkid.MessageID {
	return networkid.MessageID(escaper.Replace(string(conversation)) + "/" + string(event))
}

// ParseMessageID returns the conversation and event of a message id, or
// chat.ErrInvalidID.
func ParseMessageID(message networkid.MessageID) (chat.ConversationID, chat.EventID, error) {
	conversation, event, ok := strings.Cut(string(message), "/")
	if !ok || conversation == "" || event == "" {
		return "", "", chat.ErrInvalidID
	}
	return chat.ConversationID(unescaper.Replace(conversation)), chat.EventID(event), nil
}

// MakePartID returns the id of a message's n-th part, from 0. The first is "", so that a
// message of one part has the same row as ever; the order of texts is that of parts.
func MakePartID(n int) networkid.PartID {
	if n == 0 {
		return ""
	}
	s := strconv.Itoa(n)
	return networkid.PartID(strings.Repeat("0", max(0, 3-len(s))) + s)
}

// MakeCorrectionPartID returns the id of the n-th part, from 0, of an edit that is shown as a message of
// its own. It comes after the parts of the message that is edited.
func MakeCorrectionPartID(edit chat.EventID, n int) networkid.PartID {
	return networkid.PartID("edit/" + string(edit) + "/" + string(MakePartID(n)))
}

// MakeOrigin returns the origin of the n-th request, from 0, that a Matrix event makes.
func MakeOrigin(event id.EventID, n int) chat.Origin {
	return chat.Origin{Side: chat.OriginMatrix, Ref: string(event) + "/" + strconv.Itoa(n)}
}

// ParseOrigin returns the Matrix event and number of an origin; ok is false if it is not
// one of MakeOrigin.
func ParseOrigin(origin chat.Origin) (event id.EventID, n int, ok bool) {
	if origin.Side != chat.OriginMatrix {
		return "", 0, false
	}
	at := strings.LastIndexByte(origin.Ref, '/')
	if at <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(origin.Ref[at+1:])
	if err != nil || n < 0 {
		return "", 0, false
	}
	return id.EventID(origin.Ref[:at]), n, true
}
