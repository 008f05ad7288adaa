package bridge

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// changed follows what happens to accounts elsewhere, for example from the terminal: a
// Matrix user who is given an account gets a login, one whose grant ends loses it. It must
// not block, so the work is done apart.
func (c *Connector) changed(change account.Change) {
	var follow func(context.Context) error
	switch {
	case change.Removed:
		follow = func(ctx context.Context) error { return c.endLogin(ctx, change.Account, "") }
	case change.Revoked != nil && change.Revoked.User.Side == chat.OriginMatrix:
		follow = func(ctx context.Context) error {
			return c.endLogin(ctx, change.Account, id.UserID(change.Revoked.User.ID))
		}
	case change.Granted != nil && change.Granted.User.Side == chat.OriginMatrix:
		follow = func(ctx context.Context) error { return c.adoptGrant(ctx, *change.Granted) }
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.tasks.Go(func() {
		log := c.bridge.Log.With().Str("account", string(change.Account)).Logger()
		ctx := log.WithContext(c.bridge.BackgroundCtx)
		if err := follow(ctx); err != nil && ctx.Err() == nil {
			log.Err(err).Msg("Failed to follow a change of an account")
		}
	})
}

// endLogin ends the login of an account, if it is this user's; "" is any.
func (c *Connector) endLogin(ctx context.Context, person chat.PersonID, user id.UserID) error {
	login := c.bridge.GetCachedUserLoginByID(ids.MakeLoginID(person))
	if login == nil || (user != "" && login.UserMXID != user) {
		return nil
	}
	unlock, err := c.logins.lock(ctx, login.UserMXID)
	if err != nil {
		return err
	}
	defer unlock()
	if c.bridge.GetCachedUserLoginByID(login.ID) == login {
		if client, ok := login.Client.(*Client); ok {
			client.handOver(ctx, networkid.PortalKey{})
			client.Disconnect()
			client.endRelays(ctx)
			client.leaveShared(ctx)
		}
		login.Delete(login.Log.WithContext(ctx), status.BridgeState{StateEvent: status.StateLoggedOut}, bridgev2.DeleteOpts{})
	}
	return nil
}

// adoptGrants makes the logins of all Matrix users who were given an account outside of
// Matrix.
func (c *Connector) adoptGrants(ctx context.Context) error {
	grants, err := c.accounts.Grants(ctx, "", account.User{Side: chat.OriginMatrix})
	if err != nil {
		return err
	}
	for _, grant := range grants {
		if err = c.adoptGrant(ctx, grant); err != nil {
			return err
		}
	}
	return nil
}

// adoptGrant makes the login of a Matrix user who has an account, unless there is one.
func (c *Connector) adoptGrant(ctx context.Context, grant account.Grant) error {
	user := id.UserID(grant.User.ID)
	if user == "" {
		return nil
	}
	unlock, err := c.logins.lock(ctx, user)
	if err != nil {
		return err
	}
	defer unlock()
	existing, err := c.bridge.GetExistingUserLoginByID(ctx, ids.MakeLoginID(grant.Account))
	if err != nil || existing != nil {
		return err
	}
	session, ok := c.accounts.Get(grant.Account)
	person, err := c.bridge.GetUserByMXID(ctx, user)
	if err != nil || person == nil || !ok {
		return err
	}
	_, err = c.newLogin(ctx, person, session)
	return err
}
