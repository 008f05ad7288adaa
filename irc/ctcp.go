package irc

import (
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// version is what the gateway calls itself.
const version = "hangouts-bridge"

// parseCTCP takes a text apart: for "\x01COMMAND args\x01" (the last \x01 may be missing)
// it returns args and COMMAND, else the text itself.
func parseCTCP(text string) (body, command string, ok bool) {
	inner, ok := strings.CutPrefix(text, "\x01")
	if !ok {
		return text, "", false
	}
	inner = strings.TrimSuffix(inner, "\x01")
	command, body, _ = strings.Cut(inner, " ")
	return body, strings.ToUpper(command), true
}

// answerCTCP answers for the people behind a target. Nothing is passed on, and groups
// stay silent.
func (s *session) answerCTCP(target, command, args string) {
	person, ok := s.hub.names.Person(target)
	if !ok || !s.ctcpLimit.Allow() {
		return
	}
	var answer string
	switch command {
	case "VERSION":
		answer = "VERSION " + version
	case "PING":
		answer = "PING " + args
	case "TIME":
		answer = "TIME " + s.g.now().Format(time.RFC1123Z)
	case "CLIENTINFO":
		answer = "CLIENTINFO ACTION CLIENTINFO PING TIME VERSION"
	case "DCC":
		s.send(ircwire.New(s.mask(person), "NOTICE", s.nick, "Files cannot be sent by DCC here."))
		return
	default:
		return
	}
	s.send(ircwire.New(s.mask(person), "NOTICE", s.nick, "\x01"+ircwire.Plain(answer)+"\x01"))
}
