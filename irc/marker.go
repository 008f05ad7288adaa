package irc

import (
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// timestampFormat is that of server-time and of read markers.
const timestampFormat = "2006-01-02T15:04:05.000Z"

// cmdMarkread tells or moves the read marker of a conversation, which is the person's own
// watermark. Clients know milliseconds only: a marker stands for the newest event of its
// millisecond or before it, and it is that event's own time that is marked.
func cmdMarkread(s *session, l *ircwire.Line) {
	target := ircwire.Cut(ircwire.Middle(l.Param(0)), 64)
	id, ok := s.markTarget(l.Param(0))
	if _, person := s.hub.names.Person(l.Param(0)); !ok && person && len(l.Params) == 1 {
		s.sendServer("MARKREAD", target, "*") // nothing was said yet
		return
	}
	if !ok {
		s.sendServer("FAIL", "MARKREAD", "INVALID_PARAMS", target, "No such conversation")
		return
	}
	if len(l.Params) > 1 {
		at, err := time.Parse("timestamp="+timestampFormat, l.Param(1))
		if err != nil {
			s.sendServer("FAIL", "MARKREAD", "INVALID_PARAMS", target, "Invalid timestamp")
			return
		}
		if err := s.markRead(id, at); err != nil {
			s.log.Err(err).Msg("Failed to move the watermark")
			s.sendServer("FAIL", "MARKREAD", "INTERNAL_ERROR", target, "The read marker could not be moved")
			return
		}
	}
	s.sendMarker(id, 0)
}

// markTarget finds the conversation of a marker; one that does not exist yet has none.
func (s *session) markTarget(name string) (chat.ConversationID, bool) {
	if id, ok := s.hub.names.Channel(name); ok {
		return id, true
	}
	person, ok := s.hub.names.Person(name)
	if !ok {
		return "", false
	}
	return s.hub.names.Query(person)
}

// markWait bounds how long a marker waits for the event that it stands for, which may be older than
// what is stored.
const markWait = 5 * time.Second

func (s *session) markRead(id chat.ConversationID, at time.Time) error {
	before := at.Truncate(time.Millisecond).Add(time.Millisecond).UnixMicro()
	marker, err := s.hub.account.ReadMarker(s.ctx, id, s.client.origin())
	if err != nil || marker >= before-1 {
		return err // watermarks do not move back
	}
	ctx, cancel := context.WithTimeout(s.ctx, markWait)
	defer cancel()
	events, err := s.hub.account.History(ctx, account.HistoryQuery{Conversation: id, Before: before, Limit: 1})
	if err != nil || len(events) == 0 {
		return err
	}
	return s.hub.account.MarkRead(s.ctx, chat.Watermark{Conversation: id, Person: s.hub.self(),
		Time: events[len(events)-1].Time, Origin: s.client.origin()})
}

// sendMarker tells the client the read marker of a conversation: the greatest of what is
// known, of what this client has set, in any of its sessions, and of us (µs).
func (s *session) sendMarker(id chat.ConversationID, us int64) {
	if !s.caps[capReadMarker] {
		return
	}
	marker, err := s.hub.account.ReadMarker(s.ctx, id, s.client.origin())
	if err != nil {
		s.log.Err(err).Msg("Failed to read a read marker")
	}
	us = max(us, marker)
	t, _ := s.hub.names.Target(id)
	target := t.Channel
	if target == "" {
		target = s.nickOf(t.Person)
	}
	value := "*"
	if us > 0 {
		value = "timestamp=" + time.UnixMicro(us).UTC().Format(timestampFormat)
	}
	s.sendServer("MARKREAD", target, value)
}
