package logtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// RunHistory runs the suite of account.HistoryStore; open returns an empty one and the log beside it,
// as Run has it.
func RunHistory(t *testing.T, open func(t *testing.T) (account.Log, account.HistoryStore)) {
	for name, test := range map[string]func(*testing.T, context.Context, account.Log, account.HistoryStore){
		"stores pages once":                       pages,
		"keeps an old event whole":                wholeHistory,
		"blanks what was and will be stored":      blanksHistory,
		"lets go what has expired or is not read": trimsHistory,
		"forgets a conversation":                  drops,
		"takes over what the log lets go":         follows,
		"knows what the log has let go":           raises,
	} {
		t.Run(name, func(t *testing.T) {
			log, history := open(t)
			test(t, context.Background(), log, history)
		})
	}
}

func stored(t *testing.T, history account.HistoryStore, conversation chat.ConversationID) (out []string) {
	events, err := history.Before(context.Background(), author, conversation, 0, 100)
	require.NoError(t, err)
	for _, e := range events {
		require.Zero(t, e.Seq)
		out = append(out, string(e.ID))
	}
	return out
}

func pages(t *testing.T, ctx context.Context, _ account.Log, history account.HistoryStore) {
	_, err := history.Reach(ctx, author, "a")
	require.ErrorIs(t, err, database.ErrNotFound)
	reach := database.Reach{CompleteFrom: 20, Next: `{"time":20}`, Fetched: 7}
	added, err := history.Put(ctx, author, "a", []chat.Event{event("a", "3", 30), event("a", "2", 20), event("a", "3", 31)}, reach)
	require.NoError(t, err)
	require.Equal(t, 2, added)
	got, err := history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, reach, got)
	reach.CompleteFrom, reach.Next, reach.Fetched = 10, "", 8
	added, err = history.Put(ctx, author, "a", []chat.Event{event("a", "2", 20), event("a", "1", 10), event("a", "0", 10)}, reach)
	require.NoError(t, err)
	require.Equal(t, 2, added)
	got, err = history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, reach, got)
	require.Equal(t, []string{"0", "1", "2", "3"}, stored(t, history, "a"), "by time, then by id")
	page, err := history.Before(ctx, author, "a", 30, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"0:1", "0:2"}, ids(page), "the newest before a time, the bound excluded")
	require.Empty(t, stored(t, history, "b"))
	page, err = history.Before(ctx, other, "a", 0, 10)
	require.NoError(t, err)
	require.Empty(t, page, "each account has its own")
}

func wholeHistory(t *testing.T, ctx context.Context, _ account.Log, history account.HistoryStore) {
	e := event("a", "1", 1_700_000_000_000_001)
	e.RequestID = 1<<64 - 1
	e.Message = &chat.Message{Emote: true, Text: chat.Text{{Kind: chat.SegmentText, Text: "ж\x00\"\\", Bold: true}}}
	_, err := history.Put(ctx, author, "a", []chat.Event{e}, database.Reach{CompleteFrom: 5, Fetched: 1})
	require.NoError(t, err)
	page, err := history.Before(ctx, author, "a", 0, 1)
	require.NoError(t, err)
	require.Equal(t, []chat.Event{e}, page)
}

func blanksHistory(t *testing.T, ctx context.Context, _ account.Log, history account.HistoryStore) {
	put := func(events ...chat.Event) int {
		added, err := history.Put(ctx, author, "a", events, database.Reach{CompleteFrom: 5, Fetched: 1})
		require.NoError(t, err)
		return added
	}
	put(event("a", "1", 10), event("a", "2", 20))
	require.NoError(t, history.Blank(ctx, author, "a", "1"))
	require.NoError(t, history.Blank(ctx, author, "a", "later"))
	require.NoError(t, history.Blank(ctx, author, "a", "later"))
	require.Equal(t, []string{"2"}, stored(t, history, "a"))
	require.Zero(t, put(event("a", "1", 10), event("a", "later", 30)))
	require.Equal(t, []string{"2"}, stored(t, history, "a"))
	require.NoError(t, history.Trim(ctx, 2, 1))
	require.Empty(t, stored(t, history, "a"))
	require.Equal(t, 1, put(event("a", "1", 10), event("a", "2", 20)), "what was deleted stays away")
	require.NoError(t, history.Drop(ctx, author, "a"))
	require.Equal(t, 1, put(event("a", "1", 10), event("a", "2", 20)))
}

func trimsHistory(t *testing.T, ctx context.Context, _ account.Log, history account.HistoryStore) {
	gone := event("a", "1", 10)
	gone.Expires = 1 << 60
	reach := database.Reach{CompleteFrom: 10, Next: `{"time":10}`, Fetched: 50}
	_, err := history.Put(ctx, author, "a", []chat.Event{gone, event("a", "2", 20)}, reach)
	require.NoError(t, err)
	require.NoError(t, history.Trim(ctx, 50, 1<<60-1))
	require.Equal(t, []string{"1", "2"}, stored(t, history, "a"))
	require.NoError(t, history.Trim(ctx, 50, 1<<60))
	require.Equal(t, []string{"2"}, stored(t, history, "a"))
	got, err := history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, reach, got, "what has expired is missing nowhere")
	require.NoError(t, history.Trim(ctx, 51, 100))
	require.Empty(t, stored(t, history, "a"))
	got, err = history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, database.Reach{CompleteFrom: 21}, got, "it has to be asked for again")
	require.NoError(t, history.Trim(ctx, 51, 100))
	_, err = history.Put(ctx, author, "b", nil, database.Reach{Fetched: 50})
	require.NoError(t, err)
	require.NoError(t, history.Trim(ctx, 51, 100))
	got, err = history.Reach(ctx, author, "b")
	require.NoError(t, err)
	require.Equal(t, database.Reach{}, got, "nothing was there, and nothing is gone")
}

func drops(t *testing.T, ctx context.Context, _ account.Log, history account.HistoryStore) {
	for _, in := range []chat.ConversationID{"a", "b"} {
		_, err := history.Put(ctx, author, in, []chat.Event{event(string(in), "1", 10)}, database.Reach{CompleteFrom: 10, Fetched: 1})
		require.NoError(t, err)
	}
	require.NoError(t, history.Drop(ctx, author, "a"))
	require.Empty(t, stored(t, history, "a"))
	_, err := history.Reach(ctx, author, "a")
	require.ErrorIs(t, err, database.ErrNotFound)
	require.Len(t, stored(t, history, "b"), 1)
}

// logAndTrim logs events and trims all but the last.
func logAndTrim(t *testing.T, ctx context.Context, log account.Log, events ...chat.Event) {
	_, err := log.Append(ctx, author, events)
	require.NoError(t, err)
	_, err = log.Trim(ctx, 1<<62, 1000)
	require.NoError(t, err)
}

func follows(t *testing.T, ctx context.Context, log account.Log, history account.HistoryStore) {
	reach := database.Reach{CompleteFrom: 5, Next: "x", Fetched: 1}
	_, err := history.Put(ctx, author, "a", []chat.Event{event("a", "0", 5)}, reach)
	require.NoError(t, err)
	require.NoError(t, history.Blank(ctx, author, "a", "deleted"))
	failure, own, deleted, gone := event("a", "failure/irc/r", 11), event("a", "1", 10), event("a", "deleted", 12), event("a", "gone", 13)
	failure.Kind, failure.Message, failure.Failure = chat.KindFailure, nil, &chat.Failure{Reason: "refused: no"}
	own.RequestID, own.Origin = 7, chat.Origin{Side: chat.OriginMatrix, Ref: "$e/0"}
	gone.Expires = 1000
	_, err = log.Append(ctx, author, []chat.Event{own, failure, deleted, gone, event("a", "2", 20), event("a", "3", 30)})
	require.NoError(t, err)
	require.NoError(t, log.Blank(ctx, author, "a", "deleted"))
	logAndTrim(t, ctx, log)
	require.Equal(t, []string{"0", "1", "2"}, stored(t, history, "a"))
	page, err := history.Before(ctx, author, "a", 20, 1)
	require.NoError(t, err)
	require.Equal(t, []chat.Event{own}, page)
	left, err := log.Read(ctx, author, "a", 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"6:3"}, ids(left))
	got, err := history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, reach, got)
}

func raises(t *testing.T, ctx context.Context, log account.Log, history account.HistoryStore) {
	var events []chat.Event
	for n, at := range []int64{10, 40, 30, 50} {
		events = append(events, event("a", fmt.Sprint(n), at))
	}
	logAndTrim(t, ctx, log, events...)
	require.Empty(t, stored(t, history, "a"), "nobody has read it")
	got, err := history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, database.Reach{CompleteFrom: 41}, got)
	logAndTrim(t, ctx, log, event("a", "late", 20), event("a", "last", 60))
	got, err = history.Reach(ctx, author, "a")
	require.NoError(t, err)
	require.Equal(t, database.Reach{CompleteFrom: 51}, got, "it only rises")
}
