package stage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTear(t *testing.T) {
	for _, test := range []struct {
		name            string
		synced, written string
		share           float64
		want            string
	}{
		{"nothing more", "abc", "abcdef", 0, "abc"},
		{"half", "abc", "abcdef", 0.5, "abcd"},
		{"all", "abc", "abcdef", 1, "abcdef"},
		{"over an older content of the same length", "abcXYZ", "abcdef", 0.7, "abcdeZ"},
		{"nothing was synced", "", "abcd", 0.5, "ab"},
		{"nothing was written", "abc", "", 0.5, "abc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, string(tear([]byte(test.synced), []byte(test.written), test.share)))
		})
	}
}

func TestPowerFailure(t *testing.T) {
	s := New(t, t.TempDir(), "http://127.0.0.1:1")
	s.KeepSynced()
	s.Write()
	s.Command("irc-password", "-c", s.Config(), "alice")
	users := func() []string {
		list, err := ColumnOf(s.Database(), "SELECT user_id FROM irc_token")
		require.NoError(t, err)
		return list
	}
	require.Equal(t, []string{"alice"}, users())
	require.NoError(t, Exec(s.Database(), "UPDATE irc_token SET user_id='bob'"), "what this process syncs does not count")
	require.Equal(t, []string{"bob"}, users())
	s.PowerFailure(0)
	require.Equal(t, []string{"alice"}, users())

	copied := s.Dir + "/copy.db"
	s.Backup(copied)
	s.Command("irc-password", "-c", s.Config(), "carol")
	require.Equal(t, []string{"alice", "carol"}, users())
	s.Restore(copied)
	require.Equal(t, []string{"alice"}, users())
	s.PowerFailure(1)
	require.Equal(t, []string{"alice"}, users(), "what is restored is synced")
}
