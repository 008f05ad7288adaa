package irc

import (
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Capabilities, each of which works.
const (
	capAccountTag   = "account-tag"
	capBatch        = "batch"
	capCapNotify    = "cap-notify"
	capEcho         = "echo-message"
	capExtendedJoin = "extended-join"
	capLabel        = "labeled-response"
	capMessageTags  = "message-tags"
	capMultiPrefix  = "multi-prefix"
	capMultiline    = "draft/multiline"
	capNoNames      = "no-implicit-names"
	capNoNamesDraft = "draft/no-implicit-names"
	capReadMarker   = "draft/read-marker"
	capSASL         = "sasl"
	capServerTime   = "server-time"
	capSetname      = "setname"
	capStdReplies   = "standard-replies"
	capHostInNames  = "userhost-in-names"
	capSelfMessage  = "znc.in/self-message"
)

// capabilities is what is offered, the most wanted first: an old client gets only as
// many as fit into one line.
var capabilities = []struct{ name, value string }{
	{capSASL, "PLAIN"}, {capMessageTags, ""}, {capServerTime, ""}, {capBatch, ""}, {capEcho, ""}, {capLabel, ""},
	{capStdReplies, ""}, {capAccountTag, ""}, {capExtendedJoin, ""}, {capCapNotify, ""}, {capReadMarker, ""}, {capMultiline, "max-bytes=" + itoa(maxMultilineBytes) + ",max-lines=" + itoa(maxMultilineLines)}, {capSetname, ""}, {capMultiPrefix, ""},
	{capHostInNames, ""}, {capNoNames, ""}, {capNoNamesDraft, ""}, {capSelfMessage, ""},
}

func offered(name string) bool {
	return slices.ContainsFunc(capabilities, func(c struct{ name, value string }) bool { return c.name == name })
}

func cmdCap(s *session, l *ircwire.Line) {
	switch sub := strings.ToUpper(l.Param(0)); sub {
	case "LS":
		s.capLS(l.Param(1))
	case "LIST":
		var names []string
		for _, c := range capabilities {
			if s.caps[c.name] {
				names = append(names, c.name)
			}
		}
		s.capLines("LIST", names)
	case "REQ":
		s.capREQ(l.Param(1))
	case "END":
		if !s.registered {
			s.negotiating = false
			s.tryRegister()
		}
	default:
		s.numeric("410", ircwire.Middle(l.Param(0)), "Invalid CAP command")
	}
}

// capLS lists what is offered. Version 302 brings values and makes cap-notify implicit.
func (s *session) capLS(version string) {
	if !s.registered {
		s.negotiating = true
	}
	if n := atoi(version); n > s.capVersion {
		s.capVersion = n
	}
	if s.capVersion >= 302 {
		s.caps[capCapNotify] = true
	}
	var names []string
	for _, c := range capabilities {
		name := c.name
		if s.capVersion >= 302 && c.value != "" {
			name += "=" + c.value
		}
		names = append(names, name)
	}
	s.capLines("LS", names)
}

// capLines sends a list, with version 302 over several lines if need be.
func (s *session) capLines(sub string, names []string) {
	const room = 400
	line := ""
	for _, name := range names {
		if line != "" && len(line)+1+len(name) > room {
			if s.capVersion < 302 {
				break
			}
			s.sendServer("CAP", s.target(), sub, "*", line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+name, " ")
	}
	s.sendServer("CAP", s.target(), sub, line)
}

// capREQ is all or nothing, and the answer repeats the request to the letter.
func (s *session) capREQ(request string) {
	if !s.registered {
		s.negotiating = true
	}
	words := strings.Fields(request)
	for _, word := range words {
		name := strings.TrimPrefix(word, "-")
		if !offered(name) || word != name && name == capCapNotify && s.capVersion >= 302 {
			s.sendServer("CAP", s.target(), "NAK", request)
			return
		}
	}
	for _, word := range words {
		if name, off := strings.CutPrefix(word, "-"); off {
			delete(s.caps, name)
		} else {
			s.caps[name] = true
		}
	}
	s.sendServer("CAP", s.target(), "ACK", request)
}

func atoi(s string) int {
	n := 0
	for _, b := range []byte(s) {
		if b < '0' || b > '9' || n > 1e6 {
			return 0
		}
		n = n*10 + int(b-'0')
	}
	return n
}
