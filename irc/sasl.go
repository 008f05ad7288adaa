package irc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Limits of a SASL exchange.
const (
	saslChunk    = 400  // characters of one AUTHENTICATE line; exactly so many: more follows
	saslMax      = 4096 // characters in all
	saslAttempts = 3
)

// sasl is an exchange that has begun.
type sasl struct {
	mechanism string
	payload   strings.Builder
}

func cmdAuthenticate(s *session, l *ircwire.Line) {
	arg := l.Param(0)
	switch {
	case !s.caps[capSASL]:
		s.numeric("904", "SASL authentication failed: request the capability first")
	case s.registered || s.login != nil:
		s.numeric("907", "You have already authenticated")
	case arg == "*":
		s.sasl = nil
		s.numeric("906", "SASL authentication aborted")
	case s.sasl == nil:
		if !strings.EqualFold(arg, "PLAIN") {
			s.numeric("908", "PLAIN", "are available SASL mechanisms")
			s.numeric("904", "SASL authentication failed")
			return
		}
		s.sasl = &sasl{mechanism: "PLAIN"}
		s.send(ircwire.New("", "AUTHENTICATE", "+")) // without source, for the sake of old clients
	default:
		s.saslPayload(arg)
	}
}

func (s *session) saslPayload(chunk string) {
	if len(chunk) > saslChunk || s.sasl.payload.Len()+len(chunk) > saslMax {
		s.sasl = nil
		s.numeric("905", "SASL message too long")
		return
	}
	if chunk != "+" {
		s.sasl.payload.WriteString(chunk)
		if len(chunk) == saslChunk {
			return
		}
	}
	payload := s.sasl.payload.String()
	s.sasl = nil
	err := s.saslPlain(payload)
	if err == nil {
		s.numeric("900", s.source(), s.login.user, "You are now logged in as "+s.login.user)
		s.numeric("903", "SASL authentication successful")
		s.tryRegister()
		return
	}
	s.numeric("904", "SASL authentication failed: "+err.Error())
	if s.failures++; s.failures >= saslAttempts || errors.Is(err, errTooMany) {
		s.end("Too many failed logins")
	}
}

func (s *session) saslPlain(payload string) error {
	raw, err := base64.StdEncoding.DecodeString(payload)
	parts := bytes.Split(raw, []byte{0})
	if err != nil || len(parts) != 3 || len(parts[1]) == 0 || len(parts[2]) == 0 ||
		len(parts[0]) > 0 && !bytes.Equal(parts[0], parts[1]) {
		return errPassword
	}
	return s.authenticate(string(parts[1]), string(parts[2]), "")
}

// authenticate logs the session in, or returns what a client may read of the reason why not.
func (s *session) authenticate(name, password, fallback string) error {
	l, err := s.g.authenticate(s.ctx, s.addr, name, password, fallback)
	if err == nil {
		err = s.g.promote(s)
	}
	if err != nil {
		return s.loginError(err)
	}
	s.login = l
	return nil
}

// refusalLevel keeps somebody who guesses from filling the log.
func refusalLevel(err error) zerolog.Level {
	if errors.Is(err, errTooMany) {
		return zerolog.DebugLevel
	}
	return zerolog.InfoLevel
}

// loginError returns what a client may read of a failed login.
func (s *session) loginError(err error) error {
	for _, known := range []error{errPassword, errTooMany, errNoAccount, errNetwork, errClient, errFull, errAddress, errLate} {
		if errors.Is(err, known) {
			s.log.WithLevel(refusalLevel(known)).Err(known).Msg("Login refused")
			return known
		}
	}
	s.log.Err(err).Msg("Failed to check a login")
	return errors.New("internal error, try again later")
}
