package format

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Calls reports whether a text calls a person by the full or the first name: as words of their own, in
// any case.
func Calls(text chat.Text, p chat.Person) bool {
	if p.NameKind() != chat.NameReal {
		return false
	}
	said := folded(text.String())
	return slices.ContainsFunc([]string{p.FullName, p.ShortName()}, func(name string) bool {
		name = folded(name)
		return utf8.RuneCountInString(name) > 1 && holdsWord(said, name)
	})
}

// folded is text without differences of case, composition and white space.
func folded(s string) string {
	return strings.Join(strings.Fields(norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))), " ")
}

func holdsWord(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		begin, end := from+at, from+at+len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:begin])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if !inWord(before, begin > 0) && !inWord(after, end < len(text)) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[begin:])
		from = begin + size
	}
}

// inWord reports whether a character beside a name makes it a part of a longer word. Scripts without
// spaces between words, or with particles that follow names at once, know no such thing.
func inWord(r rune, there bool) bool {
	return there && r != utf8.RuneError && (unicode.In(r, unicode.L, unicode.N, unicode.M) || r == '_') &&
		!unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}
