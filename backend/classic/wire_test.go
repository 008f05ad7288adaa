package classic

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// A message of a conversation by SMS names the medium and the own number: with another one it would be stored
// and no SMS would leave.
func TestSMSOutwards(t *testing.T) {
	sms := chat.Conversation{ID: "C", Medium: chat.Medium{SMS: true, Number: "+15551230000"}}
	req, err := sendRequest(7, sms, &chat.Message{Text: chat.Plain("hi")}, "")
	require.NoError(t, err)
	h := req.GetEventRequestHeader()
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE, h.GetDeliveryMedium().GetMediumType())
	require.Equal(t, "+15551230000", h.GetDeliveryMedium().GetPhoneNumber().GetE164())
	require.Equal(t, pb.EventType_EVENT_TYPE_SMS, h.GetEventType())

	req, err = sendRequest(7, chat.Conversation{ID: "C"}, &chat.Message{Text: chat.Plain("hi")}, "")
	require.NoError(t, err)
	h = req.GetEventRequestHeader()
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_BABEL, h.GetDeliveryMedium().GetMediumType())
	require.Equal(t, pb.EventType_EVENT_TYPE_REGULAR_CHAT_MESSAGE, h.GetEventType())
}

func TestAnimationsBecomeLines(t *testing.T) {
	egg := func(wire string) []account.ReceivedEvent {
		return batch([]*pb.StateUpdate{parse(t, wire, &pb.StateUpdate{})}).Events
	}
	const head = `state_update_header{current_server_time:120000001} `
	e := egg(head + `easter_egg_notification{sender_id{gaia_id:"11"} conversation_id{id:"C"} easter_egg{message:"ponies"}}`)
	require.Len(t, e, 1)
	require.Equal(t, chat.Event{V: chat.Version, Conversation: "C", ID: "egg-11-ponies-2", Kind: chat.KindNotice, Author: "11", Time: 120000001,
		Notice: &chat.Notice{Text: "sent ponies"}}, e[0].Event)
	again := egg(`state_update_header{current_server_time:130000000} easter_egg_notification{sender_id{gaia_id:"11"} conversation_id{id:"C"} easter_egg{message:"ponies"}}`)
	require.Equal(t, e[0].ID, again[0].ID, "another account sees the same one, a flood is one line")
	other := egg(head + `easter_egg_notification{sender_id{gaia_id:"11"} conversation_id{id:"C"} easter_egg{message:"\r\nQUIT :x"}}`)
	require.Equal(t, "sent an animation that cannot be shown here", other[0].Notice.Text)
	for _, bad := range []string{
		`easter_egg_notification{sender_id{gaia_id:"11"} conversation_id{id:"C"} easter_egg{message:"ponies"}}`,
		head + `easter_egg_notification{sender_id{gaia_id:"x y"} conversation_id{id:"C"} easter_egg{message:"ponies"}}`,
		head + `easter_egg_notification{sender_id{gaia_id:"11"} conversation_id{id:"C D"} easter_egg{message:"ponies"}}`,
		head + `easter_egg_notification{}`,
	} {
		require.Empty(t, egg(bad))
	}
}

func TestLinksOfGroups(t *testing.T) {
	require.True(t, groupLink.MatchString("https://hangouts.google.com/group/aB_-9"))
	for _, bad := range []string{"", "http://hangouts.google.com/group/x", "https://hangouts.google.com.evil/group/x", "https://hangouts.google.com/group/", "https://hangouts.google.com/group/x/y", "https://hangouts.google.com/group/x?y", "https://hangouts.google.com/group/x\n"} {
		require.False(t, groupLink.MatchString(bad), bad)
	}
}
