package bridge

import (
	"context"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// changed follows what happens to accounts elsewhere: a Matrix user whose grant ends loses
// the login. It must not block, so the work is done apart.
func (c *Connector) changed(change account.Change) {
	gone := change.Removed || (change.Revoked != nil && change.Revoked.User.Side == chat.OriginMatrix)
	if !gone || c.ended.Load() {
		return
	}
	go func() {
		login := c.bridge.GetCachedUserLoginByID(ids.MakeLoginID(change.Account))
		if login == nil || (!change.Removed && login.UserMXID != id.UserID(change.Revoked.User.ID)) {
			return
		}
		login.Delete(login.Log.WithContext(c.bridge.BackgroundCtx), status.BridgeState{StateEvent: status.StateLoggedOut}, bridgev2.DeleteOpts{})
	}()
}

// adoptGrants makes logins for Matrix users who were given an account outside of Matrix,
// for example from the terminal.
func (c *Connector) adoptGrants(ctx context.Context) error {
	grants, err := c.accounts.Grants(ctx, "", account.User{Side: chat.OriginMatrix})
	if err != nil {
		return err
	}
	for _, grant := range grants {
		existing, err := c.bridge.GetExistingUserLoginByID(ctx, ids.MakeLoginID(grant.Account))
		if err != nil {
			return err
		}
		session, ok := c.accounts.Get(grant.Account)
		if existing != nil || !ok || grant.User.ID == "" {
			continue
		}
		user, err := c.bridge.GetUserByMXID(ctx, id.UserID(grant.User.ID))
		if err != nil || user == nil {
			return err
		}
		if _, err = c.newLogin(ctx, user, session); err != nil {
			return err
		}
	}
	return nil
}
