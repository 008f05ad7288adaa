package hangoutstest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

func invite(people ...*hangoutstest.Person) []*pb.InviteeID {
	var out []*pb.InviteeID
	for _, p := range people {
		out = append(out, &pb.InviteeID{GaiaId: proto.String(p.GaiaID())})
	}
	return out
}

func TestCreateConversation(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	peer := newRaw(t, s, 1).connect().poll
	create := func(kind pb.ConversationType, name string, cgid uint64, people ...*hangoutstest.Person) (*pb.CreateConversationResponse, pb.ResponseStatus) {
		resp := &pb.CreateConversationResponse{}
		status := c.call("conversations/createconversation", &pb.CreateConversationRequest{
			Type: kind.Enum(), Name: proto.String(name), ClientGeneratedId: proto.Uint64(cgid), InviteeId: invite(people...)}, resp)
		return resp, status
	}
	one, group := pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE, pb.ConversationType_CONVERSATION_TYPE_GROUP
	grace, erin := s.Account(1), s.Person("erin")

	resp, status := create(one, "", 1, grace)
	require.Equal(t, ok, status)
	require.Equal(t, conversation(t, s, "direct"), resp.GetConversation().GetConversationId().GetId(), "one-to-one is unique per pair")
	require.False(t, resp.GetNewConversationCreated())
	resp, _ = create(one, "", 2, erin)
	require.True(t, resp.GetNewConversationCreated())
	require.Len(t, resp.GetConversation().GetParticipantData(), 2)

	resp, status = create(group, "Trip", 3, grace, erin)
	require.Equal(t, ok, status)
	id := resp.GetConversation().GetConversationId().GetId()
	u := peer.update()
	require.Equal(t, id, u.GetConversation().GetConversationId().GetId())
	require.Equal(t, "Trip", u.GetConversation().GetName())
	require.Equal(t, pb.ConversationStatus_CONVERSATION_STATUS_ACTIVE, u.GetConversation().GetSelfConversationState().GetStatus())
	again, _ := create(group, "Trip", 3, grace, erin)
	require.Equal(t, id, again.GetConversation().GetConversationId().GetId(), "a repeat makes no second group")
	other, _ := create(group, "Trip", 4, grace, erin)
	require.NotEqual(t, id, other.GetConversation().GetConversationId().GetId())
	alone, status := create(group, "", 5)
	require.Equal(t, ok, status)
	require.Len(t, alone.GetConversation().GetCurrentParticipant(), 1)

	_, status = create(one, "", 6)
	require.Equal(t, invalid, status)
	_, status = create(one, "", 6, grace, erin)
	require.Equal(t, invalid, status)
	bad := &pb.CreateConversationResponse{}
	require.Equal(t, invalid, c.call("conversations/createconversation", &pb.CreateConversationRequest{
		Type: group.Enum(), InviteeId: []*pb.InviteeID{{GaiaId: proto.String("404")}}}, bad))
}

func TestGroupMembers(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ada, grace := newRaw(t, s, 0), newRaw(t, s, 1)
	pa, pg := ada.connect().poll, grace.connect().poll
	team, erin := conversation(t, s, "team"), s.Person("erin")

	add := func(id string, people ...*hangoutstest.Person) (*pb.AddUserResponse, pb.ResponseStatus) {
		resp := &pb.AddUserResponse{}
		status := ada.call("conversations/adduser", &pb.AddUserRequest{InviteeId: invite(people...), EventRequestHeader: eventHeader(id, 11)}, resp)
		return resp, status
	}
	resp, status := add(team, erin, s.Account(1))
	require.Equal(t, ok, status)
	change := resp.GetCreatedEvent().GetMembershipChange()
	require.Equal(t, pb.MembershipChangeType_MEMBERSHIP_CHANGE_TYPE_JOIN, change.GetType())
	require.Len(t, change.GetParticipantIds(), 1, "who is there is not added")
	require.Equal(t, pb.EventType_EVENT_TYPE_ADD_USER, resp.GetCreatedEvent().GetEventType())
	require.Equal(t, resp.GetCreatedEvent().GetEventId(), pa.event().GetEventId())
	u := pg.update()
	require.Equal(t, resp.GetCreatedEvent().GetEventId(), u.GetEventNotification().GetEvent().GetEventId())
	require.Len(t, u.GetConversation().GetParticipantData(), 5)
	again, status := add(team, erin)
	require.Equal(t, ok, status)
	require.Equal(t, resp.GetCreatedEvent().GetEventId(), again.GetCreatedEvent().GetEventId(), "repeated request")
	s.Configure(func(set *hangoutstest.Settings) { set.Dedup = false })
	_, status = add(team, erin)
	require.Equal(t, invalid, status, "nobody new")
	_, status = add(team)
	require.Equal(t, invalid, status)
	_, status = add(conversation(t, s, "direct"), erin)
	require.Equal(t, invalid, status, "groups only")

	// Removing: the removed one sees it, too, and later in a synchronisation, and nothing after it.
	since := s.Now()
	removed := &pb.RemoveUserResponse{}
	require.Equal(t, ok, ada.call("conversations/removeuser", &pb.RemoveUserRequest{
		ParticipantId: &pb.ParticipantId{GaiaId: proto.String(s.Account(1).GaiaID())}, EventRequestHeader: eventHeader(team, 12)}, removed))
	require.Equal(t, pb.MembershipChangeType_MEMBERSHIP_CHANGE_TYPE_LEAVE, pg.event().GetMembershipChange().GetType())
	_, status = ada.message(team, "without Grace", 13)
	require.Equal(t, ok, status)
	_, status = grace.message(team, "still here", 14)
	require.Equal(t, noSuchPlace, status)
	sync := &pb.SyncAllNewEventsResponse{}
	grace.call("conversations/syncallnewevents", &pb.SyncAllNewEventsRequest{LastSyncTimestamp: proto.Uint64(since)}, sync)
	require.Len(t, sync.GetConversationState(), 1)
	state := sync.GetConversationState()[0]
	require.Len(t, state.GetEvent(), 1)
	require.Equal(t, removed.GetCreatedEvent().GetEventId(), state.GetEvent()[0].GetEventId())
	require.Equal(t, pb.ConversationStatus_CONVERSATION_STATUS_LEFT, state.GetConversation().GetSelfConversationState().GetStatus())
	require.Equal(t, invalid, ada.call("conversations/removeuser", &pb.RemoveUserRequest{
		ParticipantId: &pb.ParticipantId{GaiaId: proto.String(s.Account(1).GaiaID())}, EventRequestHeader: eventHeader(team, 15)}, &pb.RemoveUserResponse{}))

	// Leaving is removing nobody in particular; coming back works.
	require.Equal(t, ok, ada.call("conversations/removeuser", &pb.RemoveUserRequest{EventRequestHeader: eventHeader(team, 16)}, &pb.RemoveUserResponse{}))
	_, err := erin.Add("team", "user1")
	require.NoError(t, err)
	_, status = ada.message(team, "back", 17)
	require.Equal(t, ok, status)
	require.Equal(t, invalid, ada.call("conversations/removeuser", &pb.RemoveUserRequest{
		EventRequestHeader: eventHeader(conversation(t, s, "direct"), 18)}, &pb.RemoveUserResponse{}))
}

func TestRenameHistoryAndLink(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ada := newRaw(t, s, 0)
	pg := newRaw(t, s, 1).connect().poll
	team := conversation(t, s, "team")
	renamed := &pb.RenameConversationResponse{}
	require.Equal(t, ok, ada.call("conversations/renameconversation", &pb.RenameConversationRequest{
		NewName: proto.String("Neuer Name ü"), EventRequestHeader: eventHeader(team, 1)}, renamed))
	u := pg.update()
	require.Equal(t, "Team", u.GetEventNotification().GetEvent().GetConversationRename().GetOldName())
	require.Equal(t, "Neuer Name ü", u.GetConversation().GetName())
	require.Equal(t, ok, ada.call("conversations/renameconversation", &pb.RenameConversationRequest{
		NewName: proto.String(""), EventRequestHeader: eventHeader(team, 2)}, renamed))
	require.Nil(t, pg.update().GetConversation().Name)

	otr := &pb.ModifyOTRStatusResponse{}
	off := pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD
	require.Equal(t, ok, ada.call("conversations/modifyotrstatus", &pb.ModifyOTRStatusRequest{
		OtrStatus: off.Enum(), EventRequestHeader: eventHeader(team, 3)}, otr))
	u = pg.update()
	require.Equal(t, off, u.GetConversation().GetOtrStatus())
	require.Equal(t, off, u.GetEventNotification().GetEvent().GetOtrModification().GetNewOtrStatus())
	require.Equal(t, invalid, ada.call("conversations/modifyotrstatus", &pb.ModifyOTRStatusRequest{EventRequestHeader: eventHeader(team, 4)}, otr))
	// An event that is off the record expires.
	e, err := s.Person("carol").Send("team", "secret")
	require.NoError(t, err)
	require.NotZero(t, e.Event.GetExpirationTimestamp())
	_, texts := syncAll(t, ada, e.TimestampUS, 1<<20)
	require.Equal(t, []string{"secret"}, texts)
	s.Advance(25 * time.Hour)
	_, texts = syncAll(t, ada, e.TimestampUS, 1<<20)
	require.Empty(t, texts)

	link := &pb.SetGroupLinkSharingEnabledResponse{}
	require.Equal(t, ok, ada.call("conversations/setgrouplinksharingenabled", &pb.SetGroupLinkSharingEnabledRequest{
		EventRequestHeader: eventHeader(team, 5), GroupLinkSharingStatus: pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON.Enum()}, link))
	require.Equal(t, pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON, link.GetUpdatedConversation().GetGroupLinkSharingStatus())
	require.Equal(t, pb.EventType_EVENT_TYPE_GROUP_LINK_SHARING_MODIFICATION, link.GetCreatedEvent().GetEventType())
	require.Equal(t, invalid, ada.call("conversations/setgrouplinksharingenabled", &pb.SetGroupLinkSharingEnabledRequest{
		EventRequestHeader: eventHeader(conversation(t, s, "direct"), 6), GroupLinkSharingStatus: pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON.Enum()}, link))
	// In the history only recognised clients find that event (protocol §8.1); a synchronisation leaves nothing out.
	for _, known := range []bool{true, false} {
		kind := pb.ClientId_CLIENT_ID_UNKNOWN
		if known {
			kind = pb.ClientId_CLIENT_ID_WEB_HANGOUTS
		}
		version := fmt.Sprintf(`[[%d]]`, kind)
		_, history := ada.do("POST", "/chat/v1/conversations/getconversation?alt=json&key=k", http.Header{"Content-Type": {"application/json+protobuf"}},
			fmt.Sprintf(`[%s,[["%s"]],null,null,null,100]`, version, team))
		_, synced := ada.do("POST", "/chat/v1/conversations/syncallnewevents?alt=json&key=k", http.Header{"Content-Type": {"application/json+protobuf"}},
			fmt.Sprintf(`[%s,1,null,null,null,null,null,1000000]`, version))
		require.Equal(t, known, strings.Contains(history, "group_link_sharing_modification"), "recognised: %v", known)
		require.Contains(t, synced, "group_link_sharing_modification")
	}

	address := &pb.GetGroupConversationUrlResponse{}
	require.Equal(t, ok, ada.call("conversations/getgroupconversationurl", &pb.GetGroupConversationUrlRequest{ConversationId: cid(team)}, address))
	require.Equal(t, invalid, ada.call("conversations/getgroupconversationurl", &pb.GetGroupConversationUrlRequest{
		ConversationId: cid(conversation(t, s, "direct"))}, &pb.GetGroupConversationUrlResponse{}))
	// Somebody joins by it.
	_, err = s.AddPerson(hangoutstest.ScenarioPerson{Key: "new", Email: "new@example.com", Account: true})
	require.NoError(t, err)
	joiner := newRaw(t, s, 2)
	join := func(url string) (*pb.OpenGroupConversationFromUrlResponse, pb.ResponseStatus) {
		resp := &pb.OpenGroupConversationFromUrlResponse{}
		return resp, joiner.call("conversations/opengroupconversationfromurl", &pb.OpenGroupConversationFromUrlRequest{Url: proto.String(url)}, resp)
	}
	opened, status := join(address.GetGroupConversationUrl())
	require.Equal(t, ok, status)
	require.Equal(t, team, opened.GetConversationId().GetId())
	_, status = joiner.message(team, "joined", 1)
	require.Equal(t, ok, status)
	_, status = join("https://hangouts.google.com/group/nowhere")
	require.Equal(t, pb.ResponseStatus_RESPONSE_STATUS_NOT_FOUND, status)
}

func TestPersonalState(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ada := newRaw(t, s, 0)
	p := ada.connect().poll
	id := conversation(t, s, "direct")
	quiet := pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET
	level := &pb.SetConversationNotificationLevelResponse{}
	require.Equal(t, ok, ada.call("conversations/setconversationnotificationlevel", &pb.SetConversationNotificationLevelRequest{
		ConversationId: cid(id), Level: quiet.Enum()}, level))
	require.NotZero(t, level.GetTimestamp())
	require.Equal(t, quiet, p.update().GetNotificationLevelNotification().GetLevel())
	require.Equal(t, invalid, ada.call("conversations/setconversationnotificationlevel", &pb.SetConversationNotificationLevelRequest{ConversationId: cid(id)}, level))
	_, err := s.Account(1).Send(id, "quietly")
	require.NoError(t, err)
	require.Equal(t, quiet, p.event().GetSelfEventState().GetNotificationLevel())

	view := func(v pb.ConversationView) pb.ResponseStatus {
		return ada.call("conversations/modifyconversationview", &pb.ModifyConversationViewRequest{ConversationId: cid(id), NewView: v.Enum()}, &pb.ModifyConversationViewResponse{})
	}
	require.Equal(t, ok, view(pb.ConversationView_CONVERSATION_VIEW_ARCHIVED))
	change := p.update().GetViewModification()
	require.Equal(t, pb.ConversationView_CONVERSATION_VIEW_INBOX, change.GetOldView())
	require.Equal(t, pb.ConversationView_CONVERSATION_VIEW_ARCHIVED, change.GetNewView())
	require.Equal(t, invalid, view(pb.ConversationView_CONVERSATION_VIEW_UNKNOWN))

	// Deleting hides it from this person only; a new message brings it back, without the old ones.
	listed := func() bool {
		resp := &pb.SyncRecentConversationsResponse{}
		ada.call("conversations/syncrecentconversations", &pb.SyncRecentConversationsRequest{
			SyncFilter: []pb.SyncFilter{pb.SyncFilter_SYNC_FILTER_INBOX, pb.SyncFilter_SYNC_FILTER_ARCHIVED}}, resp)
		for _, st := range resp.GetConversationState() {
			if st.GetConversationId().GetId() == id {
				return true
			}
		}
		return false
	}
	require.True(t, listed())
	del := &pb.DeleteConversationResponse{}
	require.Equal(t, invalid, ada.call("conversations/deleteconversation", &pb.DeleteConversationRequest{ConversationId: cid(id)}, del))
	require.Equal(t, ok, ada.call("conversations/deleteconversation", &pb.DeleteConversationRequest{
		ConversationId: cid(id), DeleteUpperBoundTimestamp: proto.Uint64(s.Now())}, del))
	require.Equal(t, pb.DeleteType_DELETE_TYPE_UPPER_BOUND, p.update().GetDeleteNotification().GetDeleteAction().GetDeleteType())
	require.False(t, listed())
	_, err = s.Account(1).Send(id, "anew")
	require.NoError(t, err)
	require.True(t, listed())
	got := &pb.GetConversationResponse{}
	ada.call("conversations/getconversation", &pb.GetConversationRequest{ConversationSpec: &pb.ConversationSpec{ConversationId: cid(id)}}, got)
	require.Len(t, got.GetConversationState().GetEvent(), 1)
	newRaw(t, s, 1).call("conversations/getconversation", &pb.GetConversationRequest{ConversationSpec: &pb.ConversationSpec{ConversationId: cid(id)}}, got)
	require.Len(t, got.GetConversationState().GetEvent(), 4, "the other side keeps all")

	require.Equal(t, ok, ada.call("conversations/markeventobserved", &pb.MarkEventObservedRequest{
		ObservedEvent: []*pb.ObservedEvent{{ConversationId: cid(id), EventId: proto.String("x")}}}, &pb.MarkEventObservedResponse{}))
}

func TestInvitations(t *testing.T) {
	s := start(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{
		People: []hangoutstest.ScenarioPerson{
			{Key: "shy", Email: "shy@example.com", Account: true, Contacts: []string{"friend"}},
			{Key: "friend", Name: "Friend"}, {Key: "stranger", Name: "Stranger"},
		}}})
	shy := newRaw(t, s, 0)
	p := shy.connect().poll
	invitation := func() string {
		id, err := s.Person("stranger").Create(true, "Come in", "shy", "friend")
		require.NoError(t, err)
		self := p.update().GetConversation().GetSelfConversationState()
		require.Equal(t, pb.ConversationStatus_CONVERSATION_STATUS_INVITED, self.GetStatus())
		require.Equal(t, s.Person("stranger").GaiaID(), self.GetInviterId().GetGaiaId())
		return id
	}
	reply := func(id string, kind pb.ReplyToInviteType) pb.ResponseStatus {
		return shy.call("conversations/replytoinvite", &pb.ReplyToInviteRequest{ConversationId: cid(id), Reply: kind.Enum()}, &pb.ReplyToInviteResponse{})
	}
	status := func(id string) string {
		info, _ := s.Conversation(id)
		for _, m := range info.Members {
			if m.GaiaID == s.Account(0).GaiaID() {
				return m.Status
			}
		}
		return ""
	}
	accept, decline := pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_ACCEPT, pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_DECLINE
	a := invitation()
	mark := &pb.UpdateWatermarkResponse{}
	require.Equal(t, invalid, shy.call("conversations/updatewatermark", &pb.UpdateWatermarkRequest{
		ConversationId: cid(a), LastReadTimestamp: proto.Uint64(s.Now())}, mark))
	require.Contains(t, mark.GetResponseHeader().GetErrorDescription(), "must accept invitation")
	require.Equal(t, invalid, reply(a, pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_UNKNOWN))
	require.Equal(t, ok, reply(a, accept))
	require.Equal(t, accept, p.update().GetReplyToInviteNotification().GetType())
	require.Equal(t, "active", status(a))
	require.Equal(t, invalid, reply(a, accept), "no pending invitation any more")

	b := invitation()
	require.Equal(t, ok, reply(b, decline))
	require.Equal(t, "left", status(b))
	p.update()

	c := invitation()
	_, st := shy.message(c, "a message accepts", 1)
	require.Equal(t, ok, st)
	require.Equal(t, "active", status(c))

	id, err := s.Person("friend").Create(false, "", "shy")
	require.NoError(t, err)
	require.Equal(t, "active", status(id), "a contact needs no acceptance")
}

func TestEphemeralPushes(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ada, grace := newRaw(t, s, 0), newRaw(t, s, 1)
	pa, pg := ada.connect().poll, grace.connect().poll
	id := conversation(t, s, "direct")
	require.Equal(t, ok, ada.call("conversations/setfocus", &pb.SetFocusRequest{
		ConversationId: cid(id), Type: pb.FocusType_FOCUS_TYPE_FOCUSED.Enum(), TimeoutSecs: proto.Uint32(20)}, &pb.SetFocusResponse{}))
	require.Equal(t, pb.FocusType_FOCUS_TYPE_FOCUSED, pg.update().GetFocusNotification().GetType())
	s.Advance(21 * time.Second)
	require.Equal(t, pb.FocusType_FOCUS_TYPE_UNFOCUSED, pg.update().GetFocusNotification().GetType(), "the time is over")
	require.Equal(t, pb.FocusType_FOCUS_TYPE_UNFOCUSED, pa.update().GetFocusNotification().GetType())
	egg := &pb.EasterEggResponse{}
	require.Equal(t, ok, ada.call("conversations/easteregg", &pb.EasterEggRequest{
		ConversationId: cid(id), EasterEgg: &pb.EasterEgg{Message: proto.String("ponies")}}, egg))
	for _, p := range []*pollStream{pa, pg} {
		require.Equal(t, "ponies", p.update().GetEasterEggNotification().GetEasterEgg().GetMessage())
	}
	require.Equal(t, invalid, ada.call("conversations/easteregg", &pb.EasterEggRequest{ConversationId: cid(id)}, egg))
	require.Equal(t, invalid, ada.call("conversations/settyping", &pb.SetTypingRequest{ConversationId: cid(id)}, &pb.SetTypingResponse{}))
	require.Equal(t, invalid, ada.call("conversations/setfocus", &pb.SetFocusRequest{ConversationId: cid(id)}, &pb.SetFocusResponse{}))

	// The active client shows in the headers of everything pushed.
	activeAs := func(c *raw, id string, on bool) pb.ResponseStatus {
		return c.call("clients/setactiveclient", &pb.SetActiveClientRequest{
			IsActive: proto.Bool(on), FullJid: proto.String("user1@example.com/" + id), TimeoutSecs: proto.Uint64(120)}, &pb.SetActiveClientResponse{})
	}
	active := func(c *raw, on bool) pb.ResponseStatus { return activeAs(c, c.clientID, on) }
	other := newRaw(t, s, 0)
	po := other.connect().poll
	states := func() (a, b pb.ActiveClientState) {
		_, err := s.Account(1).Send(id, "x")
		require.NoError(t, err)
		return pa.update().GetStateUpdateHeader().GetActiveClientState(), po.update().GetStateUpdateHeader().GetActiveClientState()
	}
	no, is, others := pb.ActiveClientState_ACTIVE_CLIENT_STATE_NO_ACTIVE, pb.ActiveClientState_ACTIVE_CLIENT_STATE_IS_ACTIVE, pb.ActiveClientState_ACTIVE_CLIENT_STATE_OTHER_ACTIVE
	for _, step := range []struct {
		do          func()
		first, both pb.ActiveClientState
	}{
		{func() {}, no, no},
		{func() { active(ada, true) }, is, others},
		{func() {
			nameless := *other
			nameless.clientID = "" // the jid names the client as well
			require.Equal(t, ok, activeAs(&nameless, other.clientID, true))
		}, others, is},
		{func() { active(ada, true) }, is, others},
		{func() { active(other, true) }, others, is},
		{func() { active(ada, false) }, others, is}, // not its to give up
		{func() { active(other, false) }, no, no},
		{func() { active(ada, true); s.Advance(121 * time.Second) }, no, no},
	} {
		step.do()
		a, b := states()
		require.Equal(t, step.first, a)
		require.Equal(t, step.both, b)
	}
	require.Equal(t, invalid, active(&raw{t: t, base: ada.base, cookies: ada.cookies, http: ada.http}, true), "no client id")
}

func TestMinimalDeltas(t *testing.T) {
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.MinimalDeltas = true }})
	p := newRaw(t, s, 0).connect().poll
	_, err := s.Person("carol").Send("team", "x")
	require.NoError(t, err)
	delta := p.update().GetConversation()
	require.NotEmpty(t, delta.GetConversationId().GetId())
	require.Nil(t, delta.Name)
	require.Empty(t, delta.GetParticipantData())
}

func TestAttachments(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ada := newRaw(t, s, 0)
	p := newRaw(t, s, 1).connect().poll
	id := conversation(t, s, "direct")
	send := func(req *pb.SendChatMessageRequest) pb.ResponseStatus {
		req.EventRequestHeader = eventHeader(id, s.Now())
		return ada.call("conversations/sendchatmessage", req, &pb.SendChatMessageResponse{})
	}
	require.Equal(t, ok, send(&pb.SendChatMessageRequest{Location: &pb.Location{Place: &pb.Place{
		Name: proto.String("Tower"), Geo: &pb.EmbedItem{GeoCoordinates: &pb.EmbedItem_GeoCoordinates{Latitude: proto.Float64(48.85), Longitude: proto.Float64(2.35)}}}}}))
	item := p.event().GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem()
	require.Equal(t, pb.ItemType_ITEM_TYPE_PLACE_V2, item.GetType()[0])
	require.Equal(t, 48.85, item.GetPlace().GetGeo().GetGeoCoordinates().GetLatitude())
	require.Equal(t, invalid, send(&pb.SendChatMessageRequest{}), "nothing in it")
	require.Equal(t, invalid, send(&pb.SendChatMessageRequest{ExistingMedia: &pb.ExistingMedia{Photo: &pb.Photo{PhotoId: proto.String("404")}}}))
	require.Equal(t, ok, send(&pb.SendChatMessageRequest{ExistingMedia: &pb.ExistingMedia{Photo: &pb.Photo{
		PhotoId: proto.String("9"), UserId: proto.String("7"), IsCustomUserId: proto.Bool(true)}}}))
	require.Equal(t, "7", p.event().GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem().GetPlusPhoto().GetOwnerObfuscatedId())

	e, err := s.Account(0).SendPhoto("direct", "look", "cat.gif", []byte("GIF89a"))
	require.NoError(t, err)
	photo := p.event().GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem().GetPlusPhoto()
	require.True(t, strings.HasPrefix(photo.GetUrl(), s.URL+"/photos/"), photo.GetUrl())
	require.Contains(t, e.Text, "look\n")
	resp, body := ada.do("GET", strings.TrimPrefix(photo.GetThumbnail().GetImageUrl(), s.URL), nil, "")
	require.Equal(t, "GIF89a", body)
	require.Equal(t, "image/gif", resp.Header.Get("Content-Type"))
	require.Contains(t, resp.Header.Get("Content-Disposition"), "cat.gif")
	// The embedded item is written as on the wire: null, then the object (protocol §15.1).
	deliveries, _ := s.Deliveries(0)
	require.Contains(t, deliveries[len(deliveries)-1].Data, `[[249,0],null,{\\\"27639957\\\":`)
}

// Who asks through a relay gets addresses of pictures that lead through it.
func TestPicturesThroughARelay(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	target, err := url.Parse(s.URL)
	require.NoError(t, err)
	relay := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(relay.Close)
	ada := newRaw(t, s, 0)
	ada.base = relay.URL
	p := ada.connect().poll
	_, err = s.Account(0).SendPhoto("direct", "", "cat.gif", []byte("GIF89a"))
	require.NoError(t, err)
	photo := p.event().GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem().GetPlusPhoto()
	require.True(t, strings.HasPrefix(photo.GetUrl(), relay.URL+"/photos/"), photo.GetUrl())
	got := &pb.GetConversationResponse{}
	require.Equal(t, ok, ada.call("conversations/getconversation", &pb.GetConversationRequest{IncludeEvent: proto.Bool(true),
		ConversationSpec: &pb.ConversationSpec{ConversationId: cid(conversation(t, s, "direct"))}, MaxEventsPerConversation: proto.Uint64(1)}, got))
	events := got.GetConversationState().GetEvent()
	require.Equal(t, photo.GetUrl(), events[0].GetChatMessage().GetMessageContent().GetAttachment()[0].GetEmbedItem().GetPlusPhoto().GetUrl())
}
