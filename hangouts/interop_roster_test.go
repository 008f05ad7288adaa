package hangouts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// heard is what a roster handed over.
type heard struct {
	mu    sync.Mutex
	texts []string
}

func (h *heard) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.texts)
}

// runRoster runs a roster until the test ends, or stop is called.
func runRoster(t *testing.T, c *hangouts.Client, since uint64) (r *hangouts.Roster, h *heard, stop func() error) {
	t.Helper()
	r, h = hangouts.NewRoster(c, since), &heard{}
	require.NoError(t, r.OnEvent.AddObserver(hangouts.Observe(func(_ context.Context, e *pb.Event) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		text := hangouts.KindOf(e).String()
		if e.GetChatMessage() != nil {
			text = hangouts.MessageText(e.GetChatMessage())
		}
		h.texts = append(h.texts, text)
		return nil
	})))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return r, h, stop
}

// TestRoster: each event comes once, over losses of the channel, and conversations and people follow.
func TestRoster(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada, carol := srv.Account(0), srv.Person("carol")
	r, h, stop := runRoster(t, clientOf(t, srv, ada), 0)
	ctx := within(t)
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
	var want []string
	say := func(text string) {
		t.Helper()
		_, err := carol.Send("team", text)
		require.NoError(t, err)
		want = append(want, text)
	}
	follows := func() {
		t.Helper()
		eventually(t, func() bool { return len(h.list()) >= len(want) })
		require.ElementsMatch(t, want, h.list())
	}
	drop := func(how hangoutstest.DropHow) {
		t.Helper()
		eventually(t, func() bool { // a poll is open
			n, err := srv.Drop("user1", how)
			return err == nil && n == 1
		})
	}
	say("one")
	follows()
	for _, how := range []hangoutstest.DropHow{hangoutstest.DropUnknownSID, hangoutstest.DropTruncate, hangoutstest.DropReset, hangoutstest.DropCut, hangoutstest.DropEnd} {
		drop(how)
		say("behind " + string(how))
		follows()
	}
	for _, kind := range []hangoutstest.FaultKind{hangoutstest.FaultLose, hangoutstest.FaultDuplicate, hangoutstest.FaultMalformed, hangoutstest.FaultRepeatArray} {
		_, err := srv.Inject(hangoutstest.Fault{Kind: kind, Account: "user1", Endpoint: "push/event"})
		require.NoError(t, err)
		if kind == hangoutstest.FaultLose {
			// The loss itself cannot be seen; the next catch-up reaches back over it.
			say("lost")
			say("after the loss")
			eventually(t, func() bool { return slices.Contains(h.list(), "after the loss") })
			drop(hangoutstest.DropReset) // the session stays, so the client does not subscribe again
			follows()
			continue
		}
		say(string(kind))
		follows()
	}

	team, _ := srv.Conversation("team")
	self := r.Self()
	require.Equal(t, ada.GaiaID(), self.GaiaID)
	require.True(t, self.Self)
	require.Equal(t, "user1@example.com", self.Emails[0])
	require.Equal(t, "Carol Čapek", r.Person(carol.GaiaID()).Name.Full)
	require.Equal(t, srv.URL+"/avatars/"+carol.GaiaID()+".png", r.Person(carol.GaiaID()).PhotoURL)
	require.Equal(t, "Unknown", r.Person("7").Name.Full)
	require.Equal(t, team.Name, r.Title(team.ID))
	require.Equal(t, team.ID, r.Conversations()[0].GetConversationId().GetId(), "the most recently used first")

	// A rename, also of the name away; somebody leaves; with changes that say little.
	srv.Configure(func(s *hangoutstest.Settings) { s.MinimalDeltas = true })
	_, err := carol.Rename("team", "New")
	require.NoError(t, err)
	eventually(t, func() bool { return r.Title(team.ID) == "New" })
	_, err = carol.Rename("team", "")
	require.NoError(t, err)
	eventually(t, func() bool { return r.Conversation(team.ID).GetName() == "" })
	before := len(r.Members(team.ID))
	_, err = carol.Remove("team", "dave")
	require.NoError(t, err)
	eventually(t, func() bool { return len(r.Members(team.ID)) == before-1 })
	require.NoError(t, ada.Read("team", 0))
	eventually(t, func() bool { return hangouts.LatestRead(r.Conversation(team.ID)) > 0 })
	made, err := carol.Create(true, "Fresh", "user1", "erin")
	require.NoError(t, err)
	_, err = carol.Send(made, "welcome")
	require.NoError(t, err)
	eventually(t, func() bool { return r.Title(made) == "Fresh" && len(r.Members(made)) == 3 })
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
	require.ErrorIs(t, stop(), context.Canceled)
}

// TestRosterGoesOnWhereItEnded: the next roster gets what was missed, page by page, each event once.
func TestRosterGoesOnWhereItEnded(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{Configure: func(s *hangoutstest.Settings) { s.SyncMaxEvents = 7 }})
	ada, carol := srv.Account(0), srv.Person("carol")
	ctx := within(t)
	r, h, stop := runRoster(t, clientOf(t, srv, ada), 0)
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
	_, err := carol.Send("team", "seen")
	require.NoError(t, err)
	eventually(t, func() bool { return len(h.list()) == 1 })
	require.ErrorIs(t, stop(), context.Canceled)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		_, err := carol.Send([]string{"team", "carol"}[i%2], want[i])
		require.NoError(t, err)
	}
	for range 2 {
		r, h, stop = runRoster(t, clientOf(t, srv, ada), r.SyncedTo())
		eventually(t, func() bool { return len(h.list()) >= len(want) })
		require.NoError(t, ada.WaitSubscribed(ctx, 1))
		_, err = carol.Send("team", "live")
		require.NoError(t, err)
		want = append(want, "live")
		eventually(t, func() bool { return len(h.list()) >= len(want) })
		require.Equal(t, want, h.list())
		require.ErrorIs(t, stop(), context.Canceled)
		want = nil
	}
}

// TestCatchUp: all of many cut answers, each event once and in order.
func TestCatchUp(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{Configure: func(s *hangoutstest.Settings) { s.SyncMaxEvents = 1000 }, Scenario: &hangoutstest.Scenario{
		People:        []hangoutstest.ScenarioPerson{{Key: "ada", Name: "Ada", Email: "ada@x", Account: true}, {Key: "bob", Name: "Bob"}},
		Conversations: []hangoutstest.ScenarioConversation{{Key: "c", Members: []string{"ada", "bob"}, Filler: 5000}},
	}})
	c := clientOf(t, srv, srv.Account(0))
	ctx := t.Context()
	ids, pages, newest := map[string]bool{}, 0, uint64(0)
	collect := func(states []*pb.ConversationState) error {
		pages++
		for _, state := range states {
			for _, e := range state.GetEvent() {
				require.Greater(t, e.GetTimestamp(), newest, "in order, none twice")
				newest = e.GetTimestamp()
				ids[e.GetEventId()] = true
			}
		}
		return nil
	}
	synced, err := c.CatchUp(ctx, 0, collect)
	require.NoError(t, err)
	require.Equal(t, 5000, len(ids))
	require.Greater(t, pages, 3)
	require.GreaterOrEqual(t, synced, newest)

	// From there on there is nothing; the one who handles a page decides; what cannot be had is said.
	pages = 0
	_, err = c.CatchUp(ctx, synced+1, collect)
	require.NoError(t, err)
	require.Equal(t, 5000, len(ids))
	mine := errors.New("mine")
	from, err := c.CatchUp(ctx, 5, func([]*pb.ConversationState) error { return mine })
	require.ErrorIs(t, err, mine)
	require.Equal(t, uint64(5), from)
	for kind, want := range map[hangoutstest.FaultKind]error{hangoutstest.FaultSyncStuck: hangouts.ErrNoProgress, hangoutstest.FaultClearCache: hangouts.ErrResync} {
		_, err = srv.Inject(hangoutstest.Fault{Kind: kind, Endpoint: "conversations/syncallnewevents", Count: -1})
		require.NoError(t, err)
		_, err = c.CatchUp(ctx, 5, func([]*pb.ConversationState) error { return nil })
		require.ErrorIs(t, err, want)
		srv.RemoveFault("")
	}
}

// TestRosterOfAnObserverThatFails: Run ends with its error, and the next one hands the event over again.
func TestRosterOfAnObserverThatFails(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada := srv.Account(0)
	r := hangouts.NewRoster(clientOf(t, srv, ada), 0)
	failing, calls := &hangouts.NetworkError{Op: "mine", Code: http.StatusTooManyRequests}, 0
	require.NoError(t, r.OnEvent.AddObserver(hangouts.Observe(func(context.Context, *pb.Event) error {
		if calls++; calls == 1 {
			return failing
		}
		return errors.New("enough")
	})))
	done := make(chan error, 1)
	go func() { done <- r.Run(t.Context()) }()
	require.NoError(t, ada.WaitSubscribed(within(t), 1))
	_, err := srv.Person("carol").Send("team", "x")
	require.NoError(t, err)
	require.Same(t, failing, <-done)
	require.EqualError(t, r.Run(t.Context()), "enough")
}

// TestRosterIsPatient: a server that is busy or limits requests does not end it, at the start and while it catches up.
func TestRosterIsPatient(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada := srv.Account(0)
	busy := func(endpoint string, status int) {
		_, err := srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: status, Endpoint: endpoint})
		require.NoError(t, err)
	}
	busy("conversations/syncrecentconversations", http.StatusTooManyRequests)
	busy("conversations/syncallnewevents", http.StatusInternalServerError)
	_, h, _ := runRoster(t, clientOf(t, srv, ada), 0)
	require.NoError(t, ada.WaitSubscribed(within(t), 1))
	eventually(t, func() bool { return requests(srv, "conversations/syncallnewevents") > 0 })
	_, err := srv.Person("carol").Send("team", "x")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(h.list()) == 1 && requests(srv, "conversations/syncallnewevents") > 1 }, wait, wait/1000)
}

// TestRosterOutlivesAnOddAnswer: an answer of another status, or an error of something on the way, does not end it, unless
// it comes again and again.
func TestRosterOutlivesAnOddAnswer(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada := srv.Account(0)
	inject := func(f hangoutstest.Fault) {
		_, err := srv.Inject(f)
		require.NoError(t, err)
	}
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: http.StatusForbidden, Endpoint: "conversations/syncrecentconversations"})
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultResponse, Status: int(pb.ResponseStatus_RESPONSE_STATUS_UNEXPECTED_ERROR),
		Endpoint: "conversations/syncallnewevents"})
	_, h, stop := runRoster(t, clientOf(t, srv, ada), 0)
	require.NoError(t, ada.WaitSubscribed(within(t), 1))
	_, err := srv.Person("carol").Send("team", "x")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(h.list()) == 1 && requests(srv, "conversations/syncallnewevents") > 1 }, wait, wait/1000)
	require.ErrorIs(t, stop(), context.Canceled)

	inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: http.StatusForbidden, Endpoint: "conversations/*", Count: -1})
	impatient := hangouts.Config{BaseURL: srv.URL, MaxRetries: hangouts.Retries(1)}
	c, err := hangouts.New(impatient, ada.Cookies())
	require.NoError(t, err)
	var failed *hangouts.NetworkError
	require.ErrorAs(t, hangouts.NewRoster(c, 0).Run(t.Context()), &failed)
	require.Equal(t, http.StatusForbidden, failed.Code)
}

// TestRosterLoadsAnew: a server that cannot say what happened has everything loaded, and new events come all the same.
func TestRosterLoadsAnew(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada, carol := srv.Account(0), srv.Person("carol")
	_, h, _ := runRoster(t, clientOf(t, srv, ada), 0)
	require.NoError(t, ada.WaitSubscribed(within(t), 1))
	_, err := srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultClearCache, Endpoint: "conversations/syncallnewevents", Count: 2})
	require.NoError(t, err)
	_, err = srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultLose, Endpoint: "push/event"})
	require.NoError(t, err)
	_, err = carol.Send("team", "lost")
	require.NoError(t, err)
	_, err = srv.Drop("user1", hangoutstest.DropUnknownSID)
	require.NoError(t, err)
	eventually(t, func() bool { return slices.Equal([]string{"lost"}, h.list()) })
}

// TestCookiesAreRenewed: a running client gets new cookies when its own are refused, keeps its channel going, and gives
// them to be stored. Requests that are refused at the same time renew once.
func TestCookiesAreRenewed(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada, carol := srv.Account(0), srv.Person("carol")
	var mu sync.Mutex
	renewals, kept, token := 0, map[string]string{}, ada.RefreshToken()
	cfg := hangouts.Config{BaseURL: srv.URL, RetryBackoffBase: 0.01}
	cfg.Renew = func(ctx context.Context) (map[string]string, error) {
		mu.Lock()
		renewals++
		mu.Unlock()
		return hangouts.GetAuth(ctx, hangouts.Config{BaseURL: srv.URL}, nil, storeWith(token), false)
	}
	c, err := hangouts.New(cfg, ada.Cookies())
	require.NoError(t, err)
	defer c.Close()
	c.OnCookies = func(cookies map[string]string) {
		mu.Lock()
		defer mu.Unlock()
		kept = cookies
	}
	_, h, stop := runRoster(t, c, 0)
	ctx := within(t)
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
	before := c.Cookies()["SAPISID"]
	require.NoError(t, srv.InvalidateCookies("user1"))
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			_, err := c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	require.Equal(t, 1, renewals)
	require.Equal(t, c.Cookies()["SAPISID"], kept["SAPISID"])
	require.Equal(t, ada.Cookies()["SAPISID"], kept["SAPISID"])
	mu.Unlock()
	require.NotEqual(t, before, c.Cookies()["SAPISID"])
	_, err = srv.Drop("user1", hangoutstest.DropUnknownSID)
	require.NoError(t, err)
	_, err = carol.Send("team", "x")
	require.NoError(t, err)
	eventually(t, func() bool { return slices.Equal([]string{"x"}, h.list()) })
	require.ErrorIs(t, stop(), context.Canceled)

	// No way to renew: the refusal stands. A busy account service is no refusal.
	require.NoError(t, srv.RevokeTokens("user1"))
	require.NoError(t, srv.InvalidateCookies("user1"))
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.ErrorIs(t, err, hangouts.ErrUnauthorized)
	_, err = srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: http.StatusServiceUnavailable, Endpoint: "account/token"})
	require.NoError(t, err)
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.NotErrorIs(t, err, hangouts.ErrUnauthorized)
	require.True(t, hangouts.Temporary(err), err)
	require.False(t, hangouts.Ambiguous(err))

	// From outside.
	fresh := srv.Account(1).Cookies()
	require.NoError(t, c.SetCookies(fresh))
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.NoError(t, err)
	require.Equal(t, fresh["SAPISID"], kept["SAPISID"])
	require.Error(t, c.SetCookies(map[string]string{"SID": "x"}))
}

// TestSendText: history state and delivery medium are those of the conversation, known or not.
func TestSendText(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{
		People: []hangoutstest.ScenarioPerson{{Key: "ada", Name: "Ada", Email: "ada@x", Account: true, VoiceNumber: "+15551230000"},
			{Key: "bob", Name: "Bob"}, {Key: "eve", Name: "Eve"}, {Key: "phone", Phone: "+15557654321", OffNetwork: true}},
		Conversations: []hangoutstest.ScenarioConversation{{Key: "on", Members: []string{"ada", "bob"}},
			{Key: "off", Members: []string{"ada", "eve"}, HistoryOff: true}, {Key: "voice", Members: []string{"ada", "phone"}}},
	}})
	c := clientOf(t, srv, srv.Account(0))
	ctx := within(t)
	asked := func() int { return requests(srv, "conversations/getconversation") }
	send := func(key, text string) *pb.Event {
		t.Helper()
		info, _ := srv.Conversation(key)
		e, err := c.SendText(ctx, info.ID, text)
		require.NoError(t, err)
		require.Equal(t, text, hangouts.MessageText(e.GetChatMessage()))
		return e
	}
	require.Equal(t, pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD, send("on", "**as it is**  \nhttp://a.bc/").GetOtrStatus())
	require.Equal(t, pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD, send("off", "x").GetOtrStatus())
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE, send("voice", "x").GetMediumType().GetMediumType())
	require.Equal(t, 3, asked())
	send("on", "again")
	send("voice", "again")
	require.Equal(t, 3, asked(), "what is known is not asked for")

	on, _ := srv.Conversation("on")
	e, err := c.SendSegments(ctx, on.ID, hangouts.ParseText("**bold**"))
	require.NoError(t, err)
	require.True(t, e.GetChatMessage().GetMessageContent().GetSegment()[0].GetFormatting().GetBold())
	_, err = c.SendText(ctx, on.ID, "")
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
	_, err = c.SendText(ctx, "", "x")
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
	_, err = c.SendText(ctx, "none", "x")
	require.ErrorIs(t, err, hangouts.ErrInvalidConversation)
}

// requests counts those of an endpoint.
func requests(srv *hangoutstest.Server, endpoint string) (n int) {
	list, _ := srv.Requests(0)
	for _, r := range list {
		if r.Endpoint == endpoint {
			n++
		}
	}
	return n
}
