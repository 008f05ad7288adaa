package hangoutstest

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// sendChatMessage: protocol §8.17.
func (c *call) sendChatMessage(req *pb.SendChatMessageRequest) (*pb.SendChatMessageResponse, error) {
	a, err := c.eventArgs(req.GetEventRequestHeader())
	if err != nil {
		return nil, err
	}
	msg := &pb.ChatMessage{Annotation: req.GetAnnotation(), MessageContent: &pb.MessageContent{}}
	proto.Merge(msg.MessageContent, req.GetMessageContent()) // the request itself is kept for inspection
	if spec := req.GetChatMessageSpec(); len(spec) > 0 && len(msg.MessageContent.Segment) == 0 {
		for _, s := range spec {
			msg.MessageContent.Segment = append(msg.MessageContent.Segment, s.GetSegment()...)
		}
	}
	if ph := req.GetExistingMedia().GetPhoto(); ph != nil {
		att, err := c.photo(ph)
		if err != nil {
			return nil, err
		}
		msg.MessageContent.Attachment = append(msg.MessageContent.Attachment, att)
	}
	if place := req.GetLocation().GetPlace(); place != nil {
		msg.MessageContent.Attachment = append(msg.MessageContent.Attachment, placeAttachment(place))
	}
	if err := validMessage(msg); err != nil {
		return nil, err
	}
	a.kind = messageType(req.GetEventRequestHeader())
	a.fill = func(e *pb.Event) { e.ChatMessage = msg }
	e, err := c.s.addEventLocked(a)
	if err != nil {
		return nil, err
	}
	return &pb.SendChatMessageResponse{CreatedEvent: c.created(e)}, nil
}

// messageType keeps the SMS kinds a client asks for; all else is a regular message.
func messageType(h *pb.EventRequestHeader) pb.EventType {
	switch h.GetEventType() {
	case pb.EventType_EVENT_TYPE_SMS, pb.EventType_EVENT_TYPE_MMS:
		return h.GetEventType()
	}
	return pb.EventType_EVENT_TYPE_REGULAR_CHAT_MESSAGE
}

// validMessage refuses a message without content; every segment must have its type, the one
// required field of the schema.
func validMessage(m *pb.ChatMessage) error {
	content := m.GetMessageContent()
	if len(content.GetSegment()) == 0 && len(content.GetAttachment()) == 0 {
		return errInvalidRequest("Message has no content")
	}
	for _, s := range content.GetSegment() {
		if s.Type == nil {
			s.Type = pb.SegmentType_SEGMENT_TYPE_TEXT.Enum()
		}
	}
	return nil
}

func (c *call) photo(ph *pb.Photo) (*pb.Attachment, error) {
	owner := c.person.GaiaID
	if ph.GetUserId() != "" {
		owner = ph.GetUserId()
	}
	stored := c.s.world.photos[ph.GetPhotoId()]
	switch {
	case stored != nil:
		return photoAttachment(owner, stored.ID, stored.path()), nil
	case ph.GetUserId() != "" && ph.GetPhotoId() != "":
		// A sticker of another account: nothing is known of it here.
		return photoAttachment(owner, ph.GetPhotoId(), "https://lh3.googleusercontent.com/-sticker/"+ph.GetPhotoId()), nil
	}
	return nil, errInvalidRequest("Unknown photo")
}

// placeAttachment turns a location into what is pushed (protocol §10.3).
func placeAttachment(place *pb.Place) *pb.Attachment {
	place = proto.Clone(place).(*pb.Place)
	geo := place.GetGeo().GetGeoCoordinates()
	url := fmt.Sprintf("https://maps.google.com/maps?q=%v,%v", geo.GetLatitude(), geo.GetLongitude())
	if place.Url == nil {
		place.Url = proto.String(url)
	}
	place.RepresentativeImage = &pb.EmbedItem{Image: &pb.EmbedItem_Image{
		Url: proto.String(fmt.Sprintf("https://maps.googleapis.com/maps/api/staticmap?center=%v,%v", geo.GetLatitude(), geo.GetLongitude()))}}
	return &pb.Attachment{EmbedItem: &pb.EmbedItem{
		Type: []pb.ItemType{pb.ItemType_ITEM_TYPE_PLACE_V2, pb.ItemType_ITEM_TYPE_PLACE, pb.ItemType_ITEM_TYPE_THING},
		Id:   proto.String(place.GetUrl()), Place: place,
	}}
}

// modifyOTRStatus: protocol §8.18.
func (c *call) modifyOTRStatus(req *pb.ModifyOTRStatusRequest) (*pb.ModifyOTRStatusResponse, error) {
	a, err := c.eventArgs(req.GetEventRequestHeader())
	if err != nil {
		return nil, err
	}
	status := req.GetOtrStatus()
	if status == pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_UNKNOWN {
		return nil, errInvalidRequest("History status is required")
	}
	old := a.conv.OTR
	a.kind, a.otr = pb.EventType_EVENT_TYPE_OTR_MODIFICATION, pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD
	a.head = a.conv.head()
	a.head.OTR = status
	toggle := pb.OffTheRecordToggle_OFF_THE_RECORD_TOGGLE_ENABLED
	a.fill = func(e *pb.Event) {
		e.OtrModification = &pb.OTRModification{
			OldOtrStatus: old.Enum(), NewOtrStatus: status.Enum(), OldOtrToggle: toggle.Enum(), NewOtrToggle: toggle.Enum()}
	}
	e, err := c.s.addEventLocked(a)
	if err != nil {
		return nil, err
	}
	return &pb.ModifyOTRStatusResponse{CreatedEvent: c.created(e)}, nil
}

// setTyping: protocol §8.19.
func (c *call) setTyping(req *pb.SetTypingRequest) (*pb.SetTypingResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if req.GetType() == pb.TypingType_TYPING_TYPE_UNKNOWN {
		return nil, errInvalidRequest("Typing type is required")
	}
	us := c.s.typingLocked(conv, c.person.GaiaID, req.GetType(), c.clientID)
	return &pb.SetTypingResponse{Timestamp: proto.Uint64(us)}, nil
}

// setFocus: protocol §8.20.
func (c *call) setFocus(req *pb.SetFocusRequest) (*pb.SetFocusResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if req.GetType() == pb.FocusType_FOCUS_TYPE_UNKNOWN {
		return nil, errInvalidRequest("Focus type is required")
	}
	until := c.s.ephemeral(c.person.GaiaID).focusUntil
	delete(until, conv.ID)
	if secs := req.GetTimeoutSecs(); secs > 0 && req.GetType() == pb.FocusType_FOCUS_TYPE_FOCUSED {
		until[conv.ID] = c.s.clock().Add(c.s.clockOffset).Add(time.Duration(secs) * time.Second)
	}
	us := c.s.focusLocked(conv, c.person.GaiaID, req.GetType(), c.clientID)
	return &pb.SetFocusResponse{Timestamp: proto.Uint64(us)}, nil
}

// updateWatermark: protocol §8.21.
func (c *call) updateWatermark(req *pb.UpdateWatermarkRequest) (*pb.UpdateWatermarkResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if err := c.s.readLocked(conv, c.person.GaiaID, req.GetLastReadTimestamp()); err != nil {
		return nil, err
	}
	return &pb.UpdateWatermarkResponse{}, nil
}

// easterEgg: protocol §8.25.
func (c *call) easterEgg(req *pb.EasterEggRequest) (*pb.EasterEggResponse, error) {
	conv, _, err := c.place(req.GetConversationId())
	if err != nil {
		return nil, err
	}
	if req.GetEasterEgg().GetMessage() == "" {
		return nil, errInvalidRequest("Easter egg is required")
	}
	for _, m := range conv.present() {
		c.s.pushLocked(m.GaiaID, pushEasterEgg, &pb.StateUpdate{StateUpdate: &pb.StateUpdate_EasterEggNotification{
			EasterEggNotification: &pb.EasterEggNotification{
				SenderId: participantID(c.person.GaiaID), ConversationId: conversationID(conv.ID), EasterEgg: req.GetEasterEgg()}}}, "")
	}
	return &pb.EasterEggResponse{Timestamp: proto.Uint64(c.s.nowLocked())}, nil
}
