package hangoutstest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

const fullScenario = `{
  "seed": 3,
  "people": [
    {"key": "ada", "name": "Ada Lovelace", "first_name": "Ada", "email": "ada@example.com", "gaia_id": "100000000000000000001", "account": true},
    {"key": "bob", "name": "Bob", "phone": "+15551230000", "photo_url": "none"},
    {"key": "eve", "name": "Eve", "contacts": ["ada"]}
  ],
  "conversations": [
    {"key": "one", "type": "one_to_one", "members": ["ada", "bob"],
     "history": [
       {"from": "bob", "text": "exact", "at_us": 1577836805123456},
       {"from": "ada", "text": "dated", "at": "2020-01-02T00:00:00Z"},
       {"from": "bob", "text": "**bold** https://example.com/\nnext", "markdown": true, "ago": "2h"},
       {"from": "bob", "text": "waves", "me": true, "photo": "https://example.com/p.png"}
     ], "unread": {"ada": 2}},
    {"key": "many", "id": "UgxGiven4AaABAQ", "name": "Old", "members": ["ada", "bob", "eve"], "history_off": true, "link_sharing": true,
     "quiet_for": ["ada"], "archived_for": ["ada"], "invited_only": ["eve"], "filler": 5,
     "history": [{"from": "bob", "rename": "New"}]}
  ]
}`

func TestScenarioFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.json")
	require.NoError(t, os.WriteFile(file, []byte(fullScenario), 0o600))
	sc, err := hangoutstest.LoadScenario(file)
	require.NoError(t, err)
	s := start(t, hangoutstest.Options{Scenario: sc})
	require.Equal(t, "100000000000000000001", s.Account(0).GaiaID())

	one := s.Events("one")
	require.Len(t, one, 4)
	require.Equal(t, uint64(1577836805123456), one[0].TimestampUS)
	require.Equal(t, time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC).UnixMicro(), int64(one[1].TimestampUS))
	require.InDelta(t, float64(s.Now()-2*3600*1e6), float64(one[2].TimestampUS), 60e6)
	require.Greater(t, one[3].TimestampUS, one[2].TimestampUS)
	segments := one[2].Event.GetChatMessage().GetMessageContent().GetSegment()
	require.Len(t, segments, 5)
	require.True(t, segments[0].GetFormatting().GetBold())
	require.Equal(t, "https://example.com/", segments[2].GetLinkData().GetLinkTarget())
	require.Equal(t, pb.SegmentType_SEGMENT_TYPE_LINE_BREAK, segments[3].GetType())
	require.Equal(t, int32(4), one[3].Event.GetChatMessage().GetAnnotation()[0].GetType())
	require.Contains(t, one[3].Text, "https://example.com/p.png")
	info, _ := s.Conversation("one")
	require.Equal(t, one[1].TimestampUS, info.Members[0].ReadUS, "two unread")
	require.Equal(t, one[3].TimestampUS, info.Members[1].ReadUS)

	many, _ := s.Conversation("UgxGiven4AaABAQ")
	require.Equal(t, "New", many.Name)
	require.Equal(t, 6, many.Events)
	require.True(t, many.Group && many.HistoryOff && many.Link && many.Members[0].Quiet && many.Members[0].Archived)
	require.Equal(t, "invited", many.Members[2].Status)
	require.False(t, many.Members[1].Archived)
	require.NotZero(t, many.Members[0].ReadUS)
}

func TestScenarioErrors(t *testing.T) {
	person := func(p hangoutstest.ScenarioPerson) *hangoutstest.Scenario {
		return &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{p}}
	}
	conv := func(c hangoutstest.ScenarioConversation) *hangoutstest.Scenario {
		return &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{{Key: "a"}, {Key: "b"}, {Key: "c"}}, Conversations: []hangoutstest.ScenarioConversation{c}}
	}
	history := func(e hangoutstest.ScenarioEvent) *hangoutstest.Scenario {
		return conv(hangoutstest.ScenarioConversation{Members: []string{"a", "b"}, History: []hangoutstest.ScenarioEvent{e}})
	}
	pairs := func(second ...string) *hangoutstest.Scenario {
		sc := conv(hangoutstest.ScenarioConversation{Key: "k", Members: []string{"a", "b"}})
		sc.Conversations = append(sc.Conversations, hangoutstest.ScenarioConversation{Key: "k", Members: second})
		if second[0] == "b" {
			sc.Conversations[1].Key = "other"
		}
		return sc
	}
	for name, sc := range map[string]*hangoutstest.Scenario{
		"nameless person":   person(hangoutstest.ScenarioPerson{}),
		"no e-mail":         person(hangoutstest.ScenarioPerson{Key: "a", Account: true}),
		"unknown bot":       person(hangoutstest.ScenarioPerson{Key: "a", Bot: "clever"}),
		"unknown check":     person(hangoutstest.ScenarioPerson{Key: "a", Verification: "smile"}),
		"unknown contact":   person(hangoutstest.ScenarioPerson{Key: "a", Contacts: []string{"b"}}),
		"twice":             {People: []hangoutstest.ScenarioPerson{{Key: "a"}, {Key: "a"}}},
		"same id":           {People: []hangoutstest.ScenarioPerson{{Key: "a", GaiaID: "1"}, {Key: "b", GaiaID: "1"}}},
		"unknown member":    conv(hangoutstest.ScenarioConversation{Members: []string{"a", "z"}}),
		"member twice":      conv(hangoutstest.ScenarioConversation{Members: []string{"a", "a"}}),
		"three in one":      conv(hangoutstest.ScenarioConversation{Type: "one_to_one", Members: []string{"a", "b", "c"}}),
		"unknown type":      conv(hangoutstest.ScenarioConversation{Type: "crowd", Members: []string{"a", "b"}}),
		"unknown sender":    history(hangoutstest.ScenarioEvent{From: "z", Text: "x"}),
		"sender not inside": history(hangoutstest.ScenarioEvent{From: "c", Text: "x"}),
		"negative unread":   conv(hangoutstest.ScenarioConversation{Members: []string{"a", "b"}, Unread: map[string]int{"a": -1}}),
		"unread of nobody":  conv(hangoutstest.ScenarioConversation{Members: []string{"a", "b"}, Unread: map[string]int{"c": 1}}),
		"filler of nobody":  conv(hangoutstest.ScenarioConversation{Filler: 1}),
		"too much filler":   conv(hangoutstest.ScenarioConversation{Members: []string{"a", "b"}, Filler: 100_001}),
		"a pair twice":      pairs("b", "a"),
		"a key twice":       pairs("a", "c"),
		"bad duration":      history(hangoutstest.ScenarioEvent{From: "a", Text: "x", Ago: "soon"}),
		"future":            history(hangoutstest.ScenarioEvent{From: "a", Text: "x", At: time.Now().Add(time.Hour)}),
	} {
		_, err := hangoutstest.Start(hangoutstest.Options{Scenario: sc})
		require.ErrorIs(t, err, hangoutstest.ErrScenario, name)
		require.Panics(t, func() { hangoutstest.New(hangoutstest.Options{Scenario: sc}) })
	}
	file := filepath.Join(t.TempDir(), "s.json")
	for _, content := range []string{"{", `{"poeple":[]}`, `[]`, `{"people":[]} {}`, ""} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, err := hangoutstest.LoadScenario(file)
		require.ErrorIs(t, err, hangoutstest.ErrScenario)
	}
}

// TestSeed: the same seed and the same requests give the same ids and tokens.
func TestSeed(t *testing.T) {
	world := func(seed uint64) (out []string) {
		s := start(t, hangoutstest.Options{Seed: seed, Accounts: 3})
		e, err := s.Person("carol").Send("team", "x")
		require.NoError(t, err)
		for _, a := range s.Accounts() {
			out = append(out, a.GaiaID, a.RefreshToken, a.Cookies["SAPISID"])
		}
		for _, c := range s.Conversations() {
			out = append(out, c.ID)
		}
		ch := newRaw(t, s, 0).create()
		return append(out, e.EventID, ch.sid, ch.gsid)
	}
	require.Equal(t, world(4), world(4))
	require.NotEqual(t, world(4), world(5))
}

func TestBots(t *testing.T) {
	s := start(t, hangoutstest.Options{Scenario: hangoutstest.DemoScenario(), Configure: func(set *hangoutstest.Settings) { set.BotDelay = 1 }})
	p := newRaw(t, s, 0).connect().poll
	dave := s.Person("dave").GaiaID()
	sent, err := s.Account(0).Send("dave", "hello")
	require.NoError(t, err)
	require.Equal(t, "hello", text(p.event()))
	require.Equal(t, sent.TimestampUS, p.update().GetWatermarkNotification().GetLatestReadTimestamp(), "it reads")
	require.Equal(t, dave, p.update().GetTypingNotification().GetSenderId().GetGaiaId(), "types")
	answer := p.update().GetEventNotification().GetEvent()
	require.Equal(t, "echo: hello", text(answer), "answers")
	require.Equal(t, answer.GetTimestamp(), p.update().GetWatermarkNotification().GetLatestReadTimestamp(), "and reads that")

	// Two chatty people in a group answer the account, and not each other for ever.
	_, err = s.Account(0).Send("picnic", "anybody?")
	require.NoError(t, err)
	info, _ := s.Conversation("picnic")
	require.NoError(t, s.WaitEvents(timeout(t), "picnic", info.Events+2))
	late, err := s.AddPerson(hangoutstest.ScenarioPerson{Key: "late", Bot: "echo"})
	require.NoError(t, err)
	id, err := late.Create(false, "", "user1")
	require.NoError(t, err)
	_, err = s.Account(0).Send(id, "new bot")
	require.NoError(t, err)
	require.NoError(t, s.WaitEvents(timeout(t), id, 2))
	picnic, _ := s.Conversation("picnic")
	require.Equal(t, info.Events+2, picnic.Events)

	s.Configure(func(set *hangoutstest.Settings) { set.Bots = false })
	_, err = s.Account(0).Send("dave", "quiet now")
	require.NoError(t, err)
	_, err = s.Account(0).Send(id, "you too")
	require.NoError(t, err)
	require.Len(t, s.Events(id), 3)
}

// TestOldestEvent: a history may go back to the first second.
func TestOldestEvent(t *testing.T) {
	s := start(t, hangoutstest.Options{Scenario: &hangoutstest.Scenario{
		People: []hangoutstest.ScenarioPerson{{Key: "a"}, {Key: "b"}},
		Conversations: []hangoutstest.ScenarioConversation{{Key: "k", Members: []string{"a", "b"},
			History: []hangoutstest.ScenarioEvent{{From: "a", Text: "x", AtUS: 1}}}},
	}})
	require.Equal(t, uint64(1), s.Events("k")[0].TimestampUS)
	require.Less(t, s.Now(), uint64(1<<60))
}

func TestWaitEnds(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Account(0).WaitSubscribed(ctx, 1), context.Canceled)
	ended := make(chan error, 1)
	go func() { ended <- s.WaitEvents(context.Background(), "team", 1000) }()
	s.Close()
	require.ErrorIs(t, <-ended, hangoutstest.ErrClosed)
	s.Close() // once more does no harm
	require.Panics(t, func() { s.Account(9) })
	require.Nil(t, s.Person("nobody"))
}

func TestCloseEndsOpenPolls(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	p := newRaw(t, s, 0).connect().poll
	s.Close()
	require.Error(t, p.end())
}

// TestPhoneConversation: events keep the medium and kind that the request gave.
func TestPhoneConversation(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	h := eventHeader(conversation(t, s, "carol"), 5)
	h.EventType = pb.EventType_EVENT_TYPE_SMS.Enum()
	h.DeliveryMedium = &pb.DeliveryMedium{MediumType: pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE.Enum()}
	resp := &pb.SendChatMessageResponse{}
	require.Equal(t, ok, c.call(sendEndpoint, &pb.SendChatMessageRequest{EventRequestHeader: h, ChatMessageSpec: []*pb.ChatMessageSpec{{
		Segment: []*pb.Segment{{Type: pb.SegmentType_SEGMENT_TYPE_TEXT.Enum(), Text: proto.String("sms")}}}}}, resp))
	require.Equal(t, pb.EventType_EVENT_TYPE_SMS, resp.GetCreatedEvent().GetEventType())
	require.Equal(t, pb.DeliveryMediumType_DELIVERY_MEDIUM_GOOGLE_VOICE, resp.GetCreatedEvent().GetMediumType().GetMediumType())
	require.Equal(t, "sms", text(resp.GetCreatedEvent()))
}
