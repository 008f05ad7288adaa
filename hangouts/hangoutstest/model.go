package hangoutstest

import (
	"cmp"
	"slices"
	"strings"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// person is one human. All fields are persistent; a change replaces the whole value.
type person struct {
	Key              string            `json:"key,omitempty"`
	GaiaID           string            `json:"gaia_id"`
	Name             string            `json:"name,omitempty"`
	FirstName        string            `json:"first_name,omitempty"`
	Email            string            `json:"email,omitempty"`
	Phone            string            `json:"phone,omitempty"`
	PhotoURL         string            `json:"photo_url,omitempty"`
	Account          bool              `json:"account,omitempty"`
	OffNetwork       bool              `json:"off_network,omitempty"`
	VoiceNumber      string            `json:"voice_number,omitempty"`
	Password         string            `json:"password,omitempty"`
	Verification     string            `json:"verification,omitempty"`
	VerificationCode string            `json:"verification_code,omitempty"`
	Bot              string            `json:"bot,omitempty"`
	Contacts         []string          `json:"contacts,omitempty"` // gaia ids; empty = everybody
	RefreshTokens    []string          `json:"refresh_tokens,omitempty"`
	Cookies          map[string]string `json:"cookies,omitempty"`
	DoNotDisturbUS   uint64            `json:"dnd_until_us,omitempty"`
	DesktopOff       bool              `json:"desktop_off,omitempty"`
	StatusMessage    string            `json:"status_message,omitempty"`
}

func (p *person) clone() *person {
	q := *p
	q.Contacts = slices.Clone(p.Contacts)
	q.RefreshTokens = slices.Clone(p.RefreshTokens)
	return &q
}

// knows says whether other is among p's contacts.
func (p *person) knows(other string) bool {
	return len(p.Contacts) == 0 || slices.Contains(p.Contacts, other)
}

func (p *person) matches(query string) bool {
	q := strings.ToLower(query)
	return strings.Contains(strings.ToLower(p.Name), q) || strings.Contains(strings.ToLower(p.Email), q)
}

// member is one person's place in a conversation and all that is personal there.
type member struct {
	GaiaID       string                `json:"gaia_id"`
	FallbackName string                `json:"fallback_name,omitempty"`
	Status       pb.ConversationStatus `json:"status"`
	Level        pb.NotificationLevel  `json:"level"`
	Archived     bool                  `json:"archived,omitempty"`
	Inviter      string                `json:"inviter,omitempty"`
	InviteUS     uint64                `json:"invite_us,omitempty"`
	ActiveUS     uint64                `json:"active_us,omitempty"`
	SortUS       uint64                `json:"sort_us,omitempty"`
	ReadUS       uint64                `json:"read_us,omitempty"`
	HiddenUS     uint64                `json:"hidden_us,omitempty"` // events up to here were deleted by this person
	LeftUS       uint64                `json:"left_us,omitempty"`
}

func (m *member) present() bool { return m.Status != pb.ConversationStatus_CONVERSATION_STATUS_LEFT }

// conversation is the shared state of one conversation; events are kept apart from the
// persistent head.
type conversation struct {
	ID          string                `json:"id"`
	Key         string                `json:"key,omitempty"`
	Type        pb.ConversationType   `json:"type"`
	Name        string                `json:"name,omitempty"`
	OTR         pb.OffTheRecordStatus `json:"otr"`
	LinkSharing bool                  `json:"link_sharing,omitempty"`
	LinkToken   string                `json:"link_token,omitempty"`
	Creator     string                `json:"creator,omitempty"`
	CreatorCGID uint64                `json:"creator_cgid,omitempty"`
	CreatedUS   uint64                `json:"created_us,omitempty"`
	Members     []*member             `json:"members"`

	events []*event
	byID   map[string]*event
}

func (c *conversation) group() bool { return c.Type == pb.ConversationType_CONVERSATION_TYPE_GROUP }

// head copies what is persistent, for a change that is committed later.
func (c *conversation) head() *conversation {
	h := *c
	h.events, h.byID = nil, nil
	h.Members = make([]*member, len(c.Members))
	for i, m := range c.Members {
		n := *m
		h.Members[i] = &n
	}
	return &h
}

// member returns the entry of a present member, or nil.
func (c *conversation) member(gaia string) *member {
	if m := c.anyMember(gaia); m != nil && m.present() {
		return m
	}
	return nil
}

// anyMember returns the entry of a present or former member, or nil.
func (c *conversation) anyMember(gaia string) *member {
	for _, m := range c.Members {
		if m.GaiaID == gaia {
			return m
		}
	}
	return nil
}

func (c *conversation) present() []*member {
	var list []*member
	for _, m := range c.Members {
		if m.present() {
			list = append(list, m)
		}
	}
	return list
}

// visible returns the events a member may see, oldest first: not deleted by them, not
// after they left, not expired at nowUS.
func (c *conversation) visible(m *member, nowUS uint64) []*event { return c.visibleSince(m, nowUS, 0) }

// visibleSince is visible from a time on.
func (c *conversation) visibleSince(m *member, nowUS, since uint64) []*event {
	from, _ := slices.BinarySearchFunc(c.events, since, func(e *event, us uint64) int { return cmp.Compare(e.us(), us) })
	list := make([]*event, 0, len(c.events)-from)
	for _, e := range c.events[from:] {
		if e.us() <= m.HiddenUS || (m.LeftUS != 0 && !m.present() && e.us() > m.LeftUS) || e.expired(nowUS) {
			continue
		}
		list = append(list, e)
	}
	return list
}

// hidden says whether a member's lists leave the conversation out (deleted, nothing since).
func (c *conversation) hidden(m *member) bool {
	return m.HiddenUS != 0 && (len(c.events) == 0 || c.events[len(c.events)-1].us() <= m.HiddenUS)
}

// event is one event as everybody sees it: without self_event_state.
type event struct {
	pb   *pb.Event
	cgid uint64 // of the request that made it; 0 = none
}

func (e *event) us() uint64     { return e.pb.GetTimestamp() }
func (e *event) id() string     { return e.pb.GetEventId() }
func (e *event) sender() string { return e.pb.GetSenderId().GetGaiaId() }

func (e *event) expired(nowUS uint64) bool {
	return e.pb.ExpirationTimestamp != nil && e.pb.GetExpirationTimestamp() <= nowUS
}

// photo is an uploaded picture.
type photo struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner"`
	Data  []byte `json:"data"`
}
