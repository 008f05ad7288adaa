package hangouts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func conversationID(id string) *pb.ConversationId { return &pb.ConversationId{Id: proto.String(id)} }

func eventHeaderFor(id string) *pb.EventRequestHeader {
	return &pb.EventRequestHeader{ConversationId: conversationID(id), ClientGeneratedId: proto.Uint64(hangouts.ClientGeneratedID())}
}

// TestInteropRefusals: each request that the server can refuse is refused for the reason that its
// comment names.
func TestInteropRefusals(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{Accounts: 3})
	c, stranger := clientOf(t, srv, srv.Account(0)), srv.Account(2)
	ctx := within(t)
	const unknown = "UgyNobodyKnowsThis"
	team, _ := srv.Conversation("team")
	erin := srv.Person("erin").GaiaID()
	invalid, status4 := hangouts.ErrInvalidConversation, pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST
	const notFound = pb.ResponseStatus_RESPONSE_STATUS_NOT_FOUND
	for _, x := range []struct {
		name string
		want any // an error, or a response status
		call func() error
	}{
		{"AddUser", invalid, func() error {
			_, err := c.AddUser(ctx, &pb.AddUserRequest{InviteeId: []*pb.InviteeID{{GaiaId: &erin}}, EventRequestHeader: eventHeaderFor(unknown)})
			return err
		}},
		{"AddUser nobody", status4, func() error {
			_, err := c.AddUser(ctx, &pb.AddUserRequest{EventRequestHeader: eventHeaderFor(team.ID)})
			return err
		}},
		{"CreateConversation", status4, func() error {
			_, err := c.CreateConversation(ctx, &pb.CreateConversationRequest{Type: pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE.Enum()})
			return err
		}},
		{"DeleteConversation", invalid, func() error {
			_, err := c.DeleteConversation(ctx, &pb.DeleteConversationRequest{ConversationId: conversationID(unknown), DeleteUpperBoundTimestamp: proto.Uint64(1)})
			return err
		}},
		{"EasterEgg", status4, func() error {
			_, err := c.EasterEgg(ctx, &pb.EasterEggRequest{ConversationId: conversationID(team.ID)})
			return err
		}},
		{"GetConversation", invalid, func() error {
			_, err := c.GetConversation(ctx, &pb.GetConversationRequest{ConversationSpec: &pb.ConversationSpec{ConversationId: conversationID(unknown)}})
			return err
		}},
		{"GetGroupConversationURL", invalid, func() error {
			_, err := c.GetGroupConversationURL(ctx, &pb.GetGroupConversationUrlRequest{ConversationId: conversationID(unknown)})
			return err
		}},
		{"QueryPresence", status4, func() error {
			_, err := c.QueryPresence(ctx, &pb.QueryPresenceRequest{ParticipantId: []*pb.ParticipantId{{GaiaId: &erin}, {GaiaId: &erin}}})
			return err
		}},
		{"RemoveUser", invalid, func() error {
			_, err := c.RemoveUser(ctx, &pb.RemoveUserRequest{EventRequestHeader: eventHeaderFor(unknown)})
			return err
		}},
		{"RenameConversation", invalid, func() error {
			_, err := c.RenameConversation(ctx, &pb.RenameConversationRequest{EventRequestHeader: eventHeaderFor(unknown)})
			return err
		}},
		{"SendChatMessage", invalid, func() error {
			_, err := c.SendChatMessage(ctx, &pb.SendChatMessageRequest{MessageContent: &pb.MessageContent{Segment: hangouts.ParseText("x")}, EventRequestHeader: eventHeaderFor(unknown)})
			return err
		}},
		{"ModifyOTRStatus", invalid, func() error {
			_, err := c.ModifyOTRStatus(ctx, &pb.ModifyOTRStatusRequest{EventRequestHeader: eventHeaderFor(unknown)})
			return err
		}},
		{"SendOffnetworkInvitation", status4, func() error {
			_, err := c.SendOffnetworkInvitation(ctx, &pb.SendOffnetworkInvitationRequest{})
			return err
		}},
		{"SetConversationNotificationLevel", invalid, func() error {
			_, err := c.SetConversationNotificationLevel(ctx, &pb.SetConversationNotificationLevelRequest{ConversationId: conversationID(unknown)})
			return err
		}},
		{"SetFocus", invalid, func() error {
			_, err := c.SetFocus(ctx, &pb.SetFocusRequest{ConversationId: conversationID(unknown)})
			return err
		}},
		{"SetGroupLinkSharingEnabled", invalid, func() error {
			_, err := c.SetGroupLinkSharingEnabled(ctx, &pb.SetGroupLinkSharingEnabledRequest{EventRequestHeader: eventHeaderFor(unknown)})
			return err
		}},
		{"SetTyping", invalid, func() error {
			_, err := c.SetTyping(ctx, &pb.SetTypingRequest{ConversationId: conversationID(unknown)})
			return err
		}},
		{"UpdateWatermark", invalid, func() error {
			_, err := c.UpdateWatermark(ctx, &pb.UpdateWatermarkRequest{ConversationId: conversationID(unknown), LastReadTimestamp: proto.Uint64(1)})
			return err
		}},
		{"ReplyToInvite", invalid, func() error {
			_, err := c.ReplyToInvite(ctx, &pb.ReplyToInviteRequest{ConversationId: conversationID(unknown)})
			return err
		}},
		{"ModifyConversationView", invalid, func() error {
			_, err := c.ModifyConversationView(ctx, &pb.ModifyConversationViewRequest{ConversationId: conversationID(unknown), NewView: pb.ConversationView_CONVERSATION_VIEW_ARCHIVED.Enum()})
			return err
		}},
		{"OpenGroupConversationFromURL", notFound, func() error {
			_, err := c.OpenGroupConversationFromURL(ctx, &pb.OpenGroupConversationFromUrlRequest{Url: proto.String("https://hangouts.google.com/group/none")})
			return err
		}},
		{"OpenGroupConversationFromURL without one", notFound, func() error {
			_, err := c.OpenGroupConversationFromURL(ctx, &pb.OpenGroupConversationFromUrlRequest{})
			return err
		}},
		{"OpenGroupConversationFromURL turned off", status4, func() error {
			got, err := clientOf(t, srv, srv.Account(0)).GetGroupConversationURL(ctx, &pb.GetGroupConversationUrlRequest{ConversationId: conversationID(team.ID)})
			require.NoError(t, err)
			_, err = clientOf(t, srv, stranger).OpenGroupConversationFromURL(ctx, &pb.OpenGroupConversationFromUrlRequest{Url: got.GroupConversationUrl})
			return err
		}},
		{"MarkEventObserved", invalid, func() error {
			_, err := c.MarkEventObserved(ctx, &pb.MarkEventObservedRequest{ObservedEvent: []*pb.ObservedEvent{
				{ConversationId: conversationID(team.ID), EventId: proto.String("x")}, {ConversationId: conversationID(unknown), EventId: proto.String("x")},
			}})
			return err
		}},
		{"MarkEventObserved without conversation", invalid, func() error {
			_, err := c.MarkEventObserved(ctx, &pb.MarkEventObservedRequest{ObservedEvent: []*pb.ObservedEvent{{}}})
			return err
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			err := x.call()
			var network *hangouts.NetworkError
			require.ErrorAs(t, err, &network)
			require.True(t, network.HasStatus, "the server refused it: %v", err)
			require.False(t, hangouts.Ambiguous(err))
			switch want := x.want.(type) {
			case error:
				require.ErrorIs(t, err, want)
			case pb.ResponseStatus:
				require.Equal(t, want, network.Status)
			}
		})
	}
}

// TestInteropGroupOnly: what only groups know is refused here once a conversation was seen to be
// one-to-one, in an answer or in a push, and by the server before that.
func TestInteropGroupOnly(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	info, _ := srv.Conversation("direct")
	team, _ := srv.Conversation("team")
	ctx := within(t)
	erin := srv.Person("erin").GaiaID()
	requests := func(c *hangouts.Client, id string) map[string]error {
		_, add := c.AddUser(ctx, &pb.AddUserRequest{InviteeId: []*pb.InviteeID{{GaiaId: &erin}}, EventRequestHeader: eventHeaderFor(id)})
		_, remove := c.RemoveUser(ctx, &pb.RemoveUserRequest{ParticipantId: &pb.ParticipantId{GaiaId: &erin}, EventRequestHeader: eventHeaderFor(id)})
		_, link := c.SetGroupLinkSharingEnabled(ctx, &pb.SetGroupLinkSharingEnabledRequest{
			EventRequestHeader: eventHeaderFor(id), GroupLinkSharingStatus: pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON.Enum(),
		})
		_, address := c.GetGroupConversationURL(ctx, &pb.GetGroupConversationUrlRequest{ConversationId: conversationID(id)})
		return map[string]error{"adduser": add, "removeuser": remove, "setgrouplinksharingenabled": link, "getgroupconversationurl": address}
	}
	for how, learn := range map[string]func(*hangouts.Client) error{
		"GetConversation": func(c *hangouts.Client) error {
			_, err := c.GetConversation(ctx, &pb.GetConversationRequest{
				ConversationSpec: &pb.ConversationSpec{ConversationId: conversationID(info.ID)}, IncludeConversationMetadata: proto.Bool(true),
			})
			return err
		},
		"SyncRecentConversations": func(c *hangouts.Client) error {
			_, err := c.SyncRecentConversations(ctx, &pb.SyncRecentConversationsRequest{MaxConversations: proto.Uint64(100)})
			return err
		},
		"CreateConversation": func(c *hangouts.Client) error {
			bob := srv.Account(1).GaiaID()
			_, err := c.CreateConversation(ctx, &pb.CreateConversationRequest{
				Type: pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE.Enum(), InviteeId: []*pb.InviteeID{{GaiaId: &bob}},
			})
			return err
		},
		"push": func(c *hangouts.Client) error {
			in := collect(t, c)
			connect(t, c)
			require.NoError(t, srv.Account(0).WaitSubscribed(ctx, 1))
			_, err := srv.Account(1).Send("direct", "so that it is seen")
			in.message(t, "so that it is seen")
			return err
		},
	} {
		t.Run(how, func(t *testing.T) {
			c := clientOf(t, srv, srv.Account(0))
			for path, err := range requests(c, info.ID) {
				var network *hangouts.NetworkError
				require.ErrorAs(t, err, &network, "%s: not known yet, so the server refuses it", path)
				require.True(t, network.HasStatus)
			}
			require.NoError(t, learn(c))
			before := srv.Stats().Requests
			for path, err := range requests(c, info.ID) {
				var kind *hangouts.ConversationTypeError
				require.ErrorAs(t, err, &kind, path)
				require.Equal(t, "conversations/"+path, kind.Op)
				require.Equal(t, pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE, kind.Type)
				var family hangouts.HangupsError
				require.ErrorAs(t, err, &family)
			}
			require.Equal(t, before, srv.Stats().Requests, "no request left")
		})
	}
	c := clientOf(t, srv, srv.Account(0))
	for path, err := range requests(c, team.ID) {
		require.NoError(t, err, path)
	}
}

// TestInteropChannelFaults: whatever the server does to the channel, a client that synchronises
// when it is told to has everything in the end.
func TestInteropChannelFaults(t *testing.T) {
	status := func(code int) hangoutstest.Fault {
		return hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: code, Endpoint: "channel/poll", RetryAfter: "0"}
	}
	poll := func(kind hangoutstest.FaultKind, limit int) hangoutstest.Fault {
		return hangoutstest.Fault{Kind: kind, Limit: limit, Endpoint: "channel/poll"}
	}
	push := func(kind hangoutstest.FaultKind) hangoutstest.Fault {
		return hangoutstest.Fault{Kind: kind, Endpoint: "push/event", Skip: 1}
	}
	services := func(kind hangoutstest.FaultKind, status int) hangoutstest.Fault {
		return hangoutstest.Fault{Kind: kind, Status: status, Endpoint: "channel/services"}
	}
	faults := map[string]hangoutstest.Fault{
		"401 once": status(401), "403": status(403), "429": status(429), "500": status(500), "502": status(502), "503": status(503),
		"unknown SID": poll(hangoutstest.FaultUnknownSID, 0), "hourly close": poll(hangoutstest.FaultClose, 0), "byte by byte": poll(hangoutstest.FaultSplit, 0),
		"silence": poll(hangoutstest.FaultMute, 0), "no answer": poll(hangoutstest.FaultSilence, 0), "lost": poll(hangoutstest.FaultLoseRequest, 0),
		"too long": poll(hangoutstest.FaultWrongLength, 9), "too short": poll(hangoutstest.FaultWrongLength, -9), "half a chunk": poll(hangoutstest.FaultTruncate, 0),
		"repeated array": push(hangoutstest.FaultRepeatArray), "reordered array": push(hangoutstest.FaultReorder),
		"garbage":   {Kind: hangoutstest.FaultGarbage, Data: `[[["cbu"]]]`, Endpoint: "push/event", Skip: 1},
		"malformed": push(hangoutstest.FaultMalformed), "null": push(hangoutstest.FaultNullPayload), "unknown tag": push(hangoutstest.FaultUnknownTag),
		"duplicate": push(hangoutstest.FaultDuplicate), "both keys": push(hangoutstest.FaultBothKeys), "two in one": push(hangoutstest.FaultHold),
		"services refused": services(hangoutstest.FaultRefuseServices, 0), "services 500": services(hangoutstest.FaultStatus, 500),
		"services unknown SID": services(hangoutstest.FaultUnknownSID, 0), "services lost": services(hangoutstest.FaultLoseAnswer, 0),
	}
	for _, cut := range []int{1, 2, 3, 10, 18, 19, 20, 21, 100, 172, 200, 400} {
		faults[fmt.Sprintf("cut at byte %d", cut)] = poll(hangoutstest.FaultTruncate, cut)
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, hangoutstest.Options{Configure: func(s *hangoutstest.Settings) { s.NoopInterval, s.PollDuration = 20, 150 }})
			_, err := srv.Inject(fault)
			require.NoError(t, err)
			c, err := hangouts.New(hangouts.Config{
				BaseURL: srv.URL, RetryBackoffBase: 0.01, MaxRetries: hangouts.Retries(hangouts.Unlimited), IdleTimeout: 300 * time.Millisecond,
			}, srv.Account(0).Cookies())
			require.NoError(t, err)
			t.Cleanup(c.Close)
			got := follow(t, c)
			connect(t, c)
			var want []string
			for i := range 10 {
				if i == 5 {
					// The fault may stand at the door or wait for a push: half of it all comes behind it.
					require.NoError(t, srv.Account(0).WaitSubscribed(within(t), 1))
				}
				sent, err := srv.Account(1).Send("direct", fmt.Sprintf("message %d", i))
				require.NoError(t, err)
				want = append(want, sent.EventID)
			}
			if fault.Kind == hangoutstest.FaultReorder || fault.Kind == hangoutstest.FaultHold {
				_, err := srv.Account(1).Send("direct", "the last") // lets out what is held back
				require.NoError(t, err)
			}
			eventually(t, func() bool { return len(got.missing(want)) == 0 })
			eventually(t, func() bool { return srv.Faults()[0].Hits > 0 })
		})
	}
}

// followed is what a client learnt by pushes and by synchronising.
type followed struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (f *followed) add(e *pb.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids[e.GetEventId()] = true
}

func (f *followed) missing(want []string) (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range want {
		if !f.ids[id] {
			list = append(list, id)
		}
	}
	return list
}

// follow makes a client do what the package comment says: synchronise upon OnSubscribed,
// OnReconnect and OnGap, and take pushes.
func follow(t *testing.T, c *hangouts.Client) *followed {
	f := &followed{ids: map[string]bool{}}
	synchronise := func(ctx context.Context) error {
		missed, err := c.SyncAllNewEvents(ctx, &pb.SyncAllNewEventsRequest{LastSyncTimestamp: proto.Uint64(1), MaxResponseSizeBytes: proto.Uint64(1 << 20)})
		var network *hangouts.NetworkError
		if errors.As(err, &network) {
			return nil
		}
		for _, state := range missed.GetConversationState() {
			for _, e := range state.GetEvent() {
				f.add(e)
			}
		}
		return err
	}
	require.NoError(t, c.OnSubscribed.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Subscribed) error { return synchronise(ctx) })))
	require.NoError(t, c.OnReconnect.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Connected) error { return synchronise(ctx) })))
	require.NoError(t, c.OnGap.AddObserver(hangouts.Observe(func(ctx context.Context, _ hangouts.Gap) error { return synchronise(ctx) })))
	require.NoError(t, c.OnStateUpdate.AddObserver(hangouts.Observe(func(_ context.Context, u *pb.StateUpdate) error {
		f.add(u.GetEventNotification().GetEvent())
		return nil
	})))
	return f
}

// TestInteropLoginBeyond: pages of the server that ask for too much are reported as such.
func TestInteropLoginBeyond(t *testing.T) {
	for kind, text := range map[string]string{"captcha": "a captcha", "prompt": "confirmation on another device", "key": "a security key"} {
		srv := newServer(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{
			{Key: "ada", Email: "ada@example.com", Account: true, Verification: kind},
		}}})
		_, err := hangouts.GetAuth(within(t), hangouts.Config{BaseURL: srv.URL}, &fixed{email: "ada@example.com", password: "password"}, &memory{}, false)
		require.ErrorIs(t, err, hangouts.ErrLoginBeyond)
		require.ErrorContains(t, err, "asks for "+text)
		var auth *hangouts.GoogleAuthError
		require.ErrorAs(t, err, &auth)
		require.False(t, auth.Unavailable())
		require.NotContains(t, strings.ToLower(err.Error()), "cookie")
	}
}
