package bridge

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDrainWaitsForEveryLock(t *testing.T) {
	var locks keyedLocks[string]
	ctx := t.Context()
	require.NoError(t, locks.drain(ctx))
	first, err := locks.lock(ctx, "first")
	require.NoError(t, err)
	second, err := locks.lock(ctx, "second")
	require.NoError(t, err)
	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, locks.drain(over), context.Canceled)

	drained := make(chan error, 1)
	go func() { drained <- locks.drain(ctx) }()
	first()
	require.Empty(t, drained)
	second()
	require.NoError(t, <-drained)
	require.Empty(t, locks.locks)
}
