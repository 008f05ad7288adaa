package portal

import (
	"cmp"
	"slices"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func compareNames(a, b chat.Person) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.DisplayName()), strings.ToLower(b.DisplayName())), cmp.Compare(a.ID, b.ID))
}

// has reports whether an e-mail address or telephone number is a person's.
func has(p chat.Person, identifier string) bool {
	identifier = strings.TrimSpace(strings.ToLower(identifier))
	return slices.ContainsFunc(p.Emails, func(email string) bool { return strings.ToLower(email) == identifier }) ||
		slices.ContainsFunc(p.Phones, func(phone string) bool { return digits(phone) != "" && digits(phone) == digits(identifier) })
}

// digits are the digits of a telephone number, "" if s is none.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// matches reports whether a person's name or address holds all words of a query.
func matches(p chat.Person, query string) bool {
	text := strings.ToLower(strings.Join(append([]string{p.DisplayName()}, p.Emails...), " "))
	for _, word := range strings.Fields(strings.ToLower(query)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// errorOf is an error of a command or of the provisioning API, with the sentence for the person.
func errorOf(err error) error {
	if err == nil {
		return nil
	}
	return bridgev2.RespError(mautrix.MUnknown.WithMessage("%s", Sentence(err)))
}
