package irc

import (
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/irctext"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Limits of a message of several lines that a client sends.
const (
	maxMultilineBytes = 8192
	maxMultilineLines = 100
	batchTime         = 30 * time.Second // from opening a batch to closing it
)

// concatTag says that a line continues the one before it.
const concatTag = "draft/multiline-concat"

// multiline shows a message of several lines in one piece. The tags of the message stand
// on the opening BATCH.
func (s *session) multiline(e chat.Event, source, to, prefix string, lines []irctext.Line) []ircwire.Message {
	s.batchCount++
	id := "m" + itoa(s.batchCount)
	out := []ircwire.Message{s.tagged(ircwire.New(source, "BATCH", "+"+id, capMultiline, to), e, true)}
	for i, l := range lines {
		if i == 0 {
			l.Text = prefix + l.Text
		}
		m := ircwire.New(source, "PRIVMSG", to, l.Text).With("batch", id)
		if l.Joined {
			m = m.With(concatTag, "")
		}
		out = append(out, m)
	}
	return append(out, ircwire.New(source, "BATCH", "-"+id))
}

// inputBatch is a message of several lines that a client is sending.
type inputBatch struct {
	id, target, label string
	command           string // of its lines
	opened            time.Time
	lines             []irctext.Line
	bytes             int
	failed            bool // refused already; the rest is swallowed
}

// cmdBatch opens and closes batches; draft/multiline is the only kind that clients send.
func cmdBatch(s *session, l *ircwire.Line) {
	ref := l.Param(0)
	switch {
	case strings.HasPrefix(ref, "-") && s.batch != nil && ref[1:] == s.batch.id:
		s.closeBatch()
	case !strings.HasPrefix(ref, "+") || len(ref) < 2 || s.batch != nil:
		s.batchFail("INVALID_REFTAG", nil, "No such batch can be opened or closed")
	case l.Param(1) != capMultiline || !s.caps[capMultiline]:
		s.batchFail("UNKNOWN_TYPE", []string{ircwire.Middle(l.Param(1))}, "Unknown type of batch")
	default:
		s.batch = &inputBatch{id: ref[1:], target: l.Param(2), opened: s.g.now()}
		if s.reply != nil { // the label of the batch is answered when it is closed
			s.batch.label, s.reply.deferred = s.reply.label, true
		}
	}
}

// inBatch reports whether a line belongs to the open batch.
func (s *session) inBatch(l *ircwire.Line) bool {
	return s.batch != nil && l.Tags["batch"] == s.batch.id && (l.Command == "PRIVMSG" || l.Command == "NOTICE")
}

// batchLine takes one line of a batch. After a refusal the rest is swallowed.
func (s *session) batchLine(l *ircwire.Line) {
	b := s.batch
	if b.failed {
		return
	}
	_, concat := l.Tags[concatTag]
	text := l.Param(1)
	if b.bytes += len(text); !concat && len(b.lines) > 0 {
		b.bytes++
	}
	b.lines = append(b.lines, irctext.Line{Text: text, Joined: concat})
	switch {
	case b.bytes > maxMultilineBytes:
		s.batchFail("MULTILINE_MAX_BYTES", []string{itoa(maxMultilineBytes)}, "The message is too long")
	case len(b.lines) > maxMultilineLines:
		s.batchFail("MULTILINE_MAX_LINES", []string{itoa(maxMultilineLines)}, "The message has too many lines")
	case l.Param(0) != b.target:
		s.batchFail("MULTILINE_INVALID_TARGET", []string{ircwire.Middle(b.target), ircwire.Middle(l.Param(0))}, "All lines must have the same target")
	case b.command != "" && b.command != l.Command || concat && text == "":
		s.batchFail("MULTILINE_INVALID", nil, "Invalid line in a message of several lines")
	}
	b.command = l.Command
}

// closeBatch sends what has been collected as one message.
func (s *session) closeBatch() {
	b := s.batch
	s.batch = nil
	if b.failed {
		return
	}
	var text chat.Text
	for i, l := range b.lines {
		if i > 0 && !l.Joined {
			text = append(text, chat.Segment{Kind: chat.SegmentBreak})
		}
		text = append(text, irctext.Parse(l.Text)...)
	}
	if b.label != "" {
		s.reply = &reply{label: b.label}
	}
	if text.Empty() {
		s.batchFail("MULTILINE_INVALID", nil, "All lines are blank")
		return
	}
	s.sendText(b.command, b.target, text, false, true)
}

// expireBatch gives up a batch that is open for too long.
func (s *session) expireBatch() {
	if s.batch != nil && s.g.now().Sub(s.batch.opened) > batchTime {
		if !s.batch.failed {
			s.batchFail("TIMEOUT", nil, "The batch was not closed in time")
		}
		s.batch = nil
	}
}

// batchFail refuses a batch; its remaining lines are swallowed. The answer carries the
// batch's label.
func (s *session) batchFail(code string, about []string, text string) {
	m := ircwire.New(s.g.cfg.ServerName, "FAIL", append(append([]string{"BATCH", code}, about...), text)...)
	if b := s.batch; b != nil {
		b.failed, b.lines = true, nil
		if b.label != "" {
			m = m.With("label", b.label)
		}
	}
	s.send(m)
}
