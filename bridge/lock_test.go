package bridge_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// A second bridge on the same database ends without touching it; the first goes on.
func TestOneBridgeOwnsADatabase(t *testing.T) {
	w, alice, room := talk(t)
	first, manager, port := w.main, w.manager, w.port
	w.port, w.manager, w.options.LockWait = freePort(t), nil, 1
	second := w.newMain(w.hs.URL())
	err := second.Setup()
	require.ErrorIs(t, err, database.ErrInUse)
	require.ErrorContains(t, err, "pid "+strconv.Itoa(os.Getpid())+" on ")
	w.main, w.manager, w.port = first, manager, port
	alice.SendText(room, "still here")
	w.waitTexts(direct, "first", "still here")
	w.stop()
	w.start() // it is free again
}
