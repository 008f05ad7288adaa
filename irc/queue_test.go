package irc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The queue of a client that does not read refuses what is over its limit.
func TestSendQueueIsBounded(t *testing.T) {
	q := newSendQueue(10)
	require.True(t, q.put([]byte("12345")))
	require.False(t, q.put([]byte("123456")))
	require.True(t, q.put([]byte("12345")))
}
