package format

import (
	"html"
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// HTML is rich text as Matrix HTML. Everything that comes from the network is escaped;
// links are kept only to web pages and mail addresses.
func HTML(text chat.Text) string {
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

// Content is rich text as the content of a message that mentions users; HTML only where plain text
// would lose something. Without users the mentions are empty, so that no client looks for names, or
// for "@room", in the text.
func Content(kind event.MessageType, text chat.Text, mentions ...id.UserID) *event.MessageEventContent {
	content := &event.MessageEventContent{MsgType: kind, Body: text.String(), Mentions: &event.Mentions{UserIDs: mentions}}
	if text.Styled() {
		content.Format, content.FormattedBody = event.FormatHTML, HTML(text)
	}
	return content
}
