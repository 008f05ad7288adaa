package database

import (
	"context"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// IRCNick is the permanent nick of a person inside an account.
type IRCNick struct {
	Person  chat.PersonID
	Nick    string
	Key     string // what must be unique: the nick without case, accents and look-alikes
	Base    string // the nick that the person's name asks for, without a suffix
	Changed int64  // µs of the last change that followed a rename, 0 = never
}

// IRCAlias is a former nick that is still understood until a time.
type IRCAlias struct {
	Key    string
	Nick   string
	Person chat.PersonID
	Until  int64 // µs
}

// IRCTarget is how a conversation appears on IRC: as a channel, or as the query with a
// person when Channel is "".
type IRCTarget struct {
	Conversation chat.ConversationID
	Channel      string
	Key          string // what must be unique among channels
	Person       chat.PersonID
	Hidden       bool // parted: not joined until something happens there
}

// IRCNameStore keeps the names that people and conversations have on IRC, per account.
type IRCNameStore struct{ db *DB }

// IRCNames returns the store of IRC names.
func (db *DB) IRCNames() *IRCNameStore { return &IRCNameStore{db} }

// Txn runs fn in one transaction.
func (s *IRCNameStore) Txn(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.Txn(ctx, fn)
}

// Sync is DB.Sync.
func (s *IRCNameStore) Sync(ctx context.Context) error { return s.db.Sync(ctx) }

// Nicks returns all nicks of an account.
func (s *IRCNameStore) Nicks(ctx context.Context, account chat.PersonID) ([]IRCNick, error) {
	rows, err := s.db.Query(ctx, `SELECT person, nick, nick_key, base, changed_us FROM irc_nick WHERE account=$1`, account)
	return scanAll(rows, err, func(row dbutil.Scannable) (n IRCNick, err error) {
		return n, row.Scan(&n.Person, &n.Nick, &n.Key, &n.Base, &n.Changed)
	})
}

// PutNick stores a person's nick.
func (s *IRCNameStore) PutNick(ctx context.Context, account chat.PersonID, n IRCNick) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO irc_nick (account, person, nick, nick_key, base, changed_us) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account, person) DO UPDATE
		SET nick=excluded.nick, nick_key=excluded.nick_key, base=excluded.base, changed_us=excluded.changed_us`,
		account, n.Person, n.Nick, n.Key, n.Base, n.Changed)
	return err
}

// Aliases returns the aliases of an account that are valid at now (µs).
func (s *IRCNameStore) Aliases(ctx context.Context, account chat.PersonID, now int64) ([]IRCAlias, error) {
	rows, err := s.db.Query(ctx, `
		SELECT nick_key, nick, person, until_us FROM irc_alias WHERE account=$1 AND until_us>$2`, account, now)
	return scanAll(rows, err, func(row dbutil.Scannable) (a IRCAlias, err error) {
		return a, row.Scan(&a.Key, &a.Nick, &a.Person, &a.Until)
	})
}

// PutAlias stores an alias; the newest owner of a name has it. Those that ended before
// now (µs) are deleted.
func (s *IRCNameStore) PutAlias(ctx context.Context, account chat.PersonID, a IRCAlias, now int64) error {
	if _, err := s.db.Exec(ctx, `DELETE FROM irc_alias WHERE account=$1 AND until_us<=$2`, account, now); err != nil {
		return err
	}
	_, err := s.db.Exec(ctx, `
		INSERT INTO irc_alias (account, nick_key, nick, person, until_us) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, nick_key) DO UPDATE SET nick=excluded.nick, person=excluded.person, until_us=excluded.until_us`,
		account, a.Key, a.Nick, a.Person, a.Until)
	return err
}

// DeleteAlias removes an alias.
func (s *IRCNameStore) DeleteAlias(ctx context.Context, account chat.PersonID, key string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM irc_alias WHERE account=$1 AND nick_key=$2`, account, key)
	return err
}

// Targets returns how all conversations of an account appear.
func (s *IRCNameStore) Targets(ctx context.Context, account chat.PersonID) ([]IRCTarget, error) {
	rows, err := s.db.Query(ctx, `
		SELECT conversation, channel, channel_key, person, hidden FROM irc_target WHERE account=$1`, account)
	return scanAll(rows, err, func(row dbutil.Scannable) (t IRCTarget, err error) {
		return t, row.Scan(&t.Conversation, &t.Channel, &t.Key, &t.Person, &t.Hidden)
	})
}

// PutTarget stores how a conversation appears.
func (s *IRCNameStore) PutTarget(ctx context.Context, account chat.PersonID, t IRCTarget) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO irc_target (account, conversation, channel, channel_key, person, hidden) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account, conversation) DO UPDATE
		SET channel=excluded.channel, channel_key=excluded.channel_key, person=excluded.person, hidden=excluded.hidden`,
		account, t.Conversation, t.Channel, t.Key, t.Person, t.Hidden)
	return err
}
