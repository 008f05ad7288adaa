package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A rename that comes late does not take a later name back.
func TestLateRename(t *testing.T) {
	renamed := func(at int64, name string) chat.Event {
		return chat.Event{Kind: chat.KindRename, Time: at, Rename: &chat.Rename{New: name}}
	}
	c := chat.Conversation{Kind: chat.Group, Name: "zero"}.ApplyEvent(renamed(2, "two"), "1").ApplyEvent(renamed(1, "one"), "1")
	require.Equal(t, "two", c.Name)
	require.Equal(t, "three", c.ApplyEvent(renamed(3, "three"), "1").Name)
}
