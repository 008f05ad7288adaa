// Package secret recognises credentials of a Google account (protocol §4) in what people
// write: refresh tokens, access tokens, authorization codes, and session cookies as a
// header, a cURL command, JSON or a table. It is pure: the same text always gets the same
// answer.
package secret

import (
	"html"
	"regexp"
	"strings"
	"unicode"
)

// strongCookies are the cookies that are worth a session and have names of their own;
// weakCookies have names that other things have too, SSID a wireless network for example.
const (
	strongCookies = `(?:S?APISID|__Secure-[13]P(?:APISID|SID(?:TS|CC)?))`
	weakCookies   = `(?:[HSOL]?SID|NID)`
	anyCookie     = `(?:S?APISID|__Secure-[13]P(?:APISID|SID(?:TS|CC)?)|[HSOL]?SID)`

	// between stands between a name and its value: in a header, JSON, YAML, or a table.
	between = `\\?["']?\s*(?:=|:|\s)\s*\\?["']?`
	value   = `([\w./+%-]{15,})`
)

// forms are what credentials look like. The group is the value, which must look random;
// without a group the form is enough.
var forms = []*regexp.Regexp{
	regexp.MustCompile(`(?:^|[^/\w])1(?:/|%2[Ff]){1,2}([\w-]{20,})`), // refresh token
	regexp.MustCompile(`(?:^|[^/\w])4(?:/|%2[Ff])([\w-]{20,})`),      // authorization code
	regexp.MustCompile(`\bya29\.([\w.-]{20,})`),                      // access token
	regexp.MustCompile(`\b` + strongCookies + between + value),
	regexp.MustCompile(`\bSID` + between + `([\w./+%-]{50,})`),
	regexp.MustCompile(`\b` + weakCookies + `=` + value + `;`), // as in a header of several
	regexp.MustCompile(`(?i:cookie):[^\n]*\b` + anyCookie + `=` + value),
	regexp.MustCompile(`(?s)"name"\s*:\s*"` + anyCookie + `".*?"value"\s*:\s*"([^"\s]{15,})"`), // exported by a browser's extension
	regexp.MustCompile(`(?s)"value"\s*:\s*"([^"\s]{15,})"[^{}]*"name"\s*:\s*"` + anyCookie + `"`),
	regexp.MustCompile(`"` + anyCookie + `"\s*:\s*"([^"\s]{15,})"`),
	regexp.MustCompile(`(?i)\bSAPISIDHASH[ +]\d+_\w{20,}`),
}

// markup are the tags of HTML, which may stand inside of a secret.
var markup = regexp.MustCompile(`<[^<>]*>`)

// In reports whether a text holds what looks like a credential.
func In(text string) bool {
	for _, form := range forms {
		for _, found := range form.FindAllStringSubmatch(text, -1) {
			if len(found) == 1 || random(found[1]) {
				return true
			}
		}
	}
	return false
}

// random reports whether a value has capital and small letters and digits, as encoded
// random bytes have and words, dates and numbers have not.
func random(value string) bool {
	return strings.ContainsFunc(value, unicode.IsUpper) && strings.ContainsFunc(value, unicode.IsLower) && strings.ContainsFunc(value, unicode.IsDigit)
}

// notText are the keys of an event's content whose values are made by programs, and random.
var notText = map[string]bool{
	"url": true, "file": true, "info": true, "thumbnail_url": true, "thumbnail_file": true, "event_id": true, "m.mentions": true,
}

// InContent reports whether any text of a Matrix event's content holds what looks like a
// credential: captions, edits, quotes of other messages and HTML included.
func InContent(content any) bool {
	switch part := content.(type) {
	case string:
		if In(part) {
			return true
		}
		plain := html.UnescapeString(markup.ReplaceAllString(part, ""))
		return plain != part && In(plain)
	case map[string]any:
		for key, inner := range part {
			if !notText[key] && InContent(inner) {
				return true
			}
		}
	case []any:
		for _, inner := range part {
			if InContent(inner) {
				return true
			}
		}
	}
	return false
}
