package account

import (
	"fmt"
	"reflect"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// done publishes a commitment that is written.
func (c *commitment) done(err error) error {
	if err != nil {
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
	for _, row := range c.settled {
		c.s.outbox.settle(row.Request.Origin)
	}
	c.observeChanges()
	c.s.logged(c.added)
}

// logged notifies consumers of new events. It runs in the writer's goroutine.
func (s *session) logged(events []chat.Event) {
	s.recent.add(events)
	heads := make(map[chat.ConversationID]int64)
	for _, e := range events {
		heads[e.Conversation] = e.Seq
	}
	for id, head := range heads {
		s.notify(id, head)
	}
}

func (c *commitment) observeChanges() {
	c.s.observe(func(o *observers) {
		for _, p := range c.people {
			o.person(p)
		}
		for id, row := range c.rows {
			if row != nil && (c.fresh[id] || !reflect.DeepEqual(row.Conversation, c.before[id])) {
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
