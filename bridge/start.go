package bridge

import (
	"context"
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

// StartMatrix starts the Matrix side in the background, as soon as the homeserver can be
// reached. failed hears of an error that waiting does not mend.
func (m *Main) StartMatrix(failed func(error)) {
	m.tasks.Add(1)
	go func() {
		defer m.tasks.Done()
		if err := m.startMatrix(m.Log.WithContext(m.background)); err != nil && m.background.Err() == nil {
			failed(err)
		}
	}()
}

func (m *Main) startMatrix(ctx context.Context) error {
	if err := m.hs.Await(ctx); err != nil {
		return err
	}
	if err := m.Bridge.StartConnectors(homeserver.WithPatience(ctx)); err != nil {
		return err
	}
	m.mu.Lock()
	m.started = true
	m.mu.Unlock()
	if err := m.PostMigrate(ctx); err != nil {
		return fmt.Errorf("run updates after migration: %w", err)
	}
	if err := m.Bridge.StartLogins(ctx); err != nil {
		return fmt.Errorf("start logins: %w", err)
	}
	if err := m.connector.adoptGrants(ctx); err != nil {
		return fmt.Errorf("make logins of accounts: %w", err)
	}
	m.hs.StartHandling(m.Bridge.BackgroundCtx)
	m.tasks.Go(func() { m.hs.Prune(ctx) })
	m.tasks.Go(func() { m.hs.Reconcile(ctx) })
	m.tasks.Go(func() {
		if err := m.showBot(ctx); err != nil && ctx.Err() == nil {
			m.Log.Warn().Err(err).Msg("Failed to give the bot an avatar")
		}
	})
	m.running.Store(true)
	m.Bridge.PostStart(ctx)
	return nil
}
