package account_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// backup copies the database while it is in use.
func (b *bench) backup() string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "copy.db")
	_, err := b.db.Exec(context.Background(), `VACUUM INTO $1`, path)
	require.NoError(b.t, err)
	return path
}

// restore ends the manager, puts a copy in the place of the database and starts again.
func (b *bench) restore(copied string) {
	b.t.Helper()
	b.stop()
	text, err := os.ReadFile(copied)
	require.NoError(b.t, err)
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(b.path + suffix)
	}
	require.NoError(b.t, os.WriteFile(b.path, text, 0o600))
	b.start()
}

// What was open in a backup, and what was written after it, is submitted again and is not
// sent again. The network does not recognise repeated requests.
func TestARestoredBackupSendsNothingAgain(t *testing.T) {
	for name, oldest := range map[string]time.Duration{"synchronised": 0, "compared": time.Nanosecond} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.login(anna)
			ctx := context.Background()
			b.attach(s, &reader{}, "a")
			require.NoError(t, s.Submit(ctx, request(duo, "before", "before")))
			_, err := await(t, s, "before")
			require.NoError(t, err)
			eventually(t, func() bool {
				at, err := b.db.Consumers().Position(ctx, database.ConsumerKey{Account: anna, Side: chat.OriginIRC, Name: "a"}, duo)
				return err == nil && at > 0
			}, "acknowledged")

			block := make(chan struct{})
			b.net.HoldPushes(true)
			b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
				return accounttest.Fault{Until: block}
			})
			require.NoError(t, s.Submit(ctx, request(duo, "sending", "sending")))
			eventually(t, func() bool { return len(b.net.Sends()) == 2 }, "one under way")
			require.NoError(t, s.Submit(ctx, request(duo, "pending", "pending")))
			copied := b.backup()
			b.net.OnSend(nil)
			close(block)
			b.net.HoldPushes(false)
			require.NoError(t, s.Submit(ctx, request(duo, "after", "after")))
			require.NoError(t, s.Submit(ctx, request(trio, "elsewhere", "elsewhere")))
			for _, ref := range []string{"pending", "after", "elsewhere"} {
				_, err = await(t, s, ref)
				require.NoError(t, err)
			}
			b.net.Say(bob, duo, "answer")
			want := []string{"before", "sending", "pending", "after", "answer"}
			require.Equal(t, want, texts(b.net.Events(duo)))

			b.options.OldestCursor = oldest
			b.restore(copied)
			s = b.session(anna)
			r := &reader{}
			b.attach(s, r, "a")
			for _, ref := range []string{"after", "elsewhere"} { // as the homeserver repeats them
				conversation := duo
				if ref == "elsewhere" {
					conversation = trio
				}
				require.NoError(t, s.Submit(ctx, request(conversation, ref, ref)))
			}
			for _, ref := range []string{"sending", "pending", "after", "elsewhere"} {
				e, err := await(t, s, ref)
				require.NoError(t, err)
				made, _ := find(b.net.Events(e.Conversation), e.ID)
				require.Equal(t, ref, made.Message.Text.String())
				require.Equal(t, chat.Origin{Side: chat.OriginIRC, Ref: ref}, e.Origin)
			}
			b.expect(r, duo, "sending", "pending", "after", "answer")
			require.Len(t, b.net.Sends(), 5)
			require.NoError(t, s.Submit(ctx, request(duo, "new", "new")))
			_, err = await(t, s, "new")
			require.NoError(t, err)
			require.Equal(t, append(want, "new"), texts(b.net.Events(duo)))
		})
	}
}

func TestNothingLeavesBeforeTheFirstCatchUp(t *testing.T) {
	b := newBench(t)
	b.login(anna)
	b.stop()
	block := make(chan struct{})
	release := sync.OnceFunc(func() { close(block) })
	defer release()
	asked := make(chan struct{}, 10)
	b.net.OnSync(func(chat.PersonID) error {
		asked <- struct{}{}
		<-block
		return nil
	})
	b.start()
	s := b.session(anna)
	require.NoError(t, s.Submit(context.Background(), request(duo, "1", "new")))
	<-asked
	for range 5 { // tries in the meantime
		time.Sleep(2 * b.options.BackoffMin)
		require.Empty(t, b.net.Sends())
		require.False(t, s.CaughtUp())
	}
	release()
	_, err := await(t, s, "1")
	require.NoError(t, err)
	require.True(t, s.CaughtUp())
}

// What may have been sent by a run that the database does not know of is not reported as
// failed.
func TestOldRequestsWithoutACatchUpAreUnconfirmed(t *testing.T) {
	b := newBench(t, func(o *account.Options) { o.SendWait = 200 * time.Millisecond })
	s := b.login(anna)
	b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: chat.ErrUnavailable}
	})
	require.NoError(t, s.Submit(context.Background(), request(duo, "old", "old")))
	b.stop()
	b.net.OnSync(func(chat.PersonID) error { return fmt.Errorf("%w: down", chat.ErrUnavailable) })
	b.start()
	s = b.session(anna)
	_, err := await(t, s, "old")
	require.ErrorIs(t, err, chat.ErrUnconfirmed)
	require.NoError(t, s.Submit(context.Background(), request(duo, "new", "new")))
	_, err = await(t, s, "new")
	require.ErrorIs(t, err, chat.ErrExpired)
}

func find(events []chat.Event, id chat.EventID) (chat.Event, bool) {
	n := slices.IndexFunc(events, func(e chat.Event) bool { return e.ID == id })
	if n < 0 {
		return chat.Event{}, false
	}
	return events[n], true
}
