package account

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// refreshLoop picks up what other processes (the command line) changed.
func (m *Manager) refreshLoop() {
	ticker := time.NewTicker(m.options.RefreshEvery)
	defer ticker.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-ticker.C:
			if err := m.refresh(m.ctx); err != nil && m.ctx.Err() == nil {
				m.zlog.Err(err).Msg("Failed to look for changed accounts")
			}
		}
	}
}

// refresh makes sessions and grants what the database says, and tells the watchers.
func (m *Manager) refresh(ctx context.Context) error {
	m.refreshMu.Lock()
	defer m.refreshMu.Unlock()
	logins, err := m.db.Accounts().Logins(ctx)
	if err != nil {
		return err
	}
	grants, err := m.db.Accounts().Grants(ctx, "", "", "")
	if err != nil {
		return err
	}
	changes, err := m.refreshSessions(ctx, logins)
	if err != nil {
		return err
	}
	changes = append(changes, m.refreshGrants(grants)...)
	m.mu.Lock()
	watchers := make([]*watcher, 0, len(m.watchers))
	for w := range m.watchers {
		watchers = append(watchers, w)
	}
	m.mu.Unlock()
	for _, change := range changes {
		for _, w := range watchers {
			w.fn(change)
		}
	}
	return nil
}

// refreshSessions starts and stops sessions and gives them new logins. Only accounts with
// another generation than before are read: their credentials are long.
func (m *Manager) refreshSessions(ctx context.Context, logins []database.Login) (changes []Change, err error) {
	if m.ctx.Err() != nil {
		return nil, nil
	}
	present := make(map[chat.PersonID]bool, len(logins))
	rows := make([]*database.AccountRow, 0)
	for _, login := range logins {
		present[login.Account] = true
		if s := m.session(login.Account); s != nil && !s.stopped() && s.isOf(login.Generation) {
			continue
		}
		row, err := m.db.Accounts().Get(ctx, login.Account)
		if errors.Is(err, database.ErrNotFound) {
			present[login.Account] = false
			continue
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	var fresh []*session
	for _, row := range rows {
		s := m.session(row.Self.ID)
		if s != nil && !s.stopped() {
			s.link.call(relogin{row})
			continue
		}
		s = newSession(m, row)
		s.outbox.load()
		s.marks.load()
		m.mu.Lock()
		m.sessions[row.Self.ID] = s
		m.mu.Unlock()
		fresh = append(fresh, s)
		changes = append(changes, Change{Account: row.Self.ID, Added: true})
	}
	// Only now: a copy of an own event may come through any of them.
	for _, s := range fresh {
		s.start()
	}
	for _, s := range m.all() {
		if present[s.id] {
			continue
		}
		s.stop()
		m.mu.Lock()
		delete(m.sessions, s.id)
		m.mu.Unlock()
		changes = append(changes, Change{Account: s.id, Removed: true})
	}
	return changes, nil
}

func (m *Manager) refreshGrants(rows []database.GrantRow) (changes []Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := make(map[grantKey]Role, len(rows))
	for _, r := range rows {
		key := grantKey{r.Account, User{Side: r.Side, ID: r.UserID}}
		now[key] = Role(r.Role)
		if m.grants[key] != Role(r.Role) {
			changes = append(changes, Change{Account: r.Account, Granted: &Grant{Account: r.Account, User: key.user, Role: Role(r.Role)}})
		}
	}
	maps.Copy(m.relied, m.grants) // with those that came and went since the latest refresh
	for key, role := range m.relied {
		if _, ok := now[key]; !ok {
			changes = append(changes, Change{Account: key.account, Revoked: &Grant{Account: key.account, User: key.user, Role: role}})
		}
	}
	m.grants, m.relied = now, make(map[grantKey]Role)
	return changes
}

// housekeeping trims what retention allows, at the start and once an hour.
func (m *Manager) housekeeping() {
	ticker := time.NewTicker(m.options.TrimEvery)
	defer ticker.Stop()
	for {
		if err := m.trim(m.ctx); err != nil && m.ctx.Err() == nil {
			m.zlog.Err(err).Msg("Failed to trim old rows")
		}
		select {
		case <-m.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Limits of IRC clients' positions per account, and of retention: pages stay while more of them are read.
const (
	consumerUnseen = 30 * 24 * time.Hour
	consumersKept  = 32
	leastKeptIDs   = 30 * 24 * time.Hour
	leastKeptPages = time.Hour
)

func (m *Manager) trim(ctx context.Context) error {
	now := m.now()
	expiry := now
	for _, s := range m.all() {
		if clock, known := s.clock(); !known {
			expiry = time.UnixMicro(0)
		} else if clock.Before(expiry) {
			expiry = clock
		}
		if err := s.forgetUnseen(ctx, now); err != nil {
			return err
		}
	}
	return m.db.Write(ctx, func(ctx context.Context) error {
		if _, err := m.log.Trim(ctx, now.Add(-m.options.HistoryKeep).UnixMicro(), expiry.UnixMicro()); err != nil {
			return err
		}
		if err := m.history.Trim(ctx, now.Add(-max(m.options.HistoryKeep, leastKeptPages)).UnixMicro(), expiry.UnixMicro()); err != nil {
			return err
		}
		return m.db.Outbox().Trim(ctx, now.Add(-max(m.options.HistoryKeep, leastKeptIDs)).UnixMicro())
	})
}

// forgetUnseen drops the positions of IRC clients that have not been there for long, or
// are too many.
func (s *session) forgetUnseen(ctx context.Context, now time.Time) error {
	s.attaching.Lock()
	defer s.attaching.Unlock()
	return s.dropUnseen(ctx, now)
}

// dropUnseen is forgetUnseen with attaching held. Attached clients are there, and those
// who are about to be.
func (s *session) dropUnseen(ctx context.Context, now time.Time, present ...string) error {
	s.mu.Lock()
	for id := range s.attachments {
		if id.Side == chat.OriginIRC && !slices.Contains(present, id.Name) {
			present = append(present, id.Name)
		}
	}
	s.mu.Unlock()
	for _, name := range present {
		key := database.ConsumerKey{Account: s.id, Side: chat.OriginIRC, Name: name}
		if err := s.m.db.Consumers().Seen(ctx, key, now.UnixMicro()); err != nil {
			return err
		}
	}
	return s.m.db.Consumers().DropOldest(ctx, s.id, chat.OriginIRC, now.Add(-consumerUnseen).UnixMicro(), consumersKept, present)
}
