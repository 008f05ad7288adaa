// Package puppet is what the Matrix side knows of people: who a person's ghost is and
// what it is called.
package puppet

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// ErrNoAccount is returned when the login's account does not exist any more.
var ErrNoAccount = errors.New("the account of this login is gone")

// Handler answers bridgev2's questions about people for one login.
type Handler struct {
	session account.Session // nil when the account is gone
	self    chat.PersonID
	name    func(chat.Person) string
	avatar  func(ref []byte) *bridgev2.Avatar
}

// New returns a handler for an account. session may be nil: then every question fails
// with ErrNoAccount. name makes the name of a person's ghost; avatar is a photo that is in the
// media repository, nil for one that is not.
func New(session account.Session, self chat.PersonID, name func(chat.Person) string, avatar func(ref []byte) *bridgev2.Avatar) *Handler {
	return &Handler{session: session, self: self, name: name, avatar: avatar}
}

// GetUserID is the login's own person.
func (h *Handler) GetUserID() networkid.UserID { return ids.MakeUserID(h.self) }

// IsThisUser reports whether a ghost is the login's own person.
func (h *Handler) IsThisUser(_ context.Context, user networkid.UserID) bool {
	return user == ids.MakeUserID(h.self)
}

// GetUserInfo returns what is known of a ghost's person.
func (h *Handler) GetUserInfo(ctx context.Context, ghost *bridgev2.Ghost) (*bridgev2.UserInfo, error) {
	id, err := ids.ParseUserID(ghost.ID)
	if err != nil {
		return nil, fmt.Errorf("ghost %q: %w", ghost.ID, err)
	}
	people, err := h.People(ctx, id)
	if err != nil {
		return nil, err
	}
	return h.PersonInfo(people[id]), nil
}

// People returns what is known of people; every asked id is in the result.
func (h *Handler) People(ctx context.Context, ids ...chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	if h.session == nil {
		return nil, ErrNoAccount
	}
	return h.session.People(ctx, ids...)
}

// PersonInfo is a person in bridgev2's form.
func (h *Handler) PersonInfo(person chat.Person) *bridgev2.UserInfo {
	name, bot := h.name(person), false
	info := &bridgev2.UserInfo{Name: &name, IsBot: &bot, Identifiers: []string{}}
	if h.avatar != nil {
		info.Avatar = h.avatar(person.Avatar)
	}
	for _, email := range person.Emails {
		info.Identifiers = append(info.Identifiers, "mailto:"+email)
	}
	for _, phone := range person.Phones {
		info.Identifiers = append(info.Identifiers, "tel:"+phone)
	}
	if phone, ok := person.ID.Phone(); ok && len(person.Phones) == 0 {
		info.Identifiers = append(info.Identifiers, "tel:"+phone)
	}
	return info
}

// Sender is a person as the author of something. All fields are always filled, so that
// the author is shown alike whichever account's copy arrives first.
func (h *Handler) Sender(person chat.PersonID) bridgev2.EventSender {
	return bridgev2.EventSender{
		IsFromMe:    person == h.self,
		SenderLogin: ids.MakeLoginID(person),
		Sender:      ids.MakeUserID(person),
	}
}
