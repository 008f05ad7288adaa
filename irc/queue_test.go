package irc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that does not read is told apart by its queue: what is over the limit is refused.
func TestSendQueueIsBounded(t *testing.T) {
	q := newSendQueue(10)
	require.True(t, q.put([]byte("12345")))
	require.False(t, q.put([]byte("123456")))
	require.True(t, q.put([]byte("12345")))
}
