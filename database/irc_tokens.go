package database

import (
	"context"

	"go.mau.fi/util/dbutil"
)

// IRCToken is one generated password of an IRC user. Only its hash is kept.
type IRCToken struct {
	Hash    string // SHA-256 of the token, lower-case hex
	User    string
	Label   string // what the person called it
	Created int64  // µs
	Used    int64  // µs of the last log-in, 0 = never
}

// IRCTokenStore keeps the generated passwords of IRC users.
type IRCTokenStore struct{ db *DB }

// IRCTokens returns the store of IRC passwords.
func (db *DB) IRCTokens() *IRCTokenStore { return &IRCTokenStore{db} }

const ircTokenColumns = `hash, user_id, label, created_us, used_us`

func scanIRCToken(row dbutil.Scannable) (t IRCToken, err error) {
	return t, row.Scan(&t.Hash, &t.User, &t.Label, &t.Created, &t.Used)
}

// Put adds a token.
func (s *IRCTokenStore) Put(ctx context.Context, t IRCToken) error {
	_, err := s.db.Exec(ctx, `INSERT INTO irc_token (`+ircTokenColumns+`) VALUES ($1, $2, $3, $4, $5)`,
		t.Hash, t.User, t.Label, t.Created, t.Used)
	return err
}

// Get returns the token with a hash, or ErrNotFound.
func (s *IRCTokenStore) Get(ctx context.Context, hash string) (IRCToken, error) {
	t, err := scanIRCToken(s.db.QueryRow(ctx, `SELECT `+ircTokenColumns+` FROM irc_token WHERE hash=$1`, hash))
	return t, notFound(err)
}

// List returns the tokens of a user, or of everybody ("" as user), oldest first.
func (s *IRCTokenStore) List(ctx context.Context, user string) ([]IRCToken, error) {
	rows, err := s.db.Query(ctx, `
		SELECT `+ircTokenColumns+` FROM irc_token WHERE $1='' OR user_id=$1 ORDER BY created_us, hash`, user)
	return scanAll(rows, err, scanIRCToken)
}

// Used notes a log-in at now (µs).
func (s *IRCTokenStore) Used(ctx context.Context, hash string, now int64) error {
	_, err := s.db.Exec(ctx, `UPDATE irc_token SET used_us=$2 WHERE hash=$1`, hash, now)
	return err
}

// Delete removes the tokens of a user whose hash begins with prefix ("" = all of them)
// and returns how many there were.
func (s *IRCTokenStore) Delete(ctx context.Context, user, prefix string) (int64, error) {
	res, err := s.db.Exec(ctx, `DELETE FROM irc_token WHERE user_id=$1 AND substr(hash, 1, $3)=$2`, user, prefix, len(prefix))
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
