package classic_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a server with the default scenario and a manager connected to it.
type rig struct {
	t       *testing.T
	srv     *hangoutstest.Server
	m       *account.Manager
	db      *database.DB
	session account.Session
	reader  *reader
	server  hangoutstest.Options
	config  hangouts.Config
	options account.Options
}

func newRig(t *testing.T) *rig {
	return newRigWith(t, func(*hangoutstest.Options, *hangouts.Config, *account.Options) {})
}

// newRigWith makes a rig whose settings a test changes.
func newRigWith(t *testing.T, change func(*hangoutstest.Options, *hangouts.Config, *account.Options)) *rig {
	server := hangoutstest.Options{Configure: func(s *hangoutstest.Settings) { s.Dedup = false }}
	config := hangouts.Config{RetryBackoffBase: 1.1}
	options := account.Options{DoubtDelay: 200 * time.Millisecond, BackoffMin: 20 * time.Millisecond,
		BackoffMax: 200 * time.Millisecond, MarkDelay: 10 * time.Millisecond}
	change(&server, &config, &options)
	srv, err := hangoutstest.Start(server)
	require.NoError(t, err)
	config.BaseURL = srv.URL
	r := &rig{t: t, srv: srv, reader: &reader{}, server: server, config: config, options: options}
	t.Cleanup(func() { r.srv.Close() })
	uri := "file:" + filepath.Join(t.TempDir(), "bridge.db") + "?_txlock=immediate"
	r.db, err = database.Open("test", "sqlite3-fk-wal", uri, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.db.Close() })
	require.NoError(t, r.db.Upgrade(t.Context()))
	r.start()
	t.Cleanup(func() { r.m.Stop() })
	r.login(chat.Credentials{RefreshToken: srv.Account(0).RefreshToken()})
	r.attach()
	return r
}

// start runs a manager on the rig's database.
func (r *rig) start() {
	r.m = account.NewManager(r.db, classic.New(r.config), r.options, zerolog.New(zerolog.NewTestWriter(r.t)).Level(zerolog.WarnLevel))
	require.NoError(r.t, r.m.Start(r.t.Context()))
}

func (r *rig) attach() {
	_, err := r.session.Attach(r.t.Context(), account.ConsumerID{Side: chat.OriginIRC, Name: "test"}, r.reader, account.ConsumerOptions{Batch: 10})
	require.NoError(r.t, err)
}

// restart goes on where the manager before was, after something was done in between.
func (r *rig) restart(between func()) {
	id := r.session.ID()
	r.m.Stop()
	between()
	r.start()
	s, ok := r.m.Get(id)
	require.True(r.t, ok)
	r.session = s
	r.attach()
}

func (r *rig) login(credentials chat.Credentials) {
	r.t.Helper()
	s, err := r.m.Login(r.t.Context(), credentials, account.User{Side: chat.OriginIRC, ID: "ada"})
	require.NoError(r.t, err)
	r.session = s
	r.eventually(func() bool {
		row, err := r.db.Accounts().Get(context.Background(), s.ID())
		return err == nil && row.Cursor > 0 && s.State().Status == chat.Connected
	}, "connected and caught up")
}

func (r *rig) eventually(cond func() bool, what string) {
	r.t.Helper()
	wait.Until(r.t, what, cond)
}

func (r *rig) conversation(key string) chat.ConversationID {
	r.t.Helper()
	c, ok := r.srv.Conversation(key)
	require.True(r.t, ok)
	return chat.ConversationID(c.ID)
}

func (r *rig) expect(id chat.ConversationID, texts ...string) {
	r.t.Helper()
	r.eventually(func() bool { return len(r.reader.got(id)) >= len(texts) }, fmt.Sprintf("%d messages", len(texts)))
	require.Equal(r.t, texts, r.reader.got(id))
}

type reader struct {
	mu     sync.Mutex
	events []chat.Event
	states []chat.AccountState
}

func (r *reader) Typing(context.Context, chat.Typing)                    {}
func (r *reader) Watermark(context.Context, chat.Watermark)              {}
func (r *reader) ConversationChanged(context.Context, chat.Conversation) {}
func (r *reader) PersonChanged(context.Context, chat.Person)             {}

func (r *reader) StateChanged(_ context.Context, s chat.AccountState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, s)
}

// was reports whether the account was shown with a status and a reason since the last
// call of forget.
func (r *reader) was(status chat.AccountStatus, reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.states {
		if s.Status == status && strings.Contains(s.Reason, reason) {
			return true
		}
	}
	return false
}

func (r *reader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = nil
}

func (r *reader) Deliver(_ context.Context, events []chat.Event) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	return len(events), nil
}

func (r *reader) got(id chat.ConversationID) (texts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Conversation == id && e.Message != nil {
			texts = append(texts, e.Message.Text.String())
		}
	}
	return texts
}

func send(t *testing.T, s account.Session, id chat.ConversationID, ref, text string) (chat.Event, error) {
	t.Helper()
	origin := chat.Origin{Side: chat.OriginIRC, Ref: ref}
	require.NoError(t, s.Submit(t.Context(), chat.Request{Conversation: id, Origin: origin, Message: &chat.Message{Text: chat.Plain(text)}}))
	ctx, cancel := context.WithTimeout(t.Context(), wait.Patience)
	defer cancel()
	return s.Await(ctx, origin)
}

func TestConversationsPeopleAndHistory(t *testing.T) {
	r := newRig(t)
	list, err := r.session.Conversations(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	team, err := r.session.Conversation(t.Context(), r.conversation("team"))
	require.NoError(t, err)
	require.Equal(t, "Team", team.Name)
	require.Equal(t, chat.Group, team.Kind)
	require.Len(t, team.Members, 4)
	carol := chat.PersonID(r.srv.Person("carol").GaiaID())
	people, err := r.session.People(t.Context(), carol)
	require.NoError(t, err)
	require.Equal(t, "Carol Čapek", people[carol].FullName)
	history, err := r.session.History(t.Context(), account.HistoryQuery{Conversation: r.conversation("direct"), Limit: 10})
	require.NoError(t, err)
	require.Len(t, history, 2)
	require.Equal(t, "Hello Ada 😀", history[1].Message.Text.String())
	require.Less(t, history[0].Time, history[1].Time)
}

func TestTextBothWays(t *testing.T) {
	r := newRig(t)
	team := r.conversation("team")
	said, err := r.srv.Person("carol").Send("team", "one\ntwo")
	require.NoError(t, err)
	r.expect(team, "one\ntwo")
	require.EqualValues(t, said.TimestampUS, r.reader.events[0].Time)
	e, err := send(t, r.session, team, "1", "héllo <b>\n😀")
	require.NoError(t, err)
	require.Equal(t, "1", e.Origin.Ref)
	r.expect(team, "one\ntwo", "héllo <b>\n😀")
	events := r.srv.Events("team")
	last := events[len(events)-1]
	require.Equal(t, "héllo <b>\n😀", last.Text)
	require.Equal(t, fmt.Sprint(account.RequestID(e.Origin)), last.ClientGeneratedID)
}

func TestChannelCutsLoseNothing(t *testing.T) {
	r := newRig(t)
	team := r.conversation("team")
	var want []string
	ways := []hangoutstest.DropHow{hangoutstest.DropEnd, hangoutstest.DropTruncate, hangoutstest.DropCut, hangoutstest.DropReset, hangoutstest.DropUnknownSID}
	for i := range 60 {
		if i%6 == 3 {
			_, err := r.srv.Drop(string(r.session.ID()), ways[i/6%len(ways)])
			require.NoError(t, err)
		}
		text := fmt.Sprintf("m%02d", i)
		want = append(want, text)
		_, err := r.srv.Person("carol").Send("team", text)
		require.NoError(t, err)
	}
	r.expect(team, want...)
}

func TestLostAnswerIsNotRepeated(t *testing.T) {
	r := newRig(t)
	team := r.conversation("team")
	for i, kind := range []hangoutstest.FaultKind{hangoutstest.FaultLoseAnswer, hangoutstest.FaultTruncate, hangoutstest.FaultBadBase64,
		hangoutstest.FaultNoHeader, hangoutstest.FaultLoseRequest} {
		_, err := r.srv.Inject(hangoutstest.Fault{Kind: kind, Endpoint: "conversations/sendchatmessage"})
		require.NoError(t, err)
		_, err = send(t, r.session, team, fmt.Sprint(i), string(kind))
		require.NoError(t, err, kind)
	}
	r.expect(team, "lose_answer", "truncate", "bad_base64", "no_header", "lose_request")
	events := r.srv.Events("team")
	n := 0
	for _, e := range events {
		if e.Sender == string(r.session.ID()) {
			n++
		}
	}
	require.Equal(t, 5, n, "each once at the server too")
}

func TestRefusalsAreFinalAndClear(t *testing.T) {
	r := newRig(t)
	team := r.conversation("team")
	_, err := r.srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultResponse, Status: 4, Description: "no", Endpoint: "conversations/sendchatmessage"})
	require.NoError(t, err)
	_, err = send(t, r.session, team, "1", "x")
	require.ErrorIs(t, err, chat.ErrRefused)
	_, err = r.srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultStatus, Status: 503, Count: 2, Endpoint: "conversations/sendchatmessage"})
	require.NoError(t, err)
	_, err = send(t, r.session, team, "2", "y")
	require.NoError(t, err)
}

func TestRefusedCookiesAreRenewedWithTheRefreshToken(t *testing.T) {
	r := newRig(t)
	team := r.conversation("team")
	require.NoError(t, r.srv.InvalidateCookies(string(r.session.ID())))
	e, err := send(t, r.session, team, "1", "still there")
	require.NoError(t, err)
	require.Equal(t, r.session.ID(), e.Author)
	_, err = r.srv.Person("carol").Send("team", "good")
	require.NoError(t, err)
	r.expect(team, "still there", "good")
	r.eventually(func() bool { return r.session.State().Status == chat.Connected }, "connected with the new cookies")
}

func TestRefusedCredentialsAreAState(t *testing.T) {
	r := newRig(t)
	r.login(chat.Credentials{Cookies: r.srv.Account(0).Cookies()})
	require.NoError(t, r.srv.InvalidateCookies(string(r.session.ID())))
	_, err := r.srv.Drop(string(r.session.ID()), hangoutstest.DropTruncate)
	require.NoError(t, err)
	r.eventually(func() bool { return r.session.State().Status == chat.BadCredentials }, "bad credentials")
	_, err = r.m.Login(t.Context(), chat.Credentials{RefreshToken: "wrong"}, account.User{Side: chat.OriginIRC, ID: "ada"})
	require.ErrorIs(t, err, chat.ErrBadCredentials)
	require.NotContains(t, err.Error(), "wrong", "no credential in an error")
	r.login(chat.Credentials{Cookies: r.srv.Account(0).Cookies()})
	_, err = r.srv.Person("carol").Send("team", "again")
	require.NoError(t, err)
	r.expect(r.conversation("team"), "again")
}

func TestUnreachableServiceIsNotBadCredentials(t *testing.T) {
	backend := classic.New(hangouts.Config{BaseURL: "http://127.0.0.1:1"})
	_, err := backend.Authenticate(t.Context(), chat.Credentials{RefreshToken: "x"})
	require.ErrorIs(t, err, chat.ErrUnavailable)
	_, err = backend.Authenticate(t.Context(), chat.Credentials{Cookies: map[string]string{"SAPISID": "x"}})
	require.ErrorIs(t, err, chat.ErrUnavailable)
	require.False(t, errors.Is(err, chat.ErrBadCredentials))
}

func TestServicesRefusedIsNotDeaf(t *testing.T) {
	r := newRig(t)
	_, err := r.srv.Inject(hangoutstest.Fault{Kind: hangoutstest.FaultRefuseServices, Count: 2})
	require.NoError(t, err)
	_, err = r.srv.Drop(string(r.session.ID()), hangoutstest.DropUnknownSID)
	require.NoError(t, err)
	_, err = r.srv.Person("carol").Send("team", "heard")
	require.NoError(t, err)
	r.expect(r.conversation("team"), "heard")
}

func TestMalformedPushesHurtNobody(t *testing.T) {
	r := newRig(t)
	for _, kind := range []hangoutstest.FaultKind{hangoutstest.FaultMalformed, hangoutstest.FaultGarbage, hangoutstest.FaultUnknownTag,
		hangoutstest.FaultNullPayload, hangoutstest.FaultDuplicate, hangoutstest.FaultLose, hangoutstest.FaultHold, hangoutstest.FaultBothKeys} {
		_, err := r.srv.Inject(hangoutstest.Fault{Kind: kind, Endpoint: "push/event", Account: string(r.session.ID())})
		require.NoError(t, err)
		_, err = r.srv.Person("carol").Send("team", string(kind))
		require.NoError(t, err)
	}
	_, err := r.srv.Drop(string(r.session.ID()), hangoutstest.DropUnknownSID) // brings what FaultLose dropped
	require.NoError(t, err)
	r.eventually(func() bool { return len(r.reader.got(r.conversation("team"))) == 8 }, "all, once each")
}

// TestTextIsCleanedOutwards: what a side submits reaches the service without control characters.
func TestTextIsCleanedOutwards(t *testing.T) {
	r := newRig(t)
	team := r.conversation("team")
	_, err := send(t, r.session, team, "1", "a\x00\x01\x02b\u2028c\u009b \u202ed 👨‍👩‍👧‍👦\xff")
	require.NoError(t, err)
	require.Equal(t, []string{"ab\nc \u202ed 👨‍👩‍👧‍👦\uFFFD\u202c"}, r.sent("team"))
	r.expect(team, r.sent("team")...)
	err = r.session.Submit(t.Context(), chat.Request{Conversation: team, Origin: chat.Origin{Side: chat.OriginIRC, Ref: "2"}, Message: &chat.Message{Text: chat.Plain("\x01\u200b")}})
	require.ErrorIs(t, err, chat.ErrRefused)
	_, err = r.session.Create(t.Context(), chat.Origin{Side: chat.OriginIRC, Ref: "3"},
		chat.NewConversation{Kind: chat.Group, Name: "Pic\r\nnic\x01", People: []chat.PersonID{chat.PersonID(r.srv.Person("carol").GaiaID())}})
	require.NoError(t, err)
	list, err := r.session.Conversations(t.Context())
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(list, func(c chat.Conversation) bool { return c.Name == "Pic nic" }))
}
