package hangouts_test

import (
	"context"
	"net/http"
	"strconv"
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

// These tests run the client against the module's own server; the others script every byte.

func newServer(t *testing.T, o hangoutstest.Options) *hangoutstest.Server {
	srv := hangoutstest.New(o)
	t.Cleanup(srv.Close)
	return srv
}

func clientOf(t *testing.T, srv *hangoutstest.Server, p *hangoutstest.Person) *hangouts.Client {
	t.Helper()
	c, err := hangouts.New(hangouts.Config{BaseURL: srv.URL, RetryBackoffBase: 0.01, MaxRetries: hangouts.Retries(hangouts.Unlimited)}, p.Cookies())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// inbox collects the state updates of a client.
type inbox struct {
	mu      sync.Mutex
	updates []*pb.StateUpdate
}

func collect(t *testing.T, c *hangouts.Client) *inbox {
	in := &inbox{}
	require.NoError(t, c.OnStateUpdate.AddObserver(hangouts.Observe(func(_ context.Context, u *pb.StateUpdate) error {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.updates = append(in.updates, u)
		return nil
	})))
	return in
}

func (in *inbox) find(match func(*pb.StateUpdate) bool) *pb.StateUpdate {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, u := range in.updates {
		if match(u) {
			return u
		}
	}
	return nil
}

func (in *inbox) message(t *testing.T, text string) *pb.Event {
	t.Helper()
	var found *pb.StateUpdate
	eventually(t, func() bool {
		found = in.find(func(u *pb.StateUpdate) bool {
			return hangouts.MessageText(u.GetEventNotification().GetEvent().GetChatMessage()) == text
		})
		return found != nil
	})
	return found.GetEventNotification().GetEvent()
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	t.Cleanup(cancel)
	return ctx
}

func TestInteropConversation(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada, bob := srv.Account(0), srv.Account(1)
	ctx := within(t)
	cookies, err := hangouts.GetAuth(ctx, hangouts.Config{BaseURL: srv.URL}, nil, &memory{token: ada.RefreshToken()}, false)
	require.NoError(t, err)
	c, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, cookies)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	in := collect(t, c)
	connect(t, c)
	require.NoError(t, ada.WaitSubscribed(ctx, 1))

	// Bob types, writes and reads.
	require.NoError(t, bob.Typing("direct", pb.TypingType_TYPING_TYPE_STARTED))
	sent, err := bob.Send("direct", "Grüße 😀\nzweite Zeile")
	require.NoError(t, err)
	got := in.message(t, "Grüße 😀\nzweite Zeile")
	require.Equal(t, sent.EventID, got.GetEventId())
	require.Equal(t, sent.TimestampUS, got.GetTimestamp())
	require.NoError(t, bob.Read("direct", 0))
	eventually(t, func() bool {
		return in.find(func(u *pb.StateUpdate) bool {
			return u.GetWatermarkNotification().GetSenderId().GetGaiaId() == bob.GaiaID()
		}) != nil
	})
	require.NotNil(t, in.find(func(u *pb.StateUpdate) bool { return u.GetTypingNotification() != nil }))

	// Ada answers with an id of her own; it comes back in her copies only.
	conversation, err := c.GetConversation(ctx, &pb.GetConversationRequest{
		ConversationSpec:            &pb.ConversationSpec{ConversationId: got.GetConversationId()},
		IncludeConversationMetadata: proto.Bool(true), IncludeEvent: proto.Bool(true), MaxEventsPerConversation: proto.Uint64(10),
	})
	require.NoError(t, err)
	const id = 1<<63 + 12345
	answer, err := c.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		MessageContent:     &pb.MessageContent{Segment: hangouts.ParseText("**yes** www.example.com")},
		EventRequestHeader: hangouts.EventRequestHeader(conversation.GetConversationState().GetConversation(), id),
	})
	require.NoError(t, err)
	own := in.message(t, "yes www.example.com")
	require.Equal(t, answer.GetCreatedEvent().GetEventId(), own.GetEventId())
	require.Equal(t, strconv.FormatUint(id, 10), own.GetSelfEventState().GetClientGeneratedId())

	// What was pushed is what a synchronisation finds.
	synced, err := c.SyncAllNewEvents(ctx, &pb.SyncAllNewEventsRequest{
		LastSyncTimestamp: proto.Uint64(sent.TimestampUS), MaxResponseSizeBytes: proto.Uint64(1 << 20),
	})
	require.NoError(t, err)
	var ids []string
	for _, state := range synced.GetConversationState() {
		for _, e := range state.GetEvent() {
			ids = append(ids, e.GetEventId())
		}
	}
	require.Equal(t, []string{got.GetEventId(), own.GetEventId()}, ids)

	image, err := c.UploadImage(ctx, strings.NewReader("\x89PNG\r\n\x1a\n"), "dot.png")
	require.NoError(t, err)
	_, err = c.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		ExistingMedia:      image.Photo(),
		EventRequestHeader: hangouts.EventRequestHeader(conversation.GetConversationState().GetConversation(), 7),
	})
	require.NoError(t, err)
	eventually(t, func() bool {
		return in.find(func(u *pb.StateUpdate) bool {
			return len(hangouts.PhotoURLs(u.GetEventNotification().GetEvent().GetChatMessage())) == 1
		}) != nil
	})
	require.NoError(t, c.SetActive(ctx))
	_, err = bob.Send("direct", "are you there?")
	require.NoError(t, err)
	in.message(t, "are you there?")
	require.Equal(t, pb.ActiveClientState_ACTIVE_CLIENT_STATE_IS_ACTIVE, c.ActiveClientState())
}

// TestInteropInterruptions breaks the channel in each way; afterwards pushes flow again.
func TestInteropInterruptions(t *testing.T) {
	for _, how := range []hangoutstest.DropHow{
		hangoutstest.DropEnd, hangoutstest.DropTruncate, hangoutstest.DropCut, hangoutstest.DropReset, hangoutstest.DropUnknownSID,
	} {
		t.Run(string(how), func(t *testing.T) {
			srv := newServer(t, hangoutstest.Options{})
			ada := srv.Account(0)
			c := clientOf(t, srv, ada)
			in, d := collect(t, c), observe(t, c)
			connect(t, c)
			ctx := within(t)
			require.NoError(t, ada.WaitSubscribed(ctx, 1))
			eventually(t, func() bool { return strings.Contains(d.String(), "subscribed") })
			_, err := srv.Drop(ada.GaiaID(), how)
			require.NoError(t, err)
			if how == hangoutstest.DropEnd {
				require.NoError(t, srv.WaitRequests(ctx, ada.GaiaID(), "channel/poll", 2))
			} else {
				eventually(t, func() bool {
					return strings.Contains(d.String(), "reconnect") && strings.Count(d.String(), "subscribed") == 2
				})
			}
			require.NoError(t, ada.WaitSubscribed(ctx, 1))
			_, err = srv.Account(1).Send("direct", "still there?")
			require.NoError(t, err)
			in.message(t, "still there?")
			if how == hangoutstest.DropEnd {
				require.NotContains(t, d.String(), "disconnect")
			}
		})
	}
}

func TestInteropFaults(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada, bob := srv.Account(0), srv.Account(1)
	inject := func(f hangoutstest.Fault) {
		_, err := srv.Inject(f)
		require.NoError(t, err)
	}
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultRefuseServices, Endpoint: "channel/services", Count: 2})
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503, Endpoint: "channel/create"})
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultSplit, Endpoint: "channel/poll", Count: -1})
	c := clientOf(t, srv, ada)
	in, d := collect(t, c), observe(t, c)
	connect(t, c)
	ctx := within(t)
	require.NoError(t, ada.WaitSubscribed(ctx, 1), "refused services must not leave the client deaf")

	inject(hangoutstest.Fault{Kind: hangoutstest.FaultMalformed, Endpoint: "push/event"})
	_, err := bob.Send("direct", "behind a malformed one")
	require.NoError(t, err)
	in.message(t, "behind a malformed one")
	for _, kind := range []hangoutstest.FaultKind{hangoutstest.FaultUnknownTag, hangoutstest.FaultNullPayload, hangoutstest.FaultBothKeys, hangoutstest.FaultDuplicate} {
		inject(hangoutstest.Fault{Kind: kind, Endpoint: "push/event"})
		_, err := bob.Send("direct", string(kind))
		require.NoError(t, err)
		in.message(t, string(kind))
	}
	inject(hangoutstest.Fault{Kind: hangoutstest.FaultGarbage, Endpoint: "push/event", Data: `[[["cbu"]]]`})
	gaps := strings.Count(d.String(), "gap")
	_, err = bob.Send("direct", "lost")
	require.NoError(t, err)
	eventually(t, func() bool { return strings.Count(d.String(), "gap") > gaps })

	require.NoError(t, srv.InvalidateCookies(ada.GaiaID()))
	_, err = c.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	require.ErrorIs(t, err, hangouts.ErrUnauthorized)
}

func TestInteropExpiredCookiesEndConnect(t *testing.T) {
	srv := newServer(t, hangoutstest.Options{})
	ada := srv.Account(0)
	c := clientOf(t, srv, ada)
	result := connect(t, c)
	require.NoError(t, ada.WaitSubscribed(within(t), 1))
	require.NoError(t, srv.InvalidateCookies(ada.GaiaID()))
	require.ErrorIs(t, result(), hangouts.ErrUnauthorized)
}

// TestInteropAmbiguity: what the client concludes is what the server did.
func TestInteropAmbiguity(t *testing.T) {
	tests := []struct {
		kind      hangoutstest.FaultKind
		status    int
		ambiguous bool
		accepted  bool
	}{
		{hangoutstest.FaultLoseAnswer, 0, true, true},
		{hangoutstest.FaultTruncate, 0, true, true},
		{hangoutstest.FaultBadBase64, 0, true, true},
		{hangoutstest.FaultNoHeader, 0, true, true},
		{hangoutstest.FaultLoseRequest, 0, true, false},
		{hangoutstest.FaultStatus, 429, false, false},
		{hangoutstest.FaultStatus, 503, false, false},
		{hangoutstest.FaultResponse, 8, false, false},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind)+strconv.Itoa(tt.status), func(t *testing.T) {
			srv := newServer(t, hangoutstest.Options{})
			ada := srv.Account(0)
			c, err := hangouts.New(hangouts.Config{BaseURL: srv.URL, NoBlindRepeats: true}, ada.Cookies())
			require.NoError(t, err)
			t.Cleanup(c.Close)
			info, _ := srv.Conversation("direct")
			_, err = srv.Inject(hangoutstest.Fault{Kind: tt.kind, Status: tt.status, Endpoint: "conversations/sendchatmessage", RetryAfter: "3"})
			require.NoError(t, err)
			_, err = c.SendChatMessage(within(t), &pb.SendChatMessageRequest{
				MessageContent: &pb.MessageContent{Segment: hangouts.ParseText("once")},
				EventRequestHeader: &pb.EventRequestHeader{
					ConversationId: &pb.ConversationId{Id: &info.ID}, ClientGeneratedId: proto.Uint64(1),
				},
			})
			require.Error(t, err)
			require.Equal(t, tt.ambiguous, hangouts.Ambiguous(err), "%v", err)
			after, _ := srv.Conversation("direct")
			require.Equal(t, tt.accepted, after.Events > info.Events)
			if tt.status == http.StatusTooManyRequests {
				require.Equal(t, 3*time.Second, hangouts.RetryAfter(err))
			}
		})
	}
}

func TestInteropLogins(t *testing.T) {
	for _, verification := range []string{"", "totp", "phone", "choice"} {
		t.Run("verification "+verification, func(t *testing.T) {
			srv := newServer(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{
				{Key: "ada", Name: "Ada", Email: "ada@example.com", Account: true, Password: "pw", Verification: verification, VerificationCode: "777"},
			}}})
			store := &memory{token: "1/unknown"}
			prompt := &fixed{email: "ada@example.com", password: "pw", code: "777"}
			cookies, err := hangouts.GetAuth(within(t), hangouts.Config{BaseURL: srv.URL}, prompt, store, false)
			require.NoError(t, err)
			c, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, cookies)
			require.NoError(t, err)
			defer c.Close()
			info, err := c.GetSelfInfo(within(t), &pb.GetSelfInfoRequest{})
			require.NoError(t, err)
			require.Equal(t, srv.Account(0).GaiaID(), info.GetSelfEntity().GetId().GetGaiaId())
			again, err := hangouts.GetAuth(within(t), hangouts.Config{BaseURL: srv.URL}, nil, store, false)
			require.NoError(t, err, "the refresh token was kept")
			require.NotEmpty(t, again["SAPISID"])

			prompt.password = "wrong"
			_, err = hangouts.GetAuth(within(t), hangouts.Config{BaseURL: srv.URL}, prompt, &memory{}, false)
			var auth *hangouts.GoogleAuthError
			require.ErrorAs(t, err, &auth)
		})
	}
	srv := newServer(t, hangoutstest.Options{})
	code, err := srv.AuthorizationCode(srv.Account(0).GaiaID())
	require.NoError(t, err)
	_, err = hangouts.GetAuth(within(t), hangouts.Config{BaseURL: srv.URL}, &fixed{authorization: code}, &memory{}, true)
	require.NoError(t, err)
	_, err = hangouts.GetAuth(within(t), hangouts.Config{BaseURL: srv.URL}, &fixed{authorization: code}, &memory{}, true)
	var auth *hangouts.GoogleAuthError
	require.ErrorAs(t, err, &auth, "a code works once")
	require.Equal(t, "invalid_grant", auth.Reason)
	require.False(t, auth.Unavailable())
}

// fixed is a CredentialsPrompt with ready answers.
type fixed struct{ email, password, code, authorization string }

func (f *fixed) Email(context.Context) (string, error)            { return f.email, nil }
func (f *fixed) Password(context.Context) (string, error)         { return f.password, nil }
func (f *fixed) VerificationCode(context.Context) (string, error) { return f.code, nil }
func (f *fixed) AuthorizationCode(context.Context, string) (string, error) {
	return f.authorization, nil
}

// TestInteropEveryRequest sends each remaining request once and watches the server's state.
func TestInteropEveryRequest(t *testing.T) {
	scenario := hangoutstest.DefaultScenario()
	scenario.Conversations = append(scenario.Conversations, hangoutstest.ScenarioConversation{
		Key: "invitation", Type: "group", Members: []string{"user1", "user2", "carol"}, InvitedOnly: []string{"user1"},
	})
	srv := newServer(t, hangoutstest.Options{Scenario: scenario})
	ada, bob := srv.Account(0), srv.Account(1)
	c := clientOf(t, srv, ada)
	in := collect(t, c)
	connect(t, c)
	ctx := within(t)
	require.NoError(t, ada.WaitSubscribed(ctx, 1))
	team, _ := srv.Conversation("team")
	group := &pb.ConversationId{Id: &team.ID}
	header := func() *pb.EventRequestHeader {
		return &pb.EventRequestHeader{ConversationId: group, ClientGeneratedId: proto.Uint64(hangouts.ClientGeneratedID())}
	}
	erin := srv.Person("erin").GaiaID()
	steps := []struct {
		name string
		run  func() error
	}{
		{"AddUser", func() error {
			_, err := c.AddUser(ctx, &pb.AddUserRequest{InviteeId: []*pb.InviteeID{{GaiaId: &erin}}, EventRequestHeader: header()})
			return err
		}},
		{"RemoveUser", func() error {
			_, err := c.RemoveUser(ctx, &pb.RemoveUserRequest{ParticipantId: &pb.ParticipantId{GaiaId: &erin}, EventRequestHeader: header()})
			return err
		}},
		{"RenameConversation", func() error {
			_, err := c.RenameConversation(ctx, &pb.RenameConversationRequest{NewName: proto.String("New name"), EventRequestHeader: header()})
			return err
		}},
		{"ModifyOTRStatus", func() error {
			_, err := c.ModifyOTRStatus(ctx, &pb.ModifyOTRStatusRequest{
				OtrStatus: pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD.Enum(), EventRequestHeader: header(),
			})
			return err
		}},
		{"SetGroupLinkSharingEnabled", func() error {
			_, err := c.SetGroupLinkSharingEnabled(ctx, &pb.SetGroupLinkSharingEnabledRequest{
				EventRequestHeader: header(), GroupLinkSharingStatus: pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON.Enum(),
			})
			return err
		}},
		{"GetGroupConversationURL and OpenGroupConversationFromURL", func() error {
			got, err := c.GetGroupConversationURL(ctx, &pb.GetGroupConversationUrlRequest{ConversationId: group})
			if err != nil {
				return err
			}
			_, err = clientOf(t, srv, bob).OpenGroupConversationFromURL(ctx, &pb.OpenGroupConversationFromUrlRequest{Url: got.GroupConversationUrl})
			return err
		}},
		{"SetTyping", func() error {
			_, err := c.SetTyping(ctx, &pb.SetTypingRequest{ConversationId: group, Type: pb.TypingType_TYPING_TYPE_STARTED.Enum()})
			return err
		}},
		{"SetFocus", func() error {
			_, err := c.SetFocus(ctx, &pb.SetFocusRequest{ConversationId: group, Type: pb.FocusType_FOCUS_TYPE_FOCUSED.Enum(), TimeoutSecs: proto.Uint32(20)})
			return err
		}},
		{"UpdateWatermark", func() error {
			_, err := c.UpdateWatermark(ctx, &pb.UpdateWatermarkRequest{ConversationId: group, LastReadTimestamp: proto.Uint64(srv.Now())})
			return err
		}},
		{"SetConversationNotificationLevel", func() error {
			_, err := c.SetConversationNotificationLevel(ctx, &pb.SetConversationNotificationLevelRequest{
				ConversationId: group, Level: pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET.Enum(),
			})
			return err
		}},
		{"EasterEgg", func() error {
			_, err := c.EasterEgg(ctx, &pb.EasterEggRequest{ConversationId: group, EasterEgg: &pb.EasterEgg{Message: proto.String("ponies")}})
			return err
		}},
		{"ModifyConversationView", func() error {
			_, err := c.ModifyConversationView(ctx, &pb.ModifyConversationViewRequest{
				ConversationId: group, NewView: pb.ConversationView_CONVERSATION_VIEW_ARCHIVED.Enum(), LastEventTimestamp: proto.Uint64(srv.Now()),
			})
			return err
		}},
		{"MarkEventObserved", func() error {
			_, err := c.MarkEventObserved(ctx, &pb.MarkEventObservedRequest{ObservedEvent: []*pb.ObservedEvent{
				{ConversationId: group, EventId: proto.String("x")},
			}})
			return err
		}},
		{"CreateConversation and DeleteConversation", func() error {
			made, err := c.CreateConversation(ctx, &pb.CreateConversationRequest{
				Type: pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE.Enum(), ClientGeneratedId: proto.Uint64(1), InviteeId: []*pb.InviteeID{{GaiaId: &erin}},
			})
			if err != nil {
				return err
			}
			_, err = c.DeleteConversation(ctx, &pb.DeleteConversationRequest{
				ConversationId: made.GetConversation().GetConversationId(), DeleteUpperBoundTimestamp: proto.Uint64(srv.Now()),
			})
			return err
		}},
		{"ReplyToInvite", func() error {
			info, _ := srv.Conversation("invitation")
			_, err := c.ReplyToInvite(ctx, &pb.ReplyToInviteRequest{
				ConversationId: &pb.ConversationId{Id: &info.ID}, Reply: pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_ACCEPT.Enum(),
			})
			return err
		}},
		{"GetEntityByID", func() error {
			got, err := c.GetEntityByID(ctx, &pb.GetEntityByIdRequest{BatchLookupSpec: []*pb.EntityLookupSpec{{GaiaId: &erin}}})
			require.Equal(t, srv.Person("erin").Email(), got.GetEntityResult()[0].GetEntity()[0].GetProperties().GetEmail()[0])
			return err
		}},
		{"SearchEntities", func() error {
			got, err := c.SearchEntities(ctx, &pb.SearchEntitiesRequest{Query: proto.String("carol"), MaxCount: proto.Uint64(3)})
			require.Len(t, got.GetEntity(), 1)
			return err
		}},
		{"GetSuggestedEntities", func() error {
			_, err := c.GetSuggestedEntities(ctx, &pb.GetSuggestedEntitiesRequest{MaxCount: proto.Uint64(5)})
			return err
		}},
		{"QueryPresence", func() error {
			_, err := c.QueryPresence(ctx, &pb.QueryPresenceRequest{
				ParticipantId: []*pb.ParticipantId{{GaiaId: &erin}}, FieldMask: []pb.FieldMask{pb.FieldMask_FIELD_MASK_REACHABLE},
			})
			return err
		}},
		{"SetPresence", func() error {
			_, err := c.SetPresence(ctx, &pb.SetPresenceRequest{PresenceStateSetting: &pb.PresenceStateSetting{
				TimeoutSecs: proto.Uint64(720), Type: pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_DESKTOP_ACTIVE.Enum(),
			}})
			return err
		}},
		{"SendOffnetworkInvitation", func() error {
			_, err := c.SendOffnetworkInvitation(ctx, &pb.SendOffnetworkInvitationRequest{InviteeAddress: &pb.OffnetworkAddress{
				Type: pb.OffnetworkAddressType_OFFNETWORK_ADDRESS_TYPE_EMAIL.Enum(), Email: proto.String("new@example.com"),
			}})
			return err
		}},
		{"SyncRecentConversations", func() error {
			got, err := c.SyncRecentConversations(ctx, &pb.SyncRecentConversationsRequest{
				MaxConversations: proto.Uint64(100), MaxEventsPerConversation: proto.Uint64(1),
				SyncFilter: []pb.SyncFilter{pb.SyncFilter_SYNC_FILTER_INBOX, pb.SyncFilter_SYNC_FILTER_ARCHIVED},
			})
			require.NotEmpty(t, got.GetConversationState())
			return err
		}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) { require.NoError(t, step.run()) })
	}
	require.Equal(t, []string{"new@example.com"}, srv.Invitations())
	after, _ := srv.Conversation("team")
	require.Equal(t, "New name", after.Name)
	require.True(t, after.HistoryOff && after.Link)
	eventually(t, func() bool {
		return in.find(func(u *pb.StateUpdate) bool {
			return u.GetEventNotification().GetEvent().GetConversationRename() != nil
		}) != nil &&
			in.find(func(u *pb.StateUpdate) bool { return u.GetViewModification() != nil }) != nil &&
			in.find(func(u *pb.StateUpdate) bool { return u.GetNotificationLevelNotification() != nil }) != nil
	})
}
