package database

import (
	"context"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// IRCLine is a line that an IRC client sent and whose fate it has not been told yet.
type IRCLine struct {
	Ref          string // reference of its origin
	Account      chat.PersonID
	Client       string // name of the client
	Conversation chat.ConversationID
	Time         int64 // µs, when it was read
}

// IRCLineStore keeps lines until their fate is known and, if they failed, told.
type IRCLineStore struct{ db *DB }

// IRCLines returns the store of unreported lines.
func (db *DB) IRCLines() *IRCLineStore { return &IRCLineStore{db} }

// Put stores a line before it is submitted.
func (s *IRCLineStore) Put(ctx context.Context, l IRCLine) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO irc_line (origin_ref, account, client, conversation, time_us) VALUES ($1, $2, $3, $4, $5)`,
		l.Ref, l.Account, l.Client, l.Conversation, l.Time)
	return err
}

// Delete forgets a line: it arrived, or its failure was told.
func (s *IRCLineStore) Delete(ctx context.Context, ref string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM irc_line WHERE origin_ref=$1`, ref)
	return err
}

// List returns the lines of a client of an account, oldest first.
func (s *IRCLineStore) List(ctx context.Context, account chat.PersonID, client string) ([]IRCLine, error) {
	rows, err := s.db.Query(ctx, `
		SELECT origin_ref, account, client, conversation, time_us FROM irc_line
		WHERE account=$1 AND client=$2 ORDER BY time_us, origin_ref`, account, client)
	return scanAll(rows, err, func(row dbutil.Scannable) (l IRCLine, err error) {
		return l, row.Scan(&l.Ref, &l.Account, &l.Client, &l.Conversation, &l.Time)
	})
}

// DropBefore deletes the lines read before a time (µs).
func (s *IRCLineStore) DropBefore(ctx context.Context, time int64) error {
	_, err := s.db.Exec(ctx, `DELETE FROM irc_line WHERE time_us<$1`, time)
	return err
}
