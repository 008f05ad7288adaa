package format

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Names says how the network calls those who are mentioned in Matrix. The nil value knows nobody.
type Names struct {
	// Of is the name of a Matrix user or ghost, "" for a stranger, whose Matrix id goes nowhere.
	Of func(id.UserID) string
	// Shown are the names by what ghosts are called in Matrix, such as "Carl (Hangouts)".
	Shown map[string]string
	// Domain is that of the homeserver: "@alice" is a user of it.
	Domain string
}

func (n *Names) of(user id.UserID) string {
	if n == nil || n.Of == nil {
		return ""
	}
	return n.Of(user)
}

// place is what a matrix.to or matrix: link leads to.
type place struct{ *id.MatrixURI }

func parsePlace(target string) (place, bool) {
	if lower := strings.ToLower(target); !strings.HasPrefix(lower, "https://matrix.to/") && !strings.HasPrefix(lower, "http://matrix.to/") && !strings.HasPrefix(lower, "matrix:") {
		return place{}, false
	}
	if _, rest, ok := strings.Cut(target, "://matrix.to/"); ok {
		target = "https://matrix.to/" + rest
	}
	uri, err := id.ParseMatrixURIOrMatrixToURL(target)
	if err != nil {
		return place{}, true
	}
	return place{uri}, true
}

// label is what a link to a place says: the name of a user, else its own text, else what it leads to.
func (p place) label(own string, names *Names) string {
	own = strings.TrimSpace(own)
	if p.MatrixURI != nil && p.UserID() != "" {
		if name := names.of(p.UserID()); name != "" {
			return name
		}
		if own == "" || isAddress(own) || strings.Contains(own, string(p.UserID())) {
			return "@" + p.UserID().Localpart()
		}
		return own
	}
	if own != "" && !isAddress(own) && !strings.HasPrefix(own, "!") && !strings.HasPrefix(own, "$") {
		return own
	}
	switch {
	case p.MatrixURI == nil:
		return "[a link to Matrix]"
	case p.EventID() != "":
		return "[a message in Matrix]"
	case p.RoomAlias() != "":
		return string(p.RoomAlias())
	default:
		return "[a room in Matrix]"
	}
}

func isAddress(s string) bool {
	_, ok := parsePlace(s)
	return ok
}

var (
	bareAddress = regexp.MustCompile(`(?i)https?://matrix\.to/#/[^\s<>"]*|\bmatrix:(?:u|r|roomid)/[^\s<>"]+`)
	mention     = regexp.MustCompile(`@[0-9A-Za-z._=/+-]+(?::(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)?`)
)

// Named is the text with those it mentions called by their names.
func (n *Names) Named(text chat.Text) chat.Text {
	var shown *strings.Replacer
	if n != nil && len(n.Shown) > 0 {
		shown = n.replacer()
	}
	out := make(chat.Text, len(text))
	for i, segment := range text {
		if segment.Kind != chat.SegmentBreak {
			if segment.Text = bareAddress.ReplaceAllStringFunc(segment.Text, n.address); shown != nil {
				segment.Text = shown.Replace(segment.Text)
			}
			segment.Text = n.mentions(segment.Text)
		}
		out[i] = segment
	}
	return out
}

// replacer exchanges names of ghosts; of two that begin alike the longer one counts.
func (n *Names) replacer() *strings.Replacer {
	var pairs []string
	for _, shown := range longestFirst(n.Shown) {
		pairs = append(pairs, "@"+shown, n.Shown[shown], shown, n.Shown[shown])
	}
	return strings.NewReplacer(pairs...)
}

func (n *Names) address(s string) string {
	bare := strings.TrimRight(s, ".,;:!?)'*_")
	p, _ := parsePlace(bare)
	return p.label("", n) + s[len(bare):]
}

// mentions exchanges what looks like "@alice" or a Matrix id. E-mail addresses and paths stay.
func (n *Names) mentions(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	var out strings.Builder
	end := 0
	for _, at := range mention.FindAllStringIndex(s, -1) {
		before, _ := utf8.DecodeLastRuneInString(s[:at[0]])
		if at[0] > 0 && (unicode.IsLetter(before) || unicode.IsNumber(before) || before == '/' || before == '_') {
			continue
		}
		found := strings.TrimRight(s[at[0]:at[1]], ".-=/+_")
		if name := n.mentioned(found); name != "" {
			out.WriteString(s[end:at[0]] + name)
			end = at[0] + len(found)
		}
	}
	return out.String() + s[end:]
}

// mentioned is what stands for "@alice" or a Matrix id, "" if it stays.
func (n *Names) mentioned(s string) string {
	local, domain, full := strings.Cut(s, ":")
	if !full {
		if n == nil {
			return ""
		}
		return n.of(id.UserID(s + ":" + n.Domain))
	}
	if name := n.of(id.UserID(s)); name != "" {
		return name
	}
	isDomain := strings.HasPrefix(domain, "[") || strings.Count(domain, ".") == 3 ||
		strings.Contains(domain, ".") && strings.ContainsFunc(domain, unicode.IsLetter)
	if isDomain || n != nil && domain == n.Domain || domain == "localhost" {
		return local
	}
	return ""
}
