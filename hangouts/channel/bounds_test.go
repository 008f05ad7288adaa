package channel_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

// TestChunksAreBoundedBeforeTheyAreTakenApart: what a chunk costs stays a small multiple of it.
func TestChunksAreBoundedBeforeTheyAreTakenApart(t *testing.T) {
	const size = 2 << 20
	inner, err := json.Marshal("{" + strings.Repeat(`"1":0,`, size/6) + `"1":0}`)
	require.NoError(t, err)
	for name, chunk := range map[string]string{
		"arrays that open": strings.Repeat("[", size), "objects that open": strings.Repeat(`{"1":`, size/5),
		"empty arrays": "[" + strings.Repeat("[],", size/3) + "[]]", "small entries": "[" + strings.Repeat("[1,[]],", size/7) + "[1,[]]]",
		"numbers": "[[1,[" + strings.Repeat("1,", size/2) + "1]]]", "keys": `[[1,[{"p":` + string(inner) + `}]]]`,
		"one string": `[[1,[{"p":"` + strings.Repeat("x", size) + `"}]]]`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		channel.ParseChunk([]byte(chunk))
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(16*len(chunk)), name)
	}
	entries, malformed := channel.ParseChunk([]byte(`[[1,["noop"]],[2,[{"p":"{}"}]]]`))
	require.Equal(t, []int{2, 0}, []int{entries, malformed})
}
