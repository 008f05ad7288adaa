package irc

import (
	"strconv"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// reply collects what a labeled command answers, so that exactly one response carries
// the label.
type reply struct {
	label    string
	messages []ircwire.Message
	deferred bool // the response comes later: the echo of a message
}

// maxLabel is the longest label in bytes.
const maxLabel = 64

// send queues a message with those of its tags that the client has asked for. Where the
// client reads slowly, it waits until half of the queue is free: only this session waits.
func (s *session) send(m ircwire.Message) {
	if s.reply != nil {
		s.reply.messages = append(s.reply.messages, m)
		return
	}
	s.queueLines(s.withTags(m).Encode())
}

// queueLines queues encoded lines, waiting as send does.
func (s *session) queueLines(lines ...[]byte) {
	for _, line := range lines {
		s.queue.room(s.done)
		if !s.queue.put(line) {
			s.end("SendQ exceeded")
		}
	}
}

// withTags is a message with those of its tags that the client has asked for.
func (s *session) withTags(m ircwire.Message) ircwire.Message {
	tags := m.Tags
	m.Tags = nil
	for _, t := range tags {
		if s.wantsTag(t.Key) {
			m.Tags = append(m.Tags, t)
		}
	}
	return m
}

// tagSet are the tags of messages that a client has asked for.
type tagSet struct{ time, account, message bool }

func (s *session) tagSet() tagSet {
	return tagSet{s.caps[capServerTime], s.caps[capAccountTag], s.caps[capMessageTags]}
}

func (s *session) wantsTag(key string) bool {
	switch key {
	case "time":
		return s.caps[capServerTime]
	case "account":
		return s.caps[capAccountTag]
	case "batch", concatTag:
		return s.caps[capBatch]
	case "label":
		return s.caps[capLabel]
	}
	return s.caps[capMessageTags] // msgid, +typing
}

// beginReply starts collecting the response to a line with a label.
func (s *session) beginReply(l *ircwire.Line) {
	if label := l.Tags["label"]; s.caps[capLabel] && label != "" && len(label) <= maxLabel {
		s.reply = &reply{label: label}
	}
}

// endReply sends the response: the only message with the label, several in a batch, an
// ACK for none.
func (s *session) endReply() {
	r := s.reply
	if s.reply = nil; r == nil {
		return
	}
	if r.deferred {
		for _, m := range r.messages {
			s.send(m)
		}
		return
	}
	s.sendLabeled(r.label, r.messages)
}

// sendLabeled sends messages as the one response to a label ("" = without label).
func (s *session) sendLabeled(label string, messages []ircwire.Message) {
	switch {
	case label == "":
	case len(messages) > 0 && messages[0].Command == "BATCH": // a batch is one response
		messages[0] = messages[0].With("label", label)
	case len(messages) == 0:
		messages = []ircwire.Message{ircwire.New(s.g.cfg.ServerName, "ACK").With("label", label)}
	case len(messages) == 1 || !s.caps[capBatch]:
		messages[0] = messages[0].With("label", label)
	default:
		s.batchCount++
		id := "r" + itoa(s.batchCount)
		s.send(ircwire.New(s.g.cfg.ServerName, "BATCH", "+"+id, "labeled-response").With("label", label))
		for _, m := range messages {
			s.send(m.With("batch", id))
		}
		s.send(ircwire.New(s.g.cfg.ServerName, "BATCH", "-"+id))
		return
	}
	for _, m := range messages {
		s.send(m)
	}
}

// target is what numerics address: the nick, or "*" before there is one.
func (s *session) target() string {
	if s.nick == "" {
		return "*"
	}
	return s.nick
}

func (s *session) sendServer(command string, params ...string) {
	s.send(ircwire.New(s.g.cfg.ServerName, command, params...))
}

// numeric sends a numeric reply; the client's nick is put in front.
func (s *session) numeric(code string, params ...string) {
	s.sendServer(code, append([]string{s.target()}, params...)...)
}

// fail reports a failed command: as a standard reply where the client knows them, else
// as a numeric or, without one, as a NOTICE. about holds the parameters that it is about.
func (s *session) fail(numeric, command, code string, about []string, text string) {
	switch {
	case s.caps[capStdReplies]:
		s.sendServer("FAIL", append(append([]string{command, code}, about...), text)...)
	case numeric != "":
		s.numeric(numeric, append(about, text)...)
	default:
		s.notice(text)
	}
}

// notice tells the client something outside of any conversation.
func (s *session) notice(text string) { s.sendServer("NOTICE", s.target(), ircwire.Plain(text)) }

func itoa(n int) string { return strconv.Itoa(n) }

// join makes one parameter of words.
func join(words []string) string { return strings.Join(words, " ") }
