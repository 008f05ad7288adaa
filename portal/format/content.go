package format

import (
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"

	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// FromContent is the rich text of a message from Matrix, or the caption of a file: its HTML if it has
// any, else its body, with its bare URLs as links. A body is never read as Markdown. The copy of
// the message that a reply answers is left out.
func FromContent(content *event.MessageEventContent, names *Names) chat.Text {
	body, formatted := content.Body, content.FormattedBody
	if content.MsgType.IsMedia() {
		if body = content.GetCaption(); body == "" {
			return nil
		}
	}
	if content.Format == event.FormatHTML && formatted != "" {
		if text := fromHTML(formatted, names); !text.Empty() {
			return names.Named(text).Linked()
		}
	}
	if content.RelatesTo.GetReplyTo() != "" {
		body = withoutFallback(body)
	}
	return names.Named(chat.Plain(body)).Linked()
}

// code is what stands between backticks.
var code = regexp.MustCompile("`([^`]+)`")

// Line is a notice of the bot's; what stands between backticks shows as code.
func Line(text string) *event.MessageEventContent {
	content := &event.MessageEventContent{MsgType: event.MsgNotice, Body: text, Mentions: &event.Mentions{}}
	if formatted := code.ReplaceAllString(html.EscapeString(text), "<code>$1</code>"); code.MatchString(text) {
		content.Format, content.FormattedBody = event.FormatHTML, formatted
	}
	return content
}

// WithoutFallback returns body and HTML of a reply without the copy of the message that it answers.
func WithoutFallback(content *event.MessageEventContent) (body, formatted string) {
	return withoutFallback(content.Body), event.TrimReplyFallbackHTML(content.FormattedBody)
}

// withoutFallback is a body without the lines that older clients put before a reply:
// "> <@carl:example.org> what is answered".
func withoutFallback(body string) string {
	if !strings.HasPrefix(body, "> <@") && !strings.HasPrefix(body, "> * <@") {
		return body
	}
	rest := strings.Split(body, "\n")
	for len(rest) > 0 && strings.HasPrefix(rest[0], ">") {
		rest = rest[1:]
	}
	return strings.TrimLeft(strings.Join(rest, "\n"), "\r\n")
}

func longestFirst(m map[string]string) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
}

// maxQuote is how many characters of a message its quote shows.
const maxQuote = 100

// Quote is the line that says which message is answered: "> Carl: where?". It is empty if the message
// shows nothing. Of a message that is an answer itself, what it answers is left out.
func Quote(author string, m *chat.Message) chat.Text {
	said := withoutQuote(m.Text.String())
	if len(m.Attachments) > 0 && strings.TrimSpace(said) == "" {
		said = map[chat.AttachmentKind]string{chat.AttachPhoto: "(photo)", chat.AttachVideo: "(video)", chat.AttachPlace: "(place)"}[m.Attachments[0].Kind]
		if said == "" {
			said = "(attachment)"
		}
	}
	said = strings.Join(strings.Fields(chat.CleanLine(said, len(said)+1)), " ")
	short := chat.CleanLine(said, maxQuote)
	if short == "" {
		return nil
	}
	if short != said {
		short += "…"
	}
	between := ": "
	if m.Emote {
		between = " "
	}
	return chat.Text{{Kind: chat.SegmentText, Text: "> " + author + between + short}}
}

// withoutQuote is a text without the quote that it begins with, unless there is nothing else.
func withoutQuote(text string) string {
	rest := strings.Split(text, "\n")
	for len(rest) > 0 && strings.HasPrefix(rest[0], ">") {
		rest = rest[1:]
	}
	if own := strings.Join(rest, "\n"); strings.TrimSpace(own) != "" {
		return own
	}
	return text
}
