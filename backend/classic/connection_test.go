package classic

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

type keeper struct {
	account.Sink
	kept []string
}

func (k *keeper) Credentials(data []byte) { k.kept = append(k.kept, string(data)) }

func TestCookiesThatChangedBetweenRunsAreHandedOver(t *testing.T) {
	c, err := newConnection(New(hangouts.Config{BaseURL: "http://127.0.0.1:1"}), stored{Cookies: map[string]string{"SAPISID": "old"}})
	require.NoError(t, err)
	defer c.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	sink := &keeper{}
	require.NoError(t, c.Run(ended, sink))
	require.Empty(t, sink.kept, "nothing has changed")
	c.cookiesChanged(map[string]string{"SAPISID": "new"})
	require.NoError(t, c.Run(ended, sink))
	require.NoError(t, c.Run(ended, sink))
	require.Len(t, sink.kept, 1)
	var keep stored
	require.NoError(t, json.Unmarshal([]byte(sink.kept[0]), &keep))
	require.Equal(t, "new", keep.Cookies["SAPISID"])
}
