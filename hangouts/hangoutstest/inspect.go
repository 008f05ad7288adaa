package hangoutstest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Delivery is one array written to a channel.
type Delivery struct {
	SID     string `json:"sid"`
	Account string `json:"account"`
	Array   int    `json:"array"`
	Data    string `json:"data"`
}

// EventInfo is one event in a flat form.
type EventInfo struct {
	ConversationID string `json:"conversation_id"`
	EventID        string `json:"event_id"`
	Sender         string `json:"sender"` // gaia id
	TimestampUS    uint64 `json:"timestamp_us"`
	// Kind is message, rename, join, leave, otr, call, link or other.
	Kind string `json:"kind"`
	// Text of a message with a line per picture, or the new title of a rename.
	Text string `json:"text,omitempty"`
	// ClientGeneratedID is that of the request that made the event, "" without one.
	ClientGeneratedID string    `json:"client_generated_id,omitempty"`
	Members           []string  `json:"members,omitempty"` // of a join or leave
	Event             *pb.Event `json:"-"`
}

// ConversationInfo is the state of one conversation.
type ConversationInfo struct {
	ID         string       `json:"id"`
	Key        string       `json:"key,omitempty"`
	Group      bool         `json:"group"`
	Name       string       `json:"name,omitempty"`
	HistoryOff bool         `json:"history_off,omitempty"`
	Link       bool         `json:"link_sharing,omitempty"`
	Members    []MemberInfo `json:"members"`
	Events     int          `json:"events"`
}

// MemberInfo is one person's part in a conversation. Times in µs.
type MemberInfo struct {
	GaiaID   string `json:"gaia_id"`
	Status   string `json:"status"` // invited, active, left
	Quiet    bool   `json:"quiet,omitempty"`
	Archived bool   `json:"archived,omitempty"`
	ReadUS   uint64 `json:"read_us"`
	SortUS   uint64 `json:"sort_us"`
	HiddenUS uint64 `json:"hidden_us,omitempty"`
}

// ChannelInfo is one channel session.
type ChannelInfo struct {
	SID      string   `json:"sid"`
	Account  string   `json:"account"`
	ClientID string   `json:"client_id"`
	Services []string `json:"services"`
	Polling  bool     `json:"polling"`
	Queued   int      `json:"queued"`
	Arrays   int      `json:"arrays"` // next array id
}

// Deliveries returns the arrays written to channels from number n on and the number to go on with.
func (s *Server) Deliveries(n int) ([]Delivery, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deliveries.since(n)
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func messageJSON(m proto.Message) []byte {
	if m == nil {
		return nil
	}
	b, err := protojson.MarshalOptions{AllowPartial: true, UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

func (e *event) info() EventInfo {
	out := EventInfo{
		ConversationID: e.pb.GetConversationId().GetId(), EventID: e.id(), Sender: e.sender(), TimestampUS: e.us(),
		Kind: "other", Event: e.pb,
	}
	if e.cgid != 0 {
		out.ClientGeneratedID = strconv.FormatUint(e.cgid, 10)
	}
	switch {
	case e.pb.ChatMessage != nil:
		out.Kind, out.Text = "message", plainText(e.pb.ChatMessage)
	case e.pb.OtrModification != nil:
		out.Kind = "otr"
	case e.pb.ConversationRename != nil:
		out.Kind, out.Text = "rename", e.pb.GetConversationRename().GetNewName()
	case e.pb.MembershipChange != nil:
		out.Kind = "join"
		if e.pb.GetMembershipChange().GetType() == pb.MembershipChangeType_MEMBERSHIP_CHANGE_TYPE_LEAVE {
			out.Kind = "leave"
		}
		for _, p := range e.pb.GetMembershipChange().GetParticipantIds() {
			out.Members = append(out.Members, p.GetGaiaId())
		}
	case e.pb.HangoutEvent != nil:
		out.Kind = "call"
	case e.pb.GroupLinkSharingModification != nil:
		out.Kind = "link"
	}
	return out
}

func (c *conversation) info() ConversationInfo {
	out := ConversationInfo{
		ID: c.ID, Key: c.Key, Group: c.group(), Name: c.Name, Link: c.LinkSharing, Events: len(c.events),
		HistoryOff: c.OTR == pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD,
	}
	for _, m := range c.Members {
		status := "active"
		switch m.Status {
		case pb.ConversationStatus_CONVERSATION_STATUS_INVITED:
			status = "invited"
		case pb.ConversationStatus_CONVERSATION_STATUS_LEFT:
			status = "left"
		}
		out.Members = append(out.Members, MemberInfo{
			GaiaID: m.GaiaID, Status: status, Quiet: m.Level == pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET,
			Archived: m.Archived, ReadUS: m.ReadUS, SortUS: m.SortUS, HiddenUS: m.HiddenUS,
		})
	}
	return out
}

// Conversations lists all conversations in order of creation.
func (s *Server) Conversations() []ConversationInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]ConversationInfo, 0, len(s.world.convIDs))
	for _, id := range s.world.convIDs {
		out = append(out, s.world.convs[id].info())
	}
	return out
}

// Conversation returns one conversation by id or key.
func (s *Server) Conversation(name string) (ConversationInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.world.conversation(name)
	if c == nil {
		return ConversationInfo{}, false
	}
	return c.info(), true
}

// Events lists the events of a conversation (id or key), or of all for "", oldest first,
// whether or not somebody may still see them.
func (s *Server) Events(conversation string) []EventInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []EventInfo
	for _, id := range s.world.convIDs {
		c := s.world.convs[id]
		if conversation != "" && c.ID != conversation && c.Key != conversation {
			continue
		}
		for _, e := range c.events {
			out = append(out, e.info())
		}
	}
	if conversation == "" {
		sortEvents(out)
	}
	return out
}

// Channels lists the channel sessions of an account (key, e-mail or gaia id), or all for "".
func (s *Server) Channels(account string) []ChannelInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	gaia := account
	if p := s.world.person(account); p != nil {
		gaia = p.GaiaID
	}
	var out []ChannelInfo
	for _, ss := range s.sessionOrder {
		if gaia == "" || ss.gaia == gaia {
			out = append(out, ss.info())
		}
	}
	return out
}

// PersonInfo is somebody in the server's world.
type PersonInfo struct {
	Key        string `json:"key"`
	GaiaID     string `json:"gaia_id"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	Account    bool   `json:"account"`
	OffNetwork bool   `json:"off_network,omitempty"`
	Bot        string `json:"bot,omitempty"`
}

// People lists everybody in the order of creation.
func (s *Server) People() []PersonInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []PersonInfo{}
	for _, id := range s.world.peopleIDs {
		p := s.world.people[id]
		out = append(out, PersonInfo{p.Key, p.GaiaID, p.Name, p.Email, p.Phone, p.Account, p.OffNetwork, p.Bot})
	}
	return out
}

// PhotoInfo is an uploaded picture.
type PhotoInfo struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Owner  string `json:"owner"` // gaia id
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"` // in hexadecimal digits
}

// Photos lists all uploaded pictures, in the order of their ids.
func (s *Server) Photos() []PhotoInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []PhotoInfo{}
	for _, id := range slices.Sorted(maps.Keys(s.world.photos)) {
		p := s.world.photos[id]
		out = append(out, PhotoInfo{p.ID, p.Name, p.Owner, len(p.Data), fmt.Sprintf("%x", sha256.Sum256(p.Data))})
	}
	return out
}

// Invitations lists the addresses of sendoffnetworkinvitation.
func (s *Server) Invitations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.world.invited)
}
