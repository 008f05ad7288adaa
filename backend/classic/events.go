package classic

import (
	"fmt"
	"strconv"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// callPage is where a call of a conversation can be joined (protocol §10.4).
const callPage = "https://plus.google.com/hangouts/_/CONVERSATION/"

// event turns an event of the service into ours; ok is false for one without the ids and
// the time that every event has, and for those that are not shown.
func event(e *pb.Event) (out account.ReceivedEvent, ok bool) {
	out.Event = chat.Event{
		V:            chat.Version,
		Conversation: chat.ConversationID(e.GetConversationId().GetId()),
		ID:           chat.EventID(e.GetEventId()),
		Time:         int64(e.GetTimestamp()),
		Author:       personID(e.GetSenderId()),
		Expires:      int64(e.GetExpirationTimestamp()),
	}
	if !validID(string(out.Conversation)) || !validID(string(out.ID)) || out.Time <= 0 || out.Author == "" {
		return out, false
	}
	if id, err := strconv.ParseUint(e.GetSelfEventState().GetClientGeneratedId(), 10, 64); err == nil {
		out.RequestID = id
	}
	if !content(e, &out.Event) {
		return out, false
	}
	out.Event = out.Event.Clean()
	return out, true
}

// content fills what happened: the first content that is there decides (protocol §10.1).
func content(e *pb.Event, out *chat.Event) bool {
	switch {
	case e.GetChatMessage() != nil:
		out.Kind, out.Message = chat.KindMessage, message(e)
	case e.GetOtrModification() != nil:
		off := e.GetOtrModification().GetNewOtrStatus() == pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
		out.Kind, out.HistoryMode = chat.KindHistoryMode, &chat.HistoryMode{Off: off}
	case e.GetConversationRename() != nil:
		r := e.GetConversationRename()
		out.Kind, out.Rename = chat.KindRename, &chat.Rename{Old: r.GetOldName(), New: r.GetNewName()}
	case e.GetMembershipChange() != nil:
		return membership(e.GetMembershipChange(), out)
	case e.GetHangoutEvent() != nil:
		return hangoutCall(e.GetHangoutEvent(), out)
	case e.GetGroupLinkSharingModification() != nil:
		on := e.GetGroupLinkSharingModification().GetNewStatus() == pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON
		out.Kind, out.LinkSharing = chat.KindLinkSharing, &chat.LinkSharing{On: on}
	default:
		return notice(e, out)
	}
	return true
}

func membership(change *pb.MembershipChange, out *chat.Event) bool {
	m := &chat.Membership{Joined: change.GetType() == pb.MembershipChangeType_MEMBERSHIP_CHANGE_TYPE_JOIN}
	for _, id := range change.GetParticipantIds() {
		if p := personID(id); p != "" {
			m.People = append(m.People, p)
		}
	}
	out.Kind, out.Membership = chat.KindMembership, m
	return len(m.People) > 0
}

func hangoutCall(h *pb.HangoutEvent, out *chat.Event) bool {
	out.Kind = chat.KindCall
	switch h.GetEventType() {
	case pb.HangoutEventType_HANGOUT_EVENT_TYPE_START:
		out.Call = &chat.Call{URL: callPage + string(out.Conversation)}
	case pb.HangoutEventType_HANGOUT_EVENT_TYPE_END:
		out.Call = &chat.Call{Ended: true}
	default:
		return false // somebody joining or a call going on is not worth a line
	}
	return true
}

// notices are the events that have no content we could show.
var notices = map[pb.EventType]string{
	pb.EventType_EVENT_TYPE_VOICEMAIL:  "left a voicemail",
	pb.EventType_EVENT_TYPE_PHONE_CALL: "made a phone call",
}

func notice(e *pb.Event, out *chat.Event) bool {
	text, known := notices[e.GetEventType()]
	switch {
	case e.GetEventType() == pb.EventType_EVENT_TYPE_OBSERVED_EVENT:
		return false
	case !known:
		text = fmt.Sprintf("did something that cannot be shown here (event type %d)", e.GetEventType())
	}
	out.Kind, out.Notice = chat.KindNotice, &chat.Notice{Text: text}
	return true
}

// annotationMe marks a "/me" message.
const annotationMe = 4

// message turns a message's content into rich text and attachments (protocol §10.2).
func message(e *pb.Event) *chat.Message {
	m := &chat.Message{SMS: e.GetEventType() == pb.EventType_EVENT_TYPE_SMS || e.GetEventType() == pb.EventType_EVENT_TYPE_MMS}
	for _, annotation := range e.GetChatMessage().GetAnnotation() {
		if annotation.GetType() == annotationMe {
			m.Emote = true
		}
	}
	for _, segment := range e.GetChatMessage().GetMessageContent().GetSegment() {
		m.Text = append(m.Text, segments(segment)...)
	}
	for _, a := range e.GetChatMessage().GetMessageContent().GetAttachment() {
		m.Attachments = append(m.Attachments, attachment(a.GetEmbedItem()))
	}
	return m
}

// segments is one segment of the service; more than one of ours only if its text holds
// line ends, which ours never does.
func segments(s *pb.Segment) chat.Text {
	if s.GetType() == pb.SegmentType_SEGMENT_TYPE_LINE_BREAK {
		return chat.Text{{Kind: chat.SegmentBreak}}
	}
	text := chat.Plain(s.GetText())
	f := s.GetFormatting()
	for i := range text {
		if text[i].Kind != chat.SegmentText {
			continue
		}
		text[i].Bold, text[i].Italic = f.GetBold(), f.GetItalic()
		text[i].Strike, text[i].Under = f.GetStrikethrough(), f.GetUnderline()
		if target := s.GetLinkData().GetLinkTarget(); s.GetType() == pb.SegmentType_SEGMENT_TYPE_LINK && target != "" {
			text[i].Kind, text[i].Target = chat.SegmentLink, unwrap(target)
		}
	}
	return text
}

func attachment(item *pb.EmbedItem) chat.Attachment {
	switch {
	case item.GetPlusPhoto() != nil:
		return photo(item.GetPlusPhoto())
	case item.GetPlace() != nil:
		p := item.GetPlace()
		geo := p.GetGeo().GetGeoCoordinates()
		return chat.Attachment{Kind: chat.AttachPlace, URL: p.GetUrl(), Name: p.GetName(),
			Address:   p.GetAddress().GetPostalAddress().GetStreetAddress(),
			Thumbnail: p.GetRepresentativeImage().GetImage().GetUrl(), Preview: refOf(p.GetRepresentativeImage().GetImage().GetUrl()),
			Latitude: geo.GetLatitude(), Longitude: geo.GetLongitude()}
	default:
		return chat.Attachment{Kind: chat.AttachOther, URL: item.GetId()}
	}
}

func photo(p *pb.PlusPhoto) chat.Attachment {
	a := chat.Attachment{Kind: chat.AttachPhoto, Thumbnail: p.GetThumbnail().GetImageUrl(),
		Animated: p.GetMediaType() == pb.PlusPhoto_MEDIA_TYPE_ANIMATED_PHOTO}
	for _, url := range []string{p.GetOriginalContentUrl(), p.GetUrl(), p.GetThumbnail().GetImageUrl()} {
		if url != "" {
			a.URL = url
			break
		}
	}
	if p.GetMediaType() == pb.PlusPhoto_MEDIA_TYPE_VIDEO {
		a.Kind, a.Preview = chat.AttachVideo, refOf(a.Thumbnail)
		if p.GetDownloadUrl() != "" {
			a.URL = p.GetDownloadUrl()
		}
	}
	a.Ref = refOf(a.URL)
	return a
}
