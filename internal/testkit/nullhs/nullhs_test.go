package nullhs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// bridge is an application service that keeps what it is sent.
type bridge struct {
	reg *appservice.Registration

	mu       sync.Mutex
	status   int // answer to transactions; 0 is 200
	accepted []map[string]any
	typing   []map[string]any
}

func newBridge(t *testing.T) *bridge {
	b := &bridge{reg: &appservice.Registration{
		ID: "hangouts", AppToken: "as", ServerToken: "hs", SenderLocalpart: "hangoutsbot", EphemeralEvents: true,
		Namespaces: appservice.Namespaces{
			UserIDs:     appservice.NamespaceList{{Regex: `@hangouts_.*:test\.localhost`, Exclusive: true}},
			RoomAliases: appservice.NamespaceList{{Regex: `#hangouts_.*:test\.localhost`, Exclusive: true}},
		},
	}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.reg.URL = server.URL
	return b
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer hs" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if b.status != 0 {
		w.WriteHeader(b.status)
		return
	}
	var txn struct{ Events, Ephemeral []map[string]any }
	_ = json.NewDecoder(r.Body).Decode(&txn)
	b.accepted = append(b.accepted, txn.Events...)
	b.typing = append(b.typing, txn.Ephemeral...)
	_, _ = w.Write([]byte("{}"))
}

func (b *bridge) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

// bodies returns the texts of the messages that came, in order.
func (b *bridge) bodies() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ev := range b.accepted {
		if ev["type"] == "m.room.message" {
			list = append(list, ev["content"].(map[string]any)["body"].(string))
		}
	}
	return list
}

// as acts as a user of the application service; an empty device is none.
func (b *bridge) as(t *testing.T, hs *nullhs.Server, user, device string) *mautrix.Client {
	c, err := mautrix.NewClient(hs.URL(), id.NewUserID(user, hs.ServerName()), b.reg.AppToken)
	require.NoError(t, err)
	c.SetAppServiceUserID = true
	_, err = c.MakeRequest(t.Context(), "POST", c.BuildClientURL("v3", "register"),
		map[string]any{"type": "m.login.application_service", "username": user, "inhibit_login": true}, nil)
	if err != nil {
		require.ErrorIs(t, err, mautrix.MUserInUse)
	}
	if device != "" {
		require.NoError(t, c.CreateDeviceMSC4190(t.Context(), id.DeviceID(device), "test"))
		c.DeviceID, c.SetAppServiceDeviceID = id.DeviceID(device), true
	}
	return c
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	wait.Until(t, what, cond)
}

// restart restarts the server and drops the connections that it has closed, which the HTTP client may not know yet.
func restart(t *testing.T, hs *nullhs.Server) {
	t.Helper()
	require.NoError(t, hs.Restart())
	http.DefaultClient.CloseIdleConnections()
}

// room makes a room with the bridge's ghosts in it.
func (b *bridge) room(t *testing.T, hs *nullhs.Server, ghosts ...*mautrix.Client) id.RoomID {
	bot := b.as(t, hs, "hangoutsbot", "")
	resp, err := bot.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{Name: "Family", Preset: "private_chat"})
	require.NoError(t, err)
	for _, g := range ghosts {
		_, err = bot.InviteUser(t.Context(), resp.RoomID, &mautrix.ReqInviteUser{UserID: g.UserID})
		require.NoError(t, err)
		_, err = g.JoinRoomByID(t.Context(), resp.RoomID)
		require.NoError(t, err)
	}
	return resp.RoomID
}

func sendTxn(t *testing.T, c *mautrix.Client, roomID id.RoomID, text, txn string) id.EventID {
	t.Helper()
	resp, err := c.SendMessageEvent(t.Context(), roomID, event.EventMessage,
		&event.MessageEventContent{MsgType: event.MsgText, Body: text}, mautrix.ReqSendEvent{TransactionID: txn})
	require.NoError(t, err)
	return resp.EventID
}

func TestTwoPeopleTalk(t *testing.T) {
	hs := nullhs.Start(t, nullhs.Options{})
	alice, bob := mxclient.New(t, hs, "alice"), mxclient.New(t, hs, "bob")
	bob.AutoJoin()
	room := alice.CreateDM(bob.UserID())
	alice.SetName(room, "Lunch")
	require.Equal(t, room, bob.WaitRoom("Lunch"))
	bob.WaitFor("joining", func() bool { return bob.Members(room)[bob.UserID()] == event.MembershipJoin })

	alice.SendText(room, "hello")
	said := bob.WaitText(room, "hello")
	require.Equal(t, alice.UserID(), said.Sender)
	bob.SetState(room, event.StateTopic, "", &event.TopicEventContent{Topic: "all are equal in a trusted private chat"})
	bob.MarkRead(room, said.ID)
	alice.WaitFor("the receipt", func() bool { return alice.Receipt(room, bob.UserID()) == said.ID })
	require.Equal(t, said.ID, hs.Receipt(room, bob.UserID()))

	bob.SetTyping(room, time.Minute)
	alice.WaitFor("typing", func() bool { return len(alice.Typing(room)) == 1 })
	bob.SetTyping(room, 0)
	alice.WaitFor("the end of typing", func() bool { return len(alice.Typing(room)) == 0 })

	bob.Leave(room)
	alice.WaitFor("the departure", func() bool { return alice.Members(room)[bob.UserID()] == event.MembershipLeave })
	_, err := bob.SendTextRetry(t.Context(), room, "still here?", "x1")
	require.ErrorIs(t, err, mautrix.MForbidden, "who left cannot send")
}

func TestSyncFillsGapsInOrder(t *testing.T) {
	hs := nullhs.Start(t, nullhs.Options{})
	alice, bob := mxclient.New(t, hs, "alice"), mxclient.New(t, hs, "bob")
	bob.AutoJoin()
	room := alice.CreateDM(bob.UserID())
	bob.WaitFor("the room", func() bool { return len(bob.Rooms()) == 1 })

	// While bob hears nothing, more is said than one answer to /sync carries.
	undo := hs.Inject(nullhs.Fault{Path: "/sync", Status: 502})
	var want []string
	for i := range 1203 {
		text := fmt.Sprintf("m%04d", i)
		want = append(want, "alice: "+text)
		alice.SendText(room, text)
	}
	undo()
	bob.WaitText(room, "m1202")
	require.Equal(t, want, bob.Texts(room))
	require.Equal(t, want, mxclient.Texts(bob.History(room)))
}

func TestTransactionIDs(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	plain, other := b.as(t, hs, "hangouts_1", ""), b.as(t, hs, "hangouts_2", "")
	device := b.as(t, hs, "hangouts_3", "BRIDGE")
	room := b.room(t, hs, plain, other, device)

	first := sendTxn(t, plain, room, "one", "t1")
	require.Equal(t, first, sendTxn(t, plain, room, "one", "t1"), "a repeat is recognised")
	require.Equal(t, first, sendTxn(t, other, room, "two", "t1"), "the same id through another ghost swallows the message")
	kept := sendTxn(t, device, room, "three", "t2")
	restart(t, hs)
	require.NotEqual(t, first, sendTxn(t, plain, room, "one", "t1"), "a restart forgets ids without a device")
	require.Equal(t, kept, sendTxn(t, device, room, "three", "t2"), "a restart keeps ids with a device")
	require.Equal(t, []string{"hangouts_1: one", "hangouts_3: three", "hangouts_1: one"}, mxclient.Texts(hs.Messages(room)))
	hs.ForgetSends()
	require.NotEqual(t, kept, sendTxn(t, device, room, "three", "t2"), "after a day")

	device.DeviceID = "OTHER"
	_, err := device.SendText(t.Context(), room, "x")
	require.ErrorContains(t, err, "M_UNKNOWN_DEVICE")
}

func TestTimestampsAreKept(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	ghost := b.as(t, hs, "hangouts_1", "")
	room := b.room(t, hs, ghost)
	content := &event.MessageEventContent{MsgType: event.MsgText, Body: "old"}
	_, err := ghost.SendMessageEvent(t.Context(), room, event.EventMessage, content, mautrix.ReqSendEvent{Timestamp: 1234567890123})
	require.NoError(t, err)
	require.EqualValues(t, 1234567890123, hs.Messages(room)[0].Timestamp)
}

func TestAliasesAreReserved(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	bot, alice := b.as(t, hs, "hangoutsbot", ""), mxclient.New(t, hs, "alice")

	resp, err := bot.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{RoomAliasName: "hangouts_abc"})
	require.NoError(t, err)
	require.Equal(t, resp.RoomID, hs.Alias("#hangouts_abc:test.localhost"))
	require.NotContains(t, string(resp.RoomID), ":", "room version 12 has no server part in room ids")
	_, err = bot.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{RoomAliasName: "hangouts_abc"})
	require.ErrorIs(t, err, mautrix.MRoomInUse)
	_, err = alice.Matrix.CreateRoom(t.Context(), &mautrix.ReqCreateRoom{RoomAliasName: "hangouts_def"})
	require.ErrorIs(t, err, mautrix.MExclusive)
	_, err = bot.DeleteAlias(t.Context(), "#hangouts_abc:test.localhost")
	require.NoError(t, err)
	_, err = bot.ResolveAlias(t.Context(), "#hangouts_abc:test.localhost")
	require.ErrorIs(t, err, mautrix.MNotFound)
}

func TestServiceIsRetriedInOrder(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}, RetryDelay: time.Hour})
	alice := mxclient.New(t, hs, "alice")
	room := b.room(t, hs)
	bot := b.as(t, hs, "hangoutsbot", "")
	_, err := bot.InviteUser(t.Context(), room, &mautrix.ReqInviteUser{UserID: alice.UserID()})
	require.NoError(t, err)
	alice.Join(room)

	alice.SetTyping(room, time.Minute)
	eventually(t, "typing reaches the bridge", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.typing) == 1 })
	b.answer(http.StatusInternalServerError)
	for i := range 5 {
		alice.SendText(room, fmt.Sprint("m", i))
	}
	eventually(t, "a refused transaction", func() bool {
		sent := hs.Transactions()
		return sent[len(sent)-1].Status == 500
	})
	require.Empty(t, b.bodies())
	b.answer(0)
	_, err = bot.AppservicePing(t.Context(), "hangouts", "p1")
	require.NoError(t, err, "a ping that succeeds ends the wait of an hour")
	eventually(t, "all messages", func() bool { return len(b.bodies()) == 5 })
	require.Equal(t, []string{"m0", "m1", "m2", "m3", "m4"}, b.bodies())
	eventually(t, "nothing waits", hs.Idle)

	sent := hs.Transactions()
	status, err := hs.Replay(t.Context(), sent[len(sent)-1])
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Greater(t, len(b.bodies()), 5, "a replay reaches the bridge again")
	require.Equal(t, "m4", b.bodies()[len(b.bodies())-1])
}

// As in Synapse: an event may be laid aside when a recovery ends. Later ones overtake it, and it comes after the next
// outage. What was pushed late says how old it is.
func TestEventLaidAside(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}, LayAside: true})
	alice := mxclient.New(t, hs, "alice")
	room := b.room(t, hs)
	_, err := b.as(t, hs, "hangoutsbot", "").InviteUser(t.Context(), room, &mautrix.ReqInviteUser{UserID: alice.UserID()})
	require.NoError(t, err)
	alice.Join(room)
	arrived := func(bodies ...string) {
		t.Helper()
		eventually(t, fmt.Sprint(bodies), func() bool { return slices.Equal(b.bodies(), bodies) })
	}
	failed := func() (n int) {
		for _, txn := range hs.Transactions() {
			if txn.Status == 0 {
				n++
			}
		}
		return n
	}
	missed := func(text string) {
		t.Helper()
		before := failed()
		hs.Unreachable("hangouts", true)
		alice.SendText(room, text)
		eventually(t, "a push that fails", func() bool { return failed() > before })
		hs.Unreachable("hangouts", false)
	}
	hs.Older(time.Minute)
	missed("late")
	arrived("late")
	eventually(t, "the end of the outage", hs.Idle)
	sent := hs.Transactions()
	var body struct{ Events []*event.Event }
	require.NoError(t, json.Unmarshal(sent[len(sent)-1].Body, &body))
	require.GreaterOrEqual(t, body.Events[0].Unsigned.Age, time.Minute.Milliseconds())

	alice.SendText(room, "laid aside")
	alice.SendText(room, "overtakes")
	arrived("late", "overtakes")
	require.False(t, hs.Idle())
	missed("fails")
	arrived("late", "overtakes", "laid aside", "fails")
}

// As in Synapse: what waits in memory is lost, what was in flight waits for a later failure.
func TestRestartLosesQueuedEvents(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	alice := mxclient.New(t, hs, "alice")
	room := b.room(t, hs)
	_, err := b.as(t, hs, "hangoutsbot", "").InviteUser(t.Context(), room, &mautrix.ReqInviteUser{UserID: alice.UserID()})
	require.NoError(t, err)
	alice.Join(room)
	alice.SendText(room, "before")
	eventually(t, "the first message", func() bool { return len(b.bodies()) == 1 })

	hs.PausePush("hangouts")
	lost := alice.SendText(room, "lost")
	restart(t, hs)
	alice.SendText(room, "after")
	eventually(t, "a message after the restart", func() bool { return len(b.bodies()) == 2 })
	require.Equal(t, []string{"before", "after"}, b.bodies())

	bot := b.as(t, hs, "hangoutsbot", "")
	ev, err := bot.GetEvent(t.Context(), room, lost)
	require.NoError(t, err, "the event itself is in the room")
	require.Equal(t, "lost", ev.Content.Raw["body"])
}

func TestFaults(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	ghost := b.as(t, hs, "hangouts_1", "")
	ghost.DefaultHTTPRetries = 0
	ctx := context.WithValue(t.Context(), mautrix.MaxAttemptsContextKey, 1)
	room := b.room(t, hs, ghost)
	send := func(txn string) error {
		_, err := ghost.SendMessageEvent(ctx, room, event.EventMessage,
			&event.MessageEventContent{MsgType: event.MsgText, Body: txn}, mautrix.ReqSendEvent{TransactionID: txn})
		return err
	}

	hs.Inject(nullhs.Fault{Path: "/send/", Status: 429, RetryAfter: time.Second, Times: 1})
	require.ErrorIs(t, send("a"), mautrix.MLimitExceeded)
	require.NoError(t, send("a"), "once means once")
	hs.Inject(nullhs.Fault{Path: "/send/", Status: 502, After: true, Times: 1})
	require.Error(t, send("b"))
	require.Len(t, hs.Messages(room), 2, "accepted although the answer was lost")
	hs.Inject(nullhs.Fault{Method: "PUT", Path: "/send/", Drop: true, User: "@hangouts_1:test.localhost"})
	require.Error(t, send("c"))
	hs.ClearFaults()
	require.NoError(t, send("c"))
	require.Len(t, hs.Messages(room), 3)
	require.Equal(t, 3, hs.Sends(), "a, b and the c that came through")

	_, err := ghost.MakeRequest(ctx, "GET", ghost.BuildClientURL("v3", "no", "such", "thing"), nil, nil)
	require.ErrorIs(t, err, mautrix.MUnrecognized)
	require.Len(t, hs.Requests(func(r nullhs.Request) bool { return r.Route == "unknown" }), 1)
}

func TestPowerLevelsAndNamespaces(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	ghost, alice := b.as(t, hs, "hangouts_1", ""), mxclient.New(t, hs, "alice")
	room := b.room(t, hs, ghost)
	_, err := ghost.SendStateEvent(t.Context(), room, event.StateRoomName, "", &event.RoomNameEventContent{Name: "mine"})
	require.ErrorIs(t, err, mautrix.MForbidden, "a ghost without power cannot rename")
	_, err = alice.Matrix.JoinRoomByID(t.Context(), room)
	require.ErrorIs(t, err, mautrix.MForbidden, "nobody joins uninvited")
	require.ErrorContains(t, mxclient.Register(t.Context(), hs, "hangouts_9", "x"), "M_EXCLUSIVE")

	stranger := b.as(t, hs, "hangoutsbot", "")
	stranger.UserID = "@carol:test.localhost"
	_, err = stranger.Whoami(t.Context())
	require.ErrorIs(t, err, mautrix.MForbidden)
	stranger.AccessToken = "wrong"
	_, err = stranger.Whoami(t.Context())
	require.ErrorIs(t, err, mautrix.MUnknownToken)

	_, err = ghost.MakeRequest(t.Context(), "POST", ghost.BuildClientURL("v3", "createRoom"), map[string]any{"invite": nil}, nil)
	require.Error(t, err, "a null invite list fails, as on Synapse")
}

func TestStateFileSurvivesANewProcess(t *testing.T) {
	b := newBridge(t)
	opts := nullhs.Options{StateFile: filepath.Join(t.TempDir(), "state"), Registrations: []*appservice.Registration{b.reg}}
	hs := nullhs.Start(t, opts)
	device := b.as(t, hs, "hangouts_3", "BRIDGE")
	room := b.room(t, hs, device)
	kept := sendTxn(t, device, room, "three", "t2")
	upload, err := device.UploadBytes(t.Context(), []byte("picture"), "image/png")
	require.NoError(t, err)
	require.NoError(t, device.SetDisplayName(t.Context(), "Ann"))
	hs.Close()

	again := nullhs.Start(t, opts)
	require.Equal(t, []string{"hangouts_3: three"}, mxclient.Texts(again.Messages(room)))
	require.Equal(t, "Ann", again.State(room, "m.room.member", "@hangouts_3:test.localhost").Content.AsMember().Displayname)
	require.Equal(t, kept, sendTxn(t, b.as(t, again, "hangouts_3", "BRIDGE"), room, "three", "t2"))
	data, contentType := again.Media(upload.ContentURI.CUString())
	require.Equal(t, "picture", string(data))
	require.Equal(t, "image/png", contentType)
}

func TestMessagesPageBothWays(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	bot := b.as(t, hs, "hangoutsbot", "")
	room := b.room(t, hs)
	for i := range 25 {
		sendTxn(t, bot, room, fmt.Sprint(i), fmt.Sprint("t", i))
	}
	all := hs.Events(room)
	for dir, name := range map[mautrix.Direction]string{mautrix.DirectionForward: "forward", mautrix.DirectionBackward: "backward"} {
		var seen []id.EventID
		from := ""
		for {
			page, err := bot.Messages(t.Context(), room, from, "", dir, nil, 4)
			require.NoError(t, err)
			for _, ev := range page.Chunk {
				seen = append(seen, ev.ID)
			}
			if from = page.End; from == "" {
				break
			}
		}
		require.Len(t, seen, len(all), name)
		for i := range all {
			want := all[i].ID
			if dir == mautrix.DirectionBackward {
				want = all[len(all)-1-i].ID
			}
			require.Equal(t, want, seen[i], name)
		}
	}
}

// A filter that lets nothing through makes a long poll that only ends when the server does.
func TestBlindSyncEndsWithTheServer(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	bot := b.as(t, hs, "hangoutsbot", "")
	room := b.room(t, hs)
	// On a connection used before, Go's transport repeats a GET that broke off without an answer and hides the break.
	bot.Client.Transport = &http.Transport{DisableKeepAlives: true}
	blind := `{"room":{"rooms":[]},"presence":{"types":[]},"account_data":{"types":[]}}`
	first, err := bot.FullSyncRequest(t.Context(), mautrix.ReqSync{FilterID: blind})
	require.NoError(t, err)
	require.Empty(t, first.Rooms.Join)
	ended := make(chan error, 1)
	go func() {
		_, err := bot.FullSyncRequest(t.Context(), mautrix.ReqSync{FilterID: blind, Since: first.NextBatch, Timeout: 60_000})
		ended <- err
	}()
	eventually(t, "the poll", func() bool { return hs.Polls() == 1 })
	for i := range 4 {
		sendTxn(t, bot, room, "x", fmt.Sprint("t", i))
	}
	require.Equal(t, 1, hs.Polls(), "events that the filter hides do not end the poll")
	restart(t, hs)
	require.Error(t, <-ended)
	later, err := bot.FullSyncRequest(t.Context(), mautrix.ReqSync{Since: first.NextBatch, FilterID: `{"room":{"timeline":{"limit":2}}}`})
	require.NoError(t, err)
	timeline := later.Rooms.Join[room].Timeline
	require.Len(t, timeline.Events, 2)
	require.True(t, timeline.Limited)
}

func TestPingTellsWhatIsWrong(t *testing.T) {
	b := newBridge(t)
	hs := nullhs.Start(t, nullhs.Options{Registrations: []*appservice.Registration{b.reg}})
	bot := b.as(t, hs, "hangoutsbot", "")
	b.answer(http.StatusForbidden)
	_, err := bot.AppservicePing(context.WithValue(t.Context(), mautrix.MaxAttemptsContextKey, 1), "hangouts", "x")
	require.ErrorContains(t, err, "M_BAD_STATUS")
	resp, err := http.Get(hs.URL() + "/_matrix/client/versions")
	require.NoError(t, err)
	body, _ := io.ReadAll(resp.Body)
	require.NoError(t, resp.Body.Close())
	require.True(t, strings.Contains(string(body), "v1.4"))
}
