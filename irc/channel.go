package irc

import (
	"maps"
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// maxListed is how many names one JOIN or PART may have.
const maxListed = 100

func listed(param string) []string {
	list := strings.Split(param, ",")
	return list[:min(len(list), maxListed)]
}

// cmdJoin opens channels: hidden, archived, or any that the account is in.
func cmdJoin(s *session, l *ircwire.Line) {
	if l.Param(0) == "0" { // "leave everything", which nobody means here
		return
	}
	for _, name := range listed(l.Param(0)) {
		s.joinByName(name)
	}
}

func (s *session) joinByName(name string) {
	shownName := ircwire.Cut(ircwire.Middle(name), 64)
	id, ok := s.hub.names.Channel(name)
	if !ok {
		s.numeric("403", shownName, "No such channel; groups cannot be created from IRC yet")
		return
	}
	if s.views[id] != nil {
		return
	}
	c, people, err := s.hub.conversation(s.ctx, id)
	switch {
	case err != nil:
		s.log.Err(err).Msg("Failed to open a channel")
		s.numeric("403", shownName, "The channel cannot be opened now")
	case c.Standing == chat.Left:
		s.numeric("473", shownName, "Cannot join channel: you have left this group and need an invitation")
	case c.Standing == chat.Invited:
		s.numeric("473", shownName, "Cannot join channel: accept the invitation in another client")
	default:
		s.unhide(c, people)
	}
}

// unhide joins all sessions of the account to a channel. Other sessions may lack it although it is
// not hidden any more: a message that a slow session was shown after the PART has opened it there.
func (s *session) unhide(c chat.Conversation, people map[chat.PersonID]chat.Person) {
	if _, err := s.hub.names.SetHidden(s.ctx, c.ID, false); err != nil {
		s.log.Err(err).Msg("Failed to note a channel as joined")
	}
	t, _ := s.hub.names.Target(c.ID)
	s.joinChannel(c, t, people)
	s.views[c.ID].asked = c.Archived
	s.hub.each(func(other *session) { other.conversationChanged(c.ID) })
}

// cmdPart hides channels. It never leaves a group: clients part when a window is closed.
func cmdPart(s *session, l *ircwire.Line) {
	for _, name := range listed(l.Param(0)) {
		shownName := ircwire.Cut(ircwire.Middle(name), 64)
		id, ok := s.hub.names.Channel(name)
		switch {
		case !ok:
			s.numeric("403", shownName, "No such channel")
		case s.views[id] == nil:
			s.numeric("442", shownName, "You're not on that channel")
		default:
			if _, err := s.hub.names.SetHidden(s.ctx, id, true); err != nil {
				s.log.Err(err).Msg("Failed to note a channel as hidden")
			}
			s.leaveChannel(id, "hidden until something is said; you are still a member")
			s.hub.each(func(other *session) { other.leaveChannel(id, "hidden") })
		}
	}
}

// viewOf finds the joined channel of a parameter, or answers with the error.
func (s *session) viewOf(name string) (chat.ConversationID, *view) {
	shownName := ircwire.Cut(ircwire.Middle(name), 64)
	id, ok := s.hub.names.Channel(name)
	if !ok {
		s.numeric("403", shownName, "No such channel")
		return "", nil
	}
	if s.views[id] == nil {
		s.numeric("442", shownName, "You're not on that channel")
	}
	return id, s.views[id]
}

func cmdTopic(s *session, l *ircwire.Line) {
	_, v := s.viewOf(l.Param(0))
	switch {
	case v == nil:
	case len(l.Params) > 1:
		s.unsupported("482", "TOPIC", v.channel, "Groups cannot be renamed from IRC yet")
	case v.topic == "":
		s.numeric("331", v.channel, "No topic is set")
	default:
		s.numeric("332", v.channel, v.topic)
	}
}

// unsupported says that something cannot be done, yet or ever.
func (s *session) unsupported(numeric, command, target, text string) {
	s.fail(numeric, command, "NOT_SUPPORTED", []string{target}, text)
}

func cmdInvite(s *session, l *ircwire.Line) {
	switch {
	case len(l.Params) == 0:
		s.invitations()
	case len(l.Params) == 1:
		s.numeric("461", "INVITE", "Not enough parameters")
	default:
		if _, v := s.viewOf(l.Param(1)); v != nil {
			s.unsupported("482", "INVITE", v.channel, "People cannot be added from IRC yet")
		}
	}
}

// invitations lists the invitations that await an answer.
func (s *session) invitations() {
	all, _, err := s.hub.conversations(s.ctx)
	if err != nil {
		s.log.Err(err).Msg("Failed to list conversations")
	}
	for _, c := range all {
		if t, ok := s.hub.names.Target(c.ID); ok && c.Standing == chat.Invited && t.Channel != "" {
			s.numeric("336", t.Channel)
		}
	}
	s.numeric("337", "End of /INVITE list")
}

func cmdKick(s *session, l *ircwire.Line) {
	if _, v := s.viewOf(l.Param(0)); v != nil {
		s.unsupported("482", "KICK", v.channel, "People cannot be removed from IRC yet")
	}
}

// cmdNames lists the members of a channel.
func cmdNames(s *session, l *ircwire.Line) {
	name := l.Param(0)
	if id, ok := s.hub.names.Channel(name); ok && s.views[id] != nil {
		s.sendNames(s.views[id])
		return
	}
	s.numeric("366", ircwire.Cut(ircwire.Middle(name), 64), "End of /NAMES list")
}

func (s *session) sendNames(v *view) {
	const room = 380
	line := ""
	flush := func() {
		if line != "" {
			s.numeric("353", "=", v.channel, line)
			line = ""
		}
	}
	for _, id := range s.sorted(v) {
		entry := s.nickOf(id)
		if s.caps[capHostInNames] {
			entry = s.mask(id)
		}
		if line != "" && len(line)+1+len(entry) > room {
			flush()
		}
		line = strings.TrimPrefix(line+" "+entry, " ")
	}
	flush()
	s.numeric("366", v.channel, "End of /NAMES list")
}

// sorted are the members of a channel by their nicks.
func (s *session) sorted(v *view) []chat.PersonID {
	return slices.SortedFunc(maps.Keys(v.members), func(a, b chat.PersonID) int { return strings.Compare(s.nickOf(a), s.nickOf(b)) })
}

// cmdList lists all groups, hidden and archived ones too: the way to find them again.
func cmdList(s *session, l *ircwire.Line) {
	wanted := map[string]bool{}
	if p := l.Param(0); strings.HasPrefix(p, "#") {
		for _, name := range listed(p) {
			if id, ok := s.hub.names.Channel(name); ok {
				wanted[string(id)] = true
			}
		}
	}
	all, _, err := s.hub.conversations(s.ctx)
	if err != nil {
		s.log.Err(err).Msg("Failed to list conversations")
	}
	s.numeric("321", "Channel", "Users  Name")
	for _, c := range all {
		t, ok := s.hub.names.Target(c.ID)
		if !ok || t.Channel == "" || strings.HasPrefix(l.Param(0), "#") && !wanted[string(c.ID)] {
			continue
		}
		s.numeric("322", t.Channel, itoa(len(c.Members)), listTopic(c))
	}
	s.numeric("323", "End of /LIST")
}

func listTopic(c chat.Conversation) string {
	topic := topicOf(c)
	for _, mark := range []struct {
		on   bool
		text string
	}{{c.Archived, "archived"}, {c.Standing == chat.Left, "left"}, {c.Standing == chat.Invited, "invited"}, {c.HistoryOff, "history off"}} {
		if mark.on {
			topic = "[" + mark.text + "] " + topic
		}
	}
	return topic
}

// cmdMode answers the questions that clients ask after a JOIN; no mode can be changed.
func cmdMode(s *session, l *ircwire.Line) {
	name, modes := l.Param(0), l.Param(1)
	if !strings.HasPrefix(name, "#") {
		s.userMode(name, modes)
		return
	}
	id, ok := s.hub.names.Channel(name)
	if !ok {
		s.numeric("403", ircwire.Cut(ircwire.Middle(name), 64), "No such channel")
		return
	}
	t, _ := s.hub.names.Target(id)
	switch strings.TrimPrefix(modes, "+") {
	case "":
		s.numeric("324", t.Channel, "+nst")
		s.numeric("329", t.Channel, itoa(int(s.g.started.Unix())))
	case "b":
		s.numeric("368", t.Channel, "End of channel ban list")
	case "e":
		s.numeric("349", t.Channel, "End of channel exception list")
	case "I":
		s.numeric("347", t.Channel, "End of channel invite list")
	default:
		s.numeric("482", t.Channel, "Channel modes cannot be changed")
	}
}

func (s *session) userMode(name, modes string) {
	switch {
	case !strings.EqualFold(name, s.nick):
		s.numeric("502", "Can't view or change modes of other users")
	case modes == "":
		s.numeric("221", "+i")
	case strings.Trim(modes, "+-iws") != "":
		s.numeric("501", "Unknown mode flag")
	}
}

func cmdOper(s *session, _ *ircwire.Line) { s.numeric("491", "No operators here") }

func cmdSetname(s *session, _ *ircwire.Line) {
	s.fail("", "SETNAME", "CANNOT_CHANGE_REALNAME", nil, "The name on the network cannot be changed from IRC")
}

// cmdAway is noted for this session only: the network has no such state to set.
func cmdAway(s *session, l *ircwire.Line) {
	if s.away = l.Param(0) != ""; s.away {
		s.numeric("306", "You have been marked as being away")
		return
	}
	s.numeric("305", "You are no longer marked as being away")
}
