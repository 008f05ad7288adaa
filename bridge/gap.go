package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

const (
	// gapPage is how many events of a gap are asked for at once; more than gapEvents are
	// not filled in.
	gapPage   = 500
	gapEvents = 50_000
)

// noteGaps notes, before a login that is new is delivered to, which rooms to which no other
// login delivers may lack what came since an earlier one ended.
func (c *consumer) noteGaps(ctx context.Context) error {
	rooms, err := c.connector.bridge.GetAllPortalsWithMXID(ctx)
	if err != nil {
		return fmt.Errorf("%w: list rooms: %w", bridgev2.ErrDatabaseError, err)
	}
	for _, room := range rooms {
		if room.Receiver != "" && room.Receiver != c.login.ID {
			continue
		}
		unlock, err := c.d.portals.lock(ctx, room.PortalKey)
		if err != nil {
			return err
		}
		others, err := c.connector.present(ctx, room, c.login.ID)
		if err == nil && len(others) == 0 {
			err = c.noteGap(ctx, room)
		}
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// arrive notes a gap in a shared room that is new to the login: its log begins at the present,
// and another login may still have something from before to bring. The portal's lock is held.
func (c *consumer) arrive(ctx context.Context, room *bridgev2.Portal) error {
	c.mu.Lock()
	arrived := c.arrived[room.PortalKey]
	c.arrived[room.PortalKey] = true
	c.mu.Unlock()
	if arrived || room.Receiver != "" {
		return nil
	}
	logins, err := c.connector.bridge.GetUserLoginsInPortal(ctx, room.PortalKey)
	if err != nil {
		err = fmt.Errorf("%w: get logins in portal: %w", bridgev2.ErrDatabaseError, err)
	} else if !slices.ContainsFunc(logins, func(login *bridgev2.UserLogin) bool { return login.ID == c.login.ID }) {
		err = c.noteGap(ctx, room)
	}
	if err != nil {
		c.mu.Lock()
		delete(c.arrived, room.PortalKey)
		c.mu.Unlock()
	}
	return err
}

// noteGap notes that a room may lack what came after its last message. The portal's lock is
// held.
func (c *consumer) noteGap(ctx context.Context, room *bridgev2.Portal) error {
	meta := ids.PortalMeta(room)
	if !meta.Filled || meta.GapAfter != 0 && meta.GapBefore == 0 {
		return nil
	}
	if before := meta.GapBefore; before != 0 { // older history was cut short: one gap is both
		meta.GapBefore = 0
		if err := room.Save(ctx); err != nil {
			meta.GapBefore = before
			return fmt.Errorf("%w: note gap: %w", bridgev2.ErrDatabaseError, err)
		}
		return nil
	}
	last, err := c.connector.bridge.DB.Message.GetLastPartAtOrBeforeTime(ctx, room.PortalKey, time.Now().AddDate(1, 0, 0))
	if err != nil {
		return fmt.Errorf("%w: look for the last message: %w", bridgev2.ErrDatabaseError, err)
	}
	if last == nil {
		meta.Filled = false
	} else {
		meta.GapAfter = last.Timestamp.UnixMicro()
	}
	if err = room.Save(ctx); err != nil {
		meta.Filled, meta.GapAfter = true, 0
		return fmt.Errorf("%w: note gap: %w", bridgev2.ErrDatabaseError, err)
	}
	return nil
}

// fillGap brings what a room lacks into it, in order. A failure leaves the gap noted, and
// what is there already is left out the next time.
func (c *consumer) fillGap(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) error {
	meta := ids.PortalMeta(room)
	events, err := c.between(ctx, conversation.ID, meta.GapAfter, meta.GapBefore, nil)
	if features := c.session.Features(conversation); err == nil && meta.GapBefore != 0 && (features.Edits || features.Deletions || features.Reactions) {
		// Later changes of these messages were delivered before the messages.
		var later []chat.Event
		later, err = c.between(ctx, conversation.ID, meta.GapBefore-1, 0, changesOf(events))
		events = append(events, later...)
	}
	if mayHelp(err) {
		return err
	} else if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("conversation", string(conversation.ID)).Msg("Filling a room without the history that the network does not give")
	}
	if err = c.showPast(ctx, room, conversation, events, true); err != nil {
		return err
	}
	after, before := meta.GapAfter, meta.GapBefore
	meta.GapAfter, meta.GapBefore = 0, 0
	if err = room.Save(ctx); err != nil {
		meta.GapAfter, meta.GapBefore = after, before
		return fmt.Errorf("%w: note that a gap is filled: %w", bridgev2.ErrDatabaseError, err)
	}
	return nil
}

// changesOf tells what is about one of some messages.
func changesOf(events []chat.Event) func(chat.Event) bool {
	messages := make(map[chat.EventID]bool, len(events))
	for _, e := range events {
		messages[e.ID] = e.Message != nil
	}
	return func(e chat.Event) bool { return messages[e.Target()] }
}

// between returns the events of a conversation after a time and before another one (µs; 0 = up to the present),
// oldest first, those that only keeps where it is given.
func (c *consumer) between(ctx context.Context, conversation chat.ConversationID, after, before int64, only func(chat.Event) bool) (events []chat.Event, err error) {
	known := map[chat.EventID]bool{}
	for len(known) < gapEvents {
		page, err := c.session.History(ctx, account.HistoryQuery{Conversation: conversation, Before: before, Limit: gapPage, Complete: true})
		if err != nil {
			return events, fmt.Errorf("get history of %s: %w", conversation, err)
		}
		fresh := slices.DeleteFunc(page, func(e chat.Event) bool { return known[e.ID] })
		if len(fresh) == 0 {
			return events, nil
		}
		oldest := fresh[0].Time
		for _, e := range fresh {
			known[e.ID] = true
		}
		fresh = slices.DeleteFunc(fresh, func(e chat.Event) bool { return e.Time <= after || only != nil && !only(e) })
		events = append(fresh, events...)
		if oldest <= after {
			return events, nil
		}
		before = oldest + 1 // another event may have the same time
	}
	zerolog.Ctx(ctx).Warn().Str("conversation", string(conversation)).Int("events", len(known)).Msg("A room lacks too many events; the oldest are given up")
	return events, nil
}
