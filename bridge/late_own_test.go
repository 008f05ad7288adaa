package bridge_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// A message that was given up as unconfirmed and turns out to have been taken is not shown again in the
// room where it was written.
func TestAnUnconfirmedMessageThatWasTaken(t *testing.T) {
	w := newWorld(t)
	w.timing.SendWait = 500 * time.Millisecond
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, group, "first")
	room := w.room("first")
	alice.WaitText(room, "first")
	w.network.Deafen(anna)
	w.network.OnSync(func(chat.PersonID) error { return errors.New("down") })
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Accept: true, Err: errors.New("cut")}
	})
	written := alice.SendText(room, "written")
	session, ok := w.manager.Get(anna)
	require.True(t, ok)
	w.eventually("its failure", func() bool {
		_, err := session.Await(t.Context(), ids.MakeOrigin(written, 0))
		return errors.Is(err, chat.ErrUnconfirmed)
	})
	key := database.ConsumerKey{Account: anna, Side: chat.OriginMatrix}
	w.eventually("the failure to be delivered", func() bool {
		standings, err := w.main.Store().Consumers().Standings(t.Context(), key)
		return err == nil && len(standings) == 0
	})
	w.network.OnSync(nil)
	w.network.OnSend(nil)
	w.network.Say(carl, group, "after")
	w.network.Cut(anna)
	alice.WaitText(room, "after")
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "written"}, line{ghost(carl), "after"})
}
