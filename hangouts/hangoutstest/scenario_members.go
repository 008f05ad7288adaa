package hangoutstest

import (
	"fmt"
	"maps"
	"slices"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// admit refuses what would make two conversations one, and names that are not members'.
func (b *builder) admit(c *conversation, sc ScenarioConversation) error {
	names := []string{"id " + c.ID}
	if c.Key != "" {
		names = append(names, "key "+c.Key)
	}
	if !c.group() {
		pair := slices.Sorted(slices.Values(sc.Members))
		names = append(names, fmt.Sprintf("pair %q", pair))
	}
	for _, name := range names {
		if b.conversations[name] {
			return fmt.Errorf("%w: conversation %s appears twice", ErrScenario, name)
		}
		b.conversations[name] = true
	}
	named := slices.Concat(sc.QuietFor, sc.ArchivedFor, sc.InvitedOnly, slices.Collect(maps.Keys(sc.Unread)))
	for _, key := range named {
		if !slices.Contains(sc.Members, key) {
			return fmt.Errorf("%w: %q is no member", ErrScenario, key)
		}
		if sc.Unread[key] < 0 {
			return fmt.Errorf("%w: %d unread events", ErrScenario, sc.Unread[key])
		}
	}
	if sc.Filler < 0 || sc.Filler > maxFiller || sc.Filler > 0 && len(sc.Members) == 0 {
		return fmt.Errorf("%w: filler %d for %d members", ErrScenario, sc.Filler, len(sc.Members))
	}
	return nil
}

func (b *builder) members(c *conversation, sc ScenarioConversation) error {
	for _, key := range sc.Members {
		p, err := b.lookup(key)
		if err != nil {
			return err
		}
		if c.anyMember(p.GaiaID) != nil {
			return fmt.Errorf("%w: member %q appears twice", ErrScenario, key)
		}
		m := newMember(p, c.CreatedUS)
		if slices.Contains(sc.QuietFor, key) {
			m.Level = pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET
		}
		if slices.Contains(sc.InvitedOnly, key) {
			m.Status = pb.ConversationStatus_CONVERSATION_STATUS_INVITED
			m.Inviter = b.inviter(sc)
		}
		c.Members = append(c.Members, m)
	}
	return nil
}

// inviter is the first member who is not only invited, or the first.
func (b *builder) inviter(sc ScenarioConversation) string {
	for _, key := range sc.Members {
		if p := b.people[key]; p != nil && !slices.Contains(sc.InvitedOnly, key) {
			return p.GaiaID
		}
	}
	return b.people[sc.Members[0]].GaiaID
}

// personalState sets what events would otherwise overwrite: archived, and what was read.
func (b *builder) personalState(c *conversation, sc ScenarioConversation, events []*pb.Event) error {
	if len(sc.ArchivedFor) > 0 {
		h := c.head()
		for _, m := range h.Members {
			for _, e := range events {
				m.SortUS = max(m.SortUS, e.GetTimestamp())
			}
			for _, key := range sc.ArchivedFor {
				m.Archived = m.Archived || b.people[key] != nil && b.people[key].GaiaID == m.GaiaID
			}
		}
		b.ops = append(b.ops, op{Conversation: h})
	}
	for _, key := range sc.Members {
		last := len(events) - 1 - sc.Unread[key]
		if last >= 0 {
			b.ops = append(b.ops, op{Read: &readOp{c.ID, b.people[key].GaiaID, events[last].GetTimestamp()}})
		}
	}
	return nil
}

func newMember(p *person, us uint64) *member {
	return &member{
		GaiaID: p.GaiaID, FallbackName: p.Name, Status: pb.ConversationStatus_CONVERSATION_STATUS_ACTIVE,
		Level: pb.NotificationLevel_NOTIFICATION_LEVEL_RING, InviteUS: us, ActiveUS: us, SortUS: us,
	}
}
