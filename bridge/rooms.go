package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// part is how the login's user comes to take part in a room.
type part int

const (
	asBefore  part = iota // delivery has seen to it, and to what the room shows
	follows               // as the account's standing in the conversation says
	enters                // the same for a new login
	comesBack             // at the user's wish, whatever was before
)

// ensureRoom returns a conversation's room, made if create is set; nil if there is none or if
// the login's user is out of it. The portal's lock is held. The steps are, in this order:
//
//  1. In a room that is there the user gets their part.
//  2. The room is made with its members, or its making completed; then comes its history.
//  3. In one that had all of it, a gap of the time when no login delivered to it is filled.
//  4. An invitation says that it is one.
//  5. Names and members are brought up to date, unless they are.
func (c *consumer) ensureRoom(ctx context.Context, conversation chat.Conversation, create bool, as part) (*bridgev2.Portal, error) {
	key := c.Key(conversation.ID, conversation.Kind)
	room, err := c.connector.existing(ctx, key)
	if err != nil {
		return nil, err
	}
	made := room == nil
	invited := made && conversation.Standing == chat.Invited
	switch {
	case made && (!create || !c.connector.bridge.Config.PortalCreateFilter.ShouldAllow(c.login.ID, key)):
		return nil, nil
	case invited:
		err = c.prepareInvitation(ctx, key)
	case !made:
		if err = c.takePart(ctx, room, conversation, as); err == nil && as != asBefore && c.absence(room).Out() {
			return nil, nil
		}
	}
	if err == nil {
		room, err = c.completeRoom(ctx, room, conversation)
	}
	if err == nil && invited {
		err = c.beInvited(ctx, room, conversation)
	}
	if err != nil || as == asBefore {
		return room, err
	}
	if made || as == follows {
		if current, err := c.Current(ctx, room, conversation); err != nil || current {
			return room, err
		}
	}
	return room, c.resync(ctx, conversation, false)
}

// takePart gives the login's user their part in a room. Before anything is shown in a room that
// the user takes part in, those are out who keep it only to read.
func (c *consumer) takePart(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation, as part) error {
	err := c.arrive(ctx, room)
	switch {
	case err != nil:
	case as == comesBack && c.absence(room) != "":
		err = c.comeBack(ctx, room)
	case as == follows || as == enters:
		err = c.follow(ctx, room, conversation)
	}
	if err != nil || c.absence(room) != "" {
		return err
	}
	return c.expelReaders(ctx, room)
}

// completeRoom makes a room, nil if there is none, or brings into it what it lacks.
func (c *consumer) completeRoom(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) (*bridgev2.Portal, error) {
	if room != nil && ids.PortalMeta(room).Filled {
		if ids.PortalMeta(room).GapAfter != 0 {
			// Users who are not in the conversation any more leave before that is shown.
			if err := c.resync(ctx, conversation, false); err != nil {
				return nil, fmt.Errorf("bring room up to date: %w", err)
			}
			if err := c.expelGone(ctx, room, conversation); err != nil {
				return nil, err
			}
			if err := c.fillGap(ctx, room, conversation); err != nil {
				return nil, fmt.Errorf("fill gap: %w", err)
			}
		}
		return room, nil
	}
	if err := c.resync(ctx, conversation, true); err != nil {
		return nil, fmt.Errorf("make room: %w", err)
	}
	room, err := c.connector.existing(ctx, c.Key(conversation.ID, conversation.Kind))
	if err != nil {
		return nil, err
	} else if room == nil {
		return nil, errNotBridged
	}
	if !ids.PortalMeta(room).Filled {
		if err = c.fill(ctx, room, conversation); err != nil {
			return nil, fmt.Errorf("fill room: %w", err)
		}
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
	try := homeserver.NewAttempt(ctx, "")
	return c.queueMessage(ctx, try, c.Resync(conversation, create, try.Mutate), involved...)
}

// keepRoom is ensureRoom of a conversation as it is now, while nothing is delivered to its room.
// An invitation always has a room.
func (c *consumer) keepRoom(ctx context.Context, id chat.ConversationID, create bool, as part) (*bridgev2.Portal, error) {
	conversation, err := c.session.Conversation(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("get conversation: %w", err)
	}
	unlock, err := c.d.portals.lock(ctx, c.Key(id, conversation.Kind))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if conversation, err = c.session.Conversation(ctx, id); err != nil {
		return nil, fmt.Errorf("get conversation: %w", err)
	}
	return c.ensureRoom(ctx, conversation, create || conversation.Standing == chat.Invited, as)
}

// keyRoomsMade is where it is noted, by login, that the rooms due at the first login
// are made.
func (c *Client) keyRoomsMade() bridgedb.Key {
	return bridgedb.Key("hangouts_rooms_made:" + string(c.login.ID))
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
		task := roomTask{conversation.ID, false, follows}
		if first && conversation.Standing == chat.Active && !conversation.Archived {
			task.create, task.as = wanted < c.connector.config.InitialChatSync, enters
			wanted++
		}
		tasks = append(tasks, task)
	}
	slices.Reverse(tasks) // the latest comes last, and so stands on top where rooms are ordered by activity
	if c.makeEach(ctx, tasks) && first && wanted > 0 {
		kv.Set(ctx, c.keyRoomsMade(), "true")
	}
}

// roomTask is a call of keepRoom.
type roomTask struct {
	conversation chat.ConversationID
	create       bool
	as           part
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
			_, err := c.keepRoom(ctx, task.conversation, task.create, task.as)
			if err == nil || ctx.Err() != nil {
				continue
			}
			zerolog.Ctx(ctx).Err(err).Str("conversation", string(task.conversation)).Msg("Failed to make or complete a room")
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
