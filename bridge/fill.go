package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// keyRoomsMade is where it is noted, by login, that the rooms due at the first login
// are made.
func (c *Client) keyRoomsMade() bridgedb.Key {
	return bridgedb.Key("hangouts_rooms_made:" + string(c.login.ID))
}

// ensureRoom returns a conversation's room with its members and initial history, making
// what is missing; nil if there is none and none is wanted. The portal's lock is held.
func (c *consumer) ensureRoom(ctx context.Context, conversation chat.Conversation, create bool) (*bridgev2.Portal, error) {
	key := c.Key(conversation.ID, conversation.Kind)
	room, err := c.connector.bridge.GetExistingPortalByKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: get portal: %w", bridgev2.ErrDatabaseError, err)
	}
	exists := room != nil && room.MXID != ""
	if exists && ids.PortalMeta(room).Filled {
		if ids.PortalMeta(room).GapAfter != 0 {
			if err = c.fillGap(ctx, room, conversation); err != nil {
				return nil, fmt.Errorf("fill gap: %w", err)
			}
		}
		return room, nil
	}
	if !exists && (!create || !c.connector.bridge.Config.PortalCreateFilter.ShouldAllow(c.login.ID, key)) {
		return nil, nil
	}
	invited := !exists && conversation.Standing == chat.Invited
	if invited {
		if err = c.prepareInvitation(ctx, key); err != nil {
			return nil, err
		}
	}
	if err = c.resync(ctx, conversation, true); err != nil {
		return nil, fmt.Errorf("make room: %w", err)
	}
	room, err = c.connector.bridge.GetExistingPortalByKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: get portal: %w", bridgev2.ErrDatabaseError, err)
	} else if room == nil || room.MXID == "" {
		return nil, errNotBridged
	}
	if !ids.PortalMeta(room).Filled {
		if err = c.fill(ctx, room, conversation); err != nil {
			return nil, fmt.Errorf("fill room: %w", err)
		}
	}
	if invited {
		return room, c.beInvited(ctx, room, conversation)
	}
	return room, nil
}

// resync makes a conversation's room, if create is set, or brings it up to date.
func (c *consumer) resync(ctx context.Context, conversation chat.Conversation, create bool) error {
	known, err := c.Known(ctx, conversation, portal.MemberIDs(conversation)...)
	if err == nil {
		err = c.introduce(ctx, known)
	}
	if err != nil {
		return fmt.Errorf("introduce members: %w", err)
	}
	involved := append(portal.MemberIDs(conversation), c.id)
	return c.queue(ctx, c.Resync(conversation, create, homeserver.NewAttempt(ctx).Mutate), involved...)
}

// fill brings the initial history into a room whose making was cut short. What is there
// already is left out.
func (c *consumer) fill(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) error {
	var events []chat.Event
	if backfill := c.connector.bridge.Config.Backfill; backfill.Enabled && backfill.MaxInitialMessages > 0 {
		var err error
		events, err = c.History(ctx, conversation.ID, backfill.MaxInitialMessages)
		if mayHelp(err) {
			return err
		} else if err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("conversation", string(conversation.ID)).Msg("The room stays without history")
		}
	}
	if err := c.showPast(ctx, room, conversation, events, false); err != nil {
		return err
	}
	portal.MarkFilled(ctx, room)
	return nil
}

// showPast shows past events that have no message yet. In a room that was there when they
// happened, what was written in Matrix is already there.
func (c *consumer) showPast(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation, events []chat.Event, wasThere bool) error {
	for _, e := range events {
		if err := c.showPastEvent(ctx, room, conversation, e, wasThere); err != nil {
			return err
		}
	}
	return nil
}

func (c *consumer) showPastEvent(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation, e chat.Event, wasThere bool) error {
	message := ids.MakeMessageID(e.Conversation, e.ID)
	if e.Origin.Side == chat.OriginMatrix {
		if wasThere {
			return c.settleOwn(ctx, e, room.PortalKey)
		}
		row, err := c.connector.bridge.DB.Message.GetFirstPartByID(ctx, room.Receiver, message)
		if err != nil {
			return fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
		} else if row != nil {
			return c.settle(ctx, room, message)
		}
	}
	if here, err := c.keepWritten(ctx, room, e); err != nil || here {
		return err
	}
	try := homeserver.NewAttempt(ctx)
	remote, err := c.HistoryEvent(ctx, e, conversation, try.Mutate)
	if err != nil || remote == nil {
		return err
	}
	if err = c.queueMessage(ctx, try, remote, e.Author); err != nil {
		return err
	}
	return c.settle(ctx, room, message)
}

// filled forgets the sends of a history that is in its room, with its rows. What cannot be
// forgotten now is swept at the next start.
func (d *delivery) filled(ctx context.Context, room id.RoomID, messages []networkid.MessageID) {
	for _, message := range messages {
		if err := d.sends.Settle(ctx, string(message), string(room)); err != nil {
			zerolog.Ctx(ctx).Err(err).Stringer("room", room).Msg("Failed to settle the sends of a room's history")
			return
		}
	}
}

// makeRooms makes, at the first login, the rooms of the latest conversations, and has the
// user enter those that are there already. At every start it completes the rooms whose
// making was cut short.
func (c *consumer) makeRooms(ctx context.Context) {
	log := zerolog.Ctx(ctx)
	if c.session.Ready(ctx) != nil {
		return
	}
	conversations, err := c.session.Conversations(ctx)
	if err != nil {
		log.Err(err).Msg("Failed to list conversations")
		return
	}
	kv := c.connector.bridge.DB.KV
	first := kv.Get(ctx, c.keyRoomsMade()) == ""
	var tasks []roomTask
	wanted := 0
	for _, conversation := range conversations {
		do := c.complete
		switch {
		case first && conversation.Standing == chat.Active && !conversation.Archived:
			create := wanted < c.connector.config.InitialChatSync
			wanted++
			do = func(ctx context.Context, conversation chat.Conversation) error {
				return c.enter(ctx, conversation, create)
			}
		case conversation.Standing == chat.Invited:
			do = func(ctx context.Context, conversation chat.Conversation) error {
				return c.refresh(ctx, conversation.ID)
			}
		}
		tasks = append(tasks, roomTask{conversation, do})
	}
	if c.makeEach(ctx, tasks) && first && wanted > 0 {
		kv.Set(ctx, c.keyRoomsMade(), "true")
	}
}

// roomTask makes or completes one room.
type roomTask struct {
	conversation chat.Conversation
	do           func(context.Context, chat.Conversation) error
}

// Pauses between attempts to make rooms.
const (
	roomPause   = time.Second
	longestRoom = time.Minute
)

// makeEach carries tasks out, and those that fail again while trying may help. It reports
// whether all have succeeded.
func (c *consumer) makeEach(ctx context.Context, tasks []roomTask) bool {
	all := true
	for pause := roomPause; ; pause = min(2*pause, longestRoom) {
		var again []roomTask
		for _, task := range tasks {
			if ctx.Err() != nil {
				return false
			}
			err := task.do(ctx, task.conversation)
			if err == nil || ctx.Err() != nil {
				continue
			}
			zerolog.Ctx(ctx).Err(err).Str("conversation", string(task.conversation.ID)).Msg("Failed to make or complete a room")
			if mayHelp(err) {
				again = append(again, task)
			} else {
				all = false
			}
		}
		if tasks = again; len(tasks) == 0 {
			return all && ctx.Err() == nil
		}
		homeserver.Sleep(ctx, pause)
	}
}

// enter has the user of a new login in a conversation's room, one that other logins have made
// included; with create it makes one that is missing.
func (c *consumer) enter(ctx context.Context, conversation chat.Conversation, create bool) error {
	key := c.Key(conversation.ID, conversation.Kind)
	unlock, err := c.d.portals.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	before, err := c.connector.bridge.GetExistingPortalByKey(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: get portal: %w", bridgev2.ErrDatabaseError, err)
	}
	made := before == nil || before.MXID == ""
	if !made {
		if err = c.follow(ctx, before, conversation); err != nil || c.absence(before).Out() {
			return err
		}
		if err = c.expelReaders(ctx, before); err != nil {
			return err
		}
	}
	if room, err := c.ensureRoom(ctx, conversation, create); err != nil || room == nil || made {
		return err
	}
	return c.resync(ctx, conversation, false)
}

// complete completes a conversation's room if its making was cut short, or if it lacks
// events.
func (c *consumer) complete(ctx context.Context, conversation chat.Conversation) error {
	key := c.Key(conversation.ID, conversation.Kind)
	unlock, err := c.d.portals.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	room, err := c.connector.existing(ctx, key)
	if err != nil || room == nil {
		return err
	}
	if err = c.follow(ctx, room, conversation); err != nil || c.absence(room).Out() {
		return err
	}
	_, err = c.ensureRoom(ctx, conversation, false)
	return err
}

// refresh brings a conversation's room up to date if its shape has changed.
func (c *consumer) refresh(ctx context.Context, id chat.ConversationID) error {
	conversation, err := c.session.Conversation(ctx, id)
	if err != nil {
		return fmt.Errorf("get conversation: %w", err)
	}
	key := c.Key(id, conversation.Kind)
	unlock, err := c.d.portals.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	if conversation, err = c.session.Conversation(ctx, id); err != nil {
		return fmt.Errorf("get conversation: %w", err)
	}
	room, err := c.connector.existing(ctx, key)
	if err != nil {
		return err
	}
	if room != nil {
		if err = c.follow(ctx, room, conversation); err != nil || c.absence(room).Out() {
			return err
		}
	}
	room, err = c.ensureRoom(ctx, conversation, conversation.Standing == chat.Invited)
	if err != nil || room == nil {
		return err
	}
	if current, err := c.Current(ctx, room, conversation); err != nil || current {
		return err
	}
	return c.resync(ctx, conversation, false)
}
