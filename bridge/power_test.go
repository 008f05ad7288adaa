package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// logins counts the logins in what a disk has of the database for certain, and keeps that: the WAL is synced when it is
// written into the main file.
func (w *world) logins(keep string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, "bridge.db"))
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(keep, content, 0o600))
	n, err := stage.ColumnOf(keep, "SELECT COUNT(*) FROM user_login")
	if err != nil {
		return err.Error() // copied while it was written
	}
	return fmt.Sprint(n[0])
}

// The power fails after a logout and a login: neither is taken back, and none is repeated.
func TestPowerFailureAfterCommands(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	management := w.login(alice, anna)
	w.network.Say(carl, direct, "first")
	room := w.room("first")
	disk := filepath.Join(t.TempDir(), "disk.db")
	for n, command := range []string{"logout " + string(anna), "login token " + string(anna)} {
		alice.SendText(management, command)
		w.eventually(command+" on the disk", func() bool { return w.logins(disk) == fmt.Sprint(n) })
	}
	w.stop()
	w.putBack(disk)
	w.start()
	w.network.Say(carl, direct, "after the power failure")
	alice.WaitText(room, "after the power failure")
	w.eventually("the login to last", func() bool { return w.hs.Idle() && w.logins(disk) == "1" })
}
