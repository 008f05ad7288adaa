package irc

import (
	"strings"
	"unicode"

	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
	"github.com/hangouts-bridge/hangouts-bridge/irc/names"
)

// passwordHelp tells how to log in; it stands in the ERROR line, because clients hide
// numerics that come before registration.
const passwordHelp = "a password is needed: server password \"user:password\" or SASL PLAIN; make one with \"hangouts-bridge irc-password\""

func cmdPass(s *session, l *ircwire.Line) {
	pass := l.Param(0)
	s.pass = &pass
	s.tryRegister()
}

func cmdUser(s *session, l *ircwire.Line) {
	if l.Param(3) == "" {
		s.numeric("461", "USER", "Not enough parameters")
		return
	}
	if s.userName != "" {
		return
	}
	s.userName = l.Param(0)
	s.realName = ircwire.Cut(ircwire.Plain(l.Param(3)), maxRealName)
	s.tryRegister()
}

// cmdNick sets the nick of this session: the name on the network is not changed, and
// other sessions keep theirs.
func cmdNick(s *session, l *ircwire.Line) {
	nick := l.Param(0)
	switch {
	case nick == "":
		s.numeric("431", "No nickname given")
		return
	case !validNick(nick):
		s.numeric("432", ircwire.Cut(ircwire.Middle(nick), names.NickLen), "Erroneous nickname")
		return
	case !s.registered:
		s.nick = nick
		s.tryRegister()
		return
	case nick == s.nick:
		return
	}
	if !s.hub.names.Reserve(nick) {
		s.numeric("433", nick, "Nickname is already in use")
		return
	}
	s.hub.names.Release(s.nick)
	s.send(ircwire.New(s.source(), "NICK", nick))
	s.nick = nick
}

// validNick is the rule for nicks of clients: letters of any script, no character with a
// meaning in the protocol.
func validNick(nick string) bool {
	if len(nick) > names.NickLen || strings.ContainsAny(nick[:1], "#:$~&@%+-0123456789") {
		return false
	}
	for _, r := range nick {
		switch {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_[]{}\\|^`", r)):
		case r >= 0xa0 && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)):
		default:
			return false
		}
	}
	return true
}

// tryRegister completes the registration when everything is there. A missing password
// is no reason to refuse before NICK and USER have come: irssi sends it late.
func (s *session) tryRegister() {
	if s.registered || s.negotiating || s.nick == "" || s.userName == "" {
		return
	}
	if s.sasl != nil {
		s.sasl = nil
		s.numeric("906", "SASL authentication aborted")
	}
	if s.login == nil && !s.passLogin() {
		return
	}
	h, err := s.g.hub(s.ctx, s.login.account)
	if err != nil {
		s.log.Err(err).Msg("Failed to open an account's names")
		s.end("Internal error, try again later")
		return
	}
	if !h.names.Reserve(s.nick) {
		s.numeric("433", s.nick, "Nickname is already in use by one of your contacts")
		s.nick = ""
		return
	}
	if !h.join(s) {
		h.names.Release(s.nick)
		s.end("Too many connections to this account")
		return
	}
	s.hub, s.registered = h, true
	s.early.Store(false)
	s.bound.Store(s.login)
	// Whoever takes the grant away from now on ends this session; before, it is seen here.
	if _, _, err := s.g.choose(s.ctx, s.login.user, identity{account: string(s.login.account.ID())}); err != nil {
		s.end("Access to the account was revoked")
		return
	}
	s.log = s.log.With().Str("user", s.login.user).Str("account", string(s.login.account.ID())).Str("client", s.login.client).Logger()
	s.log.Info().Msg("IRC client logged in")
	s.welcome()
	s.client = h.client(s.login.client)
	// Delivery begins before the channels are listed, so that nothing falls in between;
	// what it brings is handled after this.
	if err := s.client.join(s); err != nil {
		if s.ctx.Err() == nil {
			s.log.Err(err).Msg("Failed to attach to the account")
		}
		s.end("The account cannot be used now, try again later")
		return
	}
	s.openChannels()
}

// passLogin logs in by PASS: "user:password", or the password alone.
func (s *session) passLogin() bool {
	if s.pass == nil {
		s.numeric("464", "Password required")
		s.end(passwordHelp)
		return false
	}
	name, password := "", *s.pass
	if i := strings.LastIndexByte(password, ':'); i >= 0 {
		name, password = password[:i], password[i+1:]
	}
	if err := s.authenticate(name, password, s.userName); err != nil {
		s.numeric("464", "Password incorrect: "+err.Error())
		s.end("Login failed: " + err.Error())
		return false
	}
	return true
}
