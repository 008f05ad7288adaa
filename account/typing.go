package account

import (
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

// typed is what a login's connection says.
type typed struct {
	generation int64
	typing     []chat.Typing
}

func (e typed) take(l *link) {
	if e.generation == l.generation {
		l.last = time.Now()
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

func (t *typing) observe(typing chat.Typing) {
	t.l.s.observe(func(o *observers) { o.typing(typing) })
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
