package hangoutstest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func TestSelfInfoAndLookup(t *testing.T) {
	s := start(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{
		{Key: "a", Name: "Ada", Email: "a@example.com", Account: true, VoiceNumber: "+15550001111"},
		{Key: "b", Name: "Bea", FirstName: "Bea", Email: "b@example.com", Phone: "+15550002222", PhotoURL: "//lh3.example.com/b"},
		{Key: "v", Name: "Voice", Phone: "+15550003333", OffNetwork: true, PhotoURL: "none"},
	}}})
	c := newRaw(t, s, 0)
	self := &pb.GetSelfInfoResponse{}
	require.Equal(t, ok, c.call("contacts/getselfinfo", &pb.GetSelfInfoRequest{}, self))
	require.Equal(t, []string{"a@example.com"}, self.GetSelfEntity().GetProperties().GetEmail())
	require.Equal(t, "+15550001111", self.GetPhoneData().GetPhone()[0].GetPhoneNumber().GetE164())
	require.True(t, self.GetPhoneData().GetPhone()[0].GetGoogleVoice())

	resp := &pb.GetEntityByIdResponse{}
	require.Equal(t, ok, c.call("contacts/getentitybyid", &pb.GetEntityByIdRequest{BatchLookupSpec: []*pb.EntityLookupSpec{
		{GaiaId: proto.String(s.Person("b").GaiaID())},
		{Email: proto.String("b@example.com")},
		{Phone: proto.String("+15550002222")},
		{GaiaId: proto.String("404")},
		{Phone: proto.String("+15550003333")},
		{Phone: proto.String("+15550003333"), CreateOffnetworkGaia: proto.Bool(true)},
		{Phone: proto.String("+15559998888")},
		{Phone: proto.String("+15559998888"), CreateOffnetworkGaia: proto.Bool(true)},
	}}, resp))
	var found []int
	for _, r := range resp.GetEntityResult() {
		found = append(found, len(r.GetEntity()))
	}
	require.Equal(t, []int{1, 1, 1, 0, 0, 1, 0, 1}, found)
	require.Len(t, resp.GetEntity(), 3, "only ordinary accounts")
	bea := resp.GetEntityResult()[0].GetEntity()[0]
	require.Equal(t, "//lh3.example.com/b", bea.GetProperties().GetPhotoUrl())
	require.Equal(t, pb.PhotoUrlStatus_PHOTO_URL_STATUS_USER_PHOTO, bea.GetProperties().GetPhotoUrlStatus())
	voice := resp.GetEntityResult()[5].GetEntity()[0]
	require.Equal(t, pb.ParticipantType_PARTICIPANT_TYPE_GOOGLE_VOICE, voice.GetEntityType())
	require.Nil(t, voice.GetProperties().PhotoUrl)

	// A conversation with a phone offers the own number.
	id, err := s.Account(0).Create(false, "", "v")
	require.NoError(t, err)
	got := &pb.GetConversationResponse{}
	c.call("conversations/getconversation", &pb.GetConversationRequest{ConversationSpec: &pb.ConversationSpec{ConversationId: cid(id)}}, got)
	option := got.GetConversationState().GetConversation().GetSelfConversationState().GetDeliveryMediumOption()[0]
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE, option.GetDeliveryMedium().GetMediumType())
	require.Equal(t, "+15550001111", option.GetDeliveryMedium().GetPhoneNumber().GetE164())
}

func TestSearchAndSuggestions(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	search := func(q string, n uint64) []string {
		resp := &pb.SearchEntitiesResponse{}
		require.Equal(t, ok, c.call("contacts/searchentities", &pb.SearchEntitiesRequest{Query: proto.String(q), MaxCount: proto.Uint64(n)}, resp))
		var names []string
		for _, e := range resp.GetEntity() {
			names = append(names, e.GetProperties().GetDisplayName())
		}
		return names
	}
	require.Equal(t, []string{"Carol Čapek"}, search("čAPEK", 0))
	require.Equal(t, []string{"Erin Example"}, search("erin@", 5))
	require.Len(t, search("example.com", 2), 2)
	require.Empty(t, search("", 5))
	require.Empty(t, search("nobody", 5))

	resp := &pb.GetSuggestedEntitiesResponse{}
	require.Equal(t, ok, c.call("contacts/getsuggestedentities", &pb.GetSuggestedEntitiesRequest{MaxCount: proto.Uint64(2),
		ContactsYouHangoutWith: &pb.SuggestedContactGroupHash{MaxResults: proto.Uint64(1)}}, resp))
	require.Len(t, resp.GetEntity(), 2)
	require.Len(t, resp.GetContactsYouHangoutWith().GetContact(), 1)
	others := resp.GetOtherContactsOnHangouts()
	require.Len(t, others.GetContact(), 1)
	require.Equal(t, s.Person("erin").GaiaID(), others.GetContact()[0].GetEntity().GetId().GetGaiaId())
	require.Len(t, others.GetHash(), 4)
	again := &pb.GetSuggestedEntitiesResponse{}
	c.call("contacts/getsuggestedentities", &pb.GetSuggestedEntitiesRequest{OtherContactsOnHangouts: &pb.SuggestedContactGroupHash{Hash: others.GetHash()}}, again)
	require.True(t, again.GetOtherContactsOnHangouts().GetHashMatched())
	require.Empty(t, again.GetOtherContactsOnHangouts().GetContact())
}

func TestPresence(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ada, grace := newRaw(t, s, 0), newRaw(t, s, 1)
	query := func(mask ...pb.FieldMask) *pb.Presence {
		resp := &pb.QueryPresenceResponse{}
		require.Equal(t, ok, ada.call("presence/querypresence", &pb.QueryPresenceRequest{
			ParticipantId: []*pb.ParticipantId{{GaiaId: proto.String(s.Account(1).GaiaID())}, {GaiaId: proto.String("404")}}, FieldMask: mask}, resp))
		require.Len(t, resp.GetPresenceResult(), 1)
		return resp.GetPresenceResult()[0].GetPresence()
	}
	reachable, available, mood, device, seen := pb.FieldMask_FIELD_MASK_REACHABLE, pb.FieldMask_FIELD_MASK_AVAILABLE,
		pb.FieldMask_FIELD_MASK_MOOD, pb.FieldMask_FIELD_MASK_DEVICE, pb.FieldMask_FIELD_MASK_LAST_SEEN
	require.False(t, query(reachable).GetReachable(), "no channel")
	pg := grace.connect()
	pa := ada.connect().poll
	got := query(reachable, available)
	require.True(t, got.GetReachable())
	require.True(t, got.GetAvailable())
	require.Nil(t, got.DeviceStatus, "only what the mask asks for")
	require.True(t, query(device).GetDeviceStatus().GetDesktop())

	set := func(req *pb.SetPresenceRequest) {
		require.Equal(t, ok, grace.call("presence/setpresence", req, &pb.SetPresenceResponse{}))
	}
	set(&pb.SetPresenceRequest{PresenceStateSetting: &pb.PresenceStateSetting{
		TimeoutSecs: proto.Uint64(720), Type: pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_DESKTOP_IDLE.Enum()}})
	require.Equal(t, pb.ClientPresenceStateType_CLIENT_PRESENCE_STATE_DESKTOP_IDLE, pg.poll.update().GetSelfPresenceNotification().GetClientPresenceState().GetState())
	require.False(t, pa.update().GetPresenceNotification().GetPresence()[0].GetPresence().GetAvailable())
	require.False(t, query(available).GetAvailable())
	set(&pb.SetPresenceRequest{
		DndSetting:        &pb.DndSetting{DoNotDisturb: proto.Bool(true), TimeoutSecs: proto.Uint64(1 << 62)},
		DesktopOffSetting: &pb.DesktopOffSetting{DesktopOff: proto.Bool(true)},
		StatusMessageSetting: &pb.StatusMessageSetting{StatusMessage: []*pb.ChatMessageSpec{{Segment: []*pb.Segment{{
			Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: proto.String("busy")}}}}},
	})
	u := pg.poll.update()
	require.True(t, u.GetSelfPresenceNotification().GetDoNotDisturbSetting().GetDoNotDisturb())
	require.True(t, u.GetSelfPresenceNotification().GetDesktopOffState().GetDesktopOff())
	require.True(t, u.GetStateUpdateHeader().GetNotificationSettings().GetDndSettings().GetDoNotDisturb())
	require.Equal(t, "busy", query(mood).GetStatusMessage().GetStatusMessage()[0].GetSegment()[0].GetText())
	set(&pb.SetPresenceRequest{StatusMessageSetting: &pb.StatusMessageSetting{}, DndSetting: &pb.DndSetting{DoNotDisturb: proto.Bool(false)}})
	require.Nil(t, query(mood).StatusMessage, "an empty setting clears it")

	pg.poll.body.Close()
	require.NoError(t, s.Account(1).WaitSubscribed(timeout(t), 0))
	require.NotZero(t, query(seen).GetLastSeen().GetLastSeenTimestampUsec())

	twice := &pb.ParticipantId{GaiaId: proto.String(s.Account(1).GaiaID())}
	resp := &pb.QueryPresenceResponse{}
	require.Equal(t, invalid, ada.call("presence/querypresence", &pb.QueryPresenceRequest{ParticipantId: []*pb.ParticipantId{twice, twice}}, resp))
	require.Equal(t, "Duplicate ParticipantIds in request", resp.GetResponseHeader().GetErrorDescription())
}

func TestOffnetworkInvitation(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	invite := func(a *pb.OffnetworkAddress) pb.ResponseStatus {
		return c.call("devices/sendoffnetworkinvitation", &pb.SendOffnetworkInvitationRequest{InviteeAddress: a}, &pb.SendOffnetworkInvitationResponse{})
	}
	require.Equal(t, ok, invite(&pb.OffnetworkAddress{Type: pb.OffnetworkAddressType_OFFNETWORK_ADDRESS_TYPE_EMAIL.Enum(), Email: proto.String("x@example.org")}))
	require.Equal(t, invalid, invite(nil))
	require.Equal(t, []string{"x@example.org"}, s.Invitations())
}
