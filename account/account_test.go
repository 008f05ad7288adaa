package account_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/account/logtest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	anna = chat.PersonID("100000000000000000001")
	bob  = chat.PersonID("100000000000000000002")
	cleo = chat.PersonID("100000000000000000003")
	duo  = chat.ConversationID("duo")
	trio = chat.ConversationID("trio")
)

func TestLogOnSQLite(t *testing.T) {
	open := func(t *testing.T) *database.DB {
		db := openDB(t, filepath.Join(t.TempDir(), "log.db"))
		for _, id := range []chat.PersonID{anna, "100000000000000000009"} {
			require.NoError(t, db.Accounts().PutLogin(context.Background(), chat.Person{ID: id}, []byte("x"), 1))
		}
		return db
	}
	logtest.Run(t, func(t *testing.T) account.Log { return open(t).Log() })
	logtest.RunHistory(t, func(t *testing.T) (account.Log, account.HistoryStore) {
		db := open(t)
		return db.Log(), db.History()
	})
}

func openDB(t *testing.T, path string) *database.DB {
	t.Helper()
	db, err := database.Open("test", "sqlite3-fk-wal", "file:"+path+"?_txlock=immediate", zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Upgrade(context.Background()))
	return db
}

// bench is a network with Anna, Bob and Cleo, a database file, and managers on it one
// after the other.
type bench struct {
	t       *testing.T
	net     *accounttest.Network
	path    string
	options account.Options
	backend account.Backend
	log     zerolog.Logger
	m       *account.Manager
	db      *database.DB

	askedBefore int // pages that asked has returned
}

func newBench(t *testing.T, configure ...func(*account.Options)) *bench {
	n := accounttest.New()
	n.AddPerson(anna, "Anna Arnold")
	n.AddPerson(bob, "Bob Brown")
	n.AddPerson(cleo, "Cleo Clark")
	n.AddConversation(duo, "", anna, bob)
	n.AddConversation(trio, "Trio", anna, bob, cleo)
	b := &bench{t: t, net: n, path: filepath.Join(t.TempDir(), "bridge.db"), options: account.Options{
		DoubtDelay: 50 * time.Millisecond, BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond,
		MarkDelay: 10 * time.Millisecond, RefreshEvery: 50 * time.Millisecond, SendWait: 20 * time.Second}}
	b.backend, b.log = n, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	for _, fn := range configure {
		fn(&b.options)
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *bench) start() {
	b.db = openDB(b.t, b.path)
	b.m = account.NewManager(b.db, b.backend, b.options, b.log)
	require.NoError(b.t, b.m.Start(context.Background()))
}

func (b *bench) stop() {
	if b.m != nil {
		b.m.Stop()
		_ = b.db.Close()
		b.m = nil
	}
}

func (b *bench) restart() {
	b.stop()
	b.start()
}

// login logs an account in and waits until it is caught up.
func (b *bench) login(id chat.PersonID) account.Session {
	b.t.Helper()
	s, err := b.m.Login(context.Background(), chat.Credentials{RefreshToken: string(id)},
		account.User{Side: chat.OriginMatrix, ID: "@" + string(id) + ":test"})
	require.NoError(b.t, err)
	b.caughtUp(id)
	return s
}

func (b *bench) caughtUp(id chat.PersonID) {
	b.t.Helper()
	eventually(b.t, func() bool {
		row, err := b.db.Accounts().Get(context.Background(), id)
		return err == nil && row.Cursor > 0 && b.net.Subscribed(id)
	}, "caught up")
}

func (b *bench) session(id chat.PersonID) account.Session {
	b.t.Helper()
	s, ok := b.m.Get(id)
	require.True(b.t, ok)
	return s
}

func eventually(t *testing.T, cond func() bool, what string, args ...any) {
	t.Helper()
	wait.Until(t, fmt.Sprintf(what, args...), cond)
}

var errNotNow = errors.New("not now")

// reader is a consumer that notes what it gets.
type reader struct {
	mu       sync.Mutex
	events   []chat.Event
	decide   func(e chat.Event) error
	states   []chat.AccountState
	marks    []chat.Watermark
	typings  []chat.Typing
	changed  []chat.Conversation
	overlaps atomic.Int32
	busy     map[chat.ConversationID]bool
}

func (r *reader) Deliver(_ context.Context, events []chat.Event) (done int, err error) {
	id := events[0].Conversation
	r.mu.Lock()
	if r.busy == nil {
		r.busy = make(map[chat.ConversationID]bool)
	}
	if r.busy[id] {
		r.overlaps.Add(1)
	}
	r.busy[id] = true
	decide := r.decide
	r.mu.Unlock()
	if decide != nil {
		err = decide(events[0])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[id] = false
	if err != nil {
		return 0, err
	}
	r.events = append(r.events, events...)
	return len(events), nil
}

func (r *reader) Typing(_ context.Context, t chat.Typing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.typings = append(r.typings, t)
}

func (r *reader) Watermark(_ context.Context, w chat.Watermark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, w)
}

func (r *reader) ConversationChanged(_ context.Context, c chat.Conversation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = append(r.changed, c)
}

func (r *reader) PersonChanged(context.Context, chat.Person) {}

func (r *reader) StateChanged(_ context.Context, s chat.AccountState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, s)
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

func (r *reader) find(text string) (chat.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Message != nil && e.Message.Text.String() == text {
			return e, true
		}
	}
	return chat.Event{}, false
}

func (b *bench) attach(s account.Session, r *reader, name string) account.Attachment {
	b.t.Helper()
	a, err := s.Attach(context.Background(), account.ConsumerID{Side: chat.OriginIRC, Name: name}, r, account.ConsumerOptions{})
	require.NoError(b.t, err)
	return a
}

func (b *bench) expect(r *reader, id chat.ConversationID, texts ...string) {
	b.t.Helper()
	eventually(b.t, func() bool { return len(r.got(id)) >= len(texts) }, "%d messages", len(texts))
	require.Equal(b.t, texts, r.got(id))
}

func request(id chat.ConversationID, ref, text string) chat.Request {
	return chat.Request{Conversation: id, Origin: chat.Origin{Side: chat.OriginIRC, Ref: ref},
		Message: &chat.Message{Text: chat.Plain(text)}}
}

func numbered(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("m%03d", i))
	}
	return texts
}
