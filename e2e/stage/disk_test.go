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
