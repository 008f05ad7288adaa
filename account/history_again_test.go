package account_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A page that was asked for before the history was cleared does not bring it back.
func TestAPageFromBeforeAClearingIsDropped(t *testing.T) {
	b := newBench(t, shortOverlap)
	b.say(numbered(60))
	s := b.login(anna)
	made, cleared := make(chan struct{}), make(chan struct{})
	first := true
	b.net.OnPage(func(in chat.ConversationID, before account.HistoryToken, page *account.HistoryPage) error {
		if in == duo && first {
			first = false
			close(made)
			<-cleared
		}
		return nil
	})
	done := make(chan []string)
	go func() {
		events, _ := read(s, 0, 10)
		done <- texts(events)
	}()
	<-made
	clear := chat.Request{Conversation: duo, Origin: chat.Origin{Side: chat.OriginIRC, Ref: "clear"}, Clear: &chat.Clear{UpTo: b.net.Events(duo)[59].Time}}
	require.NoError(t, s.Submit(t.Context(), clear))
	_, err := await(t, s, "clear")
	require.NoError(t, err)
	close(cleared)
	require.Empty(t, <-done)
	require.Zero(t, b.count(`SELECT COUNT(*) FROM history`))
	b.expectHistory(s, 9, nil)
}

// With a message its corrections are deleted, whichever comes first.
func TestDeletionsTakeEditsAlong(t *testing.T) {
	b := newBench(t, shortOverlap)
	edit := func(target chat.EventID) {
		b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindEdit, Edit: &chat.Edit{Target: target, Message: chat.Message{Text: chat.Plain("secret, too")}}})
	}
	deletes := func(target chat.EventID) {
		b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: target}})
	}
	old, older := b.net.Say(bob, duo, "secret"), b.net.Say(bob, duo, "secret")
	edit(old.ID)
	edit(older.ID)
	deletes(older.ID)
	b.say(numbered(60))
	s := b.login(anna)
	live := b.net.Say(bob, duo, "secret")
	edit(live.ID)
	b.say([]string{"mark"})
	b.logs("mark")
	b.expectHistory(s, 4, append(numbered(60)[59:], "secret", "mark"))
	deletes(live.ID)
	deletes(old.ID)
	eventually(t, func() bool { return len(b.logged(duo)) == 5 }, "logged")
	b.expectHistory(s, 200, append(numbered(60), "mark"))
	edit(live.ID)
	eventually(t, func() bool { return len(b.logged(duo)) == 6 }, "logged")
	require.Zero(t, b.count(`SELECT (SELECT COUNT(*) FROM log WHERE payload LIKE '%secret%') + (SELECT COUNT(*) FROM history WHERE payload LIKE '%secret%')`))
}
