package pblite

import "errors"

var (
	// ErrSyntax means that the input is not JSON (elided array elements apart).
	ErrSyntax = errors.New("pblite: malformed JSON")
	// ErrTooDeep means that arrays and objects nest deeper than the limit.
	ErrTooDeep = errors.New("pblite: nested too deeply")
	// ErrTooMany means that the input has more arrays and objects than its length justifies: each
	// costs far more memory than its text.
	ErrTooMany = errors.New("pblite: too many elements")
	// ErrTooLarge means that the input is longer than the limit.
	ErrTooLarge = errors.New("pblite: input too large")
	// ErrNoMessage means that the message to decode into, or to encode, is nil.
	ErrNoMessage = errors.New("pblite: no message")
	// ErrNotFinite means that a double to be written is infinite or not a number.
	ErrNotFinite = errors.New("pblite: double is not finite")
)
