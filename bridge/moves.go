package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// zeroTime lets the homeserver say when an event happens.
var zeroTime time.Time

// Moved implements homeserver.Host: it follows a user of ours who leaves or enters a portal's room
// in Matrix. The room's state is not known to have changed yet: a delivery that is under way then
// fails, instead of joining the user again.
func (h host) Moved(ctx context.Context, e *event.Event) {
	c := h.connector
	user := id.UserID(e.GetStateKey())
	if e.Type != event.StateMember || e.StateKey == nil || e.Sender == c.bridge.Bot.GetMXID() || c.bridge.IsGhostMXID(user) {
		return
	}
	content, ok := e.Content.Parsed.(*event.MemberEventContent)
	if !ok {
		return
	}
	room, err := c.bridge.GetPortalByMXID(ctx, e.RoomID)
	if err != nil || room == nil {
		return
	}
	logins, err := c.loginsOf(ctx, user, room.PortalKey)
	if err != nil {
		c.bridge.Log.Err(err).Stringer("room", e.RoomID).Msg("Failed to get the logins in a room")
		return
	}
	for _, login := range logins {
		client, ok := login.Client.(*Client)
		if !ok {
			continue
		}
		if err = client.moved(login.Log.WithContext(ctx), room, e, content.Membership); err != nil && ctx.Err() == nil {
			login.Log.Err(err).Stringer("room", e.RoomID).Msg("Failed to note that the user left or entered a room")
		}
	}
}

// loginsOf are a user's logins that are in a portal. A room that another login has made has the user from the start,
// but the framework notes the login only with the first event that it delivers there.
func (c *Connector) loginsOf(ctx context.Context, user id.UserID, key networkid.PortalKey) ([]*bridgev2.UserLogin, error) {
	logins, err := c.bridge.GetUserLoginsInPortal(ctx, key)
	if err != nil {
		return nil, err
	}
	logins = slices.DeleteFunc(slices.Clone(logins), func(login *bridgev2.UserLogin) bool { return login.UserMXID != user })
	known, err := c.bridge.GetExistingUserByMXID(ctx, user)
	if err != nil || known == nil || key.Receiver != "" {
		return logins, err
	}
	for _, login := range known.GetUserLogins() {
		if !slices.Contains(logins, login) && isIn(ctx, login, key.ID) {
			logins = append(logins, login)
		}
	}
	return logins, nil
}

// moved notes what the login's user did with a room in Matrix.
func (c *Client) moved(ctx context.Context, room *bridgev2.Portal, e *event.Event, to event.Membership) error {
	unlock, err := c.connector.delivery.portals.lock(ctx, room.PortalKey)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := c.connector.membership(ctx, room.MXID, c.login.UserMXID)
	if err == nil && now != to {
		pulled, err := c.pulledBack(ctx, room, e)
		if err != nil || !pulled {
			return err // the event came late, another one has followed
		}
	}
	absence := c.absence(room)
	switch to {
	case event.MembershipLeave, event.MembershipBan:
		if absence == "" && to == event.MembershipLeave {
			c.leaveToo(ctx, room, e)
		}
		return setAbsence(ctx, room, c.login.ID, absenceAfterLeaving(absence))
	case event.MembershipJoin:
		consumer := c.consumer()
		if consumer == nil {
			return nil
		}
		return consumer.entered(ctx, room, absence)
	}
	return nil
}

// pulledWithin is how long after a user has left the bridge may still bring them back, not knowing it.
const pulledWithin = 30 * time.Second

// pulledBack reports whether the user, who has left of their own will, is only invited since, or was brought back by the bridge
// before it heard of that; then it takes them out again. What somebody else, or the user, has done since stays.
func (c *Client) pulledBack(ctx context.Context, room *bridgev2.Portal, left *event.Event) (bool, error) {
	if left.Content.AsMember().Membership != event.MembershipLeave || left.Sender != c.login.UserMXID {
		return false, nil
	}
	bot := c.connector.matrix().Bot
	members, err := bot.Members(ctx, room.MXID)
	if err != nil {
		return false, fmt.Errorf("read the room's members: %w", err)
	}
	n := slices.IndexFunc(members.Chunk, func(e *event.Event) bool { return e.GetStateKey() == string(c.login.UserMXID) })
	if n < 0 {
		return false, nil
	}
	now := members.Chunk[n]
	membership, _ := now.Content.Raw["membership"].(string)
	invited, joined := membership == string(event.MembershipInvite), membership == string(event.MembershipJoin)
	_, byPuppet := now.Content.Raw[appservice.DoublePuppetKey]
	after := time.Duration(now.Timestamp-left.Timestamp) * time.Millisecond
	switch ours := invited && now.Sender == bot.UserID || joined && byPuppet; {
	case invited && !ours:
		return true, nil // they may accept it
	case !ours, after < 0, after > pulledWithin:
		return false, nil
	}
	_, err = c.connector.bridge.Bot.SendState(ctx, room.MXID, event.StateMember, string(c.login.UserMXID), &event.Content{
		Parsed: &event.MemberEventContent{Membership: event.MembershipLeave},
	}, zeroTime)
	if err != nil {
		return false, fmt.Errorf("take out a user who has left: %w", err)
	}
	return true, nil
}

// leftRef begins the refs of requests to leave because a room was left.
const leftRef = "left/"

// leaveToo leaves a conversation whose room the user has left of their own will, if the operator wants
// that: not by what we do as the user. Repeated it is the same request.
func (c *Client) leaveToo(ctx context.Context, room *bridgev2.Portal, e *event.Event) {
	_, ours := e.Content.Raw[appservice.DoublePuppetKey]
	if c.connector.config.OnRoomLeft != config.Leave || ours || e.Sender != c.login.UserMXID || c.session == nil || !wasIn(e) {
		return
	}
	conversation, err := c.session.Conversation(ctx, ids.ParsePortalID(room.ID))
	if err == nil && (conversation.Standing != chat.Active || !c.session.Features(conversation).Leave) {
		return // hidden, like everything that cannot be left
	}
	if err == nil {
		err = c.session.Submit(ctx, chat.Request{Conversation: conversation.ID, Leave: true,
			Origin: chat.Origin{Side: chat.OriginMatrix, Ref: leftRef + string(e.ID) + "/" + string(c.login.ID)}})
	}
	if err != nil {
		c.notLeft(ctx, conversation, err)
	}
}

// wasIn reports whether a change of a member's own membership began in the room: who refuses an
// invitation was not.
func wasIn(e *event.Event) bool {
	before := e.Unsigned.PrevContent
	if before == nil {
		return false
	}
	_ = before.ParseRaw(event.StateMember) // it may be parsed already
	return before.AsMember().Membership == event.MembershipJoin
}

// notLeft says where the user talks to the bot that a conversation was not left.
func (c *Client) notLeft(ctx context.Context, conversation chat.Conversation, cause error) {
	room, err := c.login.User.GetManagementRoom(ctx)
	if err == nil {
		title := string(conversation.ID)
		if people, err := c.People(ctx, portal.MemberIDs(conversation)...); err == nil {
			title = conversation.Title(c.id, people)
		}
		_, err = c.connector.bridge.Bot.SendMessage(ctx, room, event.EventMessage, said(fmt.Sprintf(
			"You have left the room of %s, but not the conversation on Hangouts: %s It is hidden.", format.EscapeMarkdown(title), portal.Sentence(cause))), nil)
	}
	if err != nil {
		c.login.Log.Err(err).AnErr("cause", cause).Msg("Failed to say that a conversation was not left")
	}
}

func absenceAfterLeaving(absence ids.Absence) ids.Absence {
	switch absence {
	case "":
		return ids.Hidden
	case ids.Invited:
		return ids.Declined
	case ids.Reader:
		return ids.Removed
	}
	return absence
}

// entered follows the login's user into a room that somebody else has invited them to.
func (c *consumer) entered(ctx context.Context, room *bridgev2.Portal, absence ids.Absence) error {
	switch absence {
	case ids.Hidden, ids.Declined:
		return c.comeBack(ctx, room)
	case ids.Removed, ids.Expelled:
		others, err := c.connector.present(ctx, room, c.login.ID)
		if err != nil || len(others) == 0 {
			return err
		}
		return c.connector.kick(ctx, room, c.login, reasonRemoved)
	}
	return nil
}

// leaveShared takes the user out of the rooms that other logins use, when the login ends.
func (c *Client) leaveShared(ctx context.Context) {
	if !c.connector.config.LeaveOnLogout {
		return
	}
	rows, err := c.connector.bridge.DB.UserPortal.GetAllForLogin(ctx, c.login.UserLogin)
	if err != nil {
		c.login.Log.Err(err).Msg("Failed to list the rooms of a login that ends")
		return
	}
	for _, row := range rows {
		if row.Portal.Receiver != "" {
			continue
		}
		if err = c.leaveRoom(ctx, row.Portal.ID); err != nil {
			c.login.Log.Err(err).Str("conversation", string(row.Portal.ID)).Msg("Failed to take the user of a login that ends out of a room")
		}
	}
}

func (c *Client) leaveRoom(ctx context.Context, portal networkid.PortalID) error {
	key := c.Key(ids.ParsePortalID(portal), chat.Group)
	unlock, err := c.connector.delivery.portals.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	room, err := c.connector.existing(ctx, key)
	if err != nil || room == nil || c.absence(room).Out() {
		return err
	}
	others, err := c.connector.present(ctx, room, c.login.ID)
	if err != nil || len(others) == 0 {
		return err
	}
	return c.connector.kick(ctx, room, c.login, reasonLogout)
}

// StaysOut implements homeserver.Host: all logins of the user are absent from the room.
func (h host) StaysOut(ctx context.Context, roomID id.RoomID, user id.UserID) bool {
	room, err := h.Bridge.GetPortalByMXID(ctx, roomID)
	if err != nil || room == nil || len(ids.PortalMeta(room).Absences.All()) == 0 {
		return false
	}
	logins, err := h.Bridge.GetUserLoginsInPortal(ctx, room.PortalKey)
	if err != nil {
		return false
	}
	absences, stays := ids.PortalMeta(room).Absences.All(), false
	for _, login := range logins {
		if login.UserMXID == user {
			if absences[login.ID] == "" {
				return false
			}
			stays = true
		}
	}
	return stays
}
