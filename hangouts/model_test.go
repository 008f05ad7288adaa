package hangouts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

type nameVector struct {
	FullName  string `json:"full_name"`
	FirstName string `json:"first_name"`
	NameType  string `json:"name_type"`
}

func (v nameVector) check(t *testing.T, got hangouts.Name, why string) {
	t.Helper()
	require.Equal(t, v, nameVector{got.Full, got.First, got.Type.String()}, why)
}

func TestNameVectors(t *testing.T) {
	type vector struct {
		ID, Why  string
		Input    nameVector
		Expected nameVector
	}
	for _, v := range vectors[vector](t, "user_name", 6) {
		v.Expected.check(t, hangouts.EntityName(&pb.Entity{Properties: &pb.EntityProperties{
			DisplayName: &v.Input.FullName, FirstName: &v.Input.FirstName,
		}}), v.Why)
	}
	type upgrade struct {
		ID, Why, Have, New string
		Expected           nameVector
	}
	for _, v := range vectors[upgrade](t, "user_name_upgrade", 2) {
		v.Expected.check(t, hangouts.NewName(v.Have, "").Upgrade(hangouts.NewName(v.New, "")), v.Why)
	}
	type participant struct {
		ID, Why, FallbackName string
		Fallback              string `json:"fallback_name"`
		Expected              nameVector
	}
	for _, v := range vectors[participant](t, "user_from_participant", 2) {
		v.Expected.check(t, hangouts.ParticipantName(&pb.ConversationParticipantData{FallbackName: &v.Fallback}), v.Why)
	}
	require.Equal(t, hangouts.DefaultName, hangouts.ParticipantName(&pb.ConversationParticipantData{FallbackName: proto.String("unknown")}).Type)
	require.Equal(t, hangouts.RealName, hangouts.ParticipantName(&pb.ConversationParticipantData{FallbackName: proto.String("Unknown")}).Type)
	numeric := hangouts.NewName("+1 555", "")
	require.Equal(t, "Ada", numeric.Upgrade(hangouts.NewName("Ada", "")).Full)
	require.Equal(t, numeric, numeric.Upgrade(hangouts.NewName("", "")))
}

func TestPhotoURL(t *testing.T) {
	for in, want := range map[string]string{
		"//lh3.googleusercontent.com/x": "https://lh3.googleusercontent.com/x", "https://a/b": "https://a/b", "": "",
	} {
		require.Equal(t, want, hangouts.PhotoURL(in))
	}
}

func TestConversationTitleVectors(t *testing.T) {
	type vector struct {
		ID, Why, Expected string
		Name              string `json:"conversation_name"`
		Users             []struct {
			ID        string
			FullName  string `json:"full_name"`
			FirstName string `json:"first_name"`
			IsSelf    bool   `json:"is_self"`
		}
		UnreadFrom []string `json:"unread_events_from"`
		Truncate   bool
		ShowUnread bool `json:"show_unread"`
	}
	for _, v := range vectors[vector](t, "conversation_name", 7) {
		var members []hangouts.Member
		self := ""
		for _, u := range v.Users {
			members = append(members, hangouts.Member{GaiaID: u.ID, Name: hangouts.NewName(u.FullName, u.FirstName), Self: u.IsSelf})
			if u.IsSelf {
				self = u.ID
			}
		}
		var events []*pb.Event
		for i, from := range v.UnreadFrom {
			events = append(events, &pb.Event{
				SenderId: &pb.ParticipantId{GaiaId: &from}, Timestamp: proto.Uint64(uint64(i + 1)), ChatMessage: &pb.ChatMessage{},
			})
		}
		o := hangouts.TitleOptions{Truncate: v.Truncate}
		if v.ShowUnread {
			o.Unread = hangouts.UnreadMessages(&pb.Conversation{}, events, self)
		}
		require.Equal(t, v.Expected, hangouts.ConversationTitle(v.Name, members, o), "%s: %s", v.ID, v.Why)
	}
}

func TestDefaultDeliveryMediumVectors(t *testing.T) {
	type vector struct {
		ID, Why string
		Options []struct {
			MediumType     int32 `json:"medium_type"`
			E164           *string
			CurrentDefault bool `json:"current_default"`
		}
		Expected struct {
			MediumType  string                `json:"medium_type"`
			PhoneNumber struct{ E164 string } `json:"phone_number"`
		}
	}
	for _, v := range vectors[vector](t, "default_delivery_medium", 2) {
		c := &pb.Conversation{SelfConversationState: &pb.UserConversationState{}}
		for _, o := range v.Options {
			medium := &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType(o.MediumType).Enum()}
			if o.E164 != nil {
				medium.PhoneNumber = &pb.PhoneNumber{E164: o.E164}
			}
			c.SelfConversationState.DeliveryMediumOption = append(c.SelfConversationState.DeliveryMediumOption,
				&pb.DeliveryMediumOption{DeliveryMedium: medium, CurrentDefault: &o.CurrentDefault})
		}
		got := hangouts.DefaultDeliveryMedium(c)
		require.Equal(t, v.Expected.MediumType, got.GetMediumType().String(), v.Why)
		require.Equal(t, v.Expected.PhoneNumber.E164, got.GetPhoneNumber().GetE164())
	}
	one := &pb.Conversation{SelfConversationState: &pb.UserConversationState{DeliveryMediumOption: []*pb.DeliveryMediumOption{
		{DeliveryMedium: &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE.Enum()}},
		{DeliveryMedium: &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL.Enum()}},
	}}}
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE, hangouts.DefaultDeliveryMedium(one).GetMediumType(), "unmarked: the first")
}

func TestEventRequestHeader(t *testing.T) {
	c := &pb.Conversation{
		ConversationId: &pb.ConversationId{Id: proto.String("C")},
		OtrStatus:      pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD.Enum(),
	}
	h := hangouts.EventRequestHeader(c, 1<<63)
	require.Equal(t, "C", h.GetConversationId().GetId())
	require.EqualValues(t, uint64(1<<63), h.GetClientGeneratedId())
	require.Equal(t, pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD, h.GetExpectedOtr())
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL, h.GetDeliveryMedium().GetMediumType())
	c.OtrStatus = nil
	require.Equal(t, pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_ON_THE_RECORD, hangouts.EventRequestHeader(c, 0).GetExpectedOtr())
	require.LessOrEqual(t, hangouts.ClientGeneratedID(), uint64(1<<32))
	require.NotEqual(t, hangouts.ClientGeneratedID(), hangouts.ClientGeneratedID())
}

func TestTimestampVectors(t *testing.T) {
	type vector struct {
		Microseconds uint64
		ExpectedUTC  string `json:"expected_utc"`
	}
	for _, v := range vectors[vector](t, "timestamp", 5) {
		at := hangouts.FromMicros(v.Microseconds)
		want, err := time.Parse("2006-01-02T15:04:05.999999-07:00", v.ExpectedUTC)
		require.NoError(t, err)
		require.True(t, want.Equal(at), v.ExpectedUTC)
		require.Equal(t, time.UTC, at.Location())
		require.Equal(t, v.Microseconds, hangouts.ToMicros(at))
	}
	require.Zero(t, hangouts.ToMicros(time.Unix(-5, 0)))
	require.NotPanics(t, func() { hangouts.FromMicros(1<<64 - 1) })
}

func TestConversationState(t *testing.T) {
	var c pb.Conversation
	require.NoError(t, prototext.Unmarshal([]byte(`
		type: CONVERSATION_TYPE_GROUP group_link_sharing_status: GROUP_LINK_SHARING_STATUS_ON
		self_conversation_state { view: CONVERSATION_VIEW_INBOX view: CONVERSATION_VIEW_ARCHIVED
			notification_level: NOTIFICATION_LEVEL_QUIET self_read_state { latest_read_timestamp: 5 } }`), &c))
	require.True(t, hangouts.IsGroup(&c) && hangouts.IsArchived(&c) && hangouts.IsQuiet(&c) && hangouts.IsLinkSharingEnabled(&c))
	require.NoError(t, hangouts.RequireGroup("adding people", &c))
	events := []*pb.Event{{Timestamp: proto.Uint64(5)}, {Timestamp: proto.Uint64(6)}, {Timestamp: proto.Uint64(7), ChatMessage: &pb.ChatMessage{}}}
	require.Len(t, hangouts.UnreadEvents(&c, events), 2, "strictly later, of every kind")
	require.Equal(t, 1, hangouts.UnreadMessages(&c, events, "me"))

	one := &pb.Conversation{Type: pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE.Enum(), GroupLinkSharingStatus: c.GroupLinkSharingStatus}
	require.False(t, hangouts.IsGroup(one) || hangouts.IsArchived(one) || hangouts.IsQuiet(one) || hangouts.IsLinkSharingEnabled(one))
	err := hangouts.RequireGroup("adding people", one)
	var typeError *hangouts.ConversationTypeError
	require.ErrorAs(t, err, &typeError)
	require.Equal(t, pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE, typeError.Type)
	var family hangouts.HangupsError
	require.ErrorAs(t, err, &family)
}

func TestMergeConversation(t *testing.T) {
	parse := func(text string) *pb.Conversation {
		var c pb.Conversation
		require.NoError(t, prototext.Unmarshal([]byte(text), &c))
		return &c
	}
	known := parse(`conversation_id { id: "C" } type: CONVERSATION_TYPE_GROUP name: "old"
		self_conversation_state { self_read_state { participant_id { gaia_id: "1" } latest_read_timestamp: 50 }
			sort_timestamp: 7 view: CONVERSATION_VIEW_ARCHIVED delivery_medium_option { current_default: true } }
		read_state { participant_id { gaia_id: "1" } latest_read_timestamp: 50 }
		read_state { participant_id { gaia_id: "2" } latest_read_timestamp: 40 }
		participant_data { fallback_name: "A" } participant_data { fallback_name: "B" }`)
	delta := parse(`name: "" self_conversation_state { self_read_state { latest_read_timestamp: 0 } sort_timestamp: 9 view: CONVERSATION_VIEW_INBOX }
		read_state { participant_id { gaia_id: "2" } latest_read_timestamp: 0 }
		read_state { participant_id { gaia_id: "3" } latest_read_timestamp: 60 }
		participant_data { fallback_name: "C" }`)
	before := proto.Clone(known)
	want := parse(`conversation_id { id: "C" } type: CONVERSATION_TYPE_GROUP name: ""
		self_conversation_state { self_read_state { participant_id { gaia_id: "1" } latest_read_timestamp: 50 }
			sort_timestamp: 9 view: CONVERSATION_VIEW_INBOX delivery_medium_option { current_default: true } }
		read_state { participant_id { gaia_id: "1" } latest_read_timestamp: 50 }
		read_state { participant_id { gaia_id: "2" } latest_read_timestamp: 40 }
		read_state { participant_id { gaia_id: "3" } latest_read_timestamp: 60 }
		participant_data { fallback_name: "C" }`)
	got := hangouts.MergeConversation(known, delta)
	require.True(t, proto.Equal(want, got), "%v", got)
	require.True(t, proto.Equal(before, known), "the known conversation is not changed")
	require.True(t, proto.Equal(known, hangouts.MergeConversation(known, nil)))
	require.True(t, proto.Equal(known, hangouts.MergeConversation(nil, known)))
}
