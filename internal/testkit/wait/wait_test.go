package wait_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// Both ends of a wait: the condition that comes, just in time too, and the one that does not.
func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		after := func(d time.Duration) func() bool { return func() bool { return time.Since(start) >= d } }
		require.True(t, wait.Holds(time.Second, after(0)))
		require.True(t, wait.Holds(time.Second, after(time.Second)))
		require.False(t, wait.Holds(time.Second, after(time.Hour)))
		require.Equal(t, 2*time.Second, time.Since(start).Truncate(time.Second))
	})
}
