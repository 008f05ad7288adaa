package chat

import (
	"fmt"
	"strings"
	"unicode"
)

// PeopleQuery says whom to look for: exactly one member is set.
type PeopleQuery struct {
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"` // E.164: "+15551230000"
	Name  string `json:"name,omitempty"`  // a name or a part of it
}

// Lengths that a query may have.
const (
	maxEmail  = 254 // bytes
	maxQuery  = 100 // code points
	minDigits = 7
	maxDigits = 15
)

// ParsePeopleQuery reads what somebody typed: an e-mail address ("mailto:" may stand in front), a
// telephone number with its country code ("+1 555 123-0000", "tel:" may stand in front), or else a
// name. The error wraps ErrInvalidQuery, whose text says what is wrong.
func ParsePeopleQuery(text string) (PeopleQuery, error) {
	text = strings.TrimSpace(text)
	email, isEmail := cutScheme(text, "mailto:")
	phone, isPhone := cutScheme(text, "tel:")
	switch {
	case isEmail || strings.Contains(text, "@"):
		return parseEmail(email)
	case isPhone || strings.HasPrefix(text, "+") || looksLikePhone(text):
		return parsePhone(phone)
	}
	name := CleanLine(text, maxQuery+1)
	switch {
	case name == "":
		return PeopleQuery{}, fmt.Errorf("%w: it is empty", ErrInvalidQuery)
	case len([]rune(name)) > maxQuery:
		return PeopleQuery{}, fmt.Errorf("%w: a name has at most %d characters", ErrInvalidQuery, maxQuery)
	}
	return PeopleQuery{Name: name}, nil
}

func cutScheme(text, scheme string) (rest string, ok bool) {
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return text, false
	}
	return strings.TrimSpace(text[len(scheme):]), true
}

// looksLikePhone reports whether a text has digits and nothing but what telephone numbers have.
func looksLikePhone(text string) bool {
	return strings.ContainsFunc(text, isDigit) && !strings.ContainsFunc(text, func(r rune) bool { return !isDigit(r) && !strings.ContainsRune(phoneMarks, r) })
}

// phoneMarks are what people write between the digits of a telephone number.
const phoneMarks = "+-()./ \u00a0"

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func parseEmail(text string) (PeopleQuery, error) {
	local, host, ok := strings.Cut(text, "@")
	if !ok || local == "" || host == "" || len(text) > maxEmail || strings.Contains(host, "@") ||
		strings.ContainsFunc(text, func(r rune) bool {
			return r <= ' ' || r == 0x7f || strings.ContainsRune(`<>"(),:;\[]`, r) || unicode.IsSpace(r) || unicode.IsControl(r)
		}) {
		return PeopleQuery{}, fmt.Errorf("%w: that is no e-mail address", ErrInvalidQuery)
	}
	return PeopleQuery{Email: strings.ToLower(text)}, nil
}

func parsePhone(text string) (PeopleQuery, error) {
	if !looksLikePhone(text) {
		return PeopleQuery{}, fmt.Errorf("%w: that is no telephone number", ErrInvalidQuery)
	}
	digits := strings.Map(func(r rune) rune {
		if isDigit(r) {
			return r
		}
		return -1
	}, text)
	switch {
	case !strings.HasPrefix(text, "+"):
		return PeopleQuery{}, fmt.Errorf("%w: a telephone number begins with + and its country code", ErrInvalidQuery)
	case len(digits) < minDigits || len(digits) > maxDigits || strings.Contains(text[1:], "+") || digits[0] == '0':
		return PeopleQuery{}, fmt.Errorf("%w: that is no telephone number", ErrInvalidQuery)
	}
	return PeopleQuery{Phone: "+" + digits}, nil
}
