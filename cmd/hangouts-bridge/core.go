package main

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

// core is what runs with and without Matrix: the accounts and the IRC server.
type core struct {
	accounts *account.Manager
	gateway  *irc.Gateway
}

// start begins the accounts and then the IRC server. After an error stop ends what began.
func (c *core) start(ctx context.Context, db *database.DB, s *settings, log zerolog.Logger) error {
	backend := classic.New(s.hangouts.Hangouts())
	c.accounts = account.NewManager(db, backend, s.accounts.Options(), log.With().Str("component", "accounts").Logger())
	if err := c.accounts.Start(ctx); err != nil {
		return fmt.Errorf("start accounts: %w", err)
	}
	if !s.irc.Enabled {
		return nil
	}
	gateway := irc.NewGateway(s.irc.Config, c.accounts, db, log.With().Str("component", "irc").Logger())
	if err := gateway.Start(ctx); err != nil {
		return err
	}
	c.gateway = gateway
	return nil
}

// stop ends what start began.
func (c *core) stop() {
	if c.gateway != nil {
		c.gateway.Stop()
	}
	if c.accounts != nil {
		c.accounts.Stop()
	}
}
