package bridge

import (
	"context"
	"fmt"
	"slices"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
)

// When several logins of one Matrix user are in a group, one of them writes what the user
// says there: the framework's preferred login of the portal, which is the one that was
// there first until the user changes it or it leaves.

// keepWriter notes who writes in a room before another login of the same user comes to it;
// without that the framework would let the login with the smallest id write.
func (c *consumer) keepWriter(ctx context.Context, key networkid.PortalKey) error {
	user := c.login.User
	if key.Receiver != "" || len(user.GetUserLoginIDs()) < 2 {
		return nil
	}
	c.mu.Lock()
	kept := c.writerKept[key]
	c.mu.Unlock()
	if kept {
		return nil
	}
	rows, err := c.connector.bridge.DB.UserPortal.GetAllForUserInPortal(ctx, user.MXID, key)
	if err != nil {
		return fmt.Errorf("%w: look who writes in a room: %w", bridgev2.ErrDatabaseError, err)
	}
	if len(rows) == 0 {
		return nil // this login is the first
	}
	if !prefers(rows[0]) {
		if err = c.connector.setWriter(ctx, rows[0]); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.writerKept[key] = true
	c.mu.Unlock()
	return nil
}

func prefers(row *bridgedb.UserPortal) bool { return row.Preferred != nil && *row.Preferred }

// setWriter makes the login of a row the one that writes.
func (c *Connector) setWriter(ctx context.Context, row *bridgedb.UserPortal) error {
	login := &bridgedb.UserLogin{ID: row.LoginID, UserMXID: row.UserMXID}
	if err := c.bridge.DB.UserPortal.MarkAsPreferred(ctx, login, row.Portal); err != nil {
		return fmt.Errorf("%w: note who writes in a room: %w", bridgev2.ErrDatabaseError, err)
	}
	return nil
}

// handOver lets another login of the same user write where this one did and no longer
// can, and says so in the room. A zero key is all rooms.
func (c *Client) handOver(ctx context.Context, only networkid.PortalKey) {
	log := zerolog.Ctx(ctx)
	mine, err := c.connector.bridge.DB.UserPortal.GetAllForLogin(ctx, c.login.UserLogin)
	if err != nil {
		log.Err(err).Msg("Failed to look where a login writes")
		return
	}
	for _, row := range mine {
		if row.Portal.Receiver != "" || (!only.IsEmpty() && row.Portal != only) {
			continue
		}
		if err = c.handOverIn(ctx, row.Portal); err != nil {
			log.Err(err).Object("portal", row.Portal).Msg("Failed to let another login write in a room")
		}
	}
}

func (c *Client) handOverIn(ctx context.Context, key networkid.PortalKey) error {
	rows, err := c.connector.bridge.DB.UserPortal.GetAllForUserInPortal(ctx, c.login.UserMXID, key)
	if err != nil || len(rows) < 2 || rows[0].LoginID != c.login.ID {
		return err
	}
	next := slices.IndexFunc(rows[1:], func(row *bridgedb.UserPortal) bool {
		login := c.connector.bridge.GetCachedUserLoginByID(row.LoginID)
		return login != nil && isIn(ctx, login, key.ID)
	})
	if next < 0 {
		return nil
	}
	if err = c.connector.setWriter(ctx, rows[next+1]); err != nil {
		return err
	}
	c.connector.sayWriter(ctx, key, c.connector.bridge.GetCachedUserLoginByID(rows[next+1].LoginID))
	return nil
}

// endRelays ends relaying through a login that ends, in all rooms. The framework would go on with
// it, and could not save these rooms any more.
func (c *Client) endRelays(ctx context.Context) {
	rooms, err := c.connector.bridge.GetAllPortalsWithMXID(ctx)
	if err != nil {
		c.login.Log.Err(err).Msg("Failed to list the rooms that a login that ends may relay for")
	}
	for _, room := range rooms {
		if room.RelayLoginID != c.login.ID {
			continue
		}
		if err = c.connector.endRelay(ctx, room); err != nil {
			c.login.Log.Err(err).Stringer("room", room.MXID).Msg("Failed to save that a room has no relay any more")
		}
	}
}

// endRelay is the framework's SetRelay for no login.
// mautrix: bridgev2/portal.go, until SetRelay takes nil in the room of one login, and
// userlogin.go, until Delete ends relaying.
func (c *Connector) endRelay(ctx context.Context, room *bridgev2.Portal) error {
	unlock, err := c.delivery.portals.lock(ctx, room.PortalKey)
	if err != nil {
		return err
	}
	defer unlock()
	room.Relay, room.RelayLoginID = nil, ""
	return room.Save(ctx)
}

// sayWriter says in a room which login writes there from now on.
func (c *Connector) sayWriter(ctx context.Context, key networkid.PortalKey, login *bridgev2.UserLogin) {
	portal, err := c.bridge.GetExistingPortalByKey(ctx, key)
	if err != nil || portal == nil || portal.MXID == "" || login == nil {
		return
	}
	content := format.RenderMarkdown(writes(login), true, false)
	content.MsgType, content.Mentions = event.MsgNotice, &event.Mentions{}
	if _, err = c.bridge.Bot.SendMessage(ctx, portal.MXID, event.EventMessage, &event.Content{Parsed: &content}, nil); err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to say in a room who writes there now")
	}
}

func writes(login *bridgev2.UserLogin) string {
	return fmt.Sprintf("From now on, what %s writes in this room goes out as %s.", login.UserMXID, format.EscapeMarkdown(login.RemoteName))
}

// preferLogin is the command set-preferred-login: it says in the room what has changed.
func (m *Main) preferLogin(ce *commands.Event) {
	if len(ce.Args) == 0 {
		commands.CommandSetPreferredLogin.Func(ce)
		return
	}
	login := m.Bridge.GetCachedUserLoginByID(networkid.UserLoginID(ce.Args[0]))
	key := ce.Portal.PortalKey
	switch {
	case login == nil || login.UserMXID != ce.User.MXID:
		ce.Reply("%s", noLogin(ce.Args[0]))
		return
	case key.Receiver != "":
		ce.Reply("This is a conversation of one login (`%s`), which always writes here.", key.Receiver)
		return
	case !isIn(ce.Ctx, login, key.ID):
		ce.Reply("%s is not in this conversation.", login.RemoteName)
		return
	}
	login.MarkInPortal(ce.Ctx, ce.Portal)
	if err := login.MarkAsPreferredIn(ce.Ctx, ce.Portal); err != nil {
		ce.Log.Err(err).Msg("Failed to save which login writes in a room")
		ce.Reply("Failed to save which login writes in this room.")
		return
	}
	m.connector.sayWriter(ce.Ctx, key, login)
	if ce.OrigRoomID != ce.Portal.MXID {
		ce.Reply("%s", writes(login))
	}
}

// unsetRelay is the command unset-relay, also in the room of one login, where that login is the
// relay and only its owner ends that.
func (m *Main) unsetRelay(ce *commands.Event) {
	if ce.Portal.Receiver == "" || ce.Portal.Relay == nil {
		commands.CommandUnsetRelay.Func(ce)
		return
	}
	if !m.connector.ownsPortal(ce.Ctx, ce.User, ce.Portal.PortalKey) {
		ce.Reply("%s", noRoom())
		return
	}
	if err := m.connector.endRelay(ce.Ctx, ce.Portal); err != nil {
		ce.Log.Err(err).Msg("Failed to save that a room has no relay any more")
		ce.Reply("Failed to save relay settings")
		return
	}
	ce.Reply("Stopped relaying messages for users who haven't logged in")
}
