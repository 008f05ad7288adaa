package chat

import "errors"

// Errors that an account's operations wrap. The side that shows one adds the sentence
// for the person.
var (
	// ErrUnknownConversation: no such conversation, or not one of this account.
	ErrUnknownConversation = errors.New("unknown conversation")
	// ErrUnknownAccount: no such account.
	ErrUnknownAccount = errors.New("unknown account")
	// ErrBadCredentials: the network refuses the credentials; a new login is needed.
	ErrBadCredentials = errors.New("credentials refused")
	// ErrOtherAccount: the credentials are those of another account than the one named.
	ErrOtherAccount = errors.New("credentials of another account")
	// ErrUnavailable: the network cannot be reached at present; trying again may help.
	ErrUnavailable = errors.New("network unavailable")
	// ErrRefused: the network understood the request and said no; trying again is useless.
	ErrRefused = errors.New("refused by the network")
	// ErrInvited: the account is only invited to the conversation, and has not accepted that.
	ErrInvited = errors.New("only invited to the conversation")
	// ErrUnconfirmed: it is not known, and was not found out in time, whether the network
	// took the request.
	ErrUnconfirmed = errors.New("delivery could not be confirmed")
	// ErrExpired: the request waited for the network for as long as it may.
	ErrExpired = errors.New("waited too long for the network")
	// ErrUnsupported: the network has no such thing.
	ErrUnsupported = errors.New("not supported")
	// ErrInvalidRequest: the request says nothing, or several things at once.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrInvalidQuery: what people are looked for by is no name, address or number.
	ErrInvalidQuery = errors.New("this cannot be looked for")
	// ErrTooLarge: over a limit of Features.
	ErrTooLarge = errors.New("too large")
	// ErrForbidden: the asker has no grant, or not the role, for this.
	ErrForbidden = errors.New("not allowed")
)
