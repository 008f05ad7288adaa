package database

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// open makes an upgraded database in a temporary file.
func open(t *testing.T) *DB {
	t.Helper()
	uri := fmt.Sprintf("file:%s?_txlock=immediate", filepath.Join(t.TempDir(), "test.db"))
	db, err := Open("test", "sqlite3-fk-wal", uri, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Upgrade(context.Background()))
	return db
}

const anna = chat.PersonID("100000000000000000001")

func addAccount(t *testing.T, db *DB, id chat.PersonID) {
	t.Helper()
	require.NoError(t, db.Accounts().PutLogin(context.Background(), chat.Person{ID: id, FullName: "Anna"}, []byte("secret"), 5))
}

func message(conversation, id string, time int64) chat.Event {
	return chat.Event{V: chat.Version, Conversation: chat.ConversationID(conversation), ID: chat.EventID(id), Kind: chat.KindMessage,
		Time: time, Author: anna, Message: &chat.Message{Text: chat.Plain(id)}}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	db, ctx := open(t), context.Background()
	_, err := db.Exec(ctx, `UPDATE `+VersionTable+` SET version=1000, compat=1000`)
	require.NoError(t, err)
	require.ErrorIs(t, db.Upgrade(ctx), ErrNewer)
}

func TestLoginKeepsCursorAndRaisesGeneration(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	require.NoError(t, db.Accounts().MoveCursor(ctx, anna, 77))
	require.NoError(t, db.Accounts().MoveCursor(ctx, anna, 50), "never back")
	addAccount(t, db, anna)
	row, err := db.Accounts().Get(ctx, anna)
	require.NoError(t, err)
	require.EqualValues(t, 2, row.Generation)
	require.EqualValues(t, 77, row.Cursor)
	require.NoError(t, db.Accounts().PutCredentials(ctx, anna, 1, []byte("stale")))
	row, err = db.Accounts().Get(ctx, anna)
	require.NoError(t, err)
	require.Equal(t, "secret", string(row.Credentials), "a rotation of the login before is dropped")
	_, err = db.Accounts().Get(ctx, "404")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestConsumerStartsAtTheEndAndMovesForward(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	for _, id := range []chat.ConversationID{"c", "new"} {
		require.NoError(t, db.Snapshots().PutConversation(ctx, anna, ConversationRow{Conversation: chat.Conversation{ID: id}}))
	}
	_, err := db.Log().Append(ctx, anna, []chat.Event{message("c", "e1", 10), message("c", "e2", 20)})
	require.NoError(t, err)
	key := ConsumerKey{anna, chat.OriginIRC, "phone"}
	require.NoError(t, db.Consumers().Touch(ctx, key, 1))
	_, err = db.Log().Append(ctx, anna, []chat.Event{message("c", "e3", 30), message("new", "n1", 30)})
	require.NoError(t, err)
	position := func(id chat.ConversationID) int64 {
		seq, err := db.Consumers().Position(ctx, key, id)
		require.NoError(t, err)
		return seq
	}
	standings := func() []Standing {
		all, err := db.Consumers().Standings(ctx, key)
		require.NoError(t, err)
		return all
	}
	require.EqualValues(t, 2, position("c"))
	require.Zero(t, position("new"), "a conversation that came later is shown from its start")
	require.ElementsMatch(t, []Standing{{"c", 2, 3}, {"new", 0, 1}}, standings())
	require.NoError(t, db.Consumers().Acknowledge(ctx, key, "c", 3))
	require.NoError(t, db.Consumers().Acknowledge(ctx, key, "c", 1))
	require.EqualValues(t, 3, position("c"))
	require.Equal(t, []Standing{{"new", 0, 1}}, standings(), "where something waits")
}

func TestTrimKeepsWhatIsNotAcknowledged(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	require.NoError(t, db.Snapshots().PutConversation(ctx, anna, ConversationRow{Conversation: chat.Conversation{ID: "c"}}))
	key := ConsumerKey{anna, chat.OriginMatrix, ""}
	require.NoError(t, db.Consumers().Touch(ctx, key, 1))
	_, err := db.Log().Append(ctx, anna, []chat.Event{message("c", "e1", 10), message("c", "e2", 20), message("c", "e3", 30)})
	require.NoError(t, err)
	require.NoError(t, db.Consumers().Acknowledge(ctx, key, "c", 1))
	n, err := db.Log().Trim(ctx, 1<<62, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.NoError(t, db.Consumers().Acknowledge(ctx, key, "c", 3))
	_, err = db.Log().Trim(ctx, 1<<62, 1)
	require.NoError(t, err)
	head, err := db.Log().Head(ctx, anna, "c")
	require.NoError(t, err)
	require.EqualValues(t, 3, head, "seq goes on after trimming")
}

func TestOutboxTakesAnOriginOnce(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	row := &OutboxRow{Account: anna, RequestID: 9, Created: 3, Request: chat.Request{Conversation: "c",
		Origin: chat.Origin{Side: chat.OriginIRC, Ref: "r"}, Message: &chat.Message{Text: chat.Plain("hi")}}}
	inserted, err := db.Outbox().Insert(ctx, row)
	require.NoError(t, err)
	require.True(t, inserted)
	again, err := db.Outbox().Insert(ctx, &OutboxRow{Account: anna, RequestID: 9, Request: row.Request})
	require.NoError(t, err)
	require.False(t, again)
	row.State, row.EventID = OutboxDone, "e"
	require.NoError(t, db.Outbox().Put(ctx, row))
	got, err := db.Outbox().ByRequestID(ctx, anna, 9)
	require.NoError(t, err)
	require.Nil(t, got.Request.Message, "the text goes when the state is final")
	require.Equal(t, row.Request.Origin, got.Request.Origin)
	open, err := db.Outbox().Open(ctx, anna, "")
	require.NoError(t, err)
	require.Empty(t, open)
}

func TestRemovingAnAccountErasesWhatIsPersonal(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	require.NoError(t, db.Accounts().PutGrant(ctx, GrantRow{anna, chat.OriginIRC, "anna", "user"}))
	require.NoError(t, db.Snapshots().PutPerson(ctx, anna, chat.Person{ID: "2"}))
	require.NoError(t, db.Consumers().Touch(ctx, ConsumerKey{anna, chat.OriginIRC, "x"}, 1))
	require.NoError(t, db.Accounts().Delete(ctx, anna))
	for _, table := range []string{"account", "account_grant", "person", "conversation", "consumer", "position", "outbox", "watermark"} {
		var n int
		require.NoError(t, db.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n))
		require.Zero(t, n, table)
	}
}

func TestOutstandingMarks(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	phone, laptop := chat.Origin{Side: chat.OriginIRC, Ref: "phone"}, chat.Origin{Side: chat.OriginIRC, Ref: "laptop"}
	mark := func(id chat.ConversationID, origin chat.Origin, time int64) chat.Watermark {
		return chat.Watermark{Conversation: id, Person: anna, Time: time, Origin: origin}
	}
	for _, w := range []chat.Watermark{mark("c", phone, 20), mark("c", phone, 10), mark("c", laptop, 30), mark("d", phone, 40), mark("e", phone, 50)} {
		require.NoError(t, db.Marks().Put(ctx, anna, w))
	}
	list := func() []chat.Watermark {
		list, err := db.Marks().List(ctx, anna)
		require.NoError(t, err)
		return list
	}
	require.Equal(t, []chat.Watermark{mark("c", phone, 20), mark("c", laptop, 30), mark("d", phone, 40), mark("e", phone, 50)}, list())
	require.NoError(t, db.Marks().Settle(ctx, anna, "c", 20))
	require.NoError(t, db.Marks().Drop(ctx, anna, "e", phone))
	require.Equal(t, []chat.Watermark{mark("c", laptop, 30), mark("d", phone, 40)}, list())
	_, err := db.Snapshots().MoveWatermark(ctx, anna, mark("d", chat.Origin{}, 40))
	require.NoError(t, err)
	require.Equal(t, []chat.Watermark{mark("c", laptop, 30)}, list(), "what is not ahead is not outstanding")
	require.NoError(t, db.Accounts().Delete(ctx, anna))
	require.Empty(t, list())
}

// The type for those who want to be safe from power failures works as the default does.
func TestFullSync(t *testing.T) {
	db, err := Open("test", "sqlite3-fk-wal-fullsync", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_txlock=immediate", zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Upgrade(t.Context()))
	require.True(t, db.IsSQLite())
	var synchronous int
	require.NoError(t, db.RawDB.QueryRow(`PRAGMA synchronous`).Scan(&synchronous))
	require.Equal(t, 2, synchronous)
}
