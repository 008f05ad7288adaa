// Package logtest is the conformance suite of account.Log: what every implementation
// must do, on whatever database.
package logtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// author and other are accounts of the database that open makes.
const (
	author = chat.PersonID("100000000000000000001")
	other  = chat.PersonID("100000000000000000009")
)

func event(conversation, id string, time int64) chat.Event {
	return chat.Event{V: chat.Version, Conversation: chat.ConversationID(conversation), ID: chat.EventID(id),
		Kind: chat.KindMessage, Time: time, Author: author, Message: &chat.Message{Text: chat.Plain("text of " + id)}}
}

func ids(events []chat.Event) (out []string) {
	for _, e := range events {
		out = append(out, fmt.Sprintf("%d:%s", e.Seq, e.ID))
	}
	return out
}

// Run runs the suite; open returns a new, empty log whose database is closed by itself and has
// the accounts 100000000000000000001 and 100000000000000000009.
func Run(t *testing.T, open func(t *testing.T) account.Log) {
	for name, test := range map[string]func(*testing.T, context.Context, account.Log){
		"numbers each conversation by itself": numbers,
		"leaves out known events":             known,
		"reads in order and in parts":         reads,
		"reads back by time":                  before,
		"knows where it begins":               begins,
		"blanks what was deleted":             blanks,
		"keeps an event whole":                whole,
		"finds what a request made":           requests,
		"keeps accounts apart":                apart,
		"trims what nobody needs":             trims,
		"lets go what has expired":            expires,
	} {
		t.Run(name, func(t *testing.T) { test(t, context.Background(), open(t)) })
	}
}

func numbers(t *testing.T, ctx context.Context, log account.Log) {
	added, err := log.Append(ctx, author, []chat.Event{event("a", "1", 10), event("b", "1", 11), event("a", "2", 5)})
	require.NoError(t, err)
	require.Equal(t, []string{"1:1", "1:1", "2:2"}, ids(added), "in the order given, not of time")
	head, err := log.Head(ctx, author, "a")
	require.NoError(t, err)
	require.EqualValues(t, 2, head)
	head, err = log.Head(ctx, author, "none")
	require.NoError(t, err)
	require.Zero(t, head)
}

func known(t *testing.T, ctx context.Context, log account.Log) {
	_, err := log.Append(ctx, author, []chat.Event{event("a", "1", 10)})
	require.NoError(t, err)
	added, err := log.Append(ctx, author, []chat.Event{event("a", "1", 99), event("a", "2", 20), event("a", "2", 20)})
	require.NoError(t, err)
	require.Equal(t, []string{"2:2"}, ids(added))
	e, ok, err := log.Find(ctx, author, "a", "1")
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 10, e.Time, "the first one stays")
	_, ok, err = log.Find(ctx, author, "b", "1")
	require.NoError(t, err)
	require.False(t, ok)
}

func reads(t *testing.T, ctx context.Context, log account.Log) {
	for i := 1; i <= 5; i++ {
		_, err := log.Append(ctx, author, []chat.Event{event("a", fmt.Sprint(i), int64(100-i))})
		require.NoError(t, err)
	}
	part, err := log.Read(ctx, author, "a", 1, 3)
	require.NoError(t, err)
	require.Equal(t, []string{"2:2", "3:3", "4:4"}, ids(part))
	part, err = log.Read(ctx, author, "a", 5, 3)
	require.NoError(t, err)
	require.Empty(t, part)
}

func before(t *testing.T, ctx context.Context, log account.Log) {
	_, err := log.Append(ctx, author, []chat.Event{event("a", "1", 10), event("a", "3", 30), event("a", "2", 20), event("b", "x", 1)})
	require.NoError(t, err)
	page, err := log.Before(ctx, author, "a", 30, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"1:1", "3:2"}, ids(page), "by time, the bound excluded")
	page, err = log.Before(ctx, author, "a", 0, 0, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"3:2", "2:3"}, ids(page), "the newest ones, oldest first")
	page, err = log.Before(ctx, author, "a", 0, 1, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"3:2", "2:3"}, ids(page), "only what lies after a seq")
	failure := event("a", "failure/irc/r", 35)
	failure.Kind, failure.Message, failure.Failure = chat.KindFailure, nil, &chat.Failure{Reason: "refused: no"}
	_, err = log.Append(ctx, author, []chat.Event{failure})
	require.NoError(t, err)
	page, err = log.Before(ctx, author, "a", 0, 0, 1)
	require.NoError(t, err)
	require.Equal(t, []string{"2:3"}, ids(page), "what did not happen is no history")
	gone := event("a", "4", 40)
	gone.Expires = 41
	_, err = log.Append(ctx, author, []chat.Event{gone})
	require.NoError(t, err)
	page, err = log.Before(ctx, author, "a", 0, 0, 1)
	require.NoError(t, err)
	require.Equal(t, []string{"2:3"}, ids(page), "without what has expired")
}

func begins(t *testing.T, ctx context.Context, log account.Log) {
	_, ok, err := log.Begin(ctx, author, "a", 0)
	require.NoError(t, err)
	require.False(t, ok)
	failure := event("a", "failure/irc/r", 5)
	failure.Kind, failure.Message, failure.Failure = chat.KindFailure, nil, &chat.Failure{Reason: "refused: no"}
	_, err = log.Append(ctx, author, []chat.Event{failure, event("a", "1", 30), event("a", "2", 20), event("b", "x", 1)})
	require.NoError(t, err)
	for after, want := range map[int64]int64{0: 30, 1: 30, 2: 20} {
		begin, ok, err := log.Begin(ctx, author, "a", after)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, begin, "by seq, not by time")
	}
	_, ok, err = log.Begin(ctx, author, "a", 3)
	require.NoError(t, err)
	require.False(t, ok)
}

func blanks(t *testing.T, ctx context.Context, log account.Log) {
	for _, who := range []chat.PersonID{author, other} {
		_, err := log.Append(ctx, who, []chat.Event{event("a", "1", 10), event("a", "2", 20), event("b", "1", 10)})
		require.NoError(t, err)
	}
	require.NoError(t, log.Blank(ctx, author, "a", "1"))
	require.NoError(t, log.Blank(ctx, author, "a", "none"))
	left, err := log.Read(ctx, author, "a", 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"1:1", "2:2"}, ids(left), "its number stays")
	require.Equal(t, chat.Event{V: chat.Version, Conversation: "a", ID: "1", Seq: 1, Time: 10, Author: author}, left[0], "and nothing else")
	require.NotNil(t, left[1].Message)
	page, err := log.Before(ctx, author, "a", 0, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"2:2"}, ids(page))
	for _, at := range []struct {
		who chat.PersonID
		in  chat.ConversationID
	}{{author, "b"}, {other, "a"}} {
		e, _, err := log.Find(ctx, at.who, at.in, "1")
		require.NoError(t, err)
		require.NotNil(t, e.Message)
	}
}

func whole(t *testing.T, ctx context.Context, log account.Log) {
	e := event("a", "1", 1_700_000_000_000_001)
	e.Origin, e.RequestID = chat.Origin{Side: chat.OriginMatrix, Ref: "$event/0"}, 1<<64-1
	e.Expires = 1_700_000_000_000_009
	e.Message = &chat.Message{Emote: true, Attachments: []chat.Attachment{{Kind: chat.AttachPhoto, URL: "https://example.org/p"}},
		Text: chat.Text{{Kind: chat.SegmentText, Text: "ж\x00\"\\", Bold: true}, {Kind: chat.SegmentBreak}}}
	added, err := log.Append(ctx, author, []chat.Event{e})
	require.NoError(t, err)
	e.Seq = 1
	require.Equal(t, []chat.Event{e}, added)
	got, ok, err := log.Find(ctx, author, "a", "1")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, e, got)
}

func requests(t *testing.T, ctx context.Context, log account.Log) {
	first, second := event("a", "1", 10), event("a", "2", 20)
	first.RequestID = 7
	_, err := log.Append(ctx, author, []chat.Event{first, second})
	require.NoError(t, err)
	e, ok, err := log.FindRequest(ctx, author, "a", 7)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, "1", e.ID)
	for _, other := range []struct {
		conversation chat.ConversationID
		account      chat.PersonID
		id           uint64
	}{{"b", author, 7}, {"a", other, 7}, {"a", author, 8}, {"a", author, 0}} {
		_, ok, err = log.FindRequest(ctx, other.account, other.conversation, other.id)
		require.NoError(t, err)
		require.False(t, ok, "%v", other)
	}
}

func apart(t *testing.T, ctx context.Context, log account.Log) {
	_, err := log.Append(ctx, author, []chat.Event{event("a", "1", 10), event("a", "2", 20)})
	require.NoError(t, err)
	added, err := log.Append(ctx, other, []chat.Event{event("a", "2", 20)})
	require.NoError(t, err)
	require.Equal(t, []string{"1:2"}, ids(added), "each account numbers its own")
	page, err := log.Read(ctx, other, "a", 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"1:2"}, ids(page))
	page, err = log.Before(ctx, author, "a", 0, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"1:1", "2:2"}, ids(page))
	_, ok, err := log.Find(ctx, other, "a", "1")
	require.NoError(t, err)
	require.False(t, ok)
	n, err := log.Trim(ctx, 1<<62, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "the last event of each stays")
}

func trims(t *testing.T, ctx context.Context, log account.Log) {
	_, err := log.Append(ctx, author, []chat.Event{event("a", "1", 10), event("a", "2", 20)})
	require.NoError(t, err)
	n, err := log.Trim(ctx, 1, 1)
	require.NoError(t, err)
	require.Zero(t, n, "nothing was logged so long ago")
	n, err = log.Trim(ctx, 1<<62, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	added, err := log.Append(ctx, author, []chat.Event{event("a", "3", 30)})
	require.NoError(t, err)
	require.Equal(t, []string{"3:3"}, ids(added), "numbers are never used again")
}

func expires(t *testing.T, ctx context.Context, log account.Log) {
	first, second, last := event("a", "1", 10), event("a", "2", 20), event("a", "3", 30)
	first.Expires, last.Expires = 100, 100
	_, err := log.Append(ctx, author, []chat.Event{first, second, last})
	require.NoError(t, err)
	_, err = log.Trim(ctx, 1, 99)
	require.NoError(t, err)
	left, err := log.Read(ctx, author, "a", 0, 10)
	require.NoError(t, err)
	require.Len(t, left, 3)
	_, err = log.Trim(ctx, 1, 100)
	require.NoError(t, err)
	left, err = log.Read(ctx, author, "a", 0, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"2:2", "3:3"}, ids(left), "the last one keeps its number")
	require.Nil(t, left[1].Message, "but nothing of its content")
	require.NotNil(t, left[0].Message)
}
