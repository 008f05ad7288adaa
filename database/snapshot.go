package database

import (
	"context"
	"encoding/json"
	"fmt"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// ConversationRow is a conversation of one account. After Start the account's log lacks
// nothing.
type ConversationRow struct {
	chat.Conversation
	Start int64
}

// SnapshotStore keeps conversations, people and watermarks as each account sees them.
type SnapshotStore struct{ db *DB }

// Snapshots returns the store of snapshots.
func (db *DB) Snapshots() *SnapshotStore { return &SnapshotStore{db} }

func scanConversation(row dbutil.Scannable) (c ConversationRow, err error) {
	var payload string
	if err = row.Scan(&payload, &c.Start); err != nil {
		return c, notFound(err)
	}
	return c, json.Unmarshal([]byte(payload), &c.Conversation)
}

// Conversation returns one conversation, or ErrNotFound.
func (s *SnapshotStore) Conversation(ctx context.Context, account chat.PersonID, id chat.ConversationID) (ConversationRow, error) {
	return scanConversation(s.db.QueryRow(ctx,
		`SELECT payload, start_seq FROM conversation WHERE account=$1 AND id=$2`, account, id))
}

// Conversations returns all conversations of an account, latest first.
func (s *SnapshotStore) Conversations(ctx context.Context, account chat.PersonID) ([]ConversationRow, error) {
	rows, err := s.db.Query(ctx,
		`SELECT payload, start_seq FROM conversation WHERE account=$1 ORDER BY sort_us DESC, id`, account)
	return scanAll(rows, err, scanConversation)
}

// PutConversation inserts or replaces a conversation.
func (s *SnapshotStore) PutConversation(ctx context.Context, account chat.PersonID, c ConversationRow) error {
	payload, err := json.Marshal(c.Conversation)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `
		INSERT INTO conversation (account, id, start_seq, sort_us, payload) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, id) DO UPDATE SET start_seq=excluded.start_seq, sort_us=excluded.sort_us, payload=excluded.payload`,
		account, c.ID, c.Start, c.SortTime, string(payload))
	return err
}

func scanPerson(row dbutil.Scannable) (p chat.Person, err error) {
	var payload string
	if err = row.Scan(&payload); err != nil {
		return p, notFound(err)
	}
	return p, json.Unmarshal([]byte(payload), &p)
}

// People returns those of the given people that the account knows.
func (s *SnapshotStore) People(ctx context.Context, account chat.PersonID, ids []chat.PersonID) ([]chat.Person, error) {
	const most = 500 // bound parameters of one query
	var people []chat.Person
	for len(ids) > 0 {
		part := ids[:min(len(ids), most)]
		ids = ids[len(part):]
		args := []any{account}
		for _, id := range part {
			args = append(args, id)
		}
		query := fmt.Sprintf(`SELECT payload FROM person WHERE account=$1 AND id IN (%s)`, placeholders(2, len(part)))
		rows, err := s.db.Query(ctx, query, args...)
		found, err := scanAll(rows, err, scanPerson)
		if err != nil {
			return nil, err
		}
		people = append(people, found...)
	}
	return people, nil
}

// PutPerson inserts or replaces a person.
func (s *SnapshotStore) PutPerson(ctx context.Context, account chat.PersonID, p chat.Person) error {
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `
		INSERT INTO person (account, id, payload) VALUES ($1, $2, $3)
		ON CONFLICT (account, id) DO UPDATE SET payload=excluded.payload`, account, p.ID, string(payload))
	return err
}

// MoveWatermark moves a watermark forward; moved is false if it was not ahead.
func (s *SnapshotStore) MoveWatermark(ctx context.Context, account chat.PersonID, w chat.Watermark) (moved bool, err error) {
	res, err := s.db.Exec(ctx, `
		INSERT INTO watermark (account, conversation, person, time_us) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account, conversation, person) DO UPDATE SET time_us=excluded.time_us
		WHERE watermark.time_us < excluded.time_us`, account, w.Conversation, w.Person, w.Time)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Watermarks returns how far each person has read (µs).
func (s *SnapshotStore) Watermarks(ctx context.Context, account chat.PersonID, id chat.ConversationID) (map[chat.PersonID]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT person, time_us FROM watermark WHERE account=$1 AND conversation=$2`, account, id)
	marks := make(map[chat.PersonID]int64)
	_, err = scanAll(rows, err, func(row dbutil.Scannable) (struct{}, error) {
		var person chat.PersonID
		var time int64
		err := row.Scan(&person, &time)
		marks[person] = time
		return struct{}{}, err
	})
	return marks, err
}

// StagePage keeps one page of a catch-up; page 0 is the newest.
func (s *SnapshotStore) StagePage(ctx context.Context, account chat.PersonID, id chat.ConversationID, page int, payload []byte) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO catchup_page (account, conversation, page, payload) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account, conversation, page) DO UPDATE SET payload=excluded.payload`, account, id, page, string(payload))
	return err
}

// StagedPage returns one staged page, or ErrNotFound.
func (s *SnapshotStore) StagedPage(ctx context.Context, account chat.PersonID, id chat.ConversationID, page int) ([]byte, error) {
	var payload string
	err := s.db.QueryRow(ctx, `SELECT payload FROM catchup_page WHERE account=$1 AND conversation=$2 AND page=$3`,
		account, id, page).Scan(&payload)
	return []byte(payload), notFound(err)
}

// DropStaged deletes staged pages: of one conversation, or all of the account ("").
func (s *SnapshotStore) DropStaged(ctx context.Context, account chat.PersonID, id chat.ConversationID) error {
	_, err := s.db.Exec(ctx, `DELETE FROM catchup_page WHERE account=$1 AND ($2='' OR conversation=$2)`, account, string(id))
	return err
}
