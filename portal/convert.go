package portal

import (
	"fmt"
	"strings"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
)

// maxContentCost bounds one Matrix event: 64 KiB in all, less what encryption and the
// envelope add.
const maxContentCost = 30_000

// contentCost is what text costs in an event: once in the body, once in the HTML, each
// escaped.
func contentCost(s string) int {
	n := 2 * len(s)
	for _, c := range []byte(s) {
		switch {
		case c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' || c == '\\':
			n += 10
		case c < ' ':
			n += 10
		}
	}
	return n
}

// names are the names of people as they stand in lines about them.
type names func(chat.PersonID) string

func namesOf(people map[chat.PersonID]chat.Person) names {
	return func(id chat.PersonID) string {
		person := people[id]
		person.ID = id
		return person.DisplayName()
	}
}

// convert makes the parts of the Matrix message that shows an event. The same event
// always makes the same parts. history says that changes of the room are told as lines,
// too. A text that calls one of called by name mentions that user.
func convert(e chat.Event, name names, history bool, called ...Login) []*bridgev2.ConvertedMessagePart {
	var contents []*event.MessageEventContent
	if e.Kind == chat.KindMessage && e.Message != nil {
		contents = messageContents(e.Message, called)
	} else if line := noticeLine(e, name, history); line != "" {
		for _, piece := range format.Split(chat.Plain(line), maxContentCost, contentCost) {
			contents = append(contents, format.Content(event.MsgNotice, piece))
		}
	}
	parts := make([]*bridgev2.ConvertedMessagePart, len(contents))
	for i, content := range contents {
		parts[i] = &bridgev2.ConvertedMessagePart{ID: ids.MakePartID(i), Type: event.EventMessage, Content: content}
	}
	return parts
}

func messageContents(m *chat.Message, called []Login) (contents []*event.MessageEventContent) {
	kind := event.MsgText
	if m.Emote {
		kind = event.MsgEmote
	}
	if !m.Text.Empty() {
		for _, piece := range format.Split(m.Text, maxContentCost, contentCost) {
			contents = append(contents, format.Content(kind, piece, calledIn(piece, called)...))
		}
	}
	for _, attachment := range m.Attachments {
		contents = append(contents, format.Content(event.MsgText, attachmentText(attachment)))
	}
	if len(contents) == 0 {
		contents = append(contents, format.Content(event.MsgNotice, chat.Plain("(A message without content.)")))
	}
	return contents
}

// attachmentText names an attachment and links to it.
func attachmentText(a chat.Attachment) chat.Text {
	what := map[chat.AttachmentKind]string{
		chat.AttachPhoto: "Photo", chat.AttachVideo: "Video", chat.AttachPlace: "Place",
	}[a.Kind]
	if what == "" {
		what = "Attachment"
	}
	words := []string{what}
	for _, s := range []string{a.Name, a.Address} {
		if s != "" {
			words = append(words, s)
		}
	}
	if a.Latitude != 0 || a.Longitude != 0 {
		words = append(words, fmt.Sprintf("%.6f, %.6f", a.Latitude, a.Longitude))
	}
	text := chat.Plain(strings.Join(words, ": "))
	link := a.URL
	if link == "" {
		link = a.Thumbnail
	}
	if link != "" {
		text = append(text, chat.Segment{Kind: chat.SegmentText, Text: " "}, chat.Segment{Kind: chat.SegmentLink, Text: link, Target: link})
	}
	return text
}

// noticeLine is the line that tells of an event, "" if there is none. Members and names
// change as such in the room, so they make lines only in its history.
func noticeLine(e chat.Event, name names, history bool) string {
	switch {
	case e.HistoryMode != nil && e.HistoryMode.Off:
		return "History is off: new messages are not kept."
	case e.HistoryMode != nil:
		return "History is on."
	case e.LinkSharing != nil && e.LinkSharing.On:
		return "Joining by link is on."
	case e.LinkSharing != nil:
		return "Joining by link is off."
	case e.Call != nil && e.Call.Ended:
		return "The call has ended."
	case e.Call != nil:
		return strings.TrimSpace("A call has begun. " + e.Call.URL)
	case e.Notice != nil:
		return e.Notice.Text
	case history && e.Membership != nil:
		return membershipLine(e, name)
	case history && e.Rename != nil && e.Rename.New == "":
		return "The conversation has no name any more."
	case history && e.Rename != nil:
		return "The conversation is now called: " + e.Rename.New
	}
	return ""
}

func membershipLine(e chat.Event, name names) string {
	who := make([]string, len(e.Membership.People))
	for i, id := range e.Membership.People {
		who[i] = name(id)
	}
	people := strings.Join(who, ", ")
	alone := len(e.Membership.People) == 1 && e.Membership.People[0] == e.Author
	switch {
	case e.Membership.Joined && alone:
		return people + " joined."
	case e.Membership.Joined:
		return name(e.Author) + " added " + people + "."
	case alone:
		return people + " left."
	default:
		return name(e.Author) + " removed " + people + "."
	}
}
