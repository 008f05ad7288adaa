package chat

import (
	"strings"
	"unicode"
)

// NameKind grades how good a person's name is; a better one replaces a worse one, never
// the reverse (protocol §11.3).
type NameKind int

// Kinds of names, from worst to best.
const (
	NameUnknown NameKind = iota // nothing known
	NameNumeric                 // a telephone number or the like
	NameReal                    // a name
)

// UnknownName is the name of a person of whom no name is known.
const UnknownName = "Unknown"

// Person is somebody who takes part in conversations, as one account sees them.
type Person struct {
	ID        PersonID `json:"id"`
	FullName  string   `json:"full_name,omitempty"`
	FirstName string   `json:"first_name,omitempty"`
	Avatar    []byte   `json:"avatar,omitempty"` // handle of the photo for Connection.Open
	Emails    []string `json:"emails,omitempty"`
	Phones    []string `json:"phones,omitempty"` // E.164
}

// NameKind grades p's full name.
func (p Person) NameKind() NameKind {
	switch {
	case p.FullName == "" || p.FullName == UnknownName || strings.EqualFold(p.FullName, "unknown"):
		return NameUnknown
	case !strings.ContainsFunc(p.FullName, unicode.IsLetter):
		return NameNumeric
	default:
		return NameReal
	}
}

// DisplayName is the best text for p: full name, first name, e-mail, telephone number,
// id; never empty unless p has no id.
func (p Person) DisplayName() string {
	if p.NameKind() == NameReal {
		return p.FullName
	}
	for _, s := range append(append([]string{p.FirstName}, p.Emails...), p.Phones...) {
		if s != "" && !strings.EqualFold(s, UnknownName) {
			return s
		}
	}
	if p.NameKind() == NameNumeric {
		return p.FullName
	}
	if phone, ok := p.ID.Phone(); ok {
		return phone
	}
	return string(p.ID)
}

// ShortName is the first name, or else the first word of DisplayName.
func (p Person) ShortName() string {
	if p.NameKind() == NameReal {
		if p.FirstName != "" {
			return p.FirstName
		}
		if words := strings.Fields(p.FullName); len(words) > 0 {
			return words[0]
		}
	}
	return p.DisplayName()
}

// Merge returns p with what newer adds: its name if that is at least as good, every
// other field that it fills. Looked-up data (authoritative) also replaces an equally
// good name; a participant's fallback name must be strictly better.
func (p Person) Merge(newer Person, authoritative bool) Person {
	better := newer.NameKind() > p.NameKind() || (authoritative && newer.NameKind() == p.NameKind())
	if better && newer.FullName != "" {
		p.FullName, p.FirstName = newer.FullName, newer.FirstName
	}
	if len(newer.Avatar) > 0 {
		p.Avatar = newer.Avatar
	}
	if len(newer.Emails) > 0 {
		p.Emails = newer.Emails
	}
	if len(newer.Phones) > 0 {
		p.Phones = newer.Phones
	}
	return p
}
