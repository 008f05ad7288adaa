package chat

import (
	"errors"
	"strings"
)

// PersonID names a person: the decimal Gaia id (usually 21 digits), or MakePhoneID's
// form for participants who are only known by a telephone number. It is also the id of
// an account, which is the person who owns it.
type PersonID string

// ConversationID names a conversation: opaque, as the network gives it.
type ConversationID string

// EventID names an event inside its conversation: opaque, as the network gives it, or
// derived from the event's content where the network has none.
type EventID string

// phonePrefix marks a PersonID made from a telephone number.
const phonePrefix = "tel-"

// ErrInvalidID is returned by the Parse functions for text that is not such an id.
var ErrInvalidID = errors.New("invalid id")

// MakePhoneID returns the id of a participant who has no Gaia id but a telephone number
// in E.164 form ("+15551230000").
func MakePhoneID(e164 string) PersonID {
	return PersonID(phonePrefix + strings.TrimPrefix(e164, "+"))
}

// ParsePersonID checks that s has the shape of a PersonID: 1 to 64 decimal digits, with
// "tel-" in front for a telephone number.
func ParsePersonID(s string) (PersonID, error) {
	digits := strings.TrimPrefix(s, phonePrefix)
	if len(digits) == 0 || len(digits) > 64 {
		return "", ErrInvalidID
	}
	for _, r := range digits {
		if r < '0' || r > '9' {
			return "", ErrInvalidID
		}
	}
	return PersonID(s), nil
}

// Phone returns the E.164 number of a phone-only participant, and whether p is one.
func (p PersonID) Phone() (e164 string, ok bool) {
	digits, ok := strings.CutPrefix(string(p), phonePrefix)
	if !ok {
		return "", false
	}
	return "+" + digits, true
}
