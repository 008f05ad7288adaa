package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// mostOlder is how much older history one command may ask for.
const mostOlder = 500

// errNotFilled: the room does not have its first history yet.
var errNotFilled = errors.New("the room is still being filled")

// showingOlder makes the command history show older messages, too.
func showingOlder(command conversationCommand) conversationCommand {
	request := command.request
	command.args = "[`on`|`off`|_number_]"
	command.request = func(ce *commands.Event, c place) (chat.Request, string, string) {
		limit, err := strconv.Atoi(strings.Join(ce.Args, " "))
		if err != nil {
			return request(ce, c)
		}
		return chat.Request{}, "", c.showOlder(ce, limit)
	}
	return command
}

func (c place) showOlder(ce *commands.Event, limit int) (says string) {
	consumer := c.client.consumer()
	switch {
	case limit < 1 || limit > mostOlder:
		return fmt.Sprintf("Usage: `$cmdprefix history <number>`, from 1 to %d", mostOlder)
	case consumer == nil:
		return portal.Sentence(chat.ErrUnavailable)
	}
	shown, err := consumer.older(ce.Ctx, c.ID, limit)
	switch {
	case errors.Is(err, errNotFilled):
		return "This room does not have its latest messages yet. Try again when it has."
	case err != nil:
		ce.Log.Warn().Err(err).Msg("Failed to show older history")
		return portal.Sentence(err)
	case shown == 0:
		return "There is nothing older on Hangouts."
	case shown == 1:
		return "One older message is above, with the time when it was written."
	}
	return fmt.Sprintf("%d older messages are above, each with the time when it was written.", shown)
}

// older shows up to so many events from before everything that a room has, with their authors and times, and
// returns how many there were. What is shown is noted before as a gap: when that is cut short, the gap is filled later.
func (c *consumer) older(ctx context.Context, key chat.ConversationID, limit int) (shown int, err error) {
	conversation, err := c.session.Conversation(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("get conversation: %w", err)
	}
	unlock, err := c.d.portals.lock(ctx, c.Key(key, conversation.Kind))
	if err != nil {
		return 0, err
	}
	defer unlock()
	room, err := c.connector.existing(ctx, c.Key(key, conversation.Kind))
	if err == nil && (room == nil || !ids.PortalMeta(room).Filled) {
		err = errNotFilled
	}
	if err == nil && ids.PortalMeta(room).GapAfter != 0 {
		_, err = c.completeRoom(ctx, room, conversation)
	}
	if err != nil {
		return 0, err
	}
	events, before, err := c.beforeAll(ctx, room, conversation, limit)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	meta := ids.PortalMeta(room)
	meta.GapAfter, meta.GapBefore = events[0].Time-1, before
	if err = room.Save(ctx); err != nil {
		meta.GapAfter, meta.GapBefore = 0, 0
		return 0, fmt.Errorf("%w: note gap: %w", bridgev2.ErrDatabaseError, err)
	}
	_, err = c.completeRoom(ctx, room, conversation)
	_, shown = latestShown(events, limit)
	return shown, err
}

// beforeAll returns the latest events before the first message of a room, as many as show limit messages with the changes of these,
// and that message's time (µs; 0 = there is none).
func (c *consumer) beforeAll(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation, limit int) ([]chat.Event, int64, error) {
	first, err := c.connector.bridge.DB.Message.GetFirstPortalMessage(ctx, room.PortalKey)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: look for the first message: %w", bridgev2.ErrDatabaseError, err)
	}
	query := account.HistoryQuery{Conversation: conversation.ID, Limit: limit, Complete: true}
	if first != nil {
		query.Before = first.Timestamp.UnixMicro() + 1 // another event may have the same time
		query.Limit++
	}
	for known := -1; ; query.Limit *= 2 {
		events, err := c.session.History(ctx, query)
		if err != nil {
			return nil, 0, fmt.Errorf("get history of %s: %w", conversation.ID, err)
		}
		fetched := len(events)
		events = slices.DeleteFunc(events, func(e chat.Event) bool { return first != nil && ids.MakeMessageID(e.Conversation, e.ID) == first.ID })
		if events, shown := latestShown(events, limit); shown == limit || fetched == known {
			return events, query.Before, nil
		}
		known = fetched
	}
}

// latestShown cuts events, oldest first, to the latest that show at most limit messages, and returns how many they show: changes
// of others show none of their own.
func latestShown(events []chat.Event, limit int) (latest []chat.Event, shown int) {
	for n, e := range slices.Backward(events) {
		if e.Target() != "" {
			continue
		}
		if shown++; shown == limit {
			return events[n:], shown
		}
	}
	return events, shown
}
