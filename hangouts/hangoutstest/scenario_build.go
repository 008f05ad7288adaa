package hangoutstest

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// builder turns a scenario into the operations that make it.
type builder struct {
	gen    *generator
	now    time.Time
	nowUS  uint64
	people map[string]*person // by key
	ops    []op
	used   map[uint64]bool // event times
	// conversations by what only one may have: id, key, pair of members
	conversations map[string]bool
}

func buildScenario(sc *Scenario, accounts int, gen *generator, now time.Time) ([]op, error) {
	b := &builder{gen: gen, now: now, nowUS: uint64(now.UnixMicro()), people: map[string]*person{}, used: map[uint64]bool{},
		conversations: map[string]bool{}}
	people := slices.Clone(sc.People)
	have := 0
	for _, p := range people {
		if p.Account {
			have++
		}
	}
	for i := 0; have < accounts; i++ {
		made := madeUpAccount(i)
		if slices.ContainsFunc(people, func(p ScenarioPerson) bool { return p.Key == made.Key || p.Email == made.Email }) {
			continue
		}
		people = append(people, made)
		have++
	}
	if err := b.buildPeople(people); err != nil {
		return nil, err
	}
	for i, c := range sc.Conversations {
		if err := b.conversation(c); err != nil {
			return nil, fmt.Errorf("conversation %d (%s): %w", i, c.Key, err)
		}
	}
	return b.ops, nil
}

func (b *builder) buildPeople(people []ScenarioPerson) error {
	ids := map[string]bool{}
	for _, sp := range people {
		p, err := b.person(sp)
		if err != nil {
			return err
		}
		if b.people[p.Key] != nil || ids[p.GaiaID] {
			return fmt.Errorf("%w: person %q appears twice", ErrScenario, p.Key)
		}
		b.people[p.Key], ids[p.GaiaID] = p, true
		b.ops = append(b.ops, op{Person: p})
	}
	for _, sp := range people {
		p := b.people[personKey(sp)]
		for _, key := range sp.Contacts {
			c := b.people[key]
			if c == nil {
				return fmt.Errorf("%w: contact %q of %q is nobody", ErrScenario, key, p.Key)
			}
			p.Contacts = append(p.Contacts, c.GaiaID)
		}
	}
	return nil
}

func personKey(sp ScenarioPerson) string {
	for _, s := range []string{sp.Key, sp.Email, sp.Phone, sp.GaiaID} {
		if s != "" {
			return s
		}
	}
	return sp.Name
}

func (b *builder) person(sp ScenarioPerson) (*person, error) {
	p := &person{
		Key: personKey(sp), GaiaID: sp.GaiaID, Name: sp.Name, FirstName: sp.FirstName, Email: sp.Email,
		Phone: sp.Phone, PhotoURL: sp.PhotoURL, Account: sp.Account, OffNetwork: sp.OffNetwork,
		VoiceNumber: sp.VoiceNumber, Password: sp.Password, Verification: sp.Verification,
		VerificationCode: sp.VerificationCode, Bot: sp.Bot,
	}
	if p.Key == "" {
		return nil, fmt.Errorf("%w: a person needs a key, e-mail, phone or name", ErrScenario)
	}
	if !slices.Contains([]string{"", "echo", "chatty"}, p.Bot) {
		return nil, fmt.Errorf("%w: unknown bot %q of %q", ErrScenario, p.Bot, p.Key)
	}
	if !slices.Contains([]string{"", "totp", "phone", "choice", "captcha", "prompt", "key"}, p.Verification) {
		return nil, fmt.Errorf("%w: unknown verification %q of %q", ErrScenario, p.Verification, p.Key)
	}
	if p.GaiaID == "" {
		p.GaiaID = b.gen.gaiaID()
	}
	if p.Account {
		if p.Email == "" {
			return nil, fmt.Errorf("%w: account %q needs an e-mail", ErrScenario, p.Key)
		}
		p.Cookies = b.gen.cookies()
		p.RefreshTokens = []string{"1/" + b.gen.urlSafe(43)}
		if p.Password == "" {
			p.Password = "password"
		}
		if p.VerificationCode == "" {
			p.VerificationCode = "123456"
		}
	}
	return p, nil
}

func (b *builder) lookup(key string) (*person, error) {
	if p := b.people[key]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%w: %q is nobody", ErrScenario, key)
}

func (b *builder) conversation(sc ScenarioConversation) error {
	c := &conversation{ID: sc.ID, Key: sc.Key, Name: sc.Name, LinkSharing: sc.LinkSharing, LinkToken: b.gen.urlSafe(20)}
	if c.ID == "" {
		c.ID = b.gen.conversationID()
	}
	switch {
	case sc.Type == "one_to_one" || (sc.Type == "" && len(sc.Members) == 2):
		c.Type = pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE
		if len(sc.Members) != 2 {
			return fmt.Errorf("%w: a one-to-one conversation has two members", ErrScenario)
		}
	case sc.Type == "group" || sc.Type == "":
		c.Type = pb.ConversationType_CONVERSATION_TYPE_GROUP
	default:
		return fmt.Errorf("%w: unknown type %q", ErrScenario, sc.Type)
	}
	c.OTR = pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD
	if sc.HistoryOff {
		c.OTR = pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
	}
	if err := b.admit(c, sc); err != nil {
		return err
	}
	events, err := b.history(c, sc)
	if err != nil {
		return err
	}
	// Members come before the first event: their own times must not be later than it.
	c.CreatedUS = b.unused(b.nowUS - uint64(24*time.Hour/time.Microsecond))
	if len(events) > 0 {
		c.CreatedUS = b.unused(max(events[0].GetTimestamp(), 1_000_001) - 1_000_000)
	}
	if err := b.members(c, sc); err != nil {
		return err
	}
	b.ops = append(b.ops, op{Conversation: c})
	for _, e := range events {
		o, err := newEventOp(e, 0)
		if err != nil {
			return err
		}
		b.ops = append(b.ops, op{Event: o})
	}
	return b.personalState(c, sc, events)
}

// unused returns us or the next time that no event of the scenario has.
func (b *builder) unused(us uint64) uint64 {
	for b.used[us] {
		us++
	}
	b.used[us] = true
	return us
}

func (b *builder) history(c *conversation, sc ScenarioConversation) ([]*pb.Event, error) {
	var list []ScenarioEvent
	for i := range sc.Filler {
		list = append(list, ScenarioEvent{From: sc.Members[i%len(sc.Members)], Text: fmt.Sprintf("Message %d", i+1)})
	}
	list = append(list, sc.History...)
	times, err := b.times(list)
	if err != nil {
		return nil, err
	}
	events := make([]*pb.Event, 0, len(list))
	for i, se := range list {
		p, err := b.lookup(se.From)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(sc.Members, se.From) {
			return nil, fmt.Errorf("%w: %q writes but is no member", ErrScenario, se.From)
		}
		e := newEvent(c, p.GaiaID, b.gen.eventID(), times[i])
		if se.Rename != "" {
			e.EventType = pb.EventType_EVENT_TYPE_CONVERSATION_RENAME.Enum()
			e.ConversationRename = &pb.ConversationRename{NewName: proto.String(se.Rename), OldName: proto.String(c.Name)}
			c.Name = se.Rename
		} else {
			e.ChatMessage = se.message(p.GaiaID, b.gen)
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(x, y *pb.Event) int { return int(int64(x.GetTimestamp() - y.GetTimestamp())) })
	return events, nil
}

func (se ScenarioEvent) message(sender string, gen *generator) *pb.ChatMessage {
	m := &pb.ChatMessage{MessageContent: &pb.MessageContent{}}
	if se.Text != "" {
		m.MessageContent.Segment = textSegments(se.Text, se.Markdown)
	}
	if se.Photo != "" {
		m.MessageContent.Attachment = []*pb.Attachment{photoAttachment(sender, gen.digits(19), se.Photo)}
	}
	if se.Me {
		m.Annotation = []*pb.EventAnnotation{{Type: proto.Int32(4), Value: proto.String("")}}
	}
	return m
}

// times gives every event its time in µs; those without one follow a minute apart.
func (b *builder) times(list []ScenarioEvent) ([]uint64, error) {
	const minute = uint64(time.Minute / time.Microsecond)
	times := make([]uint64, len(list))
	next := b.nowUS - uint64(len(list)+1)*minute
	for i, se := range list {
		switch {
		case se.AtUS != 0:
			next = se.AtUS
		case !se.At.IsZero():
			next = uint64(se.At.UnixMicro())
		case se.Ago != "":
			d, err := time.ParseDuration(se.Ago)
			if err != nil || d < 0 {
				return nil, fmt.Errorf("%w: bad duration %q", ErrScenario, se.Ago)
			}
			next = uint64(b.now.Add(-d).UnixMicro())
		}
		if next == 0 || next >= b.nowUS {
			return nil, fmt.Errorf("%w: an event of a history lies in the future", ErrScenario)
		}
		times[i] = b.unused(next)
		next = times[i] + minute
		if next >= b.nowUS {
			next = times[i] + 1
		}
	}
	return times, nil
}
