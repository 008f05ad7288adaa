package account

import (
	"cmp"
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// ownTyping is what our sides do in one conversation.
type ownTyping struct {
	sources map[chat.Origin]typingSource
	state   chat.TypingState // of all together, as last reported to the network
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
