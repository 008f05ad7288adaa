package portal

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func compareNames(a, b chat.Person) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.DisplayName()), strings.ToLower(b.DisplayName())), cmp.Compare(a.ID, b.ID))
}

// matches reports whether a query means a person.
func matches(p chat.Person, query chat.PeopleQuery) bool {
	switch {
	case query.Email != "":
		return slices.ContainsFunc(p.Emails, func(email string) bool { return strings.EqualFold(email, query.Email) })
	case query.Phone != "":
		own, _ := p.ID.Phone()
		return own == query.Phone || slices.ContainsFunc(p.Phones, func(phone string) bool {
			known, err := chat.ParsePeopleQuery("tel:" + phone)
			return err == nil && known.Phone == query.Phone
		})
	}
	text := strings.ToLower(strings.Join(append([]string{p.DisplayName()}, p.Emails...), " "))
	for _, word := range strings.Fields(strings.ToLower(query.Name)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// errorOf is an error of a command or of the provisioning API, with the sentence for the person.
func errorOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, chat.ErrInvalidQuery):
		return bridgev2.RespError(mautrix.MInvalidParam.WithMessage("%s", Sentence(err)))
	}
	return bridgev2.RespError(mautrix.MUnknown.WithMessage("%s", Sentence(err)))
}
