package hangouts_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

func TestEvent(t *testing.T) {
	var e hangouts.Event[int]
	var calls []string
	note := func(name string, err error) *hangouts.Observer[int] {
		return hangouts.Observe(func(_ context.Context, n int) error {
			require.Equal(t, 7, n)
			calls = append(calls, name)
			return err
		})
	}
	ctx := context.Background()
	require.NoError(t, e.Fire(ctx, 7))
	a, b := note("a", nil), note("b", nil)
	require.NoError(t, e.AddObserver(a))
	require.ErrorIs(t, e.AddObserver(a), hangouts.ErrObserverPresent)
	require.ErrorIs(t, e.RemoveObserver(b), hangouts.ErrObserverAbsent)
	late := note("late", nil)
	require.NoError(t, e.AddObserver(hangouts.Observe(func(context.Context, int) error {
		calls = append(calls, "adds")
		if err := e.AddObserver(late); err != nil {
			require.ErrorIs(t, err, hangouts.ErrObserverPresent)
		}
		return nil
	})))
	require.NoError(t, e.AddObserver(b))
	require.NoError(t, e.Fire(ctx, 7))
	require.Equal(t, []string{"a", "adds", "b", "late"}, calls, "in order, and one added meanwhile in the same round")

	calls = nil
	require.NoError(t, e.RemoveObserver(a))
	bad := errors.New("bad")
	failing := note("failing", bad)
	require.NoError(t, e.AddObserver(failing))
	require.NoError(t, e.AddObserver(note("never", nil)))
	require.ErrorIs(t, e.Fire(ctx, 7), bad)
	require.Equal(t, []string{"adds", "b", "late", "failing"}, calls, "an error stops the round")
}
