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
