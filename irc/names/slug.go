package names

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/irctext"
)

// Lengths of names in bytes, as announced to clients.
const (
	NickLen    = 32
	ChannelLen = 64
	suffixRoom = 4 // "_" and three characters
)

// nobody is the base of a nick when no name is known; it always gets a suffix.
const nobody = "user"

// NickBase is the nick that a person's name asks for, without regard to others: "user"
// when nothing is known.
func NickBase(p chat.Person) string {
	name := p.DisplayName()
	if name == string(p.ID) {
		name = ""
	}
	if local, _, ok := strings.Cut(name, "@"); ok && !strings.Contains(name, " ") {
		name = local
	}
	s := trim(irctext.CutGraphemes(slug(name), NickLen-suffixRoom-1))
	if s == "" {
		return nobody
	}
	if unicode.IsDigit([]rune(s)[0]) {
		return "_" + s
	}
	return s
}

// ChannelBase is the channel name, "#" included, that a title asks for; "#" alone when
// nothing of it can be used.
func ChannelBase(title string) string {
	return "#" + trim(irctext.CutGraphemes(slug(title), ChannelLen-1-2*suffixRoom))
}

// slug keeps letters, digits, "-" and "_" of a name, with "_" for blanks and dots. Names
// that can mostly be written in ASCII are, so that they are easy to type; others keep
// their letters.
func slug(name string) string {
	var unicodeForm, asciiForm strings.Builder
	letters, survived := 0, 0
	for _, r := range norm.NFKC.String(strings.ToValidUTF8(name, "")) {
		switch {
		case unicode.IsSpace(r) || r == '.' || r == '_':
			unicodeForm.WriteByte('_')
			asciiForm.WriteByte('_')
		case r == '-' || r == '\u2010' || r == '\u2011' || r == '\u2013':
			unicodeForm.WriteByte('-')
			asciiForm.WriteByte('-')
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			letters++
			if s := ascii(r); s != "" {
				survived++
				asciiForm.WriteString(s)
			}
			unicodeForm.WriteRune(r)
		case unicode.In(r, unicode.Mn, unicode.Mc):
			if s := unicodeForm.String(); s != "" && !strings.HasSuffix(s, "_") && !strings.HasSuffix(s, "-") {
				unicodeForm.WriteRune(r)
			}
		}
	}
	if survived*5 > letters*4 {
		return trim(asciiForm.String())
	}
	return trim(norm.NFC.String(unicodeForm.String()))
}

// trim collapses runs of "_" and removes "_" and "-" at the ends.
func trim(s string) string {
	for strings.Contains(s, "__") {
		s = strings.ReplaceAll(s, "__", "_")
	}
	return strings.Trim(s, "_-")
}

// Key is what must be unique about a name: without case, accents, invisible characters,
// and with look-alikes made equal. It is coarser than every casemapping of IRC.
func Key(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		r = unicode.ToLower(unicode.ToUpper(r))
		if unicode.In(r, unicode.Mn, unicode.Cf, unicode.Cc) {
			continue
		}
		if same, ok := lookalikes[r]; ok {
			r = same
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Fold is the casemapping announced to clients ("ascii").
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

var suffixEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// suffix is n characters that depend only on the id.
func suffix(id string, n int) string {
	sum := sha256.Sum256([]byte(id))
	return strings.ToLower(suffixEncoding.EncodeToString(sum[:]))[:n]
}

// reservedKeys are nicks that no person gets: names of services, of this server, and
// words that clients give a meaning.
var reservedKeys = func() map[string]bool {
	set := map[string]bool{}
	for _, s := range []string{nobody, "hangouts", "status", "server", "root", "admin", "operator", "global", "irc", "localhost", "notes", "bridge", "me"} {
		set[Key(s)] = true
	}
	return set
}()

func reserved(key string) bool {
	return reservedKeys[key] || strings.HasSuffix(key, Key("serv"))
}
