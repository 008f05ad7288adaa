package channel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

func TestCreateAnswerVectors(t *testing.T) {
	for _, c := range loadVectors(t).SIDResponse {
		t.Run(c.ID, func(t *testing.T) {
			sid, gsessionid, err := channel.ParseSession(unhex(t, c.BodyHex))
			if c.Expected.Error != "" {
				require.ErrorIs(t, err, channel.ErrMalformed, c.Why)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Expected.SID, sid)
			require.Equal(t, c.Expected.Gsessionid, gsessionid)
		})
	}
}
