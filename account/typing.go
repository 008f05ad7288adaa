package account

import (
	"cmp"
	"context"
	"sync"
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

// typing is who types where: others and the account's other clients, as the network tells
// it, and our own sides, for which the network is told.
type typing struct {
	s    *session
	wake chan struct{} // for loop: the times have changed
	due  chan struct{} // for tell: something is to be sent

	mu     sync.Mutex
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

func (t *typing) init(s *session) {
	t.s, t.wake, t.due = s, make(chan struct{}, 1), make(chan struct{}, 1)
	t.others = make(map[typingKey]*shownTyping)
	t.own = make(map[chat.ConversationID]*ownTyping)
	t.unsent = make(map[chat.ConversationID]chat.TypingState)
	t.told = make(map[chat.ConversationID]bool)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// SetTyping implements Session.
func (s *session) SetTyping(_ context.Context, typing chat.Typing) error {
	if _, err := s.request(); err != nil {
		return err
	}
	if typing.State == chat.TypingStarted {
		s.active()
	}
	s.typing.set(typing)
	return nil
}

// set takes what one of our sides says.
func (t *typing) set(typing chat.Typing) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
	signal(t.wake)
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
// changed or is to be repeated. mu is held.
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
		t.observe(chat.Typing{Conversation: id, Person: t.s.id, State: state, Time: now.UnixMicro(), Origin: origin})
	}
	o.state, o.origin = state, origin
	if len(o.sources) == 0 {
		delete(t.own, id)
	}
}

// queue has the network told. mu is held.
func (t *typing) queue(id chat.ConversationID, state chat.TypingState) {
	t.unsent[id], t.told[id] = state, true
	signal(t.due)
}

func (t *typing) observe(typing chat.Typing) {
	t.s.observe(func(o *observers) { o.typing(typing) })
}

// sent ends our sides' typing where the account has sent a message: the others see it
// end with the message.
func (t *typing) sent(id chat.ConversationID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.own[id]
	if o == nil {
		return
	}
	delete(t.own, id)
	delete(t.unsent, id)
	if o.state != chat.TypingStopped {
		t.observe(chat.Typing{Conversation: id, Person: t.s.id, State: chat.TypingStopped, Time: time.Now().UnixMicro(), Origin: o.origin})
	}
}

// heard takes what the network says.
func (t *typing) heard(list []chat.Typing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, typing := range list {
		key := typingKey{typing.Conversation, typing.Person}
		if o := t.own[typing.Conversation]; o != nil && typing.Person == t.s.id && o.state == typing.State {
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
	signal(t.wake)
}

// message ends the typing of a message's author that began before it.
func (t *typing) message(e chat.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := typingKey{e.Conversation, e.Author}
	if was := t.others[key]; was != nil && e.Time >= was.began {
		delete(t.others, key)
		t.observe(chat.Typing{Conversation: e.Conversation, Person: e.Author, State: chat.TypingStopped, Time: e.Time})
	}
}

// loop ends and repeats what its time has come for.
func (t *typing) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(t.advance())
		select {
		case <-t.s.ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// advance does what is due and returns how long nothing will be.
func (t *typing) advance() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, next := time.Now(), time.Hour
	for key, shown := range t.others {
		if left := shown.until.Sub(now); left > 0 {
			next = min(next, left)
			continue
		}
		delete(t.others, key)
		t.observe(chat.Typing{Conversation: key.id, Person: key.person, State: chat.TypingStopped, Time: now.UnixMicro()})
	}
	for id, o := range t.own {
		for origin, source := range o.sources {
			if left := source.until.Sub(now); left > 0 {
				next = min(next, left)
			} else {
				delete(o.sources, origin)
			}
		}
		t.show(id, o, o.origin)
		if o.state == chat.TypingStarted {
			next = min(next, o.told.Add(typingRepeat).Sub(now))
		}
	}
	return max(next, time.Millisecond)
}

// tell carries our sides' typing to the network: of each conversation the latest state,
// one request at a time. It may be lost.
func (t *typing) tell() {
	for {
		t.mu.Lock()
		var id chat.ConversationID
		var state chat.TypingState
		found := false
		for id, state = range t.unsent {
			found = true
			delete(t.unsent, id)
			break
		}
		t.mu.Unlock()
		if !found {
			select {
			case <-t.s.ctx.Done():
				return
			case <-t.due:
			}
			continue
		}
		if err := t.tellOne(id, state); err != nil && t.s.ctx.Err() == nil {
			t.s.zlog.Debug().Err(err).Str("conversation", string(id)).Msg("The network did not take a typing state")
		}
	}
}

func (t *typing) tellOne(id chat.ConversationID, state chat.TypingState) error {
	conn, err := t.s.request()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.s.ctx, typingCall)
	defer cancel()
	return conn.SetTyping(ctx, id, state)
}
