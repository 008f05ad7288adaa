package hangups_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
)

// setup starts a server with its proxy and a hangups client for it.
func setup(t *testing.T, opts hangoutstest.Options) (context.Context, *hangoutstest.Server, *hangups.Driver) {
	t.Helper()
	hangups.Python(t) // skips before anything is started
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	if opts.CAFile == "" {
		opts.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	}
	opts.ProxyListen = "127.0.0.1:0"
	srv, err := hangoutstest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	return ctx, srv, hangups.Start(t, srv.ProxyURL, opts.CAFile)
}

// login logs the first account in by refresh token.
func login(t *testing.T, ctx context.Context, srv *hangoutstest.Server, d *hangups.Driver) {
	t.Helper()
	ada := srv.Account(0)
	require.NoError(t, d.Login(ctx, hangups.LoginOptions{RefreshToken: ada.RefreshToken(), BackoffBase: 0.1, Updates: true}))
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
}

func conversation(t *testing.T, srv *hangoutstest.Server, key string) string {
	t.Helper()
	c, ok := srv.Conversation(key)
	require.True(t, ok)
	return c.ID
}

func count(events []hangups.Event, name string) int {
	n := 0
	for _, e := range events {
		if e.Event == name {
			n++
		}
	}
	return n
}

// requests returns the requests to an endpoint.
func requests(srv *hangoutstest.Server, endpoint string) []hangoutstest.RequestInfo {
	all, _ := srv.Requests(0)
	var out []hangoutstest.RequestInfo
	for _, r := range all {
		if r.Endpoint == endpoint {
			out = append(out, r)
		}
	}
	return out
}

func TestLoginAndLists(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)

	convs, err := d.List(ctx)
	require.NoError(t, err)
	require.Len(t, convs, 3)
	names := map[string]hangups.Conversation{}
	for _, c := range convs {
		names[c.ID] = c
	}
	team := names[conversation(t, srv, "team")]
	require.Equal(t, "Team", team.Name)
	require.True(t, team.Group)
	require.Len(t, team.Users, 4)

	users, err := d.Users(ctx)
	require.NoError(t, err)
	full := map[string]string{}
	for _, u := range users {
		full[u.GaiaID] = u.FullName
		require.Equal(t, u.GaiaID == srv.Account(0).GaiaID(), u.IsSelf)
	}
	require.Equal(t, "Carol Čapek", full[srv.Person("carol").GaiaID()])

	// The first push is the own presence; the login takes the steps of the reference in order.
	_, err = d.WaitEvent(ctx, func(e hangups.Event) bool {
		return e.Event == "update" && strings.Contains(string(e.Update), "self_presence_notification")
	})
	require.NoError(t, err)
	var order []string
	all, _ := srv.Requests(0)
	for _, r := range all {
		order = append(order, r.Endpoint)
	}
	require.Equal(t, []string{"account/token", "account/uberauth", "account/merge", "channel/create", "channel/poll",
		"conversations/syncrecentconversations", "contacts/getentitybyid", "contacts/getselfinfo",
		"conversations/syncallnewevents", "channel/services"}, order)
	// The cookie S comes back, and no value is quoted.
	poll := requests(srv, "channel/poll")[0].Header.Get("Cookie")
	require.Contains(t, poll, "S=cloudsearch-persist=")
	require.NotContains(t, poll, `"`)
}

func TestMessagesBothWays(t *testing.T) {
	for _, raw := range []bool{false, true} {
		t.Run(fmt.Sprintf("raw utf8 %v", raw), func(t *testing.T) {
			ctx, srv, d := setup(t, hangoutstest.Options{Configure: func(s *hangoutstest.Settings) { s.RawUTF8 = raw }})
			login(t, ctx, srv, d)
			carol, id := srv.Person("carol"), conversation(t, srv, "carol")
			texts := []string{"plain", "smile 😀 and é", "👨‍👩‍👧 family\nsecond line \u2028 <b>&\\\""}
			for _, text := range texts {
				_, err := carol.Send("carol", text)
				require.NoError(t, err)
			}
			for _, text := range texts {
				e, err := d.WaitMessage(ctx, text)
				require.NoError(t, err)
				require.Equal(t, carol.GaiaID(), e.Sender)
			}

			sent, err := d.SendMarkdown(ctx, id, "**bold** https://example.com/x\nsecond")
			require.NoError(t, err)
			got, err := d.WaitEvent(ctx, func(e hangups.Event) bool { return e.EventID == sent.EventID })
			require.NoError(t, err, "the own message is pushed back")
			require.Equal(t, "bold https://example.com/x\nsecond", got.Text)
			require.True(t, got.Segments[0].Bold)
			require.Equal(t, "https://example.com/x", got.Segments[2].LinkTarget)
			stored := srv.Events("carol")
			last := stored[len(stored)-1]
			require.Equal(t, sent.EventID, last.EventID)
			require.Equal(t, sent.TimestampUS, last.TimestampUS)
			require.NotEmpty(t, last.ClientGeneratedID)
		})
	}
}

func TestTypingAndWatermarks(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	ada, carol, id := srv.Account(0), srv.Person("carol"), conversation(t, srv, "carol")

	require.NoError(t, carol.Typing("carol", pb.TypingType_TYPING_TYPE_STARTED))
	e, err := d.WaitEvent(ctx, func(e hangups.Event) bool { return e.Event == "typing" && e.Sender == carol.GaiaID() })
	require.NoError(t, err)
	require.Equal(t, 1, e.Type)
	require.NoError(t, d.Typing(ctx, id, "started"))
	require.NoError(t, d.Typing(ctx, id, "stopped"))
	require.Len(t, requests(srv, "conversations/settyping"), 2)

	sent, err := carol.Send("carol", "read me")
	require.NoError(t, err)
	_, err = d.WaitMessage(ctx, "read me")
	require.NoError(t, err)
	require.NoError(t, d.Watermark(ctx, id, 0))
	own, err := d.WaitEvent(ctx, func(e hangups.Event) bool { return e.Event == "watermark" && e.Sender == ada.GaiaID() })
	require.NoError(t, err, "the own watermark is pushed to the own client")
	require.Equal(t, sent.TimestampUS, own.ReadUS)
	c, _ := srv.Conversation("carol")
	for _, m := range c.Members {
		require.Equal(t, sent.TimestampUS, m.ReadUS)
	}

	answer, err := d.Send(ctx, id, "done")
	require.NoError(t, err)
	require.NoError(t, carol.Read("carol", 0))
	other, err := d.WaitEvent(ctx, func(e hangups.Event) bool { return e.Event == "watermark" && e.Sender == carol.GaiaID() })
	require.NoError(t, err)
	require.Equal(t, answer.TimestampUS, other.ReadUS)

	require.NoError(t, d.SetActive(ctx))
	require.NoError(t, d.SetActive(ctx))
	require.Len(t, requests(srv, "clients/setactiveclient"), 1)
	_, err = carol.Send("carol", "are you there")
	require.NoError(t, err)
	_, err = d.WaitEvent(ctx, func(e hangups.Event) bool {
		return e.Event == "update" && strings.Contains(string(e.Update), "are you there") &&
			strings.Contains(string(e.Update), "ACTIVE_CLIENT_STATE_IS_ACTIVE")
	})
	require.NoError(t, err)
}

func TestHistoryAndRefusal(t *testing.T) {
	sc := hangoutstest.DefaultScenario()
	sc.Conversations[1].Filler = 30
	ctx, srv, d := setup(t, hangoutstest.Options{Scenario: sc})
	login(t, ctx, srv, d)
	id := conversation(t, srv, "carol")
	events, err := d.History(ctx, id, "", 10)
	require.NoError(t, err)
	require.Len(t, events, 1, "the list loads one event")
	var ids []string
	for before := events[0].EventID; ; {
		page, err := d.History(ctx, id, before, 12)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		before = page[0].EventID
		var older []string
		for _, e := range page {
			older = append(older, e.EventID)
		}
		ids = append(older, ids...)
	}
	var want []string
	for _, e := range srv.Events("carol") {
		want = append(want, e.EventID)
	}
	require.Equal(t, want, append(ids, events[0].EventID))

	_, err = d.Request(ctx, "get_conversation", "GetConversationRequest",
		map[string]any{"conversation_spec": map[string]any{"conversation_id": map[string]any{"id": "UgyNobodyKnowsThis"}}})
	require.ErrorContains(t, err, "NetworkError: Request failed with status 0")
}

func TestRegularEndOfPoll(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	for i := range 3 {
		polls := srv.Stats().Polls
		n, err := srv.Drop("", hangoutstest.DropEnd)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, srv.WaitRequests(ctx, "", "channel/poll", polls+1))
		text := fmt.Sprintf("after end %d", i)
		_, err = srv.Person("carol").Send("carol", text)
		require.NoError(t, err)
		_, err = d.WaitMessage(ctx, text)
		require.NoError(t, err)
	}
	require.Zero(t, count(d.Events(), "disconnected"))
	require.Len(t, srv.Channels(""), 1, "the SID lives on")
}

func TestLostChannel(t *testing.T) {
	for _, how := range []hangoutstest.DropHow{hangoutstest.DropUnknownSID, hangoutstest.DropTruncate} {
		t.Run(string(how), func(t *testing.T) {
			ctx, srv, d := setup(t, hangoutstest.Options{})
			login(t, ctx, srv, d)
			carol := srv.Person("carol")
			old := srv.Channels("")[0]
			_, err := srv.Drop("", how)
			require.NoError(t, err)
			_, err = d.WaitEvent(ctx, func(e hangups.Event) bool { return e.Event == "disconnected" })
			require.NoError(t, err)
			_, err = carol.Send("carol", "while away")
			require.NoError(t, err)
			_, err = d.WaitEvent(ctx, func(e hangups.Event) bool { return e.Event == "reconnected" })
			require.NoError(t, err)
			_, err = d.WaitMessage(ctx, "while away")
			require.NoError(t, err, "missed events are synchronised")
			require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
			_, err = carol.Send("carol", "back again")
			require.NoError(t, err)
			_, err = d.WaitMessage(ctx, "back again")
			require.NoError(t, err)
			now := srv.Channels("")
			require.Len(t, now, 1)
			require.NotEqual(t, old.SID, now[0].SID)
			require.NotEqual(t, old.ClientID, now[0].ClientID)
		})
	}
}

func TestEventsBeforeServicesAreLost(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	// Hold the services back and let something happen after the client has synchronised.
	_, err := srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultDelay, Endpoint: "channel/services", Delay: 700})
	require.NoError(t, err)
	ada := srv.Account(0)
	require.NoError(t, d.Login(ctx, hangups.LoginOptions{RefreshToken: ada.RefreshToken()}))
	// The services request is on its way once its delay has begun: the client has synchronised before.
	require.Eventually(t, func() bool { return srv.Faults()[0].Hits == 1 }, time.Minute, time.Millisecond)
	require.Zero(t, ada.Subscribed())
	_, err = srv.Person("carol").Send("carol", "into the gap")
	require.NoError(t, err)
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
	_, err = srv.Person("carol").Send("carol", "after the gap")
	require.NoError(t, err)
	_, err = d.WaitMessage(ctx, "after the gap")
	require.NoError(t, err)
	require.Len(t, d.Messages(), 1, "nothing is pushed before babel is added")
}

func TestBulkInOrder(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	id := conversation(t, srv, "team")
	before := len(srv.Events("team"))
	var texts []string
	for i := range 100 {
		texts = append(texts, fmt.Sprintf("number %03d", i))
	}
	sent, err := d.SendMany(ctx, id, texts, 0)
	require.NoError(t, err)
	require.Len(t, sent, len(texts))
	var stored []string
	for _, e := range srv.Events("team")[before:] {
		stored = append(stored, e.Text)
	}
	require.Equal(t, texts, stored)
	for i := range 100 {
		_, err := srv.Person("dave").Send("team", fmt.Sprintf("dave %03d", i))
		require.NoError(t, err)
	}
	_, err = d.WaitMessage(ctx, "dave 099")
	require.NoError(t, err)
	var got []string
	for _, e := range d.Messages() {
		got = append(got, e.Text)
	}
	want := append([]string(nil), texts...)
	for i := range 100 {
		want = append(want, fmt.Sprintf("dave %03d", i))
	}
	require.Equal(t, want, got)
}

func TestMalformedAndDuplicatePushes(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	for _, kind := range []hangoutstest.FaultKind{hangoutstest.FaultMalformed, hangoutstest.FaultDuplicate, hangoutstest.FaultUnknownTag} {
		_, err := srv.Inject(hangoutstest.Fault{Kind: kind, Endpoint: "push/event"})
		require.NoError(t, err)
		_, err = srv.Person("carol").Send("carol", string(kind))
		require.NoError(t, err)
		_, err = d.WaitMessage(ctx, string(kind))
		require.NoError(t, err)
	}
	require.Len(t, d.Messages(), 3)
	require.Zero(t, count(d.Events(), "disconnected"))
}

func TestDisconnectReturns(t *testing.T) {
	ctx, srv, d := setup(t, hangoutstest.Options{})
	login(t, ctx, srv, d)
	require.NoError(t, d.Disconnect(ctx))
	require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 0))
	e, err := d.WaitEvent(ctx, func(e hangups.Event) bool { return e.Event == "stopped" })
	require.NoError(t, err)
	require.Empty(t, e.Error)
}
