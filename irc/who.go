package irc

import (
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
	"github.com/hangouts-bridge/hangouts-bridge/irc/names"
)

// maxWho is how many people one answer lists who were asked for by nick.
const maxWho = 5

// cmdWho answers WHO and WHOX ("WHO mask %fields,token") for a channel or a nick.
func cmdWho(s *session, l *ircwire.Line) {
	mask := strings.TrimSpace(l.Param(0))
	fields, token, whox := "", "", false
	if options := l.Param(1); strings.Contains(options, "%") {
		whox = true
		_, fields, _ = strings.Cut(options, "%")
		fields, token, _ = strings.Cut(fields, ",")
	}
	channel, people := "*", []chat.PersonID(nil)
	if id, ok := s.hub.names.Channel(mask); ok && s.views[id] != nil {
		channel = s.views[id].channel
		people = s.sorted(s.views[id])
	} else if names.Fold(mask) == names.Fold(s.nick) {
		people = append(people, s.hub.self())
	} else if person, ok := s.hub.names.Person(mask); ok && s.knows(person) {
		people = append(people, person)
	}
	known := s.hub.people(s.ctx, people...)
	for _, id := range people {
		if whox {
			s.numeric("354", s.whox(fields, token, channel, id, known[id])...)
			continue
		}
		s.numeric("352", channel, s.userField(id), hostOf(id), s.g.cfg.ServerName, s.nickOf(id), s.hereField(id), "0 "+s.realNameOf(id, known[id]))
	}
	s.numeric("315", ircwire.Cut(ircwire.Middle(mask), 64), "End of /WHO list")
}

// whox returns the fields asked for, in the order that the specification sets.
func (s *session) whox(fields, token, channel string, id chat.PersonID, p chat.Person) []string {
	values := map[rune]string{
		't': ircwire.Cut(ircwire.Middle(token), 3), 'c': channel, 'u': s.userField(id), 'i': "255.255.255.255", 'h': hostOf(id),
		's': s.g.cfg.ServerName, 'n': s.nickOf(id), 'f': s.hereField(id), 'd': "0", 'l': "0", 'a': string(id), 'o': "n/a", 'r': s.realNameOf(id, p),
	}
	var out []string
	for _, field := range "tcuihsnfdlaor" {
		if strings.ContainsRune(fields, field) {
			out = append(out, values[field])
		}
	}
	return out
}

func (s *session) userField(id chat.PersonID) string {
	if id == s.hub.self() {
		return s.login.user
	}
	return userOf(id)
}

func (s *session) hereField(id chat.PersonID) string {
	if id == s.hub.self() && s.away {
		return "G"
	}
	return "H"
}

func (s *session) realNameOf(id chat.PersonID, p chat.Person) string {
	if id == s.hub.self() {
		return s.realName
	}
	return realName(p)
}

// cmdWhois tells what is known about a person.
func cmdWhois(s *session, l *ircwire.Line) {
	asked := l.Param(len(l.Params) - 1)
	if len(l.Params) == 0 || asked == "" {
		s.numeric("431", "No nickname given")
		return
	}
	shownNick := ircwire.Cut(ircwire.Middle(asked), 64)
	defer s.numeric("318", shownNick, "End of /WHOIS list")
	id, ok := s.lookup(asked)
	if !ok {
		s.numeric("401", shownNick, "No such nick")
		return
	}
	p := s.hub.people(s.ctx, id)[id]
	nick := s.nickOf(id)
	s.numeric("311", nick, s.userField(id), hostOf(id), "*", s.realNameOf(id, p))
	if channels := s.sharedChannels(id); len(channels) > 0 {
		s.numeric("319", nick, ircwire.Cut(join(channels), 400))
	}
	s.numeric("312", nick, s.g.cfg.ServerName, ircwire.Plain(s.g.cfg.NetworkName))
	s.numeric("330", nick, string(id), "is logged in as")
	for _, contact := range append(append([]string{}, p.Emails...), p.Phones...) {
		s.numeric("320", nick, ircwire.Plain(contact))
	}
}

// lookup finds a person by nick, the account's owner included.
func (s *session) lookup(nick string) (chat.PersonID, bool) {
	if names.Fold(nick) == names.Fold(s.nick) {
		return s.hub.self(), true
	}
	return s.hub.names.Person(nick)
}

func (s *session) sharedChannels(id chat.PersonID) []string {
	var out []string
	for _, v := range s.views {
		if v.members[id] {
			out = append(out, v.channel)
		}
	}
	return out
}

func cmdWhowas(s *session, l *ircwire.Line) {
	nick := ircwire.Cut(ircwire.Middle(l.Param(0)), 64)
	s.numeric("406", nick, "There was no such nickname")
	s.numeric("369", nick, "End of WHOWAS")
}

// cmdIson says who of the asked is there: everybody the account knows.
func cmdIson(s *session, l *ircwire.Line) {
	var out []string
	for _, param := range l.Params {
		for _, nick := range strings.Fields(param) {
			if id, ok := s.lookup(nick); ok {
				out = append(out, s.nickOf(id))
			}
		}
	}
	s.numeric("303", ircwire.Cut(join(out), 400))
}

func cmdUserhost(s *session, l *ircwire.Line) {
	var out []string
	for _, param := range l.Params {
		for _, nick := range strings.Fields(param) {
			id, ok := s.lookup(nick)
			if !ok || len(out) >= maxWho {
				continue
			}
			sign := "+"
			if s.hereField(id) == "G" {
				sign = "-"
			}
			out = append(out, s.nickOf(id)+"="+sign+s.userField(id)+"@"+hostOf(id))
		}
	}
	s.numeric("302", join(out))
}
