package classic

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// personID is the id of a participant (protocol §11.1): both parts hold the same text,
// and requests may give only one.
func personID(id *pb.ParticipantId) chat.PersonID {
	text := id.GetGaiaId()
	if text == "" {
		text = id.GetChatId()
	}
	parsed, err := chat.ParsePersonID(text)
	if err != nil {
		return ""
	}
	return parsed
}

// person turns an entity into a person (protocol §11.2).
func person(e *pb.Entity) chat.Person {
	properties := e.GetProperties()
	p := chat.Person{
		ID:        personID(e.GetId()),
		FullName:  chat.CleanName(properties.GetDisplayName()),
		FirstName: chat.CleanName(properties.GetFirstName()),
		Phones:    properties.GetPhone(),
	}
	if canonical := properties.GetCanonicalEmail(); canonical != "" {
		p.Emails = append(p.Emails, canonical)
	}
	for _, email := range properties.GetEmail() {
		if email != properties.GetCanonicalEmail() {
			p.Emails = append(p.Emails, email)
		}
	}
	if p.FirstName == "" && p.NameKind() == chat.NameReal {
		p.FirstName = strings.Fields(p.FullName)[0]
	}
	if url := properties.GetPhotoUrl(); url != "" && properties.GetPhotoUrlStatus() != pb.PhotoUrlStatus_PHOTO_URL_STATUS_PLACEHOLDER {
		if strings.HasPrefix(url, "//") {
			url = "https:" + url
		}
		p.Avatar = refOf(url)
	}
	return p.Clean()
}

// maxID is the longest id in bytes that the service is expected to give.
const maxID = 255

// validID reports whether an id of a conversation or an event can be used as one: it becomes a part
// of our own ids, of log lines and of tags.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && utf8.ValidString(id) && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || !unicode.IsPrint(r) })
}
