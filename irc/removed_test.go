package irc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// Who is removed on Hangouts is out of the channel, and nothing that happens there brings
// them back but being added again.
func TestRemovedStaysOutOfTheChannel(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", tagged...)
	change := func(author chat.PersonID, joined bool, who chat.PersonID) {
		b.net.Post(chat.Event{Conversation: trio, Author: author, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: joined, People: []chat.PersonID{who}}})
	}
	change(bob, false, anna)
	c.Await("KICK", "#Trio_co", "anna")
	b.net.Say(bob, trio, "not for anna")
	b.net.Type(bob, trio, chat.TypingStarted)
	b.net.Post(chat.Event{Conversation: trio, Author: bob, Kind: chat.KindRename, Rename: &chat.Rename{New: "Duo"}})
	change(bob, false, cleo)
	b.net.Rename(bob, "Robert Brown")
	b.net.Say(bob, duo, "elsewhere")
	c.Await("PRIVMSG", "anna", "elsewhere")
	time.Sleep(100 * time.Millisecond) // well past the comparison that the changes lead to
	for _, l := range c.Lines() {
		require.NotContains(t, l.Raw, "not for anna")
		require.NotContains(t, l.Raw, "Duo")
	}
	c.Send("JOIN #Trio_co")
	c.Await("473", "anna", "#Trio_co")
	c.Send("PRIVMSG #Trio_co :hello?")
	c.Await("404", "anna", "#Trio_co")
	later := b.dial()
	later.Register(ircclient.Login{Nick: "anna", Password: b.token})
	later.ExpectNone("JOIN")
	change(bob, true, anna)
	c.Await("JOIN", "#Trio_co")
	b.net.Say(bob, trio, "welcome back")
	c.Await("PRIVMSG", "#Trio_co", "welcome back")
}
