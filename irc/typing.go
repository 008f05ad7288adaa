package irc

import (
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Periods of typing. Clients forget "active" after 6 s without a repeat; the network
// tells beginnings and ends only.
const (
	typingRepeat  = 4 * time.Second  // towards clients
	typingLongest = 30 * time.Second // without news from the network
	typingRefresh = 10 * time.Second // towards the network
	typingSilence = 6 * time.Second  // a client that stops repeating has paused
	typingGone    = 30 * time.Second // and after this it has stopped
)

// typingTag is the client-only tag that carries typing.
const typingTag = "+typing"

// typingKey is somebody typing somewhere.
type typingKey struct {
	conversation chat.ConversationID
	person       chat.PersonID
}

// showTyping shows what somebody does at their keyboard to a client that knows the tag,
// and repeats it while it lasts. What the owner does elsewhere is shown like own messages:
// to clients with echo-message, as their own.
func (s *session) showTyping(t chat.Typing) {
	own := t.Person == s.hub.self()
	if !s.caps[capMessageTags] || own && !s.caps[capEcho] {
		return
	}
	if own && t.Origin == s.typingOrigin() {
		t.State = chat.TypingStopped // what is done here is done nowhere else
	}
	key := typingKey{t.Conversation, t.Person}
	if s.typingRound[key] == 0 && t.State != chat.TypingStarted {
		return // it is over already, by a message
	}
	s.typingCount++
	s.typingRound[key] = s.typingCount
	switch t.State {
	case chat.TypingStarted:
		s.repeatTyping(key, s.typingRound[key], s.g.now().Add(typingLongest))
	case chat.TypingPaused:
		s.sendTyping(key, "paused")
	default:
		delete(s.typingRound, key)
		s.sendTyping(key, "done")
	}
}

func (s *session) repeatTyping(key typingKey, round int, until time.Time) {
	if s.typingRound[key] != round {
		return // something newer came
	}
	if !s.g.now().Before(until) || !s.sendTyping(key, "active") {
		delete(s.typingRound, key)
		return
	}
	time.AfterFunc(s.g.repeat, func() { s.tryPost(func() { s.repeatTyping(key, round, until) }) })
}

// typingEnds forgets typing that a message has ended.
func (s *session) typingEnds(e chat.Event) {
	delete(s.typingRound, typingKey{e.Conversation, e.Author})
}

// sendTyping sends one TAGMSG where the client sees the conversation.
func (s *session) sendTyping(key typingKey, state string) bool {
	own := key.person == s.hub.self()
	t, ok := s.hub.names.Target(key.conversation)
	if _, named := s.hub.names.Nick(key.person); !ok || !named && !own {
		return false
	}
	to := s.nick
	switch {
	case t.Channel != "" && s.views[key.conversation] == nil:
		return false
	case t.Channel != "":
		to = t.Channel
	case own:
		to = s.nickOf(t.Person)
	}
	s.send(ircwire.New(s.mask(key.person), "TAGMSG", to).With(typingTag, state))
	return true
}

// cmdTagmsg takes typing from the client; other client-only tags are denied.
func cmdTagmsg(s *session, l *ircwire.Line) {
	state, ok := map[string]chat.TypingState{"active": chat.TypingStarted, "paused": chat.TypingPaused, "done": chat.TypingStopped}[l.Tags[typingTag]]
	if !ok {
		return
	}
	id, ok := s.typingTarget(l.Param(0))
	if !ok {
		return
	}
	s.typed(id, state)
	if s.caps[capEcho] {
		s.send(ircwire.New(s.source(), "TAGMSG", l.Param(0)).With(typingTag, l.Tags[typingTag]))
	}
}

func (s *session) typingTarget(name string) (chat.ConversationID, bool) {
	if id, ok := s.hub.names.Channel(name); ok {
		return id, s.views[id] != nil
	}
	person, ok := s.hub.names.Person(name)
	if !ok {
		return "", false
	}
	return s.hub.names.Query(person)
}

// ownTyping is what the client does in one conversation.
type ownTyping struct {
	state chat.TypingState
	told  time.Time // when the network was told last
	round int
}

// typed passes the client's typing on: changes at once, repeats every typingRefresh.
// Silence becomes a pause, then the end.
func (s *session) typed(id chat.ConversationID, state chat.TypingState) {
	now := s.g.now()
	own := s.typing[id]
	own.round++
	if own.state != state || state == chat.TypingStarted && now.Sub(own.told) >= typingRefresh {
		own.state, own.told = state, now
		s.tellTyping(id, state)
	}
	s.typing[id] = own
	next, after := chat.TypingPaused, s.g.silence
	switch state {
	case chat.TypingPaused:
		next, after = chat.TypingStopped, s.g.gone
	case chat.TypingStopped:
		delete(s.typing, id)
		return
	}
	time.AfterFunc(after, func() {
		s.tryPost(func() {
			if s.typing[id].round == own.round {
				s.typed(id, next)
			}
		})
	})
}

// typingOrigin tells this session's typing from that of others.
func (s *session) typingOrigin() chat.Origin { return origin(s.id) }

// tellTyping reports the client's typing to the account, which does no I/O here. It may be
// lost.
func (s *session) tellTyping(id chat.ConversationID, state chat.TypingState) {
	err := s.hub.account.SetTyping(s.hub.ctx, chat.Typing{Conversation: id, Person: s.hub.self(), State: state,
		Time: s.g.now().UnixMicro(), Origin: s.typingOrigin()})
	if err != nil {
		s.log.Debug().Err(err).Msg("Failed to report typing")
	}
}
