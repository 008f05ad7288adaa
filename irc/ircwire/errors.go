package ircwire

import "errors"

var (
	// ErrTooLong: a line was over the limit and has been skipped; reading can go on.
	ErrTooLong = errors.New("line too long")
	// ErrEndless: so much came without a line end that reading must stop.
	ErrEndless = errors.New("endless line")
	// ErrMalformed: the line is no IRC message and has been skipped; reading can go on.
	ErrMalformed = errors.New("malformed line")
)
