package portal

import (
	"html"
	"net/url"
	"strings"

	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// toHTML is rich text as Matrix HTML. Everything that comes from the network is escaped;
// links are kept only to web pages and mail addresses.
func toHTML(text chat.Text) string {
	var out strings.Builder
	for _, segment := range text {
		if segment.Kind == chat.SegmentBreak {
			out.WriteString("<br>")
			continue
		}
		openTags, closeTags := styleTags(segment)
		out.WriteString(openTags)
		if segment.Kind == chat.SegmentLink && safeLink(segment.Target) {
			label := segment.Text
			if label == "" {
				label = segment.Target
			}
			out.WriteString(`<a href="` + html.EscapeString(segment.Target) + `">` + html.EscapeString(label) + `</a>`)
		} else {
			out.WriteString(html.EscapeString(chat.Text{segment}.String()))
		}
		out.WriteString(closeTags)
	}
	return out.String()
}

func styleTags(segment chat.Segment) (openTags, closeTags string) {
	for _, style := range []struct {
		on  bool
		tag string
	}{{segment.Bold, "strong"}, {segment.Italic, "em"}, {segment.Strike, "del"}, {segment.Under, "u"}} {
		if style.on {
			openTags += "<" + style.tag + ">"
			closeTags = "</" + style.tag + ">" + closeTags
		}
	}
	return openTags, closeTags
}

func safeLink(target string) bool {
	parsed, err := url.Parse(target)
	if err != nil {
		return false
	}
	return parsed.Scheme == "http" || parsed.Scheme == "https" || parsed.Scheme == "mailto"
}

// textContent is rich text as the content of a message; HTML only where plain text would
// lose something.
func textContent(kind event.MessageType, text chat.Text) *event.MessageEventContent {
	content := &event.MessageEventContent{MsgType: kind, Body: text.String(), Mentions: &event.Mentions{}}
	if text.Styled() {
		content.Format, content.FormattedBody = event.FormatHTML, toHTML(text)
	}
	return content
}
