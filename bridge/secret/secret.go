// Package secret recognises credentials of a Google account (protocol §4) in what people
// write: refresh tokens, access tokens, authorization codes, and session cookies as a
// header, a cURL command, JSON or a table. It is pure: the same text always gets the same
// answer.
package secret

import (
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// strongCookies are the cookies that are worth a session and have names of their own;
// weakCookies have names that other things have too, SSID a wireless network for example.
const (
	strongCookies = `(?i:S?APISID|__Secure-[13]P(?:APISID|SID(?:R?TS|CC)?)|__Secure-OSID|__Host-[13]PLSID)`
	weakCookies   = `(?:[HSOL]?SID|NID)`
	anyCookie     = `(?:S?APISID|__Secure-[13]P(?:APISID|SID(?:R?TS|CC)?)|[HSOL]?SID)`

	// between stands between a name and its value: in a header, JSON, YAML, Markdown, a table
	// or a sentence.
	between = `(?:\W|\b(?:is|value)\b){1,12}?`
	value   = `([\w./+%-]{15,})`
	slash   = `(?:\\?/|%(?:25)?2[Ff]|\\u002[Ff])` // as it is, and as JSON and URLs write it
)

// form is what a credential looks like. The group of its pattern is the value, which fits
// has to accept; without a group the pattern is enough.
type form struct {
	*regexp.Regexp
	fits func(value string, after byte) bool
}

var forms = []form{
	{regexp.MustCompile(`(?:^|[^/\w])1` + slash + slash + `([\w-]{20,})`), random}, // refresh token
	{regexp.MustCompile(`(?:^|[^/+\w])1` + slash + `([\w-]{20,})`), token},         // older refresh token
	{regexp.MustCompile(`(?:^|[^/+\w]|oauth2_)4` + slash + `([\w-]{20,})`), code},  // authorization code
	{regexp.MustCompile(`\bya29\.([\w.-]{20,})`), random},                          // access token
	{regexp.MustCompile(`\baas_et/([\w-]{20,})`), random},                          // master token
	{regexp.MustCompile(`\b(?:g\.a000|sidts-)([\w-]{30,})`), random},               // SID and its kin, whatever their name
	{regexp.MustCompile(`\b` + strongCookies + between + value), random},
	{regexp.MustCompile(`\bSID\\?["']?\s*[=:\s]\s*\\?["']?([\w./+%-]{50,})`), random},
	{regexp.MustCompile(`\b` + weakCookies + `=` + value + `;`), token}, // as in a header of several
	{regexp.MustCompile(`(?i:cookie):[^\n]*\b` + anyCookie + `=` + value), random},
	{regexp.MustCompile(`["']name["']\s*:\s*["']` + anyCookie + `["'][^{}]*?["']value["']\s*:\s*["']([^"'\s]{15,})["']`), cookie}, // exported by a browser's extension
	{regexp.MustCompile(`["']value["']\s*:\s*["']([^"'\s]{15,})["'][^{}]*["']name["']\s*:\s*["']` + anyCookie + `["']`), cookie},
	{regexp.MustCompile(`["']` + anyCookie + `["']\s*:\s*["']([^"'\s]{15,})["']`), cookie},
	{regexp.MustCompile(`(?i)\bSAPISIDHASH[ +]\d+_\w{20,}`), nil},
}

// inline are the tags of HTML that may stand inside of a secret; the others end a word.
var (
	inline = regexp.MustCompile(`(?i)</?(?:a|b|i|u|s|em|strong|code|span|font|del|wbr|sub|sup|tt|mark)\b[^<>]*>`)
	markup = regexp.MustCompile(`<[^<>]*>`)
)

// escaped is a character as URLs, also in URLs, JSON and JavaScript write it.
var escaped = regexp.MustCompile(`(?:%(?:25)*|\\u00|\\x)[0-7][0-9A-Fa-f]|\\[nrt]`)

func unescape(found string) string {
	code, err := strconv.ParseUint(found[len(found)-2:], 16, 8)
	if err != nil {
		return " " // a line break or a tab
	}
	return string(rune(code))
}

// In reports whether a text holds what looks like a credential, also with escaped characters,
// with the backslashes of Markdown and with invisible characters in it.
func In(text string) bool {
	if in(text) {
		return true
	}
	plain := strings.Map(func(r rune) rune {
		if r == '\\' || unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, escaped.ReplaceAllStringFunc(text, unescape))
	return plain != text && in(plain)
}

func in(text string) bool {
	return slices.ContainsFunc(forms, func(f form) bool {
		for _, found := range f.FindAllStringSubmatchIndex(text, -1) {
			if f.fits == nil {
				return true
			}
			after := byte(0)
			if found[3] < len(text) {
				after = text[found[3]]
			}
			if f.fits(text[found[2]:found[3]], after) {
				return true
			}
		}
		return false
	})
}

// random reports whether a value has capital and small letters and digits, as encoded
// random bytes have and words, dates and numbers have not. The name of a cookie is no value.
func random(value string, _ byte) bool {
	return strings.ContainsFunc(value, unicode.IsUpper) && strings.ContainsFunc(value, unicode.IsLower) && strings.ContainsFunc(value, unicode.IsDigit) &&
		!strings.HasPrefix(value, "__Secure-") && !strings.HasPrefix(value, "__Host-")
}

// token is random for a form that ordinary text may have too: the kinds of characters change
// more often than in ReleaseNotes2024, and the value is not a piece of a longer one in base64.
func token(value string, after byte) bool {
	changes, pairs := 0, 0
	for n := 1; n < len(value); n++ {
		if before, now := kind(value[n-1]), kind(value[n]); before != 0 && now != 0 {
			pairs++
			if before != now {
				changes++
			}
		}
	}
	return random(value, after) && 5*changes > 2*pairs && !strings.ContainsRune("/+=", rune(after))
}

// kind tells capital letters, small letters and digits apart; 0 is everything else.
func kind(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return 1
	case 'a' <= c && c <= 'z':
		return 2
	case '0' <= c && c <= '9':
		return 3
	}
	return 0
}

// code is token for authorization codes, which begin with 0 or 1 today.
func code(value string, after byte) bool {
	if value[0] == '0' || value[0] == '1' {
		return random(value, after) && !strings.ContainsRune("/+=", rune(after))
	}
	return token(value, after)
}

// cookie is random for what is named as a cookie: HSID and SSID are short, begin with A and
// look random; the names of wireless networks do not.
func cookie(value string, after byte) bool {
	return random(value, after) && (len(value) >= 30 || value[0] == 'A' && token(value, after))
}

// notText are the keys of an event's content whose values are made by programs, and random.
var notText = map[string]bool{
	"url": true, "file": true, "info": true, "thumbnail_url": true, "thumbnail_file": true, "event_id": true, "redacts": true, "m.mentions": true,
}

// InContent reports whether any text of a Matrix event's content holds what looks like a
// credential: captions, edits, quotes of other messages and HTML included.
func InContent(content any) bool {
	switch part := content.(type) {
	case string:
		if In(part) {
			return true
		}
		shown := html.UnescapeString(markup.ReplaceAllString(inline.ReplaceAllString(part, ""), " "))
		links := html.UnescapeString(part)
		return shown != part && In(shown) || links != part && In(links)
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
