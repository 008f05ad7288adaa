package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// Manager runs the accounts of one database: it is the Accounts of a program that holds
// both sides.
type Manager struct {
	db      *database.DB
	log     Log
	history HistoryStore
	backend Backend
	options Options
	zlog    zerolog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	began     time.Time // by Options.Now
	monotonic time.Time // the same moment

	mu       sync.Mutex
	sessions map[chat.PersonID]*session
	grants   map[grantKey]Role
	relied   map[grantKey]Role // grants that somebody has read since the latest refresh
	watchers map[*watcher]struct{}

	refreshMu sync.Mutex
}

type grantKey struct {
	account chat.PersonID
	user    User
}

type watcher struct{ fn func(Change) }

var _ Accounts = (*Manager)(nil)

// NewManager makes a manager; Start starts it.
func NewManager(db *database.DB, backend Backend, options Options, log zerolog.Logger) *Manager {
	ctx, cancel := context.WithCancel(log.WithContext(context.Background()))
	options = options.withDefaults()
	return &Manager{
		db: db, log: db.Log(), history: db.History(), backend: backend, options: options, zlog: log,
		ctx: ctx, cancel: cancel, began: options.Now(), monotonic: time.Now(),
		sessions: make(map[chat.PersonID]*session),
		grants:   make(map[grantKey]Role), relied: make(map[grantKey]Role),
		watchers: make(map[*watcher]struct{}),
	}
}

// now is the time that is stored and compared with stored times. Within a run it follows the
// monotonic clock, so that setting the machine's clock changes no age and no deadline.
func (m *Manager) now() time.Time { return m.began.Add(time.Since(m.monotonic)) }

// atMostNow is a stored time (µs); one in the future, from before the clock was set back,
// counts as now.
func (m *Manager) atMostNow(stored int64) int64 { return min(stored, m.now().UnixMicro()) }

// Start opens a session for every account and returns; the sessions connect in the
// background. Accounts that another process logs in later are picked up as well.
func (m *Manager) Start(ctx context.Context) error {
	if err := m.refresh(ctx); err != nil {
		return fmt.Errorf("load accounts: %w", err)
	}
	m.wg.Go(m.refreshLoop)
	m.wg.Go(m.housekeeping)
	return nil
}

// Stop ends all sessions and waits for them.
func (m *Manager) Stop() {
	m.cancel()
	m.refreshMu.Lock() // after this no session is added
	sessions := m.all()
	m.refreshMu.Unlock()
	for _, s := range sessions {
		s.stop()
	}
	m.wg.Wait()
	// Wait for the writes in flight, too.
	_ = m.db.Write(context.Background(), func(context.Context) error { return nil })
}

func (m *Manager) all() []*session {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*session, 0, len(m.sessions))
	for _, s := range m.sessions {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	return list
}

func (m *Manager) session(id chat.PersonID) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[id]
}

// Get implements Accounts.
func (m *Manager) Get(id chat.PersonID) (Session, bool) {
	s := m.session(id)
	if s == nil {
		return nil, false
	}
	return s, true
}

// List implements Accounts.
func (m *Manager) List() []Session {
	var list []Session
	for _, s := range m.all() {
		list = append(list, s)
	}
	return list
}

// Login implements Accounts.
func (m *Manager) Login(ctx context.Context, credentials chat.Credentials, user User) (Session, error) {
	self, err := m.Enroll(ctx, credentials, user)
	if err != nil {
		return nil, err
	}
	if err = m.refresh(ctx); err != nil {
		return nil, err
	}
	s := m.session(self.ID)
	if s == nil {
		return nil, chat.ErrUnknownAccount
	}
	return s, nil
}

// Enroll is Login without a session: the account is stored, for a Manager in another
// process to take up.
func (m *Manager) Enroll(ctx context.Context, credentials chat.Credentials, user User) (chat.Person, error) {
	identity, err := m.backend.Authenticate(ctx, credentials)
	if err != nil {
		return chat.Person{}, fmt.Errorf("log in: %w", err)
	}
	id := identity.Self.ID
	if credentials.Of != "" && credentials.Of != id {
		return chat.Person{}, fmt.Errorf("log in as %s: %w", credentials.Of, chat.ErrOtherAccount)
	}
	err = m.db.Txn(ctx, func(ctx context.Context) error {
		role, err := m.roleAtLogin(ctx, id, user)
		if err != nil {
			return err
		}
		if err = m.db.Accounts().PutLogin(ctx, identity.Self, identity.Stored, time.Now().UnixMicro()); err != nil {
			return err
		}
		return m.db.Accounts().PutGrant(ctx, database.GrantRow{Account: id, Side: user.Side, UserID: user.ID, Role: string(role)})
	})
	if err != nil {
		return chat.Person{}, fmt.Errorf("store login: %w", err)
	}
	return identity.Self, nil
}

// roleAtLogin decides the role of a user who has just proved to own the account.
func (m *Manager) roleAtLogin(ctx context.Context, id chat.PersonID, user User) (Role, error) {
	if user.Side != chat.OriginMatrix {
		return RoleUser, nil
	}
	grants, err := m.db.Accounts().Grants(ctx, id, chat.OriginMatrix, "")
	if err != nil {
		return "", err
	}
	for _, g := range grants {
		if g.Role == string(RoleOwner) && g.UserID != user.ID {
			return "", fmt.Errorf("%w: the account belongs to another Matrix user", chat.ErrForbidden)
		}
	}
	return RoleOwner, nil
}

// Grants implements Accounts.
func (m *Manager) Grants(ctx context.Context, account chat.PersonID, user User) ([]Grant, error) {
	rows, err := m.db.Accounts().Grants(ctx, account, user.Side, user.ID)
	grants := make([]Grant, len(rows))
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range rows {
		grants[i] = Grant{Account: r.Account, User: User{Side: r.Side, ID: r.UserID}, Role: Role(r.Role)}
		m.relied[grantKey{r.Account, grants[i].User}] = grants[i].Role
	}
	return grants, err
}

// Grant implements Accounts.
func (m *Manager) Grant(ctx context.Context, g Grant) error {
	if _, err := m.db.Accounts().Get(ctx, g.Account); errors.Is(err, database.ErrNotFound) {
		return chat.ErrUnknownAccount
	} else if err != nil {
		return err
	}
	row := database.GrantRow{Account: g.Account, Side: g.User.Side, UserID: g.User.ID, Role: string(g.Role)}
	if err := m.db.Accounts().PutGrant(ctx, row); err != nil {
		return err
	}
	return m.refresh(ctx)
}

// Revoke implements Accounts.
func (m *Manager) Revoke(ctx context.Context, account chat.PersonID, user User) error {
	if _, err := m.db.Accounts().DeleteGrant(ctx, account, user.Side, user.ID); err != nil {
		return err
	}
	return m.refresh(ctx)
}

// Remove implements Accounts.
func (m *Manager) Remove(ctx context.Context, account chat.PersonID) error {
	if err := m.erase(ctx, account); err != nil {
		return fmt.Errorf("remove account: %w", err)
	}
	return m.refresh(ctx)
}

func (m *Manager) erase(ctx context.Context, account chat.PersonID) error {
	m.refreshMu.Lock() // so that nobody takes the account up again meanwhile
	defer m.refreshMu.Unlock()
	if s := m.session(account); s != nil {
		s.stop()
	}
	return m.db.Write(ctx, func(ctx context.Context) error { return m.db.Accounts().Delete(ctx, account) })
}

// Watch implements Accounts.
func (m *Manager) Watch(fn func(Change)) (stop func()) {
	w := &watcher{fn}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers[w] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
	}
}
