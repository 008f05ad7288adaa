package ids_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
)

func TestLatest(t *testing.T) {
	meta := &ids.PortalMetadata{}
	require.True(t, meta.Latest.IsZero())
	require.True(t, meta.Latest.Note(5, ids.TheName, "1"))
	require.False(t, meta.Latest.Note(4, ids.TheName, "1"))
	require.True(t, meta.Latest.Note(6, "1"))
	body, err := json.Marshal(meta)
	require.NoError(t, err)
	again := &ids.PortalMetadata{}
	require.NoError(t, json.Unmarshal(body, again))
	require.Equal(t, []int64{5, 6, 0}, []int64{again.Latest.Of(ids.TheName), again.Latest.Of("1"), again.Latest.Of("2")})
	for n := range 1000 {
		again.Latest.Note(int64(100+n), networkid.UserID(fmt.Sprint("p", n)))
	}
	require.Zero(t, again.Latest.Of("p100"), "the oldest are forgotten")
	require.EqualValues(t, 1099, again.Latest.Of("p999"))
}
