package irc

import "errors"

var (
	// ErrInUse: another program listens on a configured address.
	ErrInUse = errors.New("address in use")
	// ErrBadUser: not a name that an IRC user may have.
	ErrBadUser = errors.New("invalid IRC user name (1 to 32 letters, digits, '.', '_' or '-')")
	// ErrConfig: the configuration cannot be used.
	ErrConfig = errors.New("invalid irc configuration")

	errPassword  = errors.New("user or password is wrong")
	errTooMany   = errors.New("user or password is wrong; too many failed logins")
	errFull      = errors.New("too many connections")
	errAddress   = errors.New("too many connections from your address")
	errLate      = errors.New("the connection has ended")
	errNoAccount = errors.New("no account is linked to this user; link one with \"hangouts-bridge login\"")
	errNetwork   = errors.New("this user has no such account")
	errClient    = errors.New("invalid client name (1 to 32 letters, digits, '.', '_' or '-')")
)
