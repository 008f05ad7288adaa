package classic

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// parse reads a message in protobuf's text format; required fields may be missing.
func parse[M proto.Message](t *testing.T, text string, m M) M {
	t.Helper()
	require.NoError(t, prototext.UnmarshalOptions{AllowPartial: true}.Unmarshal([]byte(text), m))
	return m
}

const head = `conversation_id{id:"C"} event_id:"E" timestamp:1700000000000001 sender_id{gaia_id:"11" chat_id:"11"} `

func TestEvents(t *testing.T) {
	for name, c := range map[string]struct {
		wire string
		want func(*chat.Event) // on top of what all have in common; nil = not shown
		id   uint64
	}{
		"text, break, link": {wire: head + `self_event_state{client_generated_id:"18446744073709551615"} chat_message{message_content{
			segment{type:SEGMENT_TYPE_TEXT text:"a" formatting{bold:true}} segment{type:SEGMENT_TYPE_LINE_BREAK}
			segment{type:SEGMENT_TYPE_LINK text:"x" link_data{link_target:"http://x/"}} }}`, id: 1<<64 - 1,
			want: func(e *chat.Event) {
				e.Kind, e.Message = chat.KindMessage, &chat.Message{Text: chat.Text{{Kind: chat.SegmentText, Text: "a", Bold: true},
					{Kind: chat.SegmentBreak}, {Kind: chat.SegmentLink, Text: "x", Target: "http://x/"}}}
			}},
		"line ends inside a segment": {wire: head + `chat_message{message_content{segment{type:SEGMENT_TYPE_TEXT text:"a\r\nb" formatting{italic:true}}}}`,
			want: func(e *chat.Event) {
				e.Kind, e.Message = chat.KindMessage, &chat.Message{Text: chat.Text{{Kind: chat.SegmentText, Text: "a", Italic: true},
					{Kind: chat.SegmentBreak}, {Kind: chat.SegmentText, Text: "b", Italic: true}}}
			}},
		"photo": {wire: head + `chat_message{message_content{attachment{embed_item{plus_photo{thumbnail{image_url:"t"} url:"u" original_content_url:"o"}}}}}`,
			want: func(e *chat.Event) {
				e.Kind, e.Message = chat.KindMessage, &chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachPhoto, Ref: []byte(`{"url":"o"}`), URL: "o", Thumbnail: "t"}}}
			}},
		"rename": {wire: head + `conversation_rename{old_name:"a" new_name:"b"}`,
			want: func(e *chat.Event) { e.Kind, e.Rename = chat.KindRename, &chat.Rename{Old: "a", New: "b"} }},
		"leave": {wire: head + `membership_change{type:MEMBERSHIP_CHANGE_TYPE_LEAVE participant_ids{gaia_id:"12"}}`,
			want: func(e *chat.Event) {
				e.Kind, e.Membership = chat.KindMembership, &chat.Membership{People: []chat.PersonID{"12"}}
			}},
		"history off": {wire: head + `expiration_timestamp:9 otr_modification{new_otr_status:OFF_THE_RECORD_STATUS_OFF_THE_RECORD}`,
			want: func(e *chat.Event) {
				e.Expires, e.Kind, e.HistoryMode = 9, chat.KindHistoryMode, &chat.HistoryMode{Off: true}
			}},
		"voicemail": {wire: head + `event_type:EVENT_TYPE_VOICEMAIL`,
			want: func(e *chat.Event) { e.Kind, e.Notice = chat.KindNotice, &chat.Notice{Text: "left a voicemail"} }},
		"observed":            {wire: head + `event_type:EVENT_TYPE_OBSERVED_EVENT`},
		"no id":               {wire: `conversation_id{id:"C"} timestamp:1 sender_id{gaia_id:"11"} chat_message{}`},
		"sender is no number": {wire: `conversation_id{id:"C"} event_id:"E" timestamp:1 sender_id{gaia_id:"\r\nQUIT"} chat_message{}`},
		"nobody joined":       {wire: head + `membership_change{type:MEMBERSHIP_CHANGE_TYPE_JOIN}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := event(parse(t, c.wire, &pb.Event{}))
			require.Equal(t, c.want != nil, ok)
			if c.want == nil {
				return
			}
			want := chat.Event{V: chat.Version, Conversation: "C", ID: "E", Time: 1700000000000001, Author: "11", RequestID: c.id}
			c.want(&want)
			require.Equal(t, want, got.Event)
		})
	}
}

func TestConversationWholeAndDelta(t *testing.T) {
	whole := parse(t, `conversation_id{id:"C"} type:CONVERSATION_TYPE_GROUP otr_status:OFF_THE_RECORD_STATUS_ON_THE_RECORD
		self_conversation_state{ status:CONVERSATION_STATUS_ACTIVE notification_level:NOTIFICATION_LEVEL_QUIET view:CONVERSATION_VIEW_ARCHIVED
			sort_timestamp:7 self_read_state{latest_read_timestamp:5}
			delivery_medium_option{delivery_medium{medium_type:DELIVERY_MEDIUM_BABEL}}
			delivery_medium_option{current_default:true delivery_medium{medium_type:DELIVERY_MEDIUM_GOOGLE_VOICE phone_number{e164:"+1555"}}} }
		current_participant{gaia_id:"11"} current_participant{gaia_id:"13"}
		participant_data{id{gaia_id:"11"} fallback_name:"A"} participant_data{id{gaia_id:"12"} fallback_name:"gone"}
		read_state{participant_id{gaia_id:"11"} latest_read_timestamp:0} read_state{participant_id{gaia_id:"13"} latest_read_timestamp:6}`, &pb.Conversation{})
	d, ok := conversation(whole)
	require.True(t, ok)
	require.True(t, d.Complete)
	c := chat.Conversation{}.Apply(d)
	require.Equal(t, chat.Conversation{V: chat.Version, ID: "C", Kind: chat.Group, Standing: chat.Active, Level: chat.Quiet, Archived: true,
		SortTime: 7, ReadTime: 5, Members: []chat.Member{{ID: "11", Name: "A"}, {ID: "13"}}, Medium: chat.Medium{SMS: true, Number: "+1555"}}, c)
	require.Equal(t, []chat.Watermark{{Conversation: "C", Person: "13", Time: 6}}, readStates(whole))

	delta, ok := conversation(parse(t, `conversation_id{id:"C"} self_conversation_state{sort_timestamp:3}`, &pb.Conversation{}))
	require.True(t, ok)
	require.False(t, delta.Complete, "a delta never introduces a conversation")
	require.Equal(t, c, c.Apply(delta), "what it does not name stays, and time does not go back")
	_, ok = conversation(&pb.Conversation{})
	require.False(t, ok)
}

func TestPerson(t *testing.T) {
	p := person(parse(t, `id{gaia_id:"11"} properties{display_name:" Ann Lee " photo_url:"//h/p" email:"a@x" email:"b@x" canonical_email:"b@x"}`, &pb.Entity{}))
	require.Equal(t, chat.Person{ID: "11", FullName: "Ann Lee", FirstName: "Ann", Avatar: []byte(`{"url":"https://h/p"}`), Emails: []string{"b@x", "a@x"}}, p)
}

func TestSendRequestRoundTrip(t *testing.T) {
	text := chat.Text{{Kind: chat.SegmentText, Text: "a", Bold: true}, {Kind: chat.SegmentBreak}, {Kind: chat.SegmentLink, Text: "x", Target: "http://x"}}
	req, err := sendRequest(7, chat.Conversation{ID: "C", HistoryOff: true}, &chat.Message{Text: text}, "")
	require.NoError(t, err)
	h := req.GetEventRequestHeader()
	require.EqualValues(t, 7, h.GetClientGeneratedId())
	require.Equal(t, pb.OffTheRecordStatus_OFF_THE_RECORD_STATUS_OFF_THE_RECORD, h.GetExpectedOtr())
	back := message(&pb.Event{ChatMessage: &pb.ChatMessage{MessageContent: req.GetMessageContent()}})
	require.Equal(t, text, back.Text)

	me, err := sendRequest(7, chat.Conversation{ID: "C"}, &chat.Message{Emote: true, Text: chat.Plain("waves")}, "Ann Lee")
	require.NoError(t, err)
	require.Equal(t, "Ann Lee ", me.GetMessageContent().GetSegment()[0].GetText())
	require.EqualValues(t, annotationMe, me.GetAnnotation()[0].GetType())
}

func TestErrorsSayWhatTheyMean(t *testing.T) {
	status := func(s pb.ResponseStatus) error {
		return &hangouts.NetworkError{Op: "x", Code: 200, HasStatus: true, Status: s}
	}
	for name, c := range map[string]struct{ err, want error }{
		"401":                 {&hangouts.NetworkError{Code: http.StatusUnauthorized}, chat.ErrBadCredentials},
		"429":                 {&hangouts.NetworkError{Code: http.StatusTooManyRequests, RetryAfter: time.Minute}, chat.ErrUnavailable},
		"503":                 {&hangouts.NetworkError{Code: http.StatusServiceUnavailable}, chat.ErrUnavailable},
		"answer lost":         {&hangouts.NetworkError{Ambiguous: true}, account.ErrAmbiguous},
		"no connection":       {&hangouts.NetworkError{Err: errors.New("refused")}, chat.ErrUnavailable},
		"unknown chat":        {status(pb.ResponseStatus_RESPONSE_STATUS_INVALID_CONVERSATION), chat.ErrUnknownConversation},
		"invalid":             {status(pb.ResponseStatus_RESPONSE_STATUS_INVALID_REQUEST), chat.ErrRefused},
		"unexpected":          {status(pb.ResponseStatus_RESPONSE_STATUS_UNEXPECTED_ERROR), chat.ErrUnavailable},
		"refresh token":       {&hangouts.GoogleAuthError{Code: 400, Reason: "invalid_grant"}, chat.ErrBadCredentials},
		"forbidden":           {&hangouts.NetworkError{Code: http.StatusForbidden}, chat.ErrUnavailable},
		"not found":           {&hangouts.NetworkError{Code: http.StatusNotFound}, chat.ErrUnavailable},
		"redirect":            {&hangouts.NetworkError{Code: http.StatusFound}, chat.ErrUnavailable},
		"bad request":         {&hangouts.NetworkError{Code: http.StatusBadRequest}, chat.ErrRefused},
		"no uberauth":         {&hangouts.GoogleAuthError{Code: 403}, chat.ErrUnavailable},
		"account server down": {&hangouts.GoogleAuthError{Code: 503}, chat.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, mapError(c.err), c.want) })
	}
	var wait *account.RetryAfter
	require.ErrorAs(t, mapError(&hangouts.NetworkError{Code: http.StatusTooManyRequests, RetryAfter: time.Minute}), &wait)
	require.Equal(t, time.Minute, wait.After)
	require.NoError(t, mapError(nil))
}

func TestConfigExampleIsTheDefault(t *testing.T) {
	var c Config
	decoder := yaml.NewDecoder(strings.NewReader(ConfigExample))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&c))
	require.NoError(t, c.Validate())
	c.BaseURL = "no address"
	require.ErrorContains(t, c.Validate(), "base URL")
}
