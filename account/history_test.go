package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// historyPage is how many events one page has.
const historyPage = 50

// shortOverlap keeps what was said before a login out of the log.
func shortOverlap(o *account.Options) { o.Overlap = time.Microsecond }

// say has Bob write so many messages in the conversation of two.
func (b *bench) say(all []string) {
	for _, text := range all {
		b.net.Say(bob, duo, text)
	}
}

// read reads history as far as it is to be had.
func read(s account.Session, before int64, limit int) ([]chat.Event, error) {
	return s.History(context.Background(), account.HistoryQuery{Conversation: duo, Before: before, Limit: limit, Complete: true})
}

func (b *bench) expectHistory(s account.Session, limit int, want []string) []chat.Event {
	b.t.Helper()
	events, err := read(s, 0, limit)
	require.NoError(b.t, err)
	require.Equal(b.t, want, texts(events))
	return events
}

// asked returns the pages of the conversation of two that the network was asked for since the last call;
// none of them twice.
func (b *bench) asked() int {
	b.t.Helper()
	pages := b.net.Pages()[b.askedBefore:]
	b.askedBefore += len(pages)
	seen := map[string]bool{}
	n := 0
	for _, page := range pages {
		if page.Conversation != duo || page.Limit == 1 {
			continue
		}
		n++
		require.Equal(b.t, historyPage, page.Limit)
		require.False(b.t, seen[fmt.Sprint(page.Before)], "page %v is asked for again", page.Before)
		seen[fmt.Sprint(page.Before)] = true
	}
	return n
}

func (b *bench) count(query string) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.QueryRow(context.Background(), query).Scan(&n))
	return n
}

func TestPagesAreFetchedOnce(t *testing.T) {
	b := newBench(t, shortOverlap)
	all := numbered(130)
	b.say(all)
	s := b.login(anna)
	b.expectHistory(s, 40, all[90:])
	require.Equal(t, 1, b.asked())
	b.expectHistory(s, 50, all[80:])
	require.Zero(t, b.asked())
	events := b.expectHistory(s, 100, all[30:])
	require.Equal(t, 1, b.asked())
	older, err := read(s, events[20].Time, 15)
	require.NoError(t, err)
	require.Equal(t, all[35:50], texts(older))
	require.Zero(t, b.asked())
	for range 2 {
		b.expectHistory(s, 1000, all)
	}
	require.Equal(t, 1, b.asked(), "and the end is known")

	b.restart()
	s = b.session(anna)
	b.say([]string{"live"})
	eventually(t, func() bool { return slices.Contains(b.logged(duo), "live") }, "logged")
	events = b.expectHistory(s, 1000, append(slices.Clone(all), "live"))
	require.NotZero(t, events[130].Seq, "of the log")
	require.Zero(t, events[9].Seq)
	require.Zero(t, b.asked(), "also after a restart")
	older, err = read(s, events[0].Time, 9)
	require.NoError(t, err)
	require.Empty(t, older)
}

// A page whose writing is cut short leaves nothing, and comes again.
func TestAPageThatIsNotStoredComesAgain(t *testing.T) {
	b := newBench(t, shortOverlap)
	all := numbered(120)
	b.say(all)
	s := b.login(anna)
	b.expectHistory(s, 50, all[70:])
	_, err := b.db.Exec(t.Context(), `CREATE TRIGGER broken BEFORE UPDATE ON history_reach BEGIN SELECT RAISE(ABORT, 'broken'); END`)
	require.NoError(t, err)
	_, err = read(s, 0, 100)
	require.ErrorContains(t, err, "broken")
	require.Equal(t, 50, b.count(`SELECT COUNT(*) FROM history`))
	_, err = b.db.Exec(t.Context(), `DROP TRIGGER broken`)
	require.NoError(t, err)

	copied := ""
	b.net.OnPage(func(in chat.ConversationID, _ account.HistoryToken, _ *account.HistoryPage) error {
		if in == duo && copied == "" {
			copied = b.backup() // as a kill leaves it
		}
		return nil
	})
	b.expectHistory(s, 100, all[20:])
	b.restore(copied)
	b.askedBefore = len(b.net.Pages())
	s = b.session(anna)
	require.Equal(t, 50, b.count(`SELECT COUNT(*) FROM history`))
	b.expectHistory(s, 1000, all)
	require.Equal(t, 2, b.asked())
}

func TestCallersShareAPage(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		all := numbered(120)
		b.say(all)
		pass(time.Hour)
		s := b.login(anna)
		pass(time.Second)
		answer := make(chan struct{})
		b.net.OnPage(func(chat.ConversationID, account.HistoryToken, *account.HistoryPage) error {
			<-answer
			return nil
		})
		first, cancel := context.WithCancel(context.Background())
		var callers sync.WaitGroup
		for n := range 10 {
			callers.Go(func() {
				ctx := context.Background()
				if n == 0 {
					ctx = first
				}
				events, err := s.History(ctx, account.HistoryQuery{Conversation: duo, Limit: 100, Complete: true})
				if n == 0 {
					require.ErrorIs(t, err, context.Canceled)
					return
				}
				require.NoError(t, err)
				require.Equal(t, all[20:], texts(events))
			})
			pass(time.Second)
		}
		require.Equal(t, 1, b.asked())
		cancel() // an answer that has come is stored all the same
		close(answer)
		callers.Wait()
		require.Equal(t, 1, b.asked())
	})
}

// A call that is given up does not fail those that wait for the same page.
func TestAnotherCallerTakesOver(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.say(numbered(3))
		pass(time.Hour)
		s := b.login(anna)
		pass(time.Second)
		giveUp := make(chan error)
		b.net.OnPage(func(chat.ConversationID, account.HistoryToken, *account.HistoryPage) error { return <-giveUp })
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := read(s, 0, 9)
				errs <- err
			}()
			pass(time.Second)
		}
		giveUp <- context.Canceled
		close(giveUp)
		require.ErrorIs(t, <-errs, context.Canceled)
		require.NoError(t, <-errs)
	})
}

// overtakenHistory is a store that calls back after it was asked for the reach.
type overtakenHistory struct {
	account.HistoryStore
	read func()
}

func (h *overtakenHistory) Reach(ctx context.Context, of chat.PersonID, conversation chat.ConversationID) (database.Reach, error) {
	r, err := h.HistoryStore.Reach(ctx, of, conversation)
	h.read()
	return r, err
}

// A page that came just after a call saw that it is missing is not fetched again.
func TestAPageThatHasJustComeIsNotFetched(t *testing.T) {
	for moment := range 2 {
		b := newBench(t, shortOverlap)
		b.stop()
		b.db = openDB(t, b.path)
		b.m = account.NewManager(b.db, b.backend, b.options, b.log)
		looks := -1000
		var s account.Session
		account.SetHistory(b.m, &overtakenHistory{b.db.History(), func() {
			if looks++; looks == moment+1 {
				b.expectHistory(s, 9, numbered(3))
			}
		}})
		require.NoError(t, b.m.Start(context.Background()))
		b.say(numbered(3))
		s = b.login(anna)
		looks = 0
		b.expectHistory(s, 9, numbered(3))
		require.Positive(t, looks)
		b.asked() // none twice
	}
}

func TestStoredHistoryNeedsNoNetwork(t *testing.T) {
	b := newBench(t, shortOverlap)
	all := numbered(70)
	b.say(all)
	s := b.login(anna)
	events := b.expectHistory(s, 50, all[20:])
	b.net.OnPage(func(chat.ConversationID, account.HistoryToken, *account.HistoryPage) error {
		return fmt.Errorf("%w: down", account.ErrAmbiguous)
	})
	b.expectHistory(s, 50, all[20:])
	_, err := read(s, 0, 51)
	require.ErrorIs(t, err, chat.ErrUnavailable, "not that nobody knows what became of it")
	partly, err := s.History(t.Context(), account.HistoryQuery{Conversation: duo, Limit: 51})
	require.NoError(t, err)
	require.Equal(t, all[20:], texts(partly))
	_, err = s.History(t.Context(), account.HistoryQuery{Conversation: duo, Before: events[0].Time, Limit: 5})
	require.ErrorIs(t, err, chat.ErrUnavailable, "nothing of that is known")
	b.net.OnPage(nil)
	b.expectHistory(s, 100, all)
	b.net.Refuse(anna, true)
	eventually(t, func() bool { return s.State().Status == chat.BadCredentials }, "bad credentials")
	b.expectHistory(s, 100, all)
	_, err = s.History(t.Context(), account.HistoryQuery{Conversation: "none", Limit: 5})
	require.ErrorIs(t, err, chat.ErrUnknownConversation)
}

func TestExpiredHistoryIsGone(t *testing.T) {
	slowly(t, func(t *testing.T, b *bench) {
		say := func(text string, in time.Duration) {
			b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindMessage, Expires: time.Now().Add(in).UnixMicro(),
				Message: &chat.Message{Text: chat.Plain(text)}})
		}
		say("gone before", time.Minute)
		say("goes", 3*time.Hour)
		say("stays", 1000*day)
		pass(2 * time.Hour)
		s := b.login(anna)
		pass(time.Second)
		b.expectHistory(s, 9, []string{"goes", "stays"})
		require.Equal(t, 2, b.count(`SELECT COUNT(*) FROM history`), "what has expired is not stored")
		pass(time.Hour)
		b.expectHistory(s, 9, []string{"stays"})
		pass(day)
		require.Equal(t, 1, b.count(`SELECT COUNT(*) FROM history`))
		require.Equal(t, 1, b.asked())
	})
}

// A network that leaves the text of what was deleted in its history does not bring it back.
func TestDeletedMessagesAreBlanked(t *testing.T) {
	b := newBench(t, shortOverlap)
	older := []chat.Event{b.net.Say(bob, duo, "secret in a later page")}
	b.say(numbered(60))
	older = append(older, b.net.Say(bob, duo, "secret in the store"), b.net.Say(bob, duo, "misprint"))
	s := b.login(anna)
	b.expectHistory(s, 2, []string{"secret in the store", "misprint"})
	r := &reader{}
	a := b.attach(s, r, "a")
	live := b.net.Say(bob, duo, "secret in the log")
	b.expect(r, duo, "secret in the log")
	a.Detach()
	missed := b.net.Say(bob, duo, "secret that was missed")
	deletes := func(target chat.EventID) {
		b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: target}})
	}
	for _, e := range append(older[:2], live, missed) {
		deletes(e.ID)
	}
	b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindEdit,
		Edit: &chat.Edit{Target: older[2].ID, Message: chat.Message{Text: chat.Plain("corrected")}}})
	eventually(t, func() bool { return len(b.logged(duo)) == 7 }, "logged")
	secrets := func() int {
		return b.count(`SELECT (SELECT COUNT(*) FROM log WHERE payload LIKE '%secret%') + (SELECT COUNT(*) FROM history WHERE payload LIKE '%secret%')`)
	}
	require.Zero(t, secrets())
	events := b.expectHistory(s, 100, append(numbered(60), "misprint"))
	require.Zero(t, secrets())
	var kinds []chat.Kind
	for _, e := range events[60:] {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []chat.Kind{chat.KindMessage, chat.KindDeletion, chat.KindDeletion, chat.KindDeletion, chat.KindDeletion, chat.KindEdit}, kinds)
	b.attach(s, r, "a")
	eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.events) == 7 }, "the rest")
	require.Equal(t, []string{"secret in the log"}, r.got(duo), "who has not seen it does not get it")
}

// A deletion that is in a page counts, too.
func TestDeletionsInPagesBlank(t *testing.T) {
	b := newBench(t, shortOverlap)
	e := b.net.Say(bob, duo, "secret")
	b.say(numbered(60))
	b.net.Post(chat.Event{Conversation: duo, Author: bob, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: e.ID}})
	s := b.login(anna)
	b.expectHistory(s, 100, numbered(60))
	require.Zero(t, b.count(`SELECT COUNT(*) FROM history WHERE payload LIKE '%secret%'`))
}

// A long history is read page by page, and each page is stored before the next one is asked for.
func TestLongHistory(t *testing.T) {
	b := newBench(t, shortOverlap)
	const many = 5000
	var all []string
	for n := range many {
		all = append(all, fmt.Sprintf("m%04d", n))
	}
	b.say(all)
	s := b.login(anna)
	asked := 0
	b.net.OnPage(func(_ chat.ConversationID, _ account.HistoryToken, page *account.HistoryPage) error {
		require.LessOrEqual(t, len(page.Events), historyPage)
		require.Equal(t, asked*historyPage, b.count(`SELECT COUNT(*) FROM history`), "stored")
		asked++
		return nil
	})
	first := b.net.Events(duo)[9]
	events, err := read(s, first.Time, 5)
	require.NoError(t, err)
	require.Equal(t, all[4:9], texts(events))
	require.Equal(t, 100, b.asked())
	var got []string
	for before := int64(0); ; {
		events, err := read(s, before, 700)
		require.NoError(t, err)
		got = append(texts(events), got...)
		if len(events) < 700 {
			break
		}
		before = events[0].Time
	}
	require.Equal(t, strings.Join(all, " "), strings.Join(got, " "))
	require.Zero(t, b.asked())
}
