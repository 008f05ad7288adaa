package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
)

// Reasons in membership events. Everyone in the room can read them.
const (
	reasonRemoved = "Removed from the conversation on Hangouts"
	reasonLeft    = "Left the conversation on Hangouts"
	reasonLogout  = "Logged out of the bridge"
)

// Lines of the bot for the last one in a room.
const (
	lineRemoved   = "You were removed from this conversation. Its messages stay readable."
	lineLeft      = "You left this conversation. Its messages stay readable."
	lineWithdrawn = "This invitation is not open any more."
)

// Parts of messages of the bot that belong to an event or a conversation.
const (
	partedPart  networkid.PartID = "parted"
	invitedPart networkid.PartID = "invited"
)

// absence is why the login's user does not take part in a room.
func (c *Client) absence(room *bridgev2.Portal) ids.Absence {
	return ids.PortalMeta(room).Absences.All()[c.login.ID]
}

// setAbsence stores the absence of a login. The portal's lock is held.
func setAbsence(ctx context.Context, room *bridgev2.Portal, login networkid.UserLoginID, absence ids.Absence) error {
	meta := ids.PortalMeta(room)
	before := meta.Absences.All()[login]
	if before == absence {
		return nil
	}
	meta.Absences.Set(login, absence)
	if err := room.Save(ctx); err != nil {
		meta.Absences.Set(login, before)
		return fmt.Errorf("%w: save absence: %w", bridgev2.ErrDatabaseError, err)
	}
	return nil
}

// existing returns a conversation's portal if it has a room, else nil.
func (c *Connector) existing(ctx context.Context, key networkid.PortalKey) (*bridgev2.Portal, error) {
	room, err := c.bridge.GetExistingPortalByKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%w: get portal: %w", bridgev2.ErrDatabaseError, err)
	} else if room == nil || room.MXID == "" || room.PortalKey != key {
		return nil, nil
	}
	return room, nil
}

// present are the logins beside one that deliver to a room and whose users take part in it.
func (c *Connector) present(ctx context.Context, room *bridgev2.Portal, beside networkid.UserLoginID) ([]*bridgev2.UserLogin, error) {
	logins, err := c.bridge.GetUserLoginsInPortal(ctx, room.PortalKey)
	if err != nil {
		return nil, fmt.Errorf("%w: get logins in portal: %w", bridgev2.ErrDatabaseError, err)
	}
	absences := ids.PortalMeta(room).Absences.All()
	return slices.DeleteFunc(slices.Clone(logins), func(login *bridgev2.UserLogin) bool {
		return login.ID == beside || absences[login.ID] != "" || !c.delivers(chat.PersonID(login.ID))
	}), nil
}

// attend does what an event of the log means for the users of logins, before the event is
// shown. With skip this login shows nothing of it. The portal's lock is held.
func (c *consumer) attend(ctx context.Context, room *bridgev2.Portal, e chat.Event, conversation chat.Conversation) (skip bool, err error) {
	if e.Membership != nil && slices.Contains(e.Membership.People, c.id) {
		err = c.attendOwn(ctx, room, e, conversation)
	}
	if err == nil && conversation.Standing == chat.Invited {
		err = c.follow(ctx, room, conversation)
	}
	if err != nil || c.absence(room).Out() {
		return true, err
	}
	if e.Membership == nil || e.Membership.Joined {
		return false, nil
	}
	for _, person := range e.Membership.People {
		login := c.connector.bridge.GetCachedUserLoginByID(ids.MakeLoginID(person))
		if person == c.id || login == nil || c.cameBack(ctx, e, person) {
			continue
		}
		if err = c.connector.expel(ctx, room, login, reasonOf(e.Author, person)); err != nil {
			return true, err
		}
	}
	return false, nil
}

// cameBack reports whether somebody was added again after an event, as far as the latest
// events of this account or theirs tell. The snapshot does not: the event may have come through another account.
func (c *consumer) cameBack(ctx context.Context, e chat.Event, person chat.PersonID) bool {
	if c.connector.joined(ctx, e.Conversation, person) > e.Time {
		return true
	}
	latest, err := c.session.History(ctx, account.HistoryQuery{Conversation: e.Conversation, Limit: 50})
	return err == nil && slices.ContainsFunc(latest, func(later chat.Event) bool {
		return later.Time > e.Time && later.Membership != nil && later.Membership.Joined && slices.Contains(later.Membership.People, person)
	})
}

// joined is when (µs) the account of a login has come into a conversation, if the latest events of its own log
// tell; else 0.
func (c *Connector) joined(ctx context.Context, conversation chat.ConversationID, person chat.PersonID) int64 {
	client := c.loginOf(person)
	if client == nil || client.session == nil {
		return 0
	}
	latest, err := client.session.History(ctx, account.HistoryQuery{Conversation: conversation, Limit: 50})
	if err != nil {
		return 0
	}
	for _, e := range slices.Backward(latest) {
		if e.Membership == nil || !slices.Contains(e.Membership.People, person) {
			continue
		} else if e.Membership.Joined {
			return e.Time
		}
		break
	}
	return 0
}

// attendOwn follows an event that takes the account out of the conversation, or into it.
func (c *consumer) attendOwn(ctx context.Context, room *bridgev2.Portal, e chat.Event, conversation chat.Conversation) error {
	if e.Membership.Joined {
		if absence := c.absence(room); absence == "" || conversation.Standing != chat.Active {
			return nil
		}
		return c.comeBack(ctx, room)
	}
	return c.part(ctx, room, e, conversation.Standing == chat.Left)
}

func reasonOf(author, person chat.PersonID) string {
	if author == person {
		return reasonLeft
	}
	return reasonRemoved
}

// part takes the login's user out of a room whose conversation the account is not in any
// more. Without another login that uses the room, the user keeps it to read. e is the event
// that says so, of which only author and id matter; known tells whether the account's
// snapshot says so, too.
func (c *consumer) part(ctx context.Context, room *bridgev2.Portal, e chat.Event, known bool) error {
	before := c.absence(room)
	if before == ids.Removed || before == ids.Reader {
		return nil
	}
	others, err := c.connector.present(ctx, room, c.login.ID)
	if err != nil {
		return err
	}
	leaves := e.Author == c.id && c.connector.config.OnConversationLeft == config.Leave
	if before.Out() || len(others) > 0 || leaves {
		err = c.connector.expel(ctx, room, c.login, reasonOf(e.Author, c.id))
		if err == nil && known {
			err = setAbsence(ctx, room, c.login.ID, ids.Removed)
		}
		return err
	}
	line := lineRemoved
	if before == ids.Invited {
		line = lineWithdrawn
	} else if e.Author == c.id {
		line = lineLeft
	}
	if err = c.say(ctx, room, ids.MakeMessageID(ids.ParsePortalID(room.ID), e.ID), partedPart, line); err != nil {
		return err
	}
	return setAbsence(ctx, room, c.login.ID, ids.Reader)
}

// expelReaders takes those out who keep the room only to read: another login uses it now.
func (c *consumer) expelReaders(ctx context.Context, room *bridgev2.Portal) error {
	for reader, absence := range ids.PortalMeta(room).Absences.All() {
		if absence != ids.Reader || reader == c.login.ID {
			continue
		}
		login := c.connector.bridge.GetCachedUserLoginByID(reader)
		if login == nil {
			continue // logged out; the room's member list decides
		}
		if err := c.connector.expel(ctx, room, login, reasonRemoved); err != nil {
			return err
		}
	}
	return nil
}

// expel takes the user of a removed login out of a room, unless another login of the same
// user takes part in it.
func (c *Connector) expel(ctx context.Context, room *bridgev2.Portal, login *bridgev2.UserLogin, reason string) error {
	before, now := ids.PortalMeta(room).Absences.All()[login.ID], ids.Expelled
	switch before {
	case ids.Removed, ids.Expelled:
		return nil
	case ids.Reader:
		now = ids.Removed
	}
	if !before.Out() {
		if err := c.kick(ctx, room, login, reason); err != nil {
			return err
		}
	}
	return setAbsence(ctx, room, login.ID, now)
}

// expelGone takes the users of logins out of a room that are not in its conversation any more. Their own
// logs may not say so yet. Who came after all that this account has heard of stays.
func (c *consumer) expelGone(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) error {
	if room.Receiver != "" || conversation.Partial || len(conversation.Members) == 0 {
		return nil
	}
	logins, err := c.connector.bridge.GetUserLoginsInPortal(ctx, room.PortalKey)
	if err != nil {
		return fmt.Errorf("%w: get logins in portal: %w", bridgev2.ErrDatabaseError, err)
	}
	for _, login := range logins {
		person := chat.PersonID(login.ID)
		if person == c.id || conversation.Has(person) || c.connector.joined(ctx, conversation.ID, person) > conversation.SortTime {
			continue
		}
		if err = c.connector.expel(ctx, room, login, reasonRemoved); err != nil {
			return err
		}
	}
	return nil
}

// kick takes the user of a login out of a room, unless another login of the same user takes
// part in it.
func (c *Connector) kick(ctx context.Context, room *bridgev2.Portal, login *bridgev2.UserLogin, reason string) error {
	others, err := c.present(ctx, room, login.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(others, func(other *bridgev2.UserLogin) bool { return other.UserMXID == login.UserMXID }) {
		return nil
	}
	_, err = c.bridge.Bot.SendState(ctx, room.MXID, event.StateMember, login.UserMXID.String(), &event.Content{
		Parsed: &event.MemberEventContent{Membership: event.MembershipLeave, Reason: reason},
	}, zeroTime)
	if errors.Is(err, mautrix.MForbidden) && !c.isMember(ctx, room.MXID, login.UserMXID) {
		return nil
	} else if err != nil {
		return fmt.Errorf("take %s out of the room: %w", login.UserMXID, err)
	}
	return nil
}

// membership asks the homeserver for a user's membership of a room.
func (c *Connector) membership(ctx context.Context, room id.RoomID, user id.UserID) (event.Membership, error) {
	var member event.MemberEventContent
	err := c.matrix().Bot.StateEvent(ctx, room, event.StateMember, user.String(), &member)
	if errors.Is(err, mautrix.MNotFound) {
		return event.MembershipLeave, nil
	}
	return member.Membership, err
}

// isMember reports whether a user is in a room or invited.
func (c *Connector) isMember(ctx context.Context, room id.RoomID, user id.UserID) bool {
	membership, err := c.membership(ctx, room, user)
	return err != nil || membership == event.MembershipJoin || membership == event.MembershipInvite
}

// comeBack lets the login's user take part in a room again; the room is brought up to date
// soon. The portal's lock is held.
func (c *consumer) comeBack(ctx context.Context, room *bridgev2.Portal) error {
	if err := c.noteGap(ctx, room); err != nil {
		return err
	}
	ids.PortalMeta(room).SetShape(c.login.ID, "")
	if err := setAbsence(ctx, room, c.login.ID, ""); err != nil {
		return err
	}
	if conversation, err := c.session.Conversation(ctx, ids.ParsePortalID(room.ID)); err == nil {
		c.ConversationChanged(ctx, conversation)
	}
	return nil
}

// follow brings the login's part in a room in line with its standing in the conversation.
// The portal's lock is held.
func (c *consumer) follow(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) error {
	absence := c.absence(room)
	switch conversation.Standing {
	case chat.Left:
		if absence == ids.Removed || absence == ids.Reader || !absence.Out() && c.removalFollows(ctx, conversation) {
			return nil
		}
		return c.part(ctx, room, chat.Event{ID: chat.EventID(fmt.Sprint("left-", conversation.SortTime))}, true)
	case chat.Invited:
		if absence == ids.Invited || absence == ids.Declined {
			return nil
		}
		return c.beInvited(ctx, room, conversation)
	}
	switch absence {
	case ids.Removed, ids.Reader, ids.Invited:
		return c.comeBack(ctx, room)
	case ids.Declined:
		return setAbsence(ctx, room, c.login.ID, ids.Hidden)
	}
	return nil
}

// removalFollows reports whether the event that took the account out of a conversation is in
// its log, so that it is delivered after everything before it.
func (c *consumer) removalFollows(ctx context.Context, conversation chat.Conversation) bool {
	latest, err := c.session.History(ctx, account.HistoryQuery{Conversation: conversation.ID, Limit: 1})
	if err != nil || len(latest) == 0 || latest[0].Seq == 0 {
		return false
	}
	change := latest[0].Membership
	return change != nil && !change.Joined && slices.Contains(change.People, c.id)
}

// say writes a line of the bot into a room, once however often it is tried.
func (c *consumer) say(ctx context.Context, room *bridgev2.Portal, message networkid.MessageID, part networkid.PartID, text string) error {
	content := format.Line(text)
	meta := &bridgedb.Message{ID: message, PartID: part, Room: room.PortalKey}
	_, err := c.connector.bridge.Bot.SendMessage(ctx, room.MXID, event.EventMessage, &event.Content{Parsed: content}, &bridgev2.MatrixSendExtra{MessageMeta: meta})
	if err != nil {
		return fmt.Errorf("write line of the bot: %w", err)
	}
	c.d.hs.Sent(room.MXID, message)
	return nil
}

// delivers reports whether there is a login that delivers an account's events.
func (c *Connector) delivers(account chat.PersonID) bool {
	client := c.loginOf(account)
	return client != nil && client.delivers()
}
