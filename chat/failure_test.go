package chat_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestFailuresAreStoredAsText(t *testing.T) {
	for _, fate := range []error{chat.ErrRefused, chat.ErrUnknownConversation, chat.ErrBadCredentials, chat.ErrUnsupported,
		chat.ErrTooLarge, chat.ErrExpired, chat.ErrUnconfirmed} {
		require.Equal(t, fate, chat.Failed(chat.FailureOf(fate)), "alone")
		got := chat.Failed(chat.FailureOf(fmt.Errorf("send: %w: because: 7", fate)))
		require.ErrorIs(t, got, fate)
		require.ErrorContains(t, got, "because: 7")
	}
	require.ErrorIs(t, chat.Failed(chat.FailureOf(errors.New("something else"))), chat.ErrRefused)
	require.ErrorIs(t, chat.Failed("a word of a later version"), chat.ErrRefused)
	require.ErrorIs(t, chat.Failed(""), chat.ErrRefused)
}
