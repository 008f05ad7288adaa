package light

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Text travels between Hangouts, Matrix and IRC, with names and times, once each.
func TestFirstLight(t *testing.T) {
	w := newWorld(t, nil)
	bob, carol := w.hangups("bob"), w.hangups("carol")
	w.loginAlice()

	// The history of the conversations that were there is in the rooms, in order, by its
	// authors and with its times.
	direct, trio := w.room("Bob Baker (Hangouts)"), w.room("Trio")
	w.alice.WaitText(direct, "just now")
	w.alice.WaitText(trio, "welcome")
	require.Equal(t, []string{"bob's puppet: long ago", "alice: not so long ago", "bob's puppet: just now"}, w.texts(direct))
	require.Equal(t, []string{"carol's puppet: welcome <b>all</b>"}, w.texts(trio))
	past := w.hangouts.Events("bob")
	for i, text := range []string{"long ago", "not so long ago", "just now"} {
		require.EqualValues(t, past[i].TimestampUS/1000, w.alice.WaitText(direct, text).Timestamp, "the original time, in ms")
	}

	// Bob writes; it comes from his puppet, which has his name.
	said, err := bob.Send(w.ctx, w.conversation("bob"), "Hi Alice 😀")
	require.NoError(t, err)
	seen := w.alice.WaitText(direct, "Hi Alice 😀")
	require.Equal(t, w.ghost("bob"), seen.Sender.Localpart())
	require.EqualValues(t, said.TimestampUS/1000, seen.Timestamp)

	// Alice answers; it reaches Bob once, as hers.
	w.alice.SendText(direct, "Hi Bob\nhow are you?")
	got, err := bob.WaitMessage(w.ctx, "Hi Bob\nhow are you?")
	require.NoError(t, err)
	require.Equal(t, w.hangouts.Person("alice").GaiaID(), got.Sender)

	// The same in the group of three.
	_, err = carol.Send(w.ctx, w.conversation("trio"), "Hello <i>you</i> & you")
	require.NoError(t, err)
	require.Equal(t, w.ghost("carol"), w.alice.WaitText(trio, "Hello <i>you</i> & you").Sender.Localpart())
	w.alice.SendText(trio, "Hello two")
	_, err = bob.WaitMessage(w.ctx, "Hello two")
	require.NoError(t, err)
	_, err = carol.WaitMessage(w.ctx, "Hello two")
	require.NoError(t, err)

	// A new conversation makes a room.
	fresh, err := bob.CreateConversation(w.ctx, true, "Brand new", w.hangouts.Person("alice").GaiaID(), w.hangouts.Person("carol").GaiaID())
	require.NoError(t, err)
	w.eventually("Bob's client has heard of it", func() bool {
		_, err = bob.Send(w.ctx, fresh, "first words")
		return err == nil
	})
	require.Equal(t, w.ghost("bob"), w.alice.WaitText(w.room("Brand new"), "first words").Sender.Localpart())

	// What Alice writes from another Hangouts client appears as Alice.
	_, err = w.hangouts.Person("alice").Send("trio", "from my phone")
	require.NoError(t, err)
	require.Equal(t, w.alice.UserID(), w.alice.WaitText(trio, "from my phone").Sender)

	// At the same time IRC: what is typed in irssi appears at Bob and in the room as
	// Alice's own, and the other way round.
	irssi := w.irssi(w.ircPassword())
	irssi.Goto("#Trio")
	irssi.Enter("typed in irssi")
	_, err = bob.WaitMessage(w.ctx, "typed in irssi")
	require.NoError(t, err)
	require.Equal(t, w.alice.UserID(), w.alice.WaitText(trio, "typed in irssi").Sender)
	_, err = carol.Send(w.ctx, w.conversation("trio"), "to both sides")
	require.NoError(t, err)
	w.alice.WaitText(trio, "to both sides")
	irssi.WaitScreen("to both sides")
	irssi.WaitScreen("Carol_Capek>")
	w.alice.SendText(trio, "typed in Matrix")
	irssi.WaitScreen("typed in Matrix")
	_, err = bob.Send(w.ctx, w.conversation("bob"), "a query")
	require.NoError(t, err)
	irssi.WaitLog("Bob_Baker", "a query")

	// Everything once.
	w.alice.WaitText(direct, "a query")
	require.Equal(t, []string{"bob's puppet: long ago", "alice: not so long ago", "bob's puppet: just now", "bob's puppet: Hi Alice 😀",
		"alice: Hi Bob\nhow are you?", "bob's puppet: a query"}, w.texts(direct))
	require.Equal(t, []string{"carol's puppet: welcome <b>all</b>", "carol's puppet: Hello <i>you</i> & you", "alice: Hello two", "alice: from my phone",
		"alice: typed in irssi", "carol's puppet: to both sides", "alice: typed in Matrix"}, w.texts(trio))
	var atBob []string
	for _, m := range bob.Messages() {
		if m.ConversationID == w.conversation("trio") {
			atBob = append(atBob, m.Text)
		}
	}
	require.Equal(t, []string{"Hello <i>you</i> & you", "Hello two", "from my phone", "typed in irssi", "to both sides", "typed in Matrix"}, atBob)
	require.Equal(t, 1, strings.Count(irssi.Log("#Trio"), "typed in Matrix"))
}
