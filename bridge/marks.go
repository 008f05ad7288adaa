package bridge

import (
	"context"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

const (
	// markAge is how long a watermark is kept that may be about messages still on their
	// way to the room; marksKept bounds how many.
	markAge   = 10 * time.Minute
	marksKept = 1000
)

type markKey struct {
	conversation chat.ConversationID
	person       chat.PersonID
}

// lateMark is a watermark that was told lately.
type lateMark struct {
	chat.Watermark
	came time.Time
}

// Watermark implements account.Observer.
func (c *consumer) Watermark(ctx context.Context, mark chat.Watermark) {
	switch {
	case mark.Person == c.id && mark.Origin.Side == chat.OriginMatrix:
		return // read in Matrix
	case mark.Person != c.id && c.showsItself(ctx, mark.Conversation, mark.Person):
		return // that person's own login shows it, or it was read in Matrix
	}
	c.keepMark(mark)
	c.showMark(ctx, mark)
}

func (c *consumer) showMark(ctx context.Context, mark chat.Watermark) {
	c.live.do(string(mark.Conversation), "read/"+string(mark.Person), func() {
		c.inRoom(ctx, mark.Conversation, mark.Person, func(conversation chat.Conversation) {
			_ = c.queue(ctx, c.RemoteReceipt(ctx, mark, conversation), mark.Person)
		})
	})
}

// showsItself reports whether a person's own login shows what they do in the room of a
// conversation.
func (c *consumer) showsItself(ctx context.Context, id chat.ConversationID, person chat.PersonID) bool {
	if !c.connector.delivers(person) {
		return false
	}
	conversation, err := c.session.Conversation(ctx, id)
	if err != nil {
		return false
	}
	key := c.Key(id, conversation.Kind)
	if key.Receiver != "" {
		return false
	}
	room, err := c.connector.existing(ctx, key)
	return err != nil || room == nil || ids.PortalMeta(room).Absences.All()[ids.MakeLoginID(person)] == ""
}

// othersWatch reports whether other logins have the room of a conversation, too.
func (c *consumer) othersWatch(ctx context.Context, id chat.ConversationID) bool {
	conversation, err := c.session.Conversation(ctx, id)
	if err != nil || c.Key(id, conversation.Kind).Receiver != "" {
		return false
	}
	return slices.ContainsFunc(portal.MemberIDs(conversation), func(member chat.PersonID) bool {
		return member != c.id && c.connector.delivers(member)
	})
}

// keepMark keeps a watermark for messages that come into the room after it.
func (c *consumer) keepMark(mark chat.Watermark) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.marks) >= marksKept {
		for key, kept := range c.marks {
			if now.Sub(kept.came) > markAge {
				delete(c.marks, key)
			}
		}
	}
	key := markKey{mark.Conversation, mark.Person}
	if _, known := c.marks[key]; known || len(c.marks) < marksKept {
		c.marks[key] = lateMark{mark, now}
	}
}

// catchUpMarks shows the watermarks again that are about an event which is in the room
// only now.
func (c *consumer) catchUpMarks(ctx context.Context, e chat.Event) {
	now := time.Now()
	var due []chat.Watermark
	c.mu.Lock()
	for key, kept := range c.marks {
		switch {
		case now.Sub(kept.came) > markAge:
			delete(c.marks, key)
		case key.conversation == e.Conversation && kept.Time >= e.Time && key.person != e.Author:
			due = append(due, kept.Watermark)
		}
	}
	c.mu.Unlock()
	for _, mark := range due {
		c.showMark(ctx, mark)
	}
}
