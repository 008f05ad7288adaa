package hangoutstest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

func cid(id string) *pb.ConversationId { return &pb.ConversationId{Id: proto.String(id)} }

// TestReferenceRequests sends the bytes of the reference and looks at what was understood.
func TestReferenceRequests(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v struct {
		Cases []struct {
			ID       string          `json:"id"`
			Endpoint string          `json:"endpoint"`
			JSON     json.RawMessage `json:"json"`
			WireHex  string          `json:"wire_hex"`
		} `json:"request_encoding"`
	}
	require.NoError(t, json.Unmarshal(raw, &v))
	require.Len(t, v.Cases, 12)
	// The conversation and the invitees of the vectors.
	// Without deduplication: the vectors repeat one client_generated_id.
	s := start(t, hangoutstest.Options{Configure: func(set *hangoutstest.Settings) { set.Dedup = false }, Scenario: &hangoutstest.Scenario{
		People: []hangoutstest.ScenarioPerson{
			{Key: "self", Email: "self@example.com", GaiaID: "100000000000000000001", Account: true},
			{Key: "peer", Name: "Peer", GaiaID: "100000000000000000002"},
			{Key: "third", Name: "Third", GaiaID: "100000000000000000003"},
		},
		Conversations: []hangoutstest.ScenarioConversation{{ID: "UgyFactsConversation4AaABAQ", Members: []string{"self", "peer"}}},
	}})
	c := newRaw(t, s, 0)
	want := map[string]pb.ResponseStatus{"send-photo": invalid} // no such photo here
	for _, x := range v.Cases {
		t.Run(x.ID, func(t *testing.T) {
			body, err := hex.DecodeString(x.WireHex)
			require.NoError(t, err)
			resp, answer := c.do("POST", "/chat/v1/"+x.Endpoint+"?alt=protojson&key=k",
				http.Header{"Content-Type": {"application/x-protobuf"}}, string(body))
			require.Equal(t, 200, resp.StatusCode, answer)
			status := want[x.ID]
			if status == 0 {
				status = ok
			}
			require.Regexp(t, fmt.Sprintf(`^\["c[a-z]+rp",\[%d,`, status), answer)
			log, _ := s.Requests(0)
			got := log[len(log)-1]
			require.Equal(t, x.Endpoint, got.Endpoint)
			text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(got.Message)
			require.NoError(t, err)
			require.JSONEq(t, string(x.JSON), string(text))
		})
	}
	var kinds []string
	for _, e := range s.Events("UgyFactsConversation4AaABAQ") {
		kinds = append(kinds, e.Text)
	}
	require.Len(t, kinds, 4, "me, sticker, location, sms")
}

func TestAnswerFormats(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	self := s.Account(0).GaiaID()
	post := func(alt, kind, body string, base64 bool) (*http.Response, string) {
		h := http.Header{"Content-Type": {kind}}
		if base64 {
			h.Set("X-Goog-Encode-Response-If-Executable", "base64")
		}
		return c.do("POST", "/chat/v1/contacts/getselfinfo?key=k&alt="+alt, h, body)
	}
	resp, body := post("proto", "application/x-protobuf", "", true)
	require.Equal(t, "application/x-protobuf", resp.Header.Get("X-Goog-Safety-Content-Type"))
	require.Equal(t, "base64", resp.Header.Get("X-Goog-Safety-Encoding"))
	data, err := base64.StdEncoding.DecodeString(body)
	require.NoError(t, err)
	m := &pb.GetSelfInfoResponse{}
	require.NoError(t, proto.Unmarshal(data, m))
	require.Equal(t, self, m.GetSelfEntity().GetId().GetGaiaId())

	_, body = post("proto", "application/x-protobuf", "", false)
	require.NoError(t, proto.Unmarshal([]byte(body), &pb.GetSelfInfoResponse{}), "binary without the header")

	// pblite stays plain JSON even when base64 is asked for (protocol §15.1).
	_, body = post("protojson", "application/json+protobuf", `[[[6,3,"v",1430641400],["lcsw_hangouts_00000000"],null,"en"]]`, true)
	require.True(t, strings.HasPrefix(body, `["cgsirp",[1,`), body)
	require.True(t, json.Valid([]byte(body)))
	m = &pb.GetSelfInfoResponse{}
	_, err = pblite.UnmarshalOptions{Tag: pblite.AutoTag}.Unmarshal([]byte(body), m)
	require.NoError(t, err)
	require.Equal(t, self, m.GetSelfEntity().GetId().GetGaiaId())

	_, body = post("json", "application/json", "{}", false)
	require.Contains(t, body, `"gaia_id"`)
	require.Regexp(t, `"current_server_time": *"\d{16}"`, body)
}

func TestTolerantRequests(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	id := conversation(t, s, "carol")
	for name, body := range map[string]string{
		"all in the trailing object": `[[[6,3,"v",1]],null,null,{"5":[],"6":[[[0,"all in the trailing object",[1,0,0,0]]],[]],"8":[["` + id + `"],12345,2]}]`,
		"odd values":                 `[[[6,3,"v",1],[],null,"en",true],null,null,null,[],[[[0,"odd values",[true,false,0,0]]],[]],null,[["` + id + `"],"12346",99,[null],[]],[],[],null,[],[null]]`,
		"short header":               `[[],null,null,null,null,[[[0,"short header"]]],null,[["` + id + `"]]]`,
	} {
		resp, answer := c.do("POST", "/chat/v1/conversations/sendchatmessage?alt=protojson&key=k",
			http.Header{"Content-Type": {"application/json+protobuf"}}, body)
		require.Equal(t, 200, resp.StatusCode)
		require.True(t, strings.HasPrefix(answer, `["cscmrp",[1,`), "%s: %s", name, answer)
		events := s.Events("carol")
		require.Equal(t, name, events[len(events)-1].Text)
	}
}

func TestHTTPErrors(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	protobuf, jsonpb := "application/x-protobuf", "application/json+protobuf"
	for _, x := range []struct {
		method, target, kind, body string
		status                     int
		reason                     string
	}{
		{"POST", "/chat/v1/contacts/getselfinfo?alt=proto", protobuf, "", 403, "dailyLimitExceededUnreg"},
		{"POST", "/chat/v1/no/such?alt=proto&key=k", protobuf, "", 404, "notFound"},
		{"GET", "/chat/v1/contacts/getselfinfo?alt=proto&key=k", protobuf, "", 404, "notFound"},
		{"POST", "/chat/v1/contacts/getselfinfo?key=k", protobuf, "\xff\xff", 400, "parseError"},
		{"POST", "/chat/v1/contacts/getselfinfo?key=k", jsonpb, "[", 400, "parseError"},
		{"POST", "/chat/v1/contacts/getselfinfo?key=k", jsonpb, "7", 400, "parseError"},
		{"POST", "/chat/v1/contacts/getselfinfo?key=k", "application/json", "{", 400, "parseError"},
		{"POST", "/chat/v1/conversations/createconversation?key=k", jsonpb, `[[[[6,3,"v",1]],1,7]]`, 400, "parseError"},
		{"POST", "/chat/v1/contacts/getselfinfo?key=k", protobuf, strings.Repeat("x", 5<<20), 400, "parseError"},
		{"POST", "/upload/photos/resumable", "", "{}", 403, "dailyLimitExceededUnreg"},
		{"POST", "/upload/photos/resumable?key=k", "", "{", 400, "parseError"},
	} {
		resp, body := c.do(x.method, x.target, http.Header{"Content-Type": {x.kind}}, x.body)
		require.Equal(t, x.status, resp.StatusCode, "%s %.20s", x.target, x.body)
		var e struct {
			Error struct {
				Errors []struct{ Reason string }
				Code   int
			}
		}
		require.NoError(t, json.Unmarshal([]byte(body), &e), body)
		require.Equal(t, x.status, e.Error.Code)
		require.Equal(t, x.reason, e.Error.Errors[0].Reason)
	}
}

func TestForeignConversation(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	foreign, c := conversation(t, s, "carol"), newRaw(t, s, 1) // of user1 and carol
	header := eventHeader(foreign, 1)
	for _, x := range []struct {
		endpoint  string
		req, resp proto.Message
	}{
		{"conversations/sendchatmessage", &pb.SendChatMessageRequest{EventRequestHeader: header}, &pb.SendChatMessageResponse{}},
		{"conversations/getconversation", &pb.GetConversationRequest{ConversationSpec: &pb.ConversationSpec{ConversationId: cid(foreign)}}, &pb.GetConversationResponse{}},
		{"conversations/adduser", &pb.AddUserRequest{EventRequestHeader: header}, &pb.AddUserResponse{}},
		{"conversations/removeuser", &pb.RemoveUserRequest{EventRequestHeader: header}, &pb.RemoveUserResponse{}},
		{"conversations/renameconversation", &pb.RenameConversationRequest{EventRequestHeader: header}, &pb.RenameConversationResponse{}},
		{"conversations/modifyotrstatus", &pb.ModifyOTRStatusRequest{EventRequestHeader: header}, &pb.ModifyOTRStatusResponse{}},
		{"conversations/setgrouplinksharingenabled", &pb.SetGroupLinkSharingEnabledRequest{EventRequestHeader: header}, &pb.SetGroupLinkSharingEnabledResponse{}},
		{"conversations/settyping", &pb.SetTypingRequest{ConversationId: cid(foreign)}, &pb.SetTypingResponse{}},
		{"conversations/setfocus", &pb.SetFocusRequest{ConversationId: cid(foreign)}, &pb.SetFocusResponse{}},
		{"conversations/updatewatermark", &pb.UpdateWatermarkRequest{ConversationId: cid(foreign)}, &pb.UpdateWatermarkResponse{}},
		{"conversations/easteregg", &pb.EasterEggRequest{ConversationId: cid(foreign)}, &pb.EasterEggResponse{}},
		{"conversations/deleteconversation", &pb.DeleteConversationRequest{ConversationId: cid(foreign)}, &pb.DeleteConversationResponse{}},
		{"conversations/setconversationnotificationlevel", &pb.SetConversationNotificationLevelRequest{ConversationId: cid(foreign)}, &pb.SetConversationNotificationLevelResponse{}},
		{"conversations/getgroupconversationurl", &pb.GetGroupConversationUrlRequest{ConversationId: cid(foreign)}, &pb.GetGroupConversationUrlResponse{}},
		{"conversations/modifyconversationview", &pb.ModifyConversationViewRequest{ConversationId: cid(foreign)}, &pb.ModifyConversationViewResponse{}},
		{"conversations/replytoinvite", &pb.ReplyToInviteRequest{ConversationId: cid(foreign)}, &pb.ReplyToInviteResponse{}},
		{"conversations/markeventobserved", &pb.MarkEventObservedRequest{ObservedEvent: []*pb.ObservedEvent{{ConversationId: cid(foreign)}}}, &pb.MarkEventObservedResponse{}},
	} {
		require.Equal(t, noSuchPlace, c.call(x.endpoint, x.req, x.resp), x.endpoint)
	}
}

func TestDeduplication(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	p := newRaw(t, s, 1).connect().poll
	id := conversation(t, s, "direct")
	first, _ := c.message(id, "once", 7)
	again, status := c.message(id, "once", 7)
	require.Equal(t, ok, status)
	require.True(t, proto.Equal(first, again))
	other, _ := c.message(id, "other id", 8)
	require.NotEqual(t, first.GetEventId(), other.GetEventId())
	require.Equal(t, "once", text(p.event()))
	require.Equal(t, "other id", text(p.event()), "the repeat was not pushed")

	s.Configure(func(set *hangoutstest.Settings) { set.Dedup = false })
	twice, _ := c.message(id, "once", 7)
	require.NotEqual(t, first.GetEventId(), twice.GetEventId())
	s.Configure(func(set *hangoutstest.Settings) { set.Dedup = true })
	s.Advance(61_000_000_000)
	late, _ := c.message(id, "once", 7)
	require.NotEqual(t, twice.GetEventId(), late.GetEventId(), "a minute later it counts as new")
}

func TestGetConversationPages(t *testing.T) {
	sc := hangoutstest.DefaultScenario()
	sc.Conversations[0].Filler = 23
	s := start(t, hangoutstest.Options{Scenario: sc})
	c := newRaw(t, s, 0)
	id := conversation(t, s, "direct")
	var ids []string
	var at *pb.EventContinuationToken
	pages := 0
	for {
		resp := &pb.GetConversationResponse{}
		require.Equal(t, ok, c.call("conversations/getconversation", &pb.GetConversationRequest{
			ConversationSpec: &pb.ConversationSpec{ConversationId: cid(id)}, MaxEventsPerConversation: proto.Uint64(10),
			EventContinuationToken: at, IncludeConversationMetadata: proto.Bool(pages == 0),
		}, resp))
		state := resp.GetConversationState()
		require.Equal(t, pages == 0, state.GetConversation() != nil)
		var page []string
		for _, e := range state.GetEvent() {
			page = append(page, e.GetEventId())
		}
		ids = append(page, ids...)
		if at = state.GetEventContinuationToken(); at == nil {
			break
		}
		if pages == 1 { // a time alone is enough
			at = &pb.EventContinuationToken{EventTimestamp: at.EventTimestamp}
		}
		pages++
	}
	var want []string
	for _, e := range s.Events("direct") {
		want = append(want, e.EventID)
	}
	require.Len(t, want, 25)
	require.Equal(t, want, ids)
	require.Equal(t, 3, pages)

	resp := &pb.GetConversationResponse{}
	c.call("conversations/getconversation", &pb.GetConversationRequest{
		ConversationSpec: &pb.ConversationSpec{ConversationId: cid(id)}, IncludeEvent: proto.Bool(false)}, resp)
	require.Empty(t, resp.GetConversationState().GetEvent())
	for _, r := range resp.GetConversationState().GetConversation().GetReadState() {
		require.NotZero(t, r.GetLatestReadTimestamp(), "filled for everybody")
	}
}

func TestSyncRecentConversations(t *testing.T) {
	sc := &hangoutstest.Scenario{People: []hangoutstest.ScenarioPerson{{Key: "a", Email: "a@x", Account: true}}}
	for i := range 12 {
		key := fmt.Sprint("p", i)
		sc.People = append(sc.People, hangoutstest.ScenarioPerson{Key: key})
		conv := hangoutstest.ScenarioConversation{Key: key, Members: []string{"a", key},
			History: []hangoutstest.ScenarioEvent{{From: key, Text: "old", Ago: fmt.Sprint(200+i, "m")}, {From: key, Text: "new", Ago: fmt.Sprint(100+i, "m")}}}
		if i%4 == 0 {
			conv.ArchivedFor = []string{"a"}
		}
		sc.Conversations = append(sc.Conversations, conv)
	}
	s := start(t, hangoutstest.Options{Scenario: sc})
	c := newRaw(t, s, 0)
	list := func(filter ...pb.SyncFilter) (keys []string, pages int) {
		var last *uint64
		for {
			resp := &pb.SyncRecentConversationsResponse{}
			require.Equal(t, ok, c.call("conversations/syncrecentconversations", &pb.SyncRecentConversationsRequest{
				LastEventTimestamp: last, MaxConversations: proto.Uint64(5), MaxEventsPerConversation: proto.Uint64(1), SyncFilter: filter}, resp))
			pages++
			var page []string
			sort := uint64(0)
			for _, st := range resp.GetConversationState() {
				self := st.GetConversation().GetSelfConversationState()
				require.Greater(t, self.GetSortTimestamp(), sort, "ascending")
				sort = self.GetSortTimestamp()
				require.Equal(t, "new", text(st.GetEvent()[0]))
				require.Len(t, st.GetEvent(), 1)
				require.Equal(t, st.GetEvent()[0].GetEventId(), st.GetEventContinuationToken().GetEventId())
				for _, r := range st.GetConversation().GetReadState() {
					require.Equal(t, r.GetParticipantId().GetGaiaId() == s.Account(0).GaiaID(), r.GetLatestReadTimestamp() != 0)
				}
				info, _ := s.Conversation(st.GetConversationId().GetId())
				page = append(page, info.Key)
			}
			keys = append(page, keys...)
			lag := resp.GetResponseHeader().GetCurrentServerTime() - resp.GetSyncTimestamp()
			require.InDelta(t, 300e6, lag, 1e6)
			if resp.GetContinuationEndTimestamp() == 0 {
				return keys, pages
			}
			last = resp.ContinuationEndTimestamp
		}
	}
	all, pages := list(pb.SyncFilter_SYNC_FILTER_INBOX, pb.SyncFilter_SYNC_FILTER_ARCHIVED)
	require.Equal(t, []string{"p11", "p10", "p9", "p8", "p7", "p6", "p5", "p4", "p3", "p2", "p1", "p0"}, all)
	require.Equal(t, 3, pages)
	inbox, _ := list(pb.SyncFilter_SYNC_FILTER_INBOX)
	require.Equal(t, []string{"p11", "p10", "p9", "p7", "p6", "p5", "p3", "p2", "p1"}, inbox)
	none, _ := list()
	require.Equal(t, inbox, none, "no filter means the inbox")
	archived, _ := list(pb.SyncFilter_SYNC_FILTER_ARCHIVED)
	require.Equal(t, []string{"p8", "p4", "p0"}, archived)

	// A new event brings a conversation back to the inbox and to its end.
	_, err := s.Person("p4").Send("p4", "new")
	require.NoError(t, err)
	inbox, _ = list(pb.SyncFilter_SYNC_FILTER_INBOX)
	require.Equal(t, "p4", inbox[len(inbox)-1])
}

// syncAll makes one syncallnewevents and lists the texts in order of time.
func syncAll(t *testing.T, c *raw, since, size uint64) (*pb.SyncAllNewEventsResponse, []string) {
	t.Helper()
	resp := &pb.SyncAllNewEventsResponse{}
	require.Equal(t, ok, c.call("conversations/syncallnewevents", &pb.SyncAllNewEventsRequest{
		LastSyncTimestamp: proto.Uint64(since), MaxResponseSizeBytes: proto.Uint64(size)}, resp))
	byTime := map[uint64]string{}
	var times []uint64
	for _, st := range resp.GetConversationState() {
		last := uint64(0)
		for _, e := range st.GetEvent() {
			require.Greater(t, e.GetTimestamp(), last, "oldest first")
			last = e.GetTimestamp()
			byTime[last] = text(e)
			times = append(times, last)
		}
	}
	var texts []string
	for len(times) > 0 {
		k := 0
		for i := range times {
			if times[i] < times[k] {
				k = i
			}
		}
		texts = append(texts, byTime[times[k]])
		times = append(times[:k], times[k+1:]...)
	}
	return resp, texts
}

func TestSyncAllNewEvents(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	since := s.Now()
	var want []string
	var stamps []uint64
	for i := range 40 {
		conv, who := "team", "dave"
		if i%3 == 0 {
			conv, who = "carol", "carol"
		}
		e, err := s.Person(who).Send(conv, fmt.Sprint("m", i))
		require.NoError(t, err)
		want = append(want, e.Text)
		stamps = append(stamps, e.TimestampUS)
	}
	full, texts := syncAll(t, c, since, 1<<20)
	require.Equal(t, want, texts)
	require.Len(t, full.GetConversationState(), 2)
	_, texts = syncAll(t, c, stamps[37], 1<<20)
	require.Equal(t, want[37:], texts, "the event at the time itself comes again")
	_, texts = syncAll(t, c, stamps[39]+1, 1<<20)
	require.Empty(t, texts)

	// A small size cuts after whole events; going on from sync_timestamp gets everything.
	for _, size := range []uint64{1, 900, 3000} {
		var got []string
		at, rounds := since, 0
		for ; rounds < 100; rounds++ {
			resp, texts := syncAll(t, c, at, size)
			if len(got) > 0 && len(texts) > 0 {
				require.Equal(t, got[len(got)-1], texts[0])
				texts = texts[1:]
			}
			got = append(got, texts...)
			if resp.GetSyncTimestamp() <= at || resp.GetSyncTimestamp() > s.Now()-1e6 && len(got) == len(want) {
				break
			}
			at = resp.GetSyncTimestamp()
			if len(got) == len(want) {
				break
			}
		}
		require.Equal(t, want, got, "size %d", size)
		require.Greater(t, rounds, 1)
	}

	for kind, check := range map[hangoutstest.FaultKind]func(*pb.SyncAllNewEventsResponse, []string){
		hangoutstest.FaultSyncCut: func(r *pb.SyncAllNewEventsResponse, texts []string) {
			require.Equal(t, want[:3], texts)
			require.Equal(t, stamps[2], r.GetSyncTimestamp())
		},
		hangoutstest.FaultSyncStuck: func(r *pb.SyncAllNewEventsResponse, texts []string) {
			require.Empty(t, texts)
			require.Equal(t, since, r.GetSyncTimestamp())
		},
		hangoutstest.FaultClearCache: func(r *pb.SyncAllNewEventsResponse, texts []string) {
			require.Empty(t, texts)
			require.True(t, r.GetClearCacheAndResync())
		},
	} {
		_, err := s.Inject(hangoutstest.Fault{Kind: kind, Limit: 3})
		require.NoError(t, err)
		resp, texts := syncAll(t, c, since, 1<<20)
		check(resp, texts)
	}
	s.Configure(func(set *hangoutstest.Settings) { set.SyncMaxEvents = 5 })
	_, texts = syncAll(t, c, since, 1<<20)
	require.Equal(t, want[:5], texts)
}

func TestWatermarks(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	a, b := newRaw(t, s, 0), newRaw(t, s, 1)
	pa, pb1 := a.connect().poll, b.connect().poll
	id := conversation(t, s, "direct")
	read := func(us uint64) pb.ResponseStatus {
		return a.call("conversations/updatewatermark", &pb.UpdateWatermarkRequest{
			ConversationId: cid(id), LastReadTimestamp: proto.Uint64(us)}, &pb.UpdateWatermarkResponse{})
	}
	now := s.Now()
	require.Equal(t, ok, read(now))
	require.Equal(t, ok, read(now-1000), "backwards has no effect")
	require.Equal(t, ok, read(now+1))
	for _, p := range []*pollStream{pa, pb1} {
		for _, want := range []uint64{now, now + 1} {
			n := p.update().GetWatermarkNotification()
			require.Equal(t, want, n.GetLatestReadTimestamp())
			require.Equal(t, s.Account(0).GaiaID(), n.GetSenderId().GetGaiaId())
			require.Equal(t, id, n.GetConversationId().GetId())
		}
	}
	// Sending moves the sender's own watermark.
	e, _ := b.message(id, "x", 1)
	info, _ := s.Conversation(id)
	for _, m := range info.Members {
		want := e.GetTimestamp()
		if m.GaiaID == s.Account(0).GaiaID() {
			want = now + 1
		}
		require.Equal(t, want, m.ReadUS)
	}
	u := pa.update()
	require.Nil(t, u.GetConversation().GetSelfConversationState().GetSelfReadState().LatestReadTimestamp, "not in pushes")
	require.Equal(t, e.GetTimestamp(), u.GetConversation().GetSelfConversationState().GetSortTimestamp())
}

func TestEventTimesAreUniqueAndIncrease(t *testing.T) {
	s := start(t, hangoutstest.Options{})
	c := newRaw(t, s, 0)
	last := uint64(0)
	for i := range 50 {
		e, _ := c.message(conversation(t, s, "direct"), strconv.Itoa(i), uint64(i+1))
		require.Greater(t, e.GetTimestamp(), last)
		require.Len(t, e.GetEventId(), 22)
		require.Equal(t, e.GetTimestamp(), e.GetEventVersion())
		info := &pb.GetSelfInfoResponse{}
		c.call("contacts/getselfinfo", &pb.GetSelfInfoRequest{}, info)
		last = info.GetResponseHeader().GetCurrentServerTime()
		require.Greater(t, last, e.GetTimestamp())
	}
}
