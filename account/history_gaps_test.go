package account_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// logs waits until the log ends with a text.
func (b *bench) logs(text string) {
	b.t.Helper()
	eventually(b.t, func() bool { all := b.logged(duo); return len(all) > 0 && all[len(all)-1] == text }, "logged: %s", text)
}

func TestAnAccountThatComesBackHasNoGap(t *testing.T) {
	b := newBench(t, shortOverlap)
	b.say([]string{"1", "2"})
	s := b.login(anna)
	b.say([]string{"3"})
	b.logs("3")
	b.expectHistory(s, 9, []string{"1", "2", "3"})
	require.NoError(t, b.m.Remove(t.Context(), anna))
	require.Zero(t, b.count(`SELECT (SELECT COUNT(*) FROM history) + (SELECT COUNT(*) FROM history_reach)`), "it takes its history with it")
	b.say([]string{"4", "5"})
	s = b.login(anna)
	b.say([]string{"6"})
	b.logs("6")
	b.expectHistory(s, 9, []string{"1", "2", "3", "4", "5", "6"})
}

// The log has what came last by a catch-up that was cut short: what is missing before it is fetched.
func TestACatchUpThatIsCutShortLeavesNoGap(t *testing.T) {
	for name, spoil := range map[string]func(*account.HistoryPage) error{
		"does not go on": func(page *account.HistoryPage) error {
			page.Next, page.CompleteFrom, page.End = account.HistoryToken{}, 0, false
			return nil
		},
		"is refused": func(*account.HistoryPage) error { return chat.ErrRefused },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, shortOverlap)
			all := numbered(150)
			b.say(all[:10])
			s := b.login(anna)
			b.say(all[10:12])
			b.logs(all[11])
			b.expectHistory(s, 100, all[:12])
			b.stop()
			b.say(all[12:149])
			b.options.OldestCursor = time.Nanosecond
			b.net.OnPage(func(in chat.ConversationID, _ account.HistoryToken, page *account.HistoryPage) error {
				if in == duo {
					return spoil(page)
				}
				return nil
			})
			b.start()
			s = b.session(anna)
			eventually(t, s.CaughtUp, "compared")
			b.net.OnPage(nil)
			b.options.OldestCursor = 0
			b.say(all[149:])
			b.logs(all[149])
			require.Less(t, len(b.logged(duo)), 100)
			b.expectHistory(s, 1000, all)
		})
	}
}

// What came while the account was away is asked for when it is back, as far as the network shows it.
func TestComingBackLeavesNoGap(t *testing.T) {
	b := newBench(t, shortOverlap)
	b.say([]string{"1"})
	s := b.login(anna)
	b.say([]string{"2"})
	b.logs("2")
	b.expectHistory(s, 9, []string{"1", "2"})
	b.moves(s, false, chat.Left)
	b.say([]string{"3"}) // is not pushed
	b.expectHistory(s, 9, []string{"1", "2"})
	b.moves(s, true, chat.Active)
	b.say([]string{"4"})
	b.logs("4")
	require.NotContains(t, b.logged(duo), "3")
	b.expectHistory(s, 9, []string{"1", "2", "3", "4"})
}

// moves takes Anna out of the conversation of two, or into it.
func (b *bench) moves(s account.Session, joined bool, want chat.Standing) {
	b.t.Helper()
	b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: joined, People: []chat.PersonID{anna}}})
	b.stands(s, want)
}

func (b *bench) stands(s account.Session, want chat.Standing) {
	b.t.Helper()
	eventually(b.t, func() bool {
		c, err := s.Conversation(context.Background(), duo)
		return err == nil && c.Standing == want
	}, "standing %v", want)
}

// Of a conversation in which one is only invited a network need not push everything.
func TestAcceptingAnInvitationAsksAgain(t *testing.T) {
	b := newBench(t, shortOverlap)
	b.say([]string{"1"})
	b.net.Invite(anna, duo, bob)
	s := b.login(anna)
	b.expectHistory(s, 9, []string{"1"})
	b.net.Invite(anna, duo, "")
	b.stands(s, chat.Active)
	require.Zero(t, b.count(`SELECT COUNT(*) FROM history`))
	b.expectHistory(s, 9, []string{"1"})
}

// An event with a time from long ago that is pushed first is not taken for the beginning of what the log has.
func TestALateEventHidesNoGap(t *testing.T) {
	b := newBench(t, shortOverlap)
	b.say([]string{"1", "2"})
	s := b.login(anna)
	b.say([]string{"3"})
	b.logs("3")
	late := b.net.Events(duo)[0]
	late.ID, late.Time, late.Message = "late", late.Time-1000, &chat.Message{Text: chat.Plain("late")}
	_, err := b.db.Log().Append(t.Context(), anna, []chat.Event{late})
	require.NoError(t, err)
	b.expectHistory(s, 9, []string{"late", "1", "2", "3"})
}

// Before the conversations have been listed the log has no beginning: a page could end before it.
func TestNoPagesBeforeTheFirstListing(t *testing.T) {
	b := newBench(t, shortOverlap)
	s := b.login(anna)
	_, err := b.db.Exec(t.Context(), `UPDATE account SET cursor_us=0`)
	require.NoError(t, err)
	_, err = read(s, 0, 9)
	require.ErrorIs(t, err, chat.ErrUnavailable)
	require.Zero(t, b.asked())
}

// What was deleted on the network is no history any more.
func TestClearedHistoryIsGone(t *testing.T) {
	b := newBench(t, shortOverlap)
	b.say([]string{"1", "2"})
	s := b.login(anna)
	b.say([]string{"3"})
	b.logs("3")
	events := b.expectHistory(s, 9, []string{"1", "2", "3"})
	clear := chat.Request{Conversation: duo, Origin: chat.Origin{Side: chat.OriginIRC, Ref: "clear"}, Clear: &chat.Clear{UpTo: events[2].Time}}
	require.NoError(t, s.Submit(t.Context(), clear))
	_, err := await(t, s, "clear")
	require.NoError(t, err)
	require.Zero(t, b.count(`SELECT COUNT(*) FROM history`))
	b.expectHistory(s, 9, nil)
	b.say([]string{"4"})
	b.logs("4")
	b.expectHistory(s, 9, []string{"4"})
}

// What retention takes from the log goes on in the store, where it has pages, and both go when no page
// has come for as long.
func TestRetentionLeavesNoGap(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		b.say([]string{"1", "2"})
		pass(time.Hour)
		s := b.login(anna)
		pass(time.Second)
		b.say([]string{"3"})
		pass(time.Second)
		b.expectHistory(s, 2, []string{"2", "3"})
		require.Equal(t, 1, b.asked())
		pass(10 * day)
		b.say([]string{"4"})
		pass(19 * day)
		b.say([]string{"5"})
		pass(12 * time.Hour)
		require.Equal(t, []string{"3", "4", "5"}, b.logged(duo))
		pass(2 * day)
		require.Equal(t, []string{"4", "5"}, b.logged(duo))
		require.Zero(t, b.count(`SELECT COUNT(*) FROM history`), "nobody has read more of it for 30 days")
		b.expectHistory(s, 9, []string{"1", "2", "3", "4", "5"})
		require.Equal(t, 1, b.asked())

		pass(12 * day)
		require.Equal(t, []string{"5"}, b.logged(duo))
		b.expectHistory(s, 9, []string{"1", "2", "3", "4", "5"})
		require.Zero(t, b.asked(), "4 has moved into the store")
		kept, err := b.db.History().Reach(t.Context(), anna, duo)
		require.NoError(t, err)
		require.Zero(t, kept.CompleteFrom)
	})
}

// Where nobody has read, the log's rows go, and their place is known.
func TestWhatRetentionTakesIsFetchedAgain(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		pass(time.Second)
		b.say([]string{"1", "2"})
		pass(31 * day)
		b.say([]string{"3"})
		pass(day)
		require.Equal(t, []string{"3"}, b.logged(duo))
		require.Zero(t, b.count(`SELECT COUNT(*) FROM history`))
		// One that came late stays longer, and is not taken for the log's beginning.
		late := b.net.Events(duo)[0]
		late.ID, late.Time, late.Message = "late", late.Time-1000, &chat.Message{Text: chat.Plain("late")}
		_, err := b.db.Log().Append(t.Context(), anna, []chat.Event{late})
		require.NoError(t, err)
		b.expectHistory(s, 3, []string{"1", "2", "3"})
		b.expectHistory(s, 9, []string{"late", "1", "2", "3"})
		require.Equal(t, 1, b.asked())
	})
}

// What the account saw before it left is not the network's word on what it may see now.
func TestRetentionDropsWhatCameBeforeALeave(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		s := b.login(anna)
		pass(time.Second)
		b.say([]string{"1"})
		pass(time.Second)
		for _, joined := range []bool{false, true} {
			b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: joined, People: []chat.PersonID{anna}}})
			pass(time.Second)
		}
		b.net.HideBefore(anna, duo)
		b.say([]string{"2"})
		pass(25 * day)
		b.expectHistory(s, 9, []string{"2"})
		pass(7 * day)
		b.say([]string{"3"})
		pass(day)
		require.Equal(t, []string{"3"}, b.logged(duo))
		b.expectHistory(s, 9, []string{"2", "3"})
	})
}

// Retention that comes while a page is under way wins: the page is older than what is known then.
func TestAPageThatIsOvertakenIsDropped(t *testing.T) {
	b := newBench(t, shortOverlap)
	all := numbered(130)
	b.say(all)
	s := b.login(anna)
	b.expectHistory(s, 50, all[80:])
	overtaken := false
	b.net.OnPage(func(in chat.ConversationID, _ account.HistoryToken, _ *account.HistoryPage) error {
		if overtaken {
			return nil
		}
		overtaken = true
		return b.db.History().Trim(context.Background(), 1<<62, 0)
	})
	b.expectHistory(s, 100, all[30:])
	require.Equal(t, 100, b.count(`SELECT COUNT(*) FROM history`))
}

// Without retention pages stay as long as somebody may be reading on.
func TestPagesStayForAnHour(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		b.stop()
		b.options.HistoryKeep, b.options.TrimEvery = time.Nanosecond, 10*time.Minute
		b.start()
		b.say(numbered(120))
		pass(time.Hour)
		s := b.login(anna)
		pass(time.Second)
		for limit := 50; limit <= 100; limit += 50 {
			b.expectHistory(s, limit, numbered(120)[120-limit:])
			pass(45 * time.Minute)
		}
		require.Equal(t, 100, b.count(`SELECT COUNT(*) FROM history`))
		require.Equal(t, 2, b.asked())
		pass(30 * time.Minute)
		require.Zero(t, b.count(`SELECT COUNT(*) FROM history`))
	})
}
