package irc_test

import (
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// No kind of event holds up what comes after it, not even one that the network itself has made.
func TestEveryKindIsPassed(t *testing.T) {
	b := newBench(t)
	c := b.client("laptop", modern...)
	target := b.net.Say(bob, trio, "target").ID
	for _, author := range []chat.PersonID{bob, ""} {
		for _, e := range accounttest.EveryEvent(trio, author, target) {
			b.net.Post(e)
			if e.Kind == chat.KindRename {
				continue
			}
			b.net.Say(bob, trio, "after "+string(e.Kind)+" of "+string(author))
			c.Await("PRIVMSG", "#Trio_co", "after "+string(e.Kind)+" of "+string(author))
		}
	}
}
