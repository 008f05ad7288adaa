package irc

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/irctext"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// maxTargets is how many targets one line may have.
const maxTargets = 4

// createTime is how long a client waits for a new conversation.
const createTime = 15 * time.Second

// cmdMessage sends PRIVMSG and NOTICE.
func cmdMessage(s *session, l *ircwire.Line) {
	if l.Param(0) == "" {
		s.numeric("411", "No recipient given ("+l.Command+")")
		return
	}
	text := l.Param(1)
	body, ctcp, isCTCP := parseCTCP(text)
	if isCTCP && ctcp != "ACTION" {
		if l.Command == "PRIVMSG" {
			s.answerCTCP(l.Param(0), ctcp, body)
		}
		return // answers to CTCP are never passed on
	}
	content := irctext.Parse(body)
	if content.Empty() {
		s.numeric("412", "No text to send")
		return
	}
	targets := strings.Split(l.Param(0), ",")
	if len(targets) > maxTargets {
		s.numeric("407", ircwire.Cut(ircwire.Middle(l.Param(0)), 64), "Too many recipients")
		return
	}
	for _, target := range targets {
		// With several targets the label stands for the line, not for one of the echoes.
		s.sendText(l.Command, target, content, isCTCP, len(targets) == 1)
	}
}

// sendText submits a text to one target. It is accepted when the outbox has it; only
// then does the client hear anything.
func (s *session) sendText(command, target string, text chat.Text, emote, only bool) {
	c, ok := s.recipient(command, target)
	if !ok {
		return
	}
	message := chat.Message{Text: text, Emote: emote}
	if emote && !s.hub.account.Features(c).Emotes {
		message.Emote = false
		for i := range message.Text {
			message.Text[i].Italic = true
		}
	}
	label := "" // answered by the echo
	if s.reply != nil && s.caps[capEcho] && only {
		label = s.reply.label
	}
	ref := s.client.newRef()
	if err := s.submit(ref, label, chat.Request{V: chat.Version, Conversation: c.ID, Origin: origin(ref), Message: &message}); err != nil {
		s.refuse(command, target, err)
		return
	}
	if label != "" {
		s.reply.deferred = true
	}
	if state := s.hub.account.State(); state.Status != chat.Connected && state.Status != chat.Connecting && !s.offlineTold {
		s.offlineTold = true
		s.sendServer("NOTICE", s.contextOf(c.ID), "Not connected to the network at present; your message waits and is sent when the connection is back.")
	}
}

// submit commits a request to the outbox.
func (s *session) submit(ref, label string, request chat.Request) error {
	// The event may come before Submit returns.
	s.pending[ref] = label
	s.client.sent(ref, s)
	if err := s.hub.account.Submit(s.ctx, request); err != nil {
		delete(s.pending, ref)
		s.client.reported(ref)
		return err
	}
	delete(s.typing, request.Conversation) // a message ends typing
	return nil
}

// recipient finds the conversation of a target; a person without one gets it.
func (s *session) recipient(command, target string) (chat.Conversation, bool) {
	none := chat.Conversation{}
	if strings.HasPrefix(target, "#") {
		id, ok := s.hub.names.Channel(target)
		if !ok {
			s.fail("403", command, "INVALID_TARGET", []string{ircwire.Middle(target)}, "No such channel")
			return none, false
		}
		if s.views[id] == nil {
			s.numeric("404", ircwire.Middle(target), "Cannot send to channel: join it first")
			return none, false
		}
		return s.writable(command, target, id)
	}
	person, ok := s.hub.names.Person(target)
	if !ok {
		s.numeric("401", ircwire.Cut(ircwire.Middle(target), 64), "No such nick")
		return none, false
	}
	if id, ok := s.hub.names.Query(person); ok {
		return s.writable(command, target, id)
	}
	return s.createQuery(command, target, person)
}

// writable returns a conversation if its account may write there.
func (s *session) writable(command, target string, id chat.ConversationID) (chat.Conversation, bool) {
	c, err := s.hub.account.Conversation(s.ctx, id)
	if err == nil && c.Standing == chat.Invited {
		err = chat.ErrInvited
	}
	if err != nil {
		s.refuse(command, target, err)
	}
	return c, err == nil
}

// createQuery begins a one-to-one conversation.
func (s *session) createQuery(command, target string, person chat.PersonID) (chat.Conversation, bool) {
	ctx, cancel := context.WithTimeout(s.ctx, createTime)
	defer cancel()
	c, err := s.hub.account.Create(ctx, origin(rand.Text()), chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{person}})
	if err == nil {
		_, err = s.hub.prepare(s.ctx, []chat.Conversation{c})
	}
	if err != nil {
		s.refuse(command, target, err)
	}
	return c, err == nil
}

// refuse reports a message that was not accepted.
func (s *session) refuse(command, target string, err error) {
	s.log.Debug().Err(err).Msg("Message not accepted")
	target = ircwire.Cut(ircwire.Middle(target), 64)
	text := "Message not sent: " + s.explain(err)
	if s.caps[capStdReplies] {
		s.sendServer("FAIL", command, "CANNOT_SEND", target, text)
		return
	}
	s.numeric("404", target, text)
}

// failure reports a message that was accepted and did not arrive, where the person wrote it.
func (d *delivery) failure(e chat.Event) {
	label := d.pending[e.Origin.Ref]
	delete(d.pending, e.Origin.Ref)
	text := "Message not delivered: " + d.explain(chat.Failed(e.Failure.Reason))
	if excerpt := irctext.CutGraphemes(irctext.Clean(e.Failure.Text.String()), 60); excerpt != "" {
		text += ": \"" + excerpt + "\""
	}
	if !d.caps[capServerTime] && d.old(e) {
		text = clock(time.UnixMicro(e.Time), d.g.now()) + " " + text
	}
	m := ircwire.New(d.g.cfg.ServerName, "NOTICE", d.contextOf(e.Conversation), ircwire.Plain(text))
	if label != "" {
		m = m.With("label", label)
	}
	d.put(d.tagged(m, chat.Event{Time: e.Time}, false))
}

// contextOf is where a NOTICE about a conversation goes: its channel, if the client is
// there, else the client itself.
func (s *session) contextOf(id chat.ConversationID) string {
	if v := s.views[id]; v != nil {
		return v.channel
	}
	return s.nick
}

// explain says why something failed, in words for people.
func (s *session) explain(err error) string {
	for _, e := range []struct {
		err  error
		text string
	}{
		{chat.ErrInvited, "you are only invited; accept the invitation in a Hangouts app first"},
		{chat.ErrBadCredentials, "the account has to log in again"},
		{chat.ErrExpired, "the network could not be reached in time"},
		{chat.ErrUnconfirmed, "it is not known whether it arrived"},
		{chat.ErrUnavailable, "the network cannot be reached"},
		{chat.ErrUnknownConversation, "there is no such conversation any more"},
		{chat.ErrUnsupported, "the network has no such thing"},
		{chat.ErrTooLarge, "it is too long"},
		{chat.ErrForbidden, "it is not allowed"},
		{chat.ErrRefused, "the network refused it"},
		{context.DeadlineExceeded, "the network did not answer"},
	} {
		if errors.Is(err, e.err) {
			return e.text
		}
	}
	s.log.Err(err).Msg("Internal error while sending")
	return "internal error"
}
