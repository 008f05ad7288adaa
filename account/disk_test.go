package account_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// The database is broken while messages come and go: nothing is lost or doubled, and it
// goes on without a restart when the database is mended.
func TestBrokenDatabaseLosesNothing(t *testing.T) {
	pragma := func(breaks, mends string) func(b *bench) func() {
		return func(b *bench) func() {
			run := func(query string) {
				_, err := b.db.RawDB.Exec(query)
				require.NoError(b.t, err)
			}
			oneConnection(b) // the setting is the connection's
			run(breaks)
			return func() { run(mends) }
		}
	}
	for name, c := range map[string]struct {
		breaks func(b *bench) (mend func())
		says   string
	}{
		"read-only": {pragma(`PRAGMA query_only=ON`, `PRAGMA query_only=OFF`), "readonly"},
		"full":      {fillDisk, "full"},
		"locked":    {lockElsewhere, "locked"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.stop()
			b.options.BackoffMax = 500 * time.Millisecond
			b.start()
			s := b.login(anna)
			r := &reader{}
			b.attach(s, r, "a")
			b.net.Say(bob, duo, "before")
			b.expect(r, duo, "before")
			runs := b.net.Runs(anna)
			mend := c.breaks(b)
			want := []string{"before"}
			for i := range 20 {
				want = append(want, fmt.Sprintf("%02d %s", i, longText))
				b.net.Say(bob, duo, want[i+1])
			}
			err := s.Submit(context.Background(), request(duo, "1", longText))
			require.ErrorContains(t, err, c.says)
			require.NotErrorIs(t, err, chat.ErrRefused, "it may be tried again")
			eventually(t, func() bool { return strings.Contains(s.State().Reason, "catching up failed") }, "the state tells why nothing comes")
			require.Equal(t, chat.Connecting, s.State().Status)
			require.Equal(t, runs, b.net.Runs(anna), "the connection is not to blame")
			require.Less(t, len(r.got(duo)), 21)
			mend()
			b.expect(r, duo, want...)
			require.NoError(t, s.Submit(context.Background(), request(duo, "1", longText)))
			_, err = await(t, s, "1")
			require.NoError(t, err)
			require.Len(t, b.net.Sends(), 1)
			require.Len(t, texts(b.net.Events(duo)), 22)
			eventually(t, func() bool { return s.State().Status == chat.Connected }, "connected again")
		})
	}
}

// longText does not fit into what a full disk has left.
var longText = func() string {
	b := make([]byte, 9000)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}()

// oneConnection waits until all others to the database are closed.
func oneConnection(b *bench) {
	b.db.RawDB.SetMaxOpenConns(1)
	eventually(b.t, func() bool { return b.db.RawDB.Stats().OpenConnections == 1 }, "one connection")
}

// fillDisk lets the file grow no more.
func fillDisk(b *bench) func() {
	var pages int
	oneConnection(b)
	require.NoError(b.t, b.db.RawDB.QueryRow(`PRAGMA page_count`).Scan(&pages))
	limit := func(n int) {
		_, err := b.db.RawDB.Exec(fmt.Sprintf(`PRAGMA max_page_count=%d`, n))
		require.NoError(b.t, err)
	}
	limit(pages)
	return func() { limit(1 << 30) }
}

// lockElsewhere holds the write lock as another process would, for longer than the busy
// timeout.
func lockElsewhere(b *bench) func() {
	oneConnection(b)
	_, err := b.db.RawDB.Exec(`PRAGMA busy_timeout=200`)
	require.NoError(b.t, err)
	other, err := sql.Open("sqlite3-fk-wal", "file:"+b.path)
	require.NoError(b.t, err)
	conn, err := other.Conn(context.Background())
	require.NoError(b.t, err)
	_, err = conn.ExecContext(context.Background(), `BEGIN IMMEDIATE`)
	require.NoError(b.t, err)
	return func() {
		_, err := conn.ExecContext(context.Background(), `ROLLBACK`)
		require.NoError(b.t, err)
		require.NoError(b.t, conn.Close())
		require.NoError(b.t, other.Close())
	}
}

var _ account.Consumer = (*reader)(nil)

// What a consumer that attaches for the first time is given as its place is on the disk by then, so that a power failure does
// not make it new once more, at a later place. The file without its WAL is what a disk holds at least.
func TestNewConsumerIsSynced(t *testing.T) {
	b := newBench(t, func(o *account.Options) { o.RefreshEvery = time.Hour })
	s := b.login(anna)
	eventually(t, func() bool { // and nobody reads what would then stay in the WAL
		row, err := b.db.Accounts().Get(context.Background(), anna)
		return err == nil && row.Status == chat.Connected
	}, "connected")
	b.attach(s, &reader{}, "a")
	left, err := os.ReadFile(b.path)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "left.db")
	require.NoError(t, os.WriteFile(path, left, 0o600))
	known, err := openDB(t, path).Consumers().Exists(t.Context(), database.ConsumerKey{Account: anna, Side: chat.OriginIRC, Name: "a"})
	require.NoError(t, err)
	require.True(t, known)
}
