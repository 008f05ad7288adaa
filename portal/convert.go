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

// converted is a Matrix message that shows an event. The parts of files only link to them until
// the files are loaded.
type converted struct {
	parts []*bridgev2.ConvertedMessagePart
	files []*shownFile
}

func (c *converted) add(content *event.MessageEventContent) *bridgev2.ConvertedMessagePart {
	part := &bridgev2.ConvertedMessagePart{ID: ids.MakePartID(len(c.parts)), Type: event.EventMessage, Content: content}
	c.parts = append(c.parts, part)
	return part
}

// convert makes the parts of the Matrix message that shows an event. The same event
// always makes the same parts. history says that changes of the room are told as lines,
// too. A text that calls one of called by name mentions that user.
func convert(e chat.Event, name names, history bool, called ...Login) *converted {
	c := &converted{}
	if e.Kind == chat.KindMessage && e.Message != nil && e.Message.Deleted {
		return c // nothing is left of it
	} else if e.Kind == chat.KindMessage && e.Message != nil {
		c.message(e.Message, called)
	} else if line := noticeLine(e, name, history); line != "" {
		for _, piece := range format.Split(chat.Plain(line), maxContentCost, contentCost) {
			c.add(format.Content(event.MsgNotice, piece))
		}
	}
	return c
}

// message makes the parts of a message: its text, then its attachments. The text of a message with
// one file is the file's caption.
func (c *converted) message(m *chat.Message, called []Login) {
	kind := event.MsgText
	if m.Emote {
		kind = event.MsgEmote
	}
	var pieces []chat.Text
	if !m.Text.Empty() {
		pieces = format.Split(m.Text, maxContentCost, contentCost)
	}
	if len(pieces) == 1 && !m.Emote && len(m.Attachments) == 1 && isFile(m.Attachments[0]) {
		c.file(m.Attachments[0], pieces[0], calledIn(pieces[0], called)...)
		return
	}
	for _, piece := range pieces {
		c.add(format.Content(kind, piece, calledIn(piece, called)...))
	}
	for _, attachment := range m.Attachments {
		c.file(attachment, nil)
	}
	if len(c.parts) == 0 {
		c.add(format.Content(event.MsgNotice, chat.Plain("(A message without content.)")))
	}
}

// attachmentText names an attachment and links to it. why says why it is not shown, "" if there is
// no reason.
func attachmentText(a chat.Attachment, why string) chat.Text {
	words := []string{attachmentName(a.Kind)}
	if why != "" {
		words[0] += " (" + why + ")"
	}
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

func attachmentName(kind chat.AttachmentKind) string {
	switch kind {
	case chat.AttachPhoto:
		return "Photo"
	case chat.AttachVideo:
		return "Video"
	case chat.AttachAudio, chat.AttachVoice:
		return "Audio"
	case chat.AttachFile:
		return "File"
	case chat.AttachPlace:
		return "Place"
	}
	return "Attachment"
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
