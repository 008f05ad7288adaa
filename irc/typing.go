package irc

import "github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"

func cmdTagmsg(s *session, l *ircwire.Line) {}
