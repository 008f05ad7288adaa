package bridge_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// A bridge on a database that another owns ends without starting anything. When the database is
// free, it starts.
func TestOneBridgeOwnsADatabase(t *testing.T) {
	w, alice, room := talk(t)
	w.stop()
	const kind = "sqlite3-fk-wal"
	uri := "file:" + filepath.Join(w.dir, "bridge.db") + "?_txlock=immediate"
	other, err := database.Open("other", kind, uri, zerolog.Nop())
	require.NoError(t, err)
	lock, err := other.Acquire(t.Context(), kind, uri, 0)
	require.NoError(t, err)
	w.options.LockWait, w.manager = 1, nil
	err = w.newMain(w.hs.URL()).Setup()
	require.ErrorIs(t, err, database.ErrInUse)
	require.ErrorContains(t, err, "pid "+strconv.Itoa(os.Getpid())+" on ")
	require.Nil(t, w.manager, "no account is started")
	require.NoError(t, lock.Close(other.Close))
	w.start()
	alice.SendText(room, "still here")
	w.waitTexts(direct, "first", "still here")
}
