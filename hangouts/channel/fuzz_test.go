package channel

import (
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzArrays reads any text as a chunk with its arrays and wrappers.
func FuzzArrays(f *testing.F) {
	for _, seed := range []string{
		`[[2,["noop"]]` + "\n]\n",
		`[[3,[{"p":"{\"3\":{\"1\":{\"1\":1},\"2\":\"lcsw_hangouts_0A1B2C3D\"}}"}]]]`,
		`[[5,["noop"]],[6,[{"p":"{\"2\":{\"1\":{\"1\":\"babel\",\"2\":\"x\"},\"2\":\"[\\\"cbu\\\"]\"}}"}]]]`,
		`[[7,[{"p":"{\"4\":{\"1\":{\"1\":\"babel\"}},\"3\":7,\"2\":null}"}]],[1],7,[null,[]],["x",{}]]`,
		`[[-1,[{"p":"[]"}]],[9223372036854775807,[{"p":7}]]]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, chunk []byte) {
		entries, malformed := parseChunk(chunk)
		require.GreaterOrEqual(t, malformed, 0)
		for _, e := range entries {
			if w := parseWrapper(e.data); w != nil && w.payload != nil {
				require.True(t, utf8.ValidString(w.payload.Text))
			}
		}
	})
}

// FuzzCreateAnswer reads any body as the answer to the creating request.
func FuzzCreateAnswer(f *testing.F) {
	f.Add([]byte("79\n[[0,[\"c\",\"5ECBB7A224ED4276\",\"\",8]\n]\n,[1,[{\"gsid\":\"XOqP3EYTfy6z0eGEr9OD5A\"}]]\n]\n"))
	f.Add([]byte("50\n[[0,[\"c\",\"A1\",null,8]],[1,[{\"gsid\":\"g\"}]]]"))
	f.Add([]byte("2\n[]"))
	f.Add([]byte("7"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sid, gsessionid, err := parseSession(body)
		require.Equal(t, err == nil, sid != "" && gsessionid != "")
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
		}
	})
}

// FuzzRetryAfter reads any header: the pause is never negative.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"17", " 3 ", "-1", "Wed, 21 Oct 2065 07:28:00 GMT", "99999999999", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		require.GreaterOrEqual(t, ParseRetryAfter(http.Header{"Retry-After": {value}}, time.Unix(1577836800, 0)), time.Duration(0))
	})
}
