package database

import (
	"context"
	"encoding/json"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// EditsOf returns the ids of the edits of an event, as far as the log has them.
func (l *Log) EditsOf(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) ([]chat.EventID, error) {
	return l.db.editsOf(ctx, "log", account, conversation, id)
}

// EditsOf returns the ids of the edits of an event, as far as the store has them.
func (h *History) EditsOf(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) ([]chat.EventID, error) {
	return h.db.editsOf(ctx, "history", account, conversation, id)
}

// editsOf reads what came at or after the event, if its time is known: edits are few.
func (db *DB) editsOf(ctx context.Context, table string, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) (edits []chat.EventID, err error) {
	rows, err := db.Query(ctx, `
		SELECT payload FROM `+table+` WHERE account=$1 AND conversation=$2 AND kind=$4 AND time_us>=COALESCE(
			(SELECT MAX(e.time_us) FROM log e WHERE e.account=$1 AND e.conversation=$2 AND e.event_id=$3),
			(SELECT MAX(e.time_us) FROM history e WHERE e.account=$1 AND e.conversation=$2 AND e.event_id=$3), 0)`,
		account, conversation, id, chat.KindEdit)
	all, err := scanAll(rows, err, func(row dbutil.Scannable) (e chat.Event, err error) {
		var payload string
		if err = row.Scan(&payload); err == nil {
			err = json.Unmarshal([]byte(payload), &e)
		}
		return e, err
	})
	for _, e := range all {
		if e.Edit != nil && e.Edit.Target == id {
			edits = append(edits, e.ID)
		}
	}
	return edits, err
}

// Blanked reports whether an event was deleted, whether or not the store had it.
func (h *History) Blanked(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, id chat.EventID) (blanked bool, err error) {
	err = h.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM history WHERE account=$1 AND conversation=$2 AND event_id=$3 AND kind='')`,
		account, conversation, id).Scan(&blanked)
	return blanked, err
}
