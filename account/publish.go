package account

import (
	"fmt"
	"reflect"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// done publishes a commitment that is written.
func (c *commitment) done(err error) error {
	if err != nil {
		c.s.known.publish(nil, nil)
		return fmt.Errorf("log update: %w", err)
	}
	c.publish()
	if c.options.added != nil {
		*c.options.added = append(*c.options.added, c.added...)
	}
	return nil
}

// publish notifies everybody of what the committed update brought. It runs in the writer's
// goroutine, so that consumers hear of events in the order of the log.
func (c *commitment) publish() {
	c.s.known.publish(c.changed, c.people)
	for _, row := range c.settled {
		c.s.outbox.settle(row.Request.Origin)
	}
	c.observeChanges()
	c.s.logged(c.added)
}

// logged notifies consumers of new events. It runs in the writer's goroutine.
func (s *session) logged(events []chat.Event) {
	s.recent.add(events)
	for _, e := range events {
		if e.Deletion != nil {
			s.recent.blank(e.Conversation, e.Deletion.Target)
		}
	}
	heads := make(map[chat.ConversationID]int64)
	for _, e := range events {
		heads[e.Conversation] = e.Seq
	}
	for id, head := range heads {
		s.notify(id, head)
	}
}

// differ reports whether more has changed than that something was said or read.
func differ(a, b chat.Conversation) bool {
	a.SortTime, a.ReadTime = b.SortTime, b.ReadTime
	return !reflect.DeepEqual(a, b)
}

func (c *commitment) observeChanges() {
	c.s.observe(func(o *observers) {
		for _, p := range c.people {
			o.person(p)
		}
		for _, row := range c.changed {
			if c.fresh[row.ID] || differ(row.Conversation, c.before[row.ID].Conversation) {
				o.conversation(row.Conversation)
			}
		}
		for _, w := range c.marks {
			o.watermark(w)
		}
	})
	if len(c.events) > 0 {
		c.s.link.post(said{c.events, c.options.past})
	}
}
