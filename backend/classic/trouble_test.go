package classic_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

const (
	sendEndpoint = "conversations/sendchatmessage"
	syncEndpoint = "conversations/syncallnewevents"
)

func (r *rig) inject(f hangoutstest.Fault) (id string) {
	r.t.Helper()
	id, err := r.srv.Inject(f)
	require.NoError(r.t, err)
	return id
}

func (r *rig) say(conversation, text string) {
	r.t.Helper()
	_, err := r.srv.Person("carol").Send(conversation, text)
	require.NoError(r.t, err)
}

func (r *rig) hits(id string) int {
	for _, f := range r.srv.Faults() {
		if f.ID == id {
			return f.Hits
		}
	}
	return -1
}

// sent counts what the account said, as the server knows it.
func (r *rig) sent(conversation string) (texts []string) {
	for _, e := range r.srv.Events(conversation) {
		if e.Sender == string(r.session.ID()) {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

func TestServerThatFallsSilentIsNotTrusted(t *testing.T) {
	r := newRigWith(t, func(server *hangoutstest.Options, config *hangouts.Config, _ *account.Options) {
		config.IdleTimeout = 700 * time.Millisecond
		server.Configure = func(s *hangoutstest.Settings) { s.Dedup, s.NoopInterval = false, 100 }
	})
	r.reader.forget()
	r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultMute, Endpoint: "channel/poll"})
	_, err := r.srv.Drop(string(r.session.ID()), hangoutstest.DropMute)
	require.NoError(t, err)
	r.say("team", "into the silence")
	r.expect(r.conversation("team"), "into the silence")
	require.True(t, r.reader.was(chat.Connecting, "the push channel broke"))
	r.eventually(func() bool { return r.session.State().Status == chat.Connected }, "connected again")
}

func TestServerThatStopsPushingIsNotTrusted(t *testing.T) {
	r := newRigWith(t, func(_ *hangoutstest.Options, _ *hangouts.Config, options *account.Options) {
		options.CompareEvery, options.DeafGrace, options.CatchupEvery = 300*time.Millisecond, 500*time.Millisecond, time.Hour
	})
	time.Sleep(time.Second) // past the grace time: from here on nothing may be missing
	r.reader.forget()
	before := r.srv.Channels(string(r.session.ID()))
	id := r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultLose, Endpoint: "push/*", Account: string(r.session.ID()), Count: -1})
	r.say("team", "not pushed")
	r.expect(r.conversation("team"), "not pushed")
	r.eventually(func() bool { return r.reader.was(chat.Connecting, "events were not pushed") }, "shown")
	r.srv.RemoveFault(id)
	r.eventually(func() bool {
		for _, c := range r.srv.Channels(string(r.session.ID())) {
			if c.SID != before[0].SID && len(c.Services) > 0 {
				return r.session.State().Status == chat.Connected
			}
		}
		return false
	}, "a new channel")
	r.say("team", "pushed")
	r.expect(r.conversation("team"), "not pushed", "pushed")
}

func TestServicesRefusedForLongAreShown(t *testing.T) {
	r := newRigWith(t, func(_ *hangoutstest.Options, config *hangouts.Config, _ *account.Options) {
		config.MaxRetries = hangouts.Retries(0)
	})
	r.reader.forget()
	id := r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 500, Endpoint: "channel/services", Count: -1})
	_, err := r.srv.Drop(string(r.session.ID()), hangoutstest.DropUnknownSID)
	require.NoError(t, err)
	r.say("team", "not heard yet")
	r.eventually(func() bool { return r.hits(id) > 2 && r.reader.was(chat.Disconnected, "") }, "shown")
	require.NotEqual(t, chat.Connected, r.session.State().Status)
	r.srv.RemoveFault(id)
	r.expect(r.conversation("team"), "not heard yet")
	r.eventually(func() bool { return r.session.State().Status == chat.Connected }, "connected again")
}

func TestUnreachableAndBack(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	r := newRigWith(t, func(server *hangoutstest.Options, config *hangouts.Config, _ *account.Options) {
		server.StateFile = state
		config.MaxRetries = hangouts.Retries(0)
	})
	team := r.conversation("team")
	r.server.Listen = strings.TrimPrefix(r.srv.URL, "http://")
	r.srv.Close()
	r.eventually(func() bool { return r.session.State().Status == chat.Disconnected }, "shown")
	origin := chat.Origin{Side: chat.OriginIRC, Ref: "1"}
	require.NoError(t, r.session.Submit(t.Context(), chat.Request{Conversation: team, Origin: origin, Message: &chat.Message{Text: chat.Plain("while away")}}))
	time.Sleep(300 * time.Millisecond)
	srv, err := hangoutstest.Start(r.server)
	require.NoError(t, err)
	r.srv = srv
	r.say("team", "back")
	_, err = r.session.Await(t.Context(), origin)
	require.NoError(t, err)
	r.eventually(func() bool { return len(r.reader.got(team)) == 2 && r.session.State().Status == chat.Connected }, "both ways")
	require.ElementsMatch(t, []string{"while away", "back"}, r.reader.got(team))
	require.Equal(t, []string{"while away"}, r.sent("team"))
}

func TestSendsWaitOnlySoLong(t *testing.T) {
	for name, c := range map[string]struct {
		fault hangoutstest.Fault
		want  error
	}{
		"answers 503":    {hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503}, chat.ErrExpired},
		"asks for pause": {hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 429, RetryAfter: "3600"}, chat.ErrExpired},
		"says nothing":   {hangoutstest.Fault{Kind: hangoutstest.FaultSilence}, chat.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigWith(t, func(_ *hangoutstest.Options, _ *hangouts.Config, options *account.Options) {
				options.SendWait = time.Second
			})
			c.fault.Endpoint, c.fault.Count = sendEndpoint, -1
			r.inject(c.fault)
			_, err := send(t, r.session, r.conversation("team"), "1", "x")
			require.ErrorIs(t, err, c.want)
			require.Empty(t, r.sent("team"))
		})
	}
}

func TestUnreachableSendsFailVisibly(t *testing.T) {
	r := newRigWith(t, func(_ *hangoutstest.Options, _ *hangouts.Config, options *account.Options) {
		options.SendWait = time.Second
	})
	team := r.conversation("team")
	r.srv.Close()
	r.eventually(func() bool { return r.session.State().Status != chat.Connected }, "noticed")
	_, err := send(t, r.session, team, "1", "x")
	require.ErrorIs(t, err, chat.ErrExpired)
}

func TestRetryAfterIsKeptAndConcernsOneAccount(t *testing.T) {
	r := newRig(t)
	other, err := r.m.Login(t.Context(), chat.Credentials{RefreshToken: r.srv.Account(1).RefreshToken()}, account.User{Side: chat.OriginIRC, ID: "other"})
	require.NoError(t, err)
	r.eventually(func() bool { return other.State().Status == chat.Connected }, "the other account")
	require.NoError(t, other.Ready(t.Context()))
	_, next := r.srv.Requests(0)
	id := r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 429, RetryAfter: "2", Account: string(r.session.ID()), Endpoint: sendEndpoint})
	team := r.conversation("team")
	_, err = send(t, r.session, team, "1", "patient")
	require.NoError(t, err)
	require.Equal(t, 1, r.hits(id))
	var times []time.Time
	requests, _ := r.srv.Requests(next)
	for _, request := range requests {
		if request.Endpoint == sendEndpoint {
			times = append(times, request.Time)
		}
	}
	require.Len(t, times, 2)
	require.GreaterOrEqual(t, times[1].Sub(times[0]), 1900*time.Millisecond, "not before the time that was asked for")
	require.Equal(t, []string{"patient"}, r.sent("team"))

	r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 429, RetryAfter: "3600", Account: string(r.session.ID()), Endpoint: sendEndpoint, Count: -1})
	require.NoError(t, r.session.Submit(t.Context(), chat.Request{Conversation: team, Origin: chat.Origin{Side: "irc", Ref: "2"}, Message: &chat.Message{Text: chat.Plain("stuck")}}))
	_, err = send(t, other, team, "3", "undisturbed")
	require.NoError(t, err)
}

func TestRequestsRefusedWithServerErrors(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			r := newRig(t)
			r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: status, Endpoint: sendEndpoint, Count: 2})
			_, err := send(t, r.session, r.conversation("team"), "1", "in the end")
			require.NoError(t, err)
			require.Equal(t, []string{"in the end"}, r.sent("team"))
			r.inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: status, Endpoint: "conversations/*", Count: 6})
			_, err = r.srv.Drop(string(r.session.ID()), hangoutstest.DropUnknownSID)
			require.NoError(t, err)
			r.say("team", "missed")
			r.expect(r.conversation("team"), "in the end", "missed")
		})
	}
}

// What was missed comes in order whatever is wrong with the synchronisation.
func TestTroubledSynchronisationLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		fault hangoutstest.Fault
		age   time.Duration
		asked bool
	}{
		"cut":                   {hangoutstest.Fault{Kind: hangoutstest.FaultSyncCut, Limit: 7}, 0, true},
		"cut at a single event": {hangoutstest.Fault{Kind: hangoutstest.FaultSyncCut, Limit: 1}, 0, true},
		"clear cache":           {hangoutstest.Fault{Kind: hangoutstest.FaultClearCache}, 0, true},
		"stuck":                 {hangoutstest.Fault{Kind: hangoutstest.FaultSyncStuck}, 0, true},
		"cursor of nine days":   {hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 500}, 9 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c.fault.Endpoint, c.fault.Count = syncEndpoint, -1
			id := r.inject(c.fault)
			var want []string
			r.restart(func() {
				if c.age != 0 {
					_, err := r.db.Exec(context.Background(), `UPDATE account SET cursor_us=$1`, time.Now().Add(-c.age).UnixMicro())
					require.NoError(t, err)
				}
				for i := range 120 {
					want = append(want, fmt.Sprintf("m%03d", i))
					r.say("team", want[i])
				}
				_, err := r.srv.Person("user2").Send("direct", "elsewhere")
				require.NoError(t, err)
			})
			r.eventually(func() bool { return len(r.reader.got(r.conversation("team"))) >= 120 }, "all")
			require.Equal(t, want, lastOf(r.reader.got(r.conversation("team")), 120))
			r.eventually(func() bool {
				got := r.reader.got(r.conversation("direct"))
				return len(got) > 0 && got[len(got)-1] == "elsewhere"
			}, "the other conversation")
			require.Equal(t, c.asked, r.hits(id) > 0)
		})
	}
}

func lastOf(list []string, n int) []string { return list[max(0, len(list)-n):] }
