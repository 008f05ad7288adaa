package classic

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// TestLibraryLogsToTheContext: the library's records come out of the logger of the context, with its fields and level.
func TestLibraryLogsToTheContext(t *testing.T) {
	var out bytes.Buffer
	ctx := zerolog.New(&out).Level(zerolog.InfoLevel).With().Str("account", "a1").Logger().WithContext(t.Context())
	log := slog.New(contextLog{}).With("part", "push")
	log.DebugContext(ctx, "Too much")
	log.WarnContext(ctx, "Lost", "error", errors.New("cut"), "retry", 2)
	require.JSONEq(t, `{"level":"warn","account":"a1","part":"push","error":"cut","retry":2,"message":"Lost"}`, out.String())
}
