package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

func (w *world) typings() (states []chat.TypingState) {
	for _, typing := range w.network.Typings() {
		states = append(states, typing.State)
	}
	return states
}

// noEcho gives the homeserver and the bridge the time to tell something back: a message
// goes the same way after it.
func (w *world) noEcho(say chat.PersonID, conversation chat.ConversationID, room id.RoomID, text string) {
	w.t.Helper()
	w.network.Say(say, conversation, text)
	w.eventually(text, func() bool {
		return slices.ContainsFunc(w.lines(room), func(l line) bool { return l.Body == text })
	})
	w.eventually("the homeserver to be done", w.hs.Idle)
}

func TestTypingFromMatrix(t *testing.T) {
	w, alice, room := talk(t)
	alice.SetTyping(room, 30*time.Second)
	w.eventually("typing", func() bool { return slices.Equal(w.typings(), []chat.TypingState{chat.TypingStarted}) })
	alice.SetTyping(room, 0)
	w.eventually("the end", func() bool {
		return slices.Equal(w.typings(), []chat.TypingState{chat.TypingStarted, chat.TypingStopped})
	})
	alice.SetTyping(room, 30*time.Second)
	w.eventually("typing", func() bool { return len(w.typings()) == 3 })
	alice.SendText(room, "typed")
	w.waitTexts(direct, "first", "typed")
	for _, typing := range w.network.Typings() {
		require.Equal(t, anna, typing.Person)
		require.Equal(t, direct, typing.Conversation)
	}
}

// typists are who types in a room, in order.
func (w *world) typists(room id.RoomID) []id.UserID {
	users := w.hs.Typing(room)
	slices.Sort(users)
	return users
}

func (w *world) waitTypists(room id.RoomID, want ...id.UserID) {
	w.t.Helper()
	slices.Sort(want)
	w.eventually(fmt.Sprint(want, " to type"), func() bool { return slices.Equal(w.typists(room), want) })
}

// typingRequests counts what was asked of the homeserver for a user's typing by the bridge.
func (w *world) typingRequests(alice *mxclient.Client) int {
	return len(w.hs.Requests(func(r nullhs.Request) bool {
		return containsPart(r.Path, "typing") && r.User == alice.UserID() && r.Device != alice.Matrix.DeviceID.String()
	}))
}

// typeOnIRC is what the IRC side tells an account of its person.
func (w *world) typeOnIRC(person chat.PersonID, conversation chat.ConversationID, state chat.TypingState) {
	w.t.Helper()
	session, ok := w.manager.Get(person)
	require.True(w.t, ok)
	require.NoError(w.t, session.SetTyping(w.t.Context(), chat.Typing{
		Conversation: conversation, Person: person, State: state, Origin: chat.Origin{Side: chat.OriginIRC, Ref: "laptop"},
	}))
}

// What the person types on IRC shows as their Matrix user's, and Hangouts hears of it once:
// from IRC, not from its echo in Matrix.
func TestTypingOnIRCShowsInMatrix(t *testing.T) {
	for name, end := range map[string]chat.TypingState{"stopped": chat.TypingStopped, "paused": chat.TypingPaused} {
		t.Run(name, func(t *testing.T) {
			w, alice, room := talk(t)
			w.typeOnIRC(anna, direct, chat.TypingStarted)
			w.waitTypists(room, alice.UserID())
			// Each change is told to the bridge with all who type.
			w.network.Type(carl, direct, chat.TypingStarted)
			w.waitTypists(room, alice.UserID(), ghost(carl))
			w.network.Type(carl, direct, chat.TypingStopped)
			w.waitTypists(room, alice.UserID())
			w.typeOnIRC(anna, direct, end)
			w.waitTypists(room)
			w.noEcho(carl, direct, room, "after")
			require.Equal(t, []chat.TypingState{chat.TypingStarted, end}, w.typings())
			require.Equal(t, 2, w.typingRequests(alice))

			// What is then typed in Matrix counts.
			alice.SetTyping(room, 30*time.Second)
			w.eventually("Hangouts to hear", func() bool { return w.typings()[len(w.typings())-1] == chat.TypingStarted })
			require.Equal(t, 2, w.typingRequests(alice), "Matrix shows it without us")
		})
	}
}

// The homeserver tells of it all only when it is over.
func TestLateEchoOfTyping(t *testing.T) {
	w, alice, room := talk(t)
	w.hs.PausePush("hangouts")
	w.typeOnIRC(anna, direct, chat.TypingStarted)
	w.waitTypists(room, alice.UserID())
	w.typeOnIRC(anna, direct, chat.TypingStopped)
	w.waitTypists(room)
	w.hs.ResumePush("hangouts")
	w.noEcho(carl, direct, room, "after")
	require.Equal(t, []chat.TypingState{chat.TypingStarted, chat.TypingStopped}, w.typings())
}

// A message from IRC ends what was typed there.
func TestMessageFromIRCEndsTyping(t *testing.T) {
	w, alice, room := talk(t)
	session, _ := w.manager.Get(anna)
	w.typeOnIRC(anna, direct, chat.TypingStarted)
	w.waitTypists(room, alice.UserID())
	require.NoError(t, session.Submit(t.Context(), chat.Request{
		V: chat.Version, Conversation: direct, Origin: chat.Origin{Side: chat.OriginIRC, Ref: "line"}, Message: &chat.Message{Text: chat.Plain("typed")},
	}))
	w.waitLines(room, line{ghost(carl), "first"}, line{alice.UserID(), "typed"})
	w.waitTypists(room)
	w.noEcho(carl, direct, room, "after")
	require.Equal(t, []chat.TypingState{chat.TypingStarted}, w.typings(), "Hangouts knows that a message ends it")
}

// Whoever types in Matrix is not made to type by us, and is not stopped by what they do
// with another client.
func TestTypingInMatrixIsLeftAlone(t *testing.T) {
	w, alice, room := talk(t)
	alice.SetTyping(room, 30*time.Second)
	w.eventually("Hangouts to hear", func() bool { return len(w.typings()) == 1 })
	w.network.Type(anna, direct, chat.TypingPaused)
	w.noEcho(carl, direct, room, "first after")
	w.network.Type(anna, direct, chat.TypingStopped)
	w.noEcho(carl, direct, room, "second after")
	require.Equal(t, []id.UserID{alice.UserID()}, w.typists(room))
	require.Zero(t, w.typingRequests(alice))
	require.Equal(t, []chat.TypingState{chat.TypingStarted}, w.typings())
}

// What the person types with another Hangouts client shows as their Matrix user's, and is
// not told to Hangouts again. Without a double puppet there is nobody to show it.
func TestOwnTypingIsNotEchoed(t *testing.T) {
	for name, secrets := range map[string]map[string]string{"double puppet": {domain: "as_token:puppet-as-token"}, "no double puppet": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.change = func(c *bridgeconfig.Config) { c.DoublePuppet.Secrets = secrets }
			w.start()
			alice := w.user("alice")
			w.login(alice, anna)
			w.network.Say(carl, direct, "first")
			room := w.room("first")
			alice.WaitText(room, "first")
			w.network.Type(anna, direct, chat.TypingStarted)
			w.network.Type(carl, direct, chat.TypingStarted)
			if secrets == nil {
				w.waitTypists(room, ghost(carl))
				w.noEcho(carl, direct, room, "after")
				require.NotContains(t, w.typists(room), ghost(anna))
				require.NotContains(t, w.typists(room), alice.UserID())
			} else {
				w.waitTypists(room, alice.UserID(), ghost(carl))
				w.network.Type(anna, direct, chat.TypingPaused)
				w.waitTypists(room, ghost(carl))
				w.noEcho(carl, direct, room, "after")
			}
			require.Empty(t, w.network.Typings())
		})
	}
}

// In a shared group a person of another login is their own Matrix user, and types as that
// one, by their own login.
func TestTypingOfAnotherLoginIsNotEchoed(t *testing.T) {
	w, alice, bob, room := shared(t)
	w.network.Type(bert, group, chat.TypingStarted)
	w.network.Type(carl, group, chat.TypingStarted)
	w.waitTypists(room, bob.UserID(), ghost(carl))
	w.noEcho(carl, group, room, "after")
	require.Empty(t, w.network.Typings())
	require.Equal(t, 1, w.typingRequests(bob))
	w.network.Type(bert, group, chat.TypingStopped)
	w.waitTypists(room)

	bob.SetTyping(room, 30*time.Second)
	w.eventually("Hangouts to hear", func() bool { return len(w.network.Typings()) == 1 })
	require.Equal(t, bert, w.network.Typings()[0].Person)
	require.Equal(t, 2, w.typingRequests(bob))
	require.Zero(t, w.typingRequests(alice))
}

// Who has no double puppet types as a ghost where others see it.
func TestTypingOfAnotherLoginWithoutADoublePuppet(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) { c.DoublePuppet.Secrets = nil }
	w.start()
	alice, bob := w.user("alice"), w.user("bob")
	w.login(alice, anna)
	w.login(bob, bert)
	w.network.Say(carl, group, "first")
	room := w.room("first")
	alice.WaitText(room, "first")
	bob.WaitText(room, "first")
	w.network.Type(bert, group, chat.TypingStarted)
	w.waitTypists(room, ghost(bert))
	w.network.Type(bert, group, chat.TypingStopped)
	w.waitTypists(room)

	bob.SetTyping(room, 30*time.Second)
	w.eventually("Hangouts to hear", func() bool { return len(w.network.Typings()) == 1 })
	w.noEcho(carl, group, room, "after")
	require.NotContains(t, w.typists(room), ghost(bert))
}

func TestReadingFromMatrixIsExact(t *testing.T) {
	w, alice, room := talk(t)
	second := w.network.Say(carl, direct, "second")
	third := w.network.Say(carl, direct, "third")
	alice.WaitText(room, "third")
	marks := func(want ...int64) {
		t.Helper()
		w.eventually("the watermarks", func() bool { return len(w.network.Marks()) >= len(want) })
		var got []int64
		for _, mark := range w.network.Marks() {
			require.Equal(t, anna, mark.Person)
			got = append(got, mark.Time)
		}
		require.Equal(t, want, got)
	}
	alice.MarkRead(room, alice.WaitText(room, "second").ID)
	marks(second.Time)
	require.NotZero(t, second.Time%1000, "not only milliseconds")

	alice.Do("read in private", func(ctx context.Context) error {
		return alice.Matrix.SendReceipt(ctx, room, alice.WaitText(room, "third").ID, event.ReceiptTypeReadPrivate, nil)
	})
	alice.MarkRead(room, alice.WaitText(room, "first").ID) // backwards
	w.noEcho(carl, direct, room, "fourth")
	marks(second.Time)

	alice.MarkRead(room, alice.WaitText(room, "third").ID)
	marks(second.Time, third.Time)
}

// Reading a notice of the bot is reading what was before it.
func TestReadingANotice(t *testing.T) {
	w, alice, room := talk(t)
	second := w.network.Say(carl, direct, "second")
	alice.WaitText(room, "second")
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: " "})
	notice := alice.WaitText(room, w.waitNotices(room, 1)[0])
	alice.MarkRead(room, notice.ID)
	w.eventually("the watermark", func() bool { return len(w.network.Marks()) == 1 })
	require.Equal(t, second.Time, w.network.Marks()[0].Time)
}

func (w *world) waitNotices(room id.RoomID, n int) []string {
	w.t.Helper()
	w.eventually("notices", func() bool { return len(w.notices(room)) >= n })
	return w.notices(room)
}

// Reading with another Hangouts client, or on IRC, marks the room as read, and is told to
// nobody again.
func TestReadingElsewhereMarksTheRoomRead(t *testing.T) {
	w, alice, room := talk(t)
	second := w.network.Say(carl, direct, "second")
	target := alice.WaitText(room, "second").ID
	w.network.Read(anna, direct, second.Time)
	w.eventually("alice's receipt", func() bool { return w.hs.Receipt(room, alice.UserID()) == target })
	w.noEcho(carl, direct, room, "third")
	require.Empty(t, w.network.Marks(), "Hangouts knows it")

	third := alice.WaitText(room, "third").ID
	session, ok := w.manager.Get(anna)
	require.True(t, ok)
	events := w.network.Events(direct)
	require.NoError(t, session.MarkRead(t.Context(), chat.Watermark{
		Conversation: direct, Time: events[len(events)-1].Time, Origin: chat.Origin{Side: chat.OriginIRC, Ref: "laptop"},
	}))
	w.eventually("alice's receipt", func() bool { return w.hs.Receipt(room, alice.UserID()) == third })
	w.noEcho(carl, direct, room, "fourth")
	require.Len(t, w.network.Marks(), 1, "from IRC, once")
}

// What was read in Matrix is not marked there again.
func TestReadingInMatrixIsNotEchoed(t *testing.T) {
	w, alice, room := talk(t)
	alice.MarkRead(room, alice.WaitText(room, "first").ID)
	w.eventually("the watermark", func() bool { return len(w.network.Marks()) == 1 })
	w.noEcho(carl, direct, room, "second")
	echoes := w.hs.Requests(func(r nullhs.Request) bool {
		return r.Method == http.MethodPost && r.User == alice.UserID() && r.Device != alice.Matrix.DeviceID.String() &&
			(containsPart(r.Path, "read_markers") || containsPart(r.Path, "receipt"))
	})
	require.Empty(t, echoes)
}

func containsPart(path, part string) bool { return slices.Contains(splitPath(path), part) }

// A watermark may come before the message that it is about is in the room.
func TestWatermarkBeforeItsMessage(t *testing.T) {
	w, alice, room := talk(t)
	stop := w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", Status: 502})
	second := w.network.Say(carl, direct, "second")
	third := w.network.Say(carl, direct, "third")
	w.network.Read(bert, direct, third.Time)
	w.network.Read(anna, direct, third.Time)
	first := alice.WaitText(room, "first").ID
	w.eventually("a receipt", func() bool { return w.hs.Receipt(room, alice.UserID()) == first })
	stop()
	target := alice.WaitText(room, "third").ID
	w.eventually("alice's receipt", func() bool { return w.hs.Receipt(room, alice.UserID()) == target })
	require.Less(t, second.Time, third.Time)
}

// tap lets a test push what the network for tests does not.
type tap struct {
	account.Backend
	mu    sync.Mutex
	sinks []account.Sink
}

type tappedConnection struct {
	account.Connection
	tap *tap
}

func (b *tap) Open(stored []byte) (account.Connection, error) {
	connection, err := b.Backend.Open(stored)
	return &tappedConnection{connection, b}, err
}

func (c *tappedConnection) Run(ctx context.Context, sink account.Sink) error {
	c.tap.mu.Lock()
	c.tap.sinks = append(c.tap.sinks, sink)
	c.tap.mu.Unlock()
	return c.Connection.Run(ctx, sink)
}

func (b *tap) push(t *testing.T, update account.Update) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, sink := range b.sinks {
		require.NoError(t, sink.Push(t.Context(), update))
	}
}

func TestTitleFollowsAPersonsName(t *testing.T) {
	w := newWorld(t)
	tapped := &tap{Backend: w.backend}
	w.backend = tapped
	w.network.AddConversation("UgxOpen", "", anna, bert, carl)
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, "UgxOpen", "hello")
	room := w.room("hello")
	name := func(want string) {
		t.Helper()
		w.eventually("the name "+want, func() bool {
			state := w.hs.State(room, "m.room.name", "")
			return state != nil && state.Content.AsRoomName().Name == want
		})
	}
	name("Bert, Carl")
	w.network.AddPerson(carl, "Caroline Conrad") // for look-ups that are still on their way
	tapped.push(t, account.Update{People: []chat.Person{{ID: carl, FullName: "Caroline Conrad", FirstName: "Caroline"}}})
	name("Bert, Caroline")
	require.Equal(t, "Caroline Conrad (Hangouts)", w.hs.Profile(ghost(carl), "displayname"))
	writes := func() int {
		return len(w.hs.Requests(func(r nullhs.Request) bool { return r.Method == http.MethodPut && containsPart(r.Path, "m.room.name") }))
	}
	w.noEcho(carl, "UgxOpen", room, "before") // what the change set off is done
	before := writes()
	tapped.push(t, account.Update{People: []chat.Person{{ID: carl, FullName: "Caroline Conrad", FirstName: "Caroline", Emails: []string{"c@example.com"}}}})
	w.noEcho(carl, "UgxOpen", room, "after")
	require.Equal(t, before, writes(), "nothing is written that has not changed")
}

// stateLog is a status endpoint.
type stateLog struct {
	mu     sync.Mutex
	states []status.BridgeState
}

func (l *stateLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var state status.BridgeState
	if json.Unmarshal(body, &state) == nil && state.RemoteID != "" {
		l.mu.Lock()
		l.states = append(l.states, state)
		l.mu.Unlock()
	}
}

func (l *stateLog) last() (status.BridgeStateEvent, status.BridgeStateErrorCode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.states) == 0 {
		return "", ""
	}
	return l.states[len(l.states)-1].StateEvent, l.states[len(l.states)-1].Error
}

// has reports whether a state was told.
func (l *stateLog) has(state status.BridgeStateEvent, code status.BridgeStateErrorCode) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.states, func(s status.BridgeState) bool { return s.StateEvent == state && s.Error == code })
}

// states gives a world a status endpoint.
func (w *world) states() *stateLog {
	log := &stateLog{}
	server := httptest.NewServer(log)
	w.t.Cleanup(server.Close)
	w.change = func(c *bridgeconfig.Config) { c.Homeserver.StatusEndpoint = server.URL }
	return log
}

func TestBridgeStatesFollowTheAccount(t *testing.T) {
	w := newWorld(t)
	log := w.states()
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	is := func(state status.BridgeStateEvent, code status.BridgeStateErrorCode) {
		t.Helper()
		w.eventually("the state "+string(state), func() bool {
			s, e := log.last()
			return s == state && e == code
		})
	}
	is(status.StateConnected, "")
	w.network.Cut(anna) // a forced reconnection
	w.eventually("the new connection", func() bool { return w.network.Runs(anna) >= 2 })
	is(status.StateConnected, "")

	w.network.Refuse(anna, true)
	w.network.Cut(anna)
	is(status.StateBadCredentials, "hangouts-bad-credentials")
	w.waitNotice(management, "does not accept your login any more")
	w.network.Refuse(anna, false)
	alice.SendText(management, "relogin "+string(anna)+" token "+string(anna))
	is(status.StateConnected, "")
	w.waitNotice(management, "State update for Anna Ahrens: `CONNECTED`")
}

// A login from the terminal beside a running bridge gets its rooms without a restart.
func TestLoginBesideTheRunningBridge(t *testing.T) {
	w := newWorld(t)
	w.network.Say(carl, direct, "old")
	w.start()
	alice := w.user("alice")
	other := account.NewManager(w.main.Store(), w.network, quick, *w.main.Log)
	t.Cleanup(other.Stop)
	user := account.User{Side: chat.OriginMatrix, ID: string(alice.UserID())}
	_, err := other.Enroll(t.Context(), chat.Credentials{RefreshToken: string(anna)}, user)
	require.NoError(t, err)
	room := w.room("old")
	w.eventually("alice in the room", func() bool { return w.hs.Membership(room, alice.UserID()) == "join" })
	alice.SendText(room, "hello")
	w.waitTexts(direct, "old", "hello")

	require.NoError(t, other.Revoke(t.Context(), anna, user))
	w.eventually("the login to end", func() bool { return w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)) == nil })
}
