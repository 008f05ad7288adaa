package hangouts

import (
	"strings"
	"unicode"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// NameType says how good a name is.
type NameType int

// The types of names, the better one greater.
const (
	DefaultName NameType = iota // none is known
	NumericName                 // a phone number
	RealName
)

// String is the name of the reference's constant.
func (t NameType) String() string {
	switch t {
	case NumericName:
		return "NUMERIC"
	case RealName:
		return "REAL"
	}
	return "DEFAULT"
}

// Name is what a person is called (protocol §11.3).
type Name struct {
	Full, First string
	Type        NameType
}

// unknownName stands for people without a name.
const unknownName = "Unknown"

// NewName makes a name of what the server gives; both parts may be empty.
func NewName(full, first string) Name {
	switch {
	case full == "":
		return Name{unknownName, unknownName, DefaultName}
	case !strings.ContainsFunc(full, unicode.IsLetter):
		return Name{full, full, NumericName}
	case first == "":
		first = strings.Fields(full)[0]
	}
	return Name{full, first, RealName}
}

// EntityName is the name of a person that was looked up.
func EntityName(e *pb.Entity) Name {
	return NewName(e.GetProperties().GetDisplayName(), e.GetProperties().GetFirstName())
}

// ParticipantName is the name of a member as its conversation knows it.
func ParticipantName(p *pb.ConversationParticipantData) Name {
	if p.GetFallbackName() == "unknown" {
		return NewName("", "")
	}
	return NewName(p.GetFallbackName(), "")
}

// Upgrade returns a newer name when it is of a better type, else the name itself.
func (n Name) Upgrade(newer Name) Name {
	if newer.Type > n.Type {
		return newer
	}
	return n
}

// PhotoURL completes the address of a person's photo, which comes without a scheme; empty when
// there is none.
func PhotoURL(address string) string {
	if strings.HasPrefix(address, "//") {
		return "https:" + address
	}
	return address
}
