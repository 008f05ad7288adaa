package account

import (
	"cmp"
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Periods of typing.
const (
	typingLasts   = 30 * time.Second // without a repeat
	typingRefresh = 15 * time.Second // repeats that come sooner are not told
	typingRepeat  = 20 * time.Second // towards the network, while it lasts
	typingLongest = 2 * time.Minute  // of a side that says it lasts
	typingCall    = 10 * time.Second // one request
)

// Bounds of what is remembered; what is over them is dropped.
const (
	typingPeople  = 1000
	typingSources = 64 // sides and clients of one conversation
)

// typing is the part of a link that knows who types where: others and the account's other clients,
// as the network reports it, and our own sides, which are reported to the network.
type typing struct {
	l       *link
	at      time.Time // the next change by itself
	changed bool      // at has to be found out
	telling bool      // a request is under way

	// Made when needed: most accounts are idle.
	others map[typingKey]*shownTyping
	own    map[chat.ConversationID]*ownTyping
	unsent map[chat.ConversationID]chat.TypingState
	told   map[chat.ConversationID]bool // the network has heard of us since the start
}

// shownTyping is what was told of a person who types.
type shownTyping struct {
	state chat.TypingState
	began int64     // µs, of the network
	until time.Time // it ends by itself
	told  time.Time
}

// ownTyping is what our sides do in one conversation.
type ownTyping struct {
	sources map[chat.Origin]typingSource
	state   chat.TypingState // of all together, as the network was told
	origin  chat.Origin      // whose it is: who made it so, or another source once that one has stopped
	told    time.Time
}

type typingSource struct {
	state chat.TypingState
	until time.Time
}

// SetTyping implements Session.
func (s *session) SetTyping(_ context.Context, typing chat.Typing) error {
	if _, err := s.request(); err != nil {
		return err
	}
	s.link.post(setTyping{typing})
	return nil
}

// setTyping is what one of our sides says.
type setTyping struct{ typing chat.Typing }

func (e setTyping) take(l *link) {
	if e.typing.State == chat.TypingStarted {
		l.activate()
	}
	l.typing.set(e.typing)
}

// typed is what a login's connection says.
type typed struct {
	generation int64
	typing     []chat.Typing
}

func (e typed) take(l *link) {
	l.last = time.Now()
	if e.generation == l.generation {
		l.typing.heard(e.typing)
	}
}

// said: events are logged. past says that a catch-up has brought them.
type said struct {
	events []chat.Event
	past   bool
}

func (s said) take(l *link) {
	for _, e := range s.events {
		if e.Kind != chat.KindMessage {
			continue
		}
		l.typing.message(e)
		if e.Author == l.s.id && !e.Origin.Ours() && !s.past {
			l.typing.sent(e.Conversation) // by another client
		}
	}
}

// set takes what one of our sides says.
func (t *typing) set(typing chat.Typing) {
	o := t.own[typing.Conversation]
	if o == nil {
		// The network may still believe what an earlier run of the program said.
		known := t.told[typing.Conversation] || len(t.told) >= typingPeople
		if len(t.own) >= typingPeople || typing.State == chat.TypingStopped && known {
			return
		}
		if typing.State == chat.TypingStopped {
			t.queue(typing.Conversation, typing.State)
			return
		}
		o = &ownTyping{sources: make(map[chat.Origin]typingSource), state: chat.TypingStopped}
		if t.own == nil {
			t.own = make(map[chat.ConversationID]*ownTyping)
		}
		t.own[typing.Conversation] = o
	}
	lasts := typingLasts
	if typing.Lasting {
		lasts = typingLongest
	}
	_, known := o.sources[typing.Origin]
	switch {
	case typing.State == chat.TypingStopped:
		delete(o.sources, typing.Origin)
	case known || len(o.sources) < typingSources:
		o.sources[typing.Origin] = typingSource{typing.State, time.Now().Add(lasts)}
	}
	t.show(typing.Conversation, o, typing.Origin)
	t.changed = true
}

// together is the state of all sources: the liveliest.
func (o *ownTyping) together() chat.TypingState {
	state := chat.TypingStopped
	for _, source := range o.sources {
		if source.state == chat.TypingStarted {
			return chat.TypingStarted
		}
		state = source.state
	}
	return state
}

// source is a source of a state: the wanted one if it is one or nobody is, else the first
// by name.
func (o *ownTyping) source(wanted chat.Origin, state chat.TypingState) chat.Origin {
	var found chat.Origin
	for origin, source := range o.sources {
		switch {
		case source.state != state:
		case origin == wanted:
			return wanted
		case !found.Ours() || cmp.Or(cmp.Compare(origin.Side, found.Side), cmp.Compare(origin.Ref, found.Ref)) < 0:
			found = origin
		}
	}
	if !found.Ours() {
		return wanted
	}
	return found
}

// show tells the network and the other consumers what our sides do together, if that has
// changed or is to be repeated.
func (t *typing) show(id chat.ConversationID, o *ownTyping, origin chat.Origin) {
	state := o.together()
	now := time.Now()
	repeat := state == chat.TypingStarted && now.Sub(o.told) >= typingRepeat
	if state == o.state {
		origin = o.origin
	}
	origin = o.source(origin, state)
	tell := state != o.state || repeat
	if tell {
		o.told = now
		t.queue(id, state)
	}
	if tell || origin != o.origin && len(o.sources) > 0 {
		t.observe(chat.Typing{Conversation: id, Person: t.l.s.id, State: state, Time: now.UnixMicro(), Origin: origin})
	}
	o.state, o.origin = state, origin
	if len(o.sources) == 0 {
		delete(t.own, id)
	}
}

// queue has the network told.
func (t *typing) queue(id chat.ConversationID, state chat.TypingState) {
	if t.told == nil {
		t.unsent, t.told = make(map[chat.ConversationID]chat.TypingState), make(map[chat.ConversationID]bool)
	}
	t.unsent[id], t.told[id] = state, true
}

func (t *typing) observe(typing chat.Typing) {
	t.l.s.observe(func(o *observers) { o.typing(typing) })
}

// sent ends our sides' typing where the account has sent a message: the others see it
// end with the message.
func (t *typing) sent(id chat.ConversationID) {
	o := t.own[id]
	if o == nil {
		return
	}
	delete(t.own, id)
	delete(t.unsent, id)
	if o.state != chat.TypingStopped {
		t.observe(chat.Typing{Conversation: id, Person: t.l.s.id, State: chat.TypingStopped, Time: time.Now().UnixMicro(), Origin: o.origin})
	}
}

// heard takes what the network says.
func (t *typing) heard(list []chat.Typing) {
	now := time.Now()
	if t.others == nil {
		t.others = make(map[typingKey]*shownTyping)
	}
	for _, typing := range list {
		key := typingKey{typing.Conversation, typing.Person}
		if o := t.own[typing.Conversation]; o != nil && typing.Person == t.l.s.id && o.state == typing.State {
			continue // our own
		}
		was := t.others[key]
		switch {
		case typing.State == chat.TypingStopped && was == nil:
			continue
		case typing.State == chat.TypingStopped:
			delete(t.others, key)
		case was != nil && was.state == typing.State && now.Sub(was.told) < typingRefresh:
			was.until = now.Add(typingLasts)
			continue
		case was == nil && len(t.others) >= typingPeople:
			continue
		case was != nil:
			was.state, was.until, was.told = typing.State, now.Add(typingLasts), now
		default:
			t.others[key] = &shownTyping{state: typing.State, began: typing.Time, until: now.Add(typingLasts), told: now}
		}
		t.observe(typing)
	}
	t.changed = true
}

// message ends the typing of a message's author that began before it.
func (t *typing) message(e chat.Event) {
	key := typingKey{e.Conversation, e.Author}
	if was := t.others[key]; was != nil && e.Time >= was.began {
		delete(t.others, key)
		t.observe(chat.Typing{Conversation: e.Conversation, Person: e.Author, State: chat.TypingStopped, Time: e.Time})
	}
}

// due ends, repeats and sends what its time has come for.
func (t *typing) due(a *agenda) {
	for t.changed || a.due(t.at) {
		t.changed = false
		t.at = t.advance(a.now)
	}
	t.tell()
}

// advance does what is due and returns when something will be, zero for never.
func (t *typing) advance(now time.Time) (next time.Time) {
	soonest := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for key, shown := range t.others {
		if shown.until.After(now) {
			soonest(shown.until)
			continue
		}
		delete(t.others, key)
		t.observe(chat.Typing{Conversation: key.id, Person: key.person, State: chat.TypingStopped, Time: now.UnixMicro()})
	}
	for id, o := range t.own {
		for origin, source := range o.sources {
			if source.until.After(now) {
				soonest(source.until)
			} else {
				delete(o.sources, origin)
			}
		}
		t.show(id, o, o.origin)
		if o.state == chat.TypingStarted {
			soonest(o.told.Add(typingRepeat))
		}
	}
	return next
}

// tell carries our sides' typing to the network: of each conversation the latest state,
// one request at a time. It may be lost.
func (t *typing) tell() {
	if t.telling {
		return
	}
	for id, state := range t.unsent {
		delete(t.unsent, id)
		t.telling = true
		t.l.s.spawn(func() {
			if err := t.l.s.tellTyping(id, state); err != nil && t.l.s.ctx.Err() == nil {
				t.l.s.zlog.Debug().Err(err).Str("conversation", string(id)).Msg("The network did not take a typing state")
			}
			t.l.post(told{})
		})
		return
	}
}

// told: a typing state has been carried to the network, or was lost.
type told struct{}

func (told) take(l *link) { l.typing.telling = false }

func (s *session) tellTyping(id chat.ConversationID, state chat.TypingState) error {
	conn, err := s.request()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, typingCall)
	defer cancel()
	return conn.SetTyping(ctx, id, state)
}
