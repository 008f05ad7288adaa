package database

import (
	"context"
	"encoding/json"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// AccountRow is a row of the table account.
type AccountRow struct {
	Self        chat.Person
	Credentials []byte // secret
	Generation  int64
	Status      chat.AccountStatus
	Reason      string
	Cursor      int64 // µs
	Created     int64 // µs
}

// GrantRow is a row of the table account_grant.
type GrantRow struct {
	Account chat.PersonID
	Side    string
	UserID  string
	Role    string
}

// AccountStore keeps accounts and grants.
type AccountStore struct{ db *DB }

// Accounts returns the store of accounts and grants.
func (db *DB) Accounts() *AccountStore { return &AccountStore{db} }

const accountColumns = `self, credentials, generation, status, reason, cursor_us, created_us`

func scanAccount(row dbutil.Scannable) (*AccountRow, error) {
	var a AccountRow
	var self string
	err := row.Scan(&self, &a.Credentials, &a.Generation, &a.Status, &a.Reason, &a.Cursor, &a.Created)
	if err != nil {
		return nil, notFound(err)
	}
	return &a, json.Unmarshal([]byte(self), &a.Self)
}

// Get returns one account, or ErrNotFound.
func (s *AccountStore) Get(ctx context.Context, id chat.PersonID) (*AccountRow, error) {
	return scanAccount(s.db.QueryRow(ctx, `SELECT `+accountColumns+` FROM account WHERE id=$1`, id))
}

// Login is an account with the number of its latest login.
type Login struct {
	Account    chat.PersonID
	Generation int64
}

// Logins returns every account with its generation, in the order of ids.
func (s *AccountStore) Logins(ctx context.Context) ([]Login, error) {
	rows, err := s.db.Query(ctx, `SELECT id, generation FROM account ORDER BY id`)
	return scanAll(rows, err, func(row dbutil.Scannable) (l Login, err error) {
		return l, row.Scan(&l.Account, &l.Generation)
	})
}

// PutLogin inserts an account or replaces its credentials and own person; the
// generation grows, the cursor stays.
func (s *AccountStore) PutLogin(ctx context.Context, self chat.Person, credentials []byte, now int64) error {
	payload, err := json.Marshal(self)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `
		INSERT INTO account (id, self, credentials, generation, status, reason, cursor_us, created_us)
		VALUES ($1, $2, $3, 1, $4, '', 0, $5)
		ON CONFLICT (id) DO UPDATE SET self=excluded.self, credentials=excluded.credentials,
			generation=account.generation+1, status=excluded.status, reason=''`,
		self.ID, string(payload), credentials, chat.Connecting, now)
	return err
}

// PutCredentials stores credentials that the network rotated, unless a newer login
// happened meanwhile.
func (s *AccountStore) PutCredentials(ctx context.Context, id chat.PersonID, generation int64, credentials []byte) error {
	_, err := s.db.Exec(ctx, `UPDATE account SET credentials=$3 WHERE id=$1 AND generation=$2`, id, generation, credentials)
	return err
}

// PutStatus stores an account's status, unless a newer login happened meanwhile.
func (s *AccountStore) PutStatus(ctx context.Context, id chat.PersonID, generation int64, status chat.AccountStatus, reason string) error {
	_, err := s.db.Exec(ctx, `UPDATE account SET status=$3, reason=$4 WHERE id=$1 AND generation=$2`, id, generation, status, reason)
	return err
}

// MoveCursor moves an account's cursor forward to time (µs).
func (s *AccountStore) MoveCursor(ctx context.Context, id chat.PersonID, time int64) error {
	_, err := s.db.Exec(ctx, `UPDATE account SET cursor_us=$2 WHERE id=$1 AND cursor_us<$2`, id, time)
	return err
}

// Delete erases an account and everything that refers to it.
func (s *AccountStore) Delete(ctx context.Context, id chat.PersonID) error {
	_, err := s.db.Exec(ctx, `DELETE FROM account WHERE id=$1`, id)
	return err
}

// PutGrant inserts or changes a grant.
func (s *AccountStore) PutGrant(ctx context.Context, g GrantRow) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO account_grant (account, side, user_id, role) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account, side, user_id) DO UPDATE SET role=excluded.role`,
		g.Account, g.Side, g.UserID, g.Role)
	return err
}

// DeleteGrant removes a grant; removed is false if there was none.
func (s *AccountStore) DeleteGrant(ctx context.Context, account chat.PersonID, side, userID string) (removed bool, err error) {
	res, err := s.db.Exec(ctx, `DELETE FROM account_grant WHERE account=$1 AND side=$2 AND user_id=$3`, account, side, userID)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Grants lists grants; empty arguments match everything.
func (s *AccountStore) Grants(ctx context.Context, account chat.PersonID, side, userID string) ([]GrantRow, error) {
	rows, err := s.db.Query(ctx, `
		SELECT account, side, user_id, role FROM account_grant
		WHERE ($1='' OR account=$1) AND ($2='' OR side=$2) AND ($3='' OR user_id=$3)
		ORDER BY account, side, user_id`, string(account), side, userID)
	return scanAll(rows, err, func(row dbutil.Scannable) (g GrantRow, err error) {
		return g, row.Scan(&g.Account, &g.Side, &g.UserID, &g.Role)
	})
}
