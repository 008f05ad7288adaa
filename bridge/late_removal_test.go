package bridge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// behind has alice's account hear of a removal of bob, who is back already, and of nothing after it until
// goOn is called.
func (s *scene) behind() (goOn func()) {
	s.network.Silence(anna)
	s.change(carl, false, bert)
	s.change(carl, true, bert)
	s.network.Say(carl, group, "again with bert")
	s.eventually("bob to be back", func() bool { return s.absence() == "" && s.isBob("join") && s.bobSaw("again with bert") })
	held := make(chan struct{})
	s.network.OnSynced(func(who chat.PersonID) {
		if who == anna && s.knowsOfRemoval() {
			<-held
		}
	})
	s.network.LimitSync(2)
	s.network.Cut(anna)
	s.eventually("alice's account to know of the removal", s.knowsOfRemoval)
	return func() { close(held) }
}

// knowsOfRemoval reports whether alice's account has heard that bob was removed, and of nothing later.
func (s *scene) knowsOfRemoval() bool {
	session, ok := s.manager.Get(anna)
	if !ok {
		return false
	}
	events, err := session.History(s.t.Context(), account.HistoryQuery{Conversation: group, Limit: 1})
	return err == nil && len(events) == 1 && events[0].Membership != nil && !events[0].Membership.Joined
}

// Who was added again stays in the room, when another account hears of the removal only then.
func TestALateRemovalTakesNobodyOut(t *testing.T) {
	s := newScene(t, true)
	goOn := s.behind()
	s.settled()
	goOn()
	s.settled()
	require.True(t, s.isBob("join"))
	require.Empty(t, s.absence())
}

// gapAfter is where the room's gap begins, as the database has it.
func (s *scene) gapAfter() int64 {
	room, err := s.main.Bridge.DB.Portal.GetByMXID(s.t.Context(), s.room)
	require.NoError(s.t, err)
	return room.Metadata.(*ids.PortalMetadata).GapAfter
}

// Nor when that account fills a gap of the room.
func TestAnAccountThatIsBehindTakesNobodyOut(t *testing.T) {
	s := newScene(t, true)
	s.change(carl, false, bert)
	s.eventually("alice's account to know of the removal", s.knowsOfRemoval)
	s.settled()
	s.network.Silence(anna)
	s.change(carl, true, bert)
	s.eventually("bob to be back", func() bool { return s.absence() == "" && s.isBob("join") })
	s.say(carl)
	s.settled()
	room, err := s.main.Bridge.GetPortalByMXID(t.Context(), s.room)
	require.NoError(t, err)
	s.eventually("bob to have filled what he missed", func() bool { return s.gapAfter() == 0 })
	require.NoError(t, bridge.SetGap(t.Context(), s.main, room, s.network.Events(group)[0].Time))
	s.alice.SendText(s.room, "!hangouts history 1")
	s.eventually("the gap to be filled", func() bool { return s.gapAfter() == 0 })
	session, _ := s.manager.Get(anna)
	conversation, err := session.Conversation(t.Context(), group)
	require.NoError(t, err)
	require.False(t, conversation.Has(bert), "alice's account is behind")
	require.True(t, s.isBob("join"))
	require.Empty(t, s.absence())
}
