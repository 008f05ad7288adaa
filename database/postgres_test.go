package database

import (
	"math"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// The schema and the statements of log and history are PostgreSQL's, too.
func TestHistoryOnPostgreSQL(t *testing.T) {
	db, err := Open("test", "postgres", startPostgres(t), zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	ctx := t.Context()
	require.NoError(t, db.Upgrade(ctx))
	require.NoError(t, db.Accounts().PutLogin(ctx, chat.Person{ID: "1"}, []byte{0, 255}, 1))
	row, err := db.Accounts().Get(ctx, "1")
	require.NoError(t, err)
	require.Equal(t, []byte{0, 255}, row.Credentials)
	message := func(id string, time int64) chat.Event {
		return chat.Event{V: chat.Version, Conversation: "a", ID: chat.EventID(id), Kind: chat.KindMessage, Time: time, Author: "2", Message: &chat.Message{Text: chat.Plain(id)}}
	}
	edit := chat.Event{V: chat.Version, Conversation: "a", ID: "edit", Kind: chat.KindEdit, Time: 40, Author: "2", Edit: &chat.Edit{Target: "2"}}
	added, err := db.Log().Append(ctx, "1", []chat.Event{message("3", 30), edit, message("5", 50)})
	require.NoError(t, err)
	require.Len(t, added, 3)
	stored, err := db.History().Put(ctx, "1", "a", []chat.Event{message("1", 10), message("2", 20)}, Reach{CompleteFrom: 10, Fetched: math.MaxInt64 - 1})
	require.NoError(t, err)
	require.Equal(t, 2, stored)
	edits, err := db.Log().EditsOf(ctx, "1", "a", "2")
	require.NoError(t, err)
	require.Equal(t, []chat.EventID{"edit"}, edits)
	deleted, err := db.Log().Trim(ctx, math.MaxInt64, 1)
	require.NoError(t, err)
	require.EqualValues(t, 2, deleted)
	require.NoError(t, db.Log().Blank(ctx, "1", "a", "5"))
	require.NoError(t, db.History().Blank(ctx, "1", "a", "1"))
	blanked, err := db.History().Blanked(ctx, "1", "a", "1")
	require.NoError(t, err)
	require.True(t, blanked)
	events, err := db.History().Before(ctx, "1", "a", 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.NoError(t, db.History().Trim(ctx, math.MaxInt64, 1))
	reach, err := db.History().Reach(ctx, "1", "a")
	require.NoError(t, err)
	require.Equal(t, Reach{CompleteFrom: 41}, reach)
	logged, err := db.Log().Before(ctx, "1", "a", 0, 0, 10)
	require.NoError(t, err)
	require.Empty(t, logged)
	require.NoError(t, db.History().Drop(ctx, "1", "a"))
}
