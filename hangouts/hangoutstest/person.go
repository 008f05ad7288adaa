package hangoutstest

import (
	"context"
	"fmt"
	"maps"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Person is a handle on somebody in the server's world, to act as them and to look at them.
// Conversations are named by id or by their key in the scenario, people by gaia id, key or e-mail.
type Person struct {
	s    *Server
	gaia string
}

// AccountInfo is what a client needs to log in, as the command line prints it.
type AccountInfo struct {
	Key          string            `json:"key,omitempty"`
	Name         string            `json:"name,omitempty"`
	Email        string            `json:"email"`
	GaiaID       string            `json:"gaia_id"`
	RefreshToken string            `json:"refresh_token"`
	Cookies      map[string]string `json:"cookies"`
}

// Account returns the i-th account (from 0) in the order of the scenario; it panics when
// there are fewer.
func (s *Server) Account(i int) *Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.world.accounts()
	if i < 0 || i >= len(list) {
		panic(fmt.Sprintf("hangoutstest: account %d of %d", i, len(list)))
	}
	return &Person{s, list[i].GaiaID}
}

// Accounts lists all accounts with their credentials.
func (s *Server) Accounts() []AccountInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []AccountInfo
	for _, p := range s.world.accounts() {
		out = append(out, p.accountInfo())
	}
	return out
}

func (p *person) accountInfo() AccountInfo {
	info := AccountInfo{Key: p.Key, Name: p.Name, Email: p.Email, GaiaID: p.GaiaID, Cookies: maps.Clone(p.Cookies)}
	if n := len(p.RefreshTokens); n > 0 {
		info.RefreshToken = p.RefreshTokens[n-1]
	}
	return info
}

// Person returns somebody by gaia id, key or e-mail; nil when there is nobody.
func (s *Server) Person(name string) *Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.world.person(name); p != nil {
		return &Person{s, p.GaiaID}
	}
	return nil
}

// AddPerson adds somebody while the server runs. Contacts are keys of people there already.
// Errors: ErrScenario, ErrInvalid when the key, e-mail or gaia id is taken.
func (s *Server) AddPerson(sp ScenarioPerson) (*Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &builder{gen: s.gen}
	p, err := b.person(sp)
	if err != nil {
		return nil, err
	}
	if s.world.person(p.Key) != nil || s.world.people[p.GaiaID] != nil || (p.Email != "" && s.world.person(p.Email) != nil) {
		return nil, fmt.Errorf("person %q exists: %w", p.Key, ErrInvalid)
	}
	for _, key := range sp.Contacts {
		c := s.world.person(key)
		if c == nil {
			return nil, fmt.Errorf("contact %q: %w", key, ErrNotFound)
		}
		p.Contacts = append(p.Contacts, c.GaiaID)
	}
	if err := s.commitLocked(op{Person: p}); err != nil {
		return nil, err
	}
	s.startBotLocked(p)
	return &Person{s, p.GaiaID}, nil
}

// GaiaID is the person's id on the wire.
func (p *Person) GaiaID() string { return p.gaia }

// Info returns the account's credentials as they are now.
func (p *Person) Info() AccountInfo {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.world.people[p.gaia].accountInfo()
}

// Email is the person's address.
func (p *Person) Email() string { return p.Info().Email }

// RefreshToken is the newest valid one, "" when all are revoked.
func (p *Person) RefreshToken() string { return p.Info().RefreshToken }

// Cookies are the session cookies that are valid now.
func (p *Person) Cookies() map[string]string { return p.Info().Cookies }

// act runs f with the conversation that the person is a member of.
func (p *Person) act(conversation string, f func(*conversationArgs) (*event, error)) (EventInfo, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	c := p.s.world.conversation(conversation)
	if c == nil {
		return EventInfo{}, fmt.Errorf("conversation %q: %w", conversation, ErrNotFound)
	}
	if c.member(p.gaia) == nil {
		return EventInfo{}, fmt.Errorf("not a member of %q: %w", conversation, ErrNotFound)
	}
	e, err := f(&conversationArgs{newEventArgs{conv: c, sender: p.gaia, otr: c.OTR}})
	if err != nil || e == nil {
		return EventInfo{}, err
	}
	return e.info(), nil
}

type conversationArgs struct{ newEventArgs }

// Send writes a text message; line feeds and http(s) links become segments.
func (p *Person) Send(conversation, text string) (EventInfo, error) {
	return p.SendMessage(conversation, &pb.ChatMessage{MessageContent: &pb.MessageContent{Segment: textSegments(text, false)}})
}

// SendMarkdown writes a message whose **bold** and _italic_ become formats.
func (p *Person) SendMarkdown(conversation, text string) (EventInfo, error) {
	return p.SendMessage(conversation, &pb.ChatMessage{MessageContent: &pb.MessageContent{Segment: textSegments(text, true)}})
}

// SendPhoto uploads a picture and writes a message with it; text may be empty.
func (p *Person) SendPhoto(conversation, text, name string, data []byte) (EventInfo, error) {
	p.s.mu.Lock()
	ph := &photo{ID: "6" + p.s.gen.digits(18), Name: name, Owner: p.gaia, Data: data}
	err := p.s.commitLocked(op{Photo: ph})
	p.s.mu.Unlock()
	if err != nil {
		return EventInfo{}, err
	}
	content := &pb.MessageContent{Attachment: []*pb.Attachment{photoAttachment(p.gaia, ph.ID, ph.path())}}
	if text != "" {
		content.Segment = textSegments(text, false)
	}
	return p.SendMessage(conversation, &pb.ChatMessage{MessageContent: content})
}

// SendMessage writes any message content. The message must not be changed afterwards.
func (p *Person) SendMessage(conversation string, m *pb.ChatMessage) (EventInfo, error) {
	if err := validMessage(m); err != nil {
		return EventInfo{}, err
	}
	return p.act(conversation, func(a *conversationArgs) (*event, error) {
		a.kind = pb.EventType_EVENT_TYPE_REGULAR_CHAT_MESSAGE
		a.fill = func(e *pb.Event) { e.ChatMessage = m }
		return p.s.addEventLocked(a.newEventArgs)
	})
}

// AddEvent creates any event: fill sets its kind's sub-message and type.
func (p *Person) AddEvent(conversation string, kind pb.EventType, fill func(*pb.Event)) (EventInfo, error) {
	return p.act(conversation, func(a *conversationArgs) (*event, error) {
		a.kind, a.fill = kind, fill
		return p.s.addEventLocked(a.newEventArgs)
	})
}

// Call announces a call.
func (p *Person) Call(conversation string, kind pb.HangoutEventType) (EventInfo, error) {
	return p.AddEvent(conversation, pb.EventType_EVENT_TYPE_HANGOUT, func(e *pb.Event) {
		e.HangoutEvent = &pb.HangoutEvent{EventType: kind.Enum(), ParticipantId: []*pb.ParticipantId{participantID(p.gaia)}}
		e.AdvancesSortTimestamp = proto.Bool(false)
	})
}

// Rename sets the title; "" clears it.
func (p *Person) Rename(conversation, name string) (EventInfo, error) {
	return p.act(conversation, func(a *conversationArgs) (*event, error) { return p.s.renameLocked(a.newEventArgs, name) })
}

// Add adds people to a group.
func (p *Person) Add(conversation string, people ...string) (EventInfo, error) {
	return p.act(conversation, func(a *conversationArgs) (*event, error) {
		ids, err := p.s.gaiaIDsLocked(people)
		if err != nil {
			return nil, err
		}
		return p.s.addMembersLocked(a.newEventArgs, ids, nil)
	})
}

// Remove takes somebody out of a group.
func (p *Person) Remove(conversation, who string) (EventInfo, error) {
	return p.act(conversation, func(a *conversationArgs) (*event, error) {
		ids, err := p.s.gaiaIDsLocked([]string{who})
		if err != nil {
			return nil, err
		}
		return p.s.removeMemberLocked(a.newEventArgs, ids[0])
	})
}

// Leave leaves a group.
func (p *Person) Leave(conversation string) (EventInfo, error) { return p.Remove(conversation, p.gaia) }

func (s *Server) gaiaIDsLocked(names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		p := s.world.person(name)
		if p == nil {
			return nil, fmt.Errorf("person %q: %w", name, ErrNotFound)
		}
		ids = append(ids, p.GaiaID)
	}
	return ids, nil
}

// Typing tells the other members.
func (p *Person) Typing(conversation string, kind pb.TypingType) error {
	_, err := p.act(conversation, func(a *conversationArgs) (*event, error) {
		p.s.typingLocked(a.conv, p.gaia, kind, "")
		return nil, nil
	})
	return err
}

// Focus tells the other members.
func (p *Person) Focus(conversation string, kind pb.FocusType) error {
	_, err := p.act(conversation, func(a *conversationArgs) (*event, error) {
		p.s.focusLocked(a.conv, p.gaia, kind, "")
		return nil, nil
	})
	return err
}

// SetPresence changes the person's presence and status message and tells contacts.
func (p *Person) SetPresence(kind pb.ClientPresenceStateType, status string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	q := p.s.world.people[p.gaia].clone()
	q.StatusMessage = status
	if err := p.s.commitLocked(op{Person: q}); err != nil {
		return err
	}
	p.s.ephemeral(p.gaia).presenceType = kind
	p.s.pushSelfPresenceLocked(p.gaia, nil)
	p.s.presenceLocked(q)
	return nil
}

// SetProfile changes what lookups show of the person; clients learn it when they ask again.
func (p *Person) SetProfile(name, firstName, photoURL string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	q := p.s.world.people[p.gaia].clone()
	q.Name, q.FirstName, q.PhotoURL = name, firstName, photoURL
	return p.s.commitLocked(op{Person: q})
}

// Read moves the person's watermark; 0 means the newest event.
func (p *Person) Read(conversation string, us uint64) error {
	_, err := p.act(conversation, func(a *conversationArgs) (*event, error) {
		if n := len(a.conv.events); us == 0 && n > 0 {
			us = a.conv.events[n-1].us()
		}
		return nil, p.s.readLocked(a.conv, p.gaia, us)
	})
	return err
}

// Create finds or makes a conversation with people and returns its id.
func (p *Person) Create(group bool, name string, people ...string) (string, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	ids, err := p.s.gaiaIDsLocked(people)
	if err != nil {
		return "", err
	}
	c, _, err := p.s.createLocked(p.s.world.people[p.gaia], group, name, ids, nil, 0)
	if err != nil {
		return "", err
	}
	return c.ID, nil
}

// Subscribed counts the person's clients that get state updates now.
func (p *Person) Subscribed() int {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.subscribedLocked()
}

func (p *Person) subscribedLocked() int {
	n := 0
	for _, ss := range p.s.subscribedLocked(p.gaia) {
		if ss.poll != nil {
			n++
		}
	}
	return n
}

// WaitSubscribed blocks until exactly n clients of the person have an open poll and get
// state updates. Errors: the context's, ErrClosed.
func (p *Person) WaitSubscribed(ctx context.Context, n int) error {
	return p.s.wait(ctx, func() bool { return p.subscribedLocked() == n })
}

// WaitEvents blocks until a conversation has at least n events.
func (s *Server) WaitEvents(ctx context.Context, conversation string, n int) error {
	return s.wait(ctx, func() bool {
		c := s.world.conversation(conversation)
		return c != nil && len(c.events) >= n
	})
}

// WaitRequests blocks until at least n requests to an endpoint of an account (gaia id, "" =
// any) were seen among those kept.
func (s *Server) WaitRequests(ctx context.Context, gaia, endpoint string, n int) error {
	return s.wait(ctx, func() bool {
		have := 0
		for _, r := range s.requests.list {
			if r.Endpoint == endpoint && (gaia == "" || r.Account == gaia) {
				have++
			}
		}
		return have >= n
	})
}
