package irc

import (
	"errors"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Lengths announced to clients, in bytes.
const (
	maxTopic    = 390
	maxRealName = 150
	maxReason   = 300
)

// view is a channel as the client believes it to be.
type view struct {
	channel string
	topic   string
	members map[chat.PersonID]bool
	asked   bool // joined by the client, though the conversation is archived
}

// shown reports whether a conversation is a channel that is joined by itself.
func shown(c chat.Conversation, t database.IRCTarget) bool {
	return t.Channel != "" && !t.Hidden && !c.Archived && c.Standing == chat.Active
}

// openChannels joins the client to the active groups and shows invitations.
func (s *session) openChannels() {
	all, people, err := s.hub.conversations(s.ctx)
	if err != nil {
		s.log.Err(err).Msg("Failed to list conversations")
		s.end("Internal error, try again later")
		return
	}
	for i := len(all) - 1; i >= 0; i-- { // the latest last, where clients show it
		c := all[i]
		t, _ := s.hub.names.Target(c.ID)
		switch {
		case shown(c, t):
			s.joinChannel(c, t, people)
		case c.Standing == chat.Invited:
			s.invited(c, t)
		}
	}
}

// invited shows an invitation that awaits an answer, once.
func (s *session) invited(c chat.Conversation, t database.IRCTarget) {
	if s.invites[c.ID] {
		return
	}
	s.invites[c.ID] = true
	if t.Channel != "" {
		s.send(ircwire.New(s.mask(c.Inviter), "INVITE", s.nick, t.Channel))
		return
	}
	s.notice(s.nickOf(t.Person) + " wants to talk to you; accept or decline the invitation in another client.")
}

// joinChannel sends the lines of a JOIN and notes the channel as joined.
func (s *session) joinChannel(c chat.Conversation, t database.IRCTarget, people map[chat.PersonID]chat.Person) {
	v := &view{channel: t.Channel, topic: topicOf(c), members: make(map[chat.PersonID]bool, len(c.Members))}
	for _, m := range c.Members {
		v.members[m.ID] = true
	}
	v.members[s.hub.self()] = true
	s.views[c.ID] = v
	s.sendJoin(s.hub.self(), v.channel, people)
	if v.topic != "" {
		s.numeric("332", v.channel, v.topic)
	}
	s.sendMarker(c.ID, 0)
	if !s.caps[capNoNames] && !s.caps[capNoNamesDraft] {
		s.sendNames(v)
	}
}

// sendJoin shows a person joining a channel.
func (s *session) sendJoin(id chat.PersonID, channel string, people map[chat.PersonID]chat.Person) {
	m := ircwire.New(s.mask(id), "JOIN", channel)
	if s.caps[capExtendedJoin] {
		name := s.realName
		if id != s.hub.self() {
			name = realName(people[id])
		}
		m.Params = append(m.Params, string(id), name)
	}
	s.send(m.With("account", string(id)))
}

// topicOf is the topic of a conversation: its name. One without a name has no topic.
func topicOf(c chat.Conversation) string { return ircwire.Cut(ircwire.Plain(c.Name), maxTopic) }

func realName(p chat.Person) string {
	return ircwire.Cut(ircwire.Plain(p.DisplayName()), maxRealName)
}

// shows reports whether the client's view of a conversation agrees with it already: most
// changes are that something was said.
func (s *session) shows(c chat.Conversation) bool {
	t, known := s.hub.names.Target(c.ID)
	v := s.views[c.ID]
	switch {
	case !known || t.Channel == "" && c.Kind != chat.OneToOne:
		return false
	case c.Standing == chat.Invited || s.invites[c.ID]:
		return c.Standing == chat.Invited && s.invites[c.ID] && v == nil
	case v == nil:
		return !shown(c, t)
	case c.Standing == chat.Left || !shown(c, t) && !v.asked || v.topic != topicOf(c):
		return false
	}
	known, self := true, 1 // the channel has the client in it in any case
	for _, m := range c.Members {
		known = known && v.members[m.ID]
		if m.ID == s.hub.self() {
			self = 0
		}
	}
	return known && len(v.members) == len(c.Members)+self
}

// conversationChanged compares the channel with a changed conversation some time after its last
// change: the events that explain the change show it better.
func (s *session) conversationChanged(id chat.ConversationID) {
	s.settling[id]++
	round := s.settling[id]
	time.AfterFunc(s.g.settle, func() {
		s.tryPost(func() {
			if s.settling[id] == round {
				delete(s.settling, id)
				s.compare(id)
			}
		})
	})
}

// compare brings the client's view of a channel up to the conversation.
func (s *session) compare(id chat.ConversationID) {
	c, people, err := s.hub.conversation(s.ctx, id)
	if err != nil {
		if s.ctx.Err() == nil && !errors.Is(err, chat.ErrUnknownConversation) {
			s.log.Err(err).Msg("Failed to read a conversation")
		}
		return
	}
	t, _ := s.hub.names.Target(id)
	v := s.views[id]
	if c.Standing != chat.Invited {
		delete(s.invites, id)
	}
	switch {
	case c.Standing == chat.Invited:
		s.leaveChannel(id, "you are only invited")
		s.invited(c, t)
	case v == nil && shown(c, t):
		s.joinChannel(c, t, people)
	case v == nil:
	case c.Standing == chat.Left:
		s.leaveChannel(id, "")
	case !shown(c, t) && !v.asked:
		s.leaveChannel(id, "archived")
	default:
		s.compareMembers(v, c, people)
		if topic := topicOf(c); topic != v.topic {
			v.topic = topic
			s.sendServer("TOPIC", v.channel, topic)
		}
	}
}

func (s *session) compareMembers(v *view, c chat.Conversation, people map[chat.PersonID]chat.Person) {
	for _, m := range c.Members {
		if !v.members[m.ID] {
			v.members[m.ID] = true
			s.sendJoin(m.ID, v.channel, people)
		}
	}
	for id := range v.members {
		if !c.Has(id) && id != s.hub.self() {
			delete(v.members, id)
			s.send(ircwire.New(s.mask(id), "PART", v.channel))
		}
	}
}

// leaveChannel shows the client that it is no longer in a channel.
func (s *session) leaveChannel(id chat.ConversationID, reason string) {
	v := s.views[id]
	if v == nil {
		return
	}
	delete(s.views, id)
	if s.typing[id].state != "" {
		s.typed(id, chat.TypingStopped)
	}
	m := ircwire.New(s.source(), "PART", v.channel)
	if reason != "" {
		m.Params = append(m.Params, reason)
	}
	s.send(m)
}

// knows reports whether the client sees a person: in a channel, or by a query.
func (s *session) knows(id chat.PersonID) bool {
	for _, v := range s.views {
		if v.members[id] {
			return true
		}
	}
	_, query := s.hub.names.Query(id)
	return query
}

// source is the client's own nick!user@host.
func (s *session) source() string {
	user, host := "*", "*"
	if s.login != nil {
		user, host = s.login.user, hostOf(s.login.account.ID())
	}
	return s.target() + "!" + user + "@" + host
}

// mask is the nick!user@host of a person, who may be the account's owner.
func (s *session) mask(id chat.PersonID) string {
	if id == s.hub.self() {
		return s.source()
	}
	return userMask(s.nickOf(id), id)
}

// nickOf is a person's nick; the account's owner has the session's own.
func (s *session) nickOf(id chat.PersonID) string {
	if id == s.hub.self() {
		return s.nick
	}
	if nick, ok := s.hub.names.Nick(id); ok {
		return nick
	}
	return ircwire.Middle(string(id))
}
