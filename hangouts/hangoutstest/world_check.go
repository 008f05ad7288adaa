package hangoutstest

import (
	"fmt"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// load applies a record of a state file. It refuses one that this server would not have written,
// so that whatever was loaded can be served.
func (w *world) load(rec record) error {
	if rec.US > maxTimeUS {
		return fmt.Errorf("%w: time %d", ErrInvalid, rec.US)
	}
	w.lastUS = max(w.lastUS, rec.US)
	for _, o := range rec.Ops {
		if err := w.check(o); err != nil {
			return err
		}
		if err := w.applyOp(o); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) check(o op) error {
	switch {
	case o.Open != nil && o.Open.Generation <= w.generation:
		return fmt.Errorf("%w: start %d after %d", ErrInvalid, o.Open.Generation, w.generation)
	case o.Person != nil:
		return o.Person.check()
	case o.Conversation != nil:
		return w.checkConversation(o.Conversation)
	case o.Event != nil:
		return w.checkEvent(o.Event)
	case o.Photo != nil && o.Photo.ID == "":
		return fmt.Errorf("%w: photo without id", ErrInvalid)
	}
	return nil
}

func (p *person) check() error {
	if p.GaiaID == "" || p.Account && (p.Cookies["SAPISID"] == "" || p.Cookies["SID"] == "") {
		return fmt.Errorf("%w: person %q", ErrInvalid, p.Key)
	}
	return nil
}

func (w *world) checkConversation(c *conversation) error {
	kind := c.Type == pb.ConversationType_CONVERSATION_TYPE_GROUP || c.Type == pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE
	if c.ID == "" || !kind || !c.group() && len(c.Members) != 2 {
		return fmt.Errorf("%w: conversation %q", ErrInvalid, c.ID)
	}
	seen := map[string]bool{}
	for _, m := range c.Members {
		if m == nil || w.people[m.GaiaID] == nil || seen[m.GaiaID] {
			return fmt.Errorf("%w: members of conversation %q", ErrInvalid, c.ID)
		}
		seen[m.GaiaID] = true
	}
	return nil
}

func (w *world) checkEvent(o *eventOp) error {
	if err := o.decode(); err != nil {
		return err
	}
	e := &event{pb: o.decoded}
	c := w.convs[e.pb.GetConversationId().GetId()]
	if c == nil || e.id() == "" || c.byID[e.id()] != nil || e.us() == 0 || e.us() > maxTimeUS {
		return fmt.Errorf("%w: event %q", ErrInvalid, e.id())
	}
	return nil
}
