package hangoutstest

import (
	"net/http"
	"net/netip"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// pictures completes the paths of pictures that this server keeps. They are stored as paths, since the port may be
// another one after a restart.
type pictures struct {
	attached string // base of attached photos
	people   string // base of people's photos
}

// googlePictures are the addresses of the real service: those of people come without a scheme (protocol §11.2).
var googlePictures = pictures{attached: "https://lh3.googleusercontent.com", people: "//lh3.googleusercontent.com"}

// picturesFor gives a client addresses that it can reach: through the proxy only Google's names exist, and who asks by an
// IP address, perhaps that of a relay in between, is answered with the same.
func (s *Server) picturesFor(r *http.Request) pictures {
	if proxied(r) {
		return googlePictures
	}
	at := s.URL
	if asked, err := netip.ParseAddrPort(r.Host); err == nil {
		at = "http://" + asked.String()
	}
	return pictures{attached: at, people: at}
}

// photoURL is the address of a person's photo, "" when there is none.
func (at pictures) photoURL(p *person) string {
	switch p.PhotoURL {
	case "none":
		return ""
	case "":
		return at.people + "/avatars/" + p.GaiaID + ".png"
	}
	return p.PhotoURL
}

// complete returns the event with complete addresses. Only what changes is copied.
func (at pictures) complete(e *pb.Event) *pb.Event {
	if len(e.GetChatMessage().GetMessageContent().GetAttachment()) == 0 {
		return e
	}
	m := proto.Clone(e.ChatMessage).(*pb.ChatMessage)
	for _, a := range m.GetMessageContent().GetAttachment() {
		p := a.GetEmbedItem().GetPlusPhoto()
		if p == nil {
			continue
		}
		fields := []*string{p.Url, p.OriginalContentUrl}
		if t := p.Thumbnail; t != nil {
			fields = append(fields, t.ImageUrl, t.Url)
		}
		for _, field := range fields {
			if field != nil && strings.HasPrefix(*field, "/") && !strings.HasPrefix(*field, "//") {
				*field = at.attached + *field
			}
		}
	}
	out := shallowEvent(e)
	out.ChatMessage = m
	return out
}

// completeUpdate is complete for the event of a state update.
func (at pictures) completeUpdate(u *pb.StateUpdate) *pb.StateUpdate {
	e := u.GetEventNotification().GetEvent()
	completed := at.complete(e)
	if completed == e {
		return u
	}
	return &pb.StateUpdate{
		StateUpdateHeader: u.StateUpdateHeader, Conversation: u.Conversation,
		StateUpdate: &pb.StateUpdate_EventNotification{EventNotification: &pb.EventNotification{Event: completed}},
	}
}

// event renders an event for the client that asks.
func (c *call) event(conv *conversation, e *event, m *member) *pb.Event {
	return c.pictures.complete(c.s.renderEvent(conv, e, m))
}

// entity renders a person for the client that asks.
func (c *call) entity(p *person, self bool) *pb.Entity { return c.s.renderEntity(p, self, c.pictures) }
