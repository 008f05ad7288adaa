package bridge_test

import (
	"slices"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// No kind of event holds up what comes after it, not even one that the network itself has made.
func TestEveryKindIsPassed(t *testing.T) {
	w, _, room := talk(t)
	target := w.network.Say(carl, direct, "target").ID
	for _, author := range []chat.PersonID{carl, ""} {
		for _, e := range accounttest.EveryEvent(direct, author, target) {
			w.network.Post(e)
			text := "after " + string(e.Kind) + " of " + string(author)
			w.network.Say(carl, direct, text)
			w.eventually(text, func() bool {
				return slices.ContainsFunc(w.lines(room), func(l line) bool { return l.Body == text })
			})
		}
	}
}
