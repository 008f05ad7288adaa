package hangoutstest

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors are those of the protocol page §17, made by running the reference.
type vectors struct {
	SAPISIDHash []struct {
		SAPISID string            `json:"sapisid"`
		Origin  string            `json:"origin"`
		Headers map[string]string `json:"headers"`
	} `json:"sapisidhash"`
	RequestEncoding []struct {
		ID       string          `json:"id"`
		Endpoint string          `json:"endpoint"`
		Message  string          `json:"message"`
		JSON     json.RawMessage `json:"json"`
		WireHex  string          `json:"wire_hex"`
	} `json:"request_encoding"`
	WireSession struct {
		Create string   `json:"create_channel_response_hex"`
		Writes []string `json:"long_poll_writes_hex"`
		Arrays [][2]any `json:"expected_arrays"`
		Chunks []string `json:"expected_submissions"`
	} `json:"wire_session"`
	Compact struct {
		Reads []string   `json:"long_poll_reads_hex"`
		Steps [][]string `json:"expected_steps"`
	} `json:"wire_session_compact"`
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

func unhex(t testing.TB, parts ...string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(parts, ""))
	require.NoError(t, err)
	return string(b)
}

func TestCreateAnswerBytes(t *testing.T) {
	v := loadVectors(t)
	got := frame(createAnswer("5ECBB7A224ED4276", "XOqP3EYTfy6z0eGEr9OD5A"), true)
	require.Equal(t, unhex(t, v.WireSession.Create), string(got))
}

func TestFramingBytes(t *testing.T) {
	v := loadVectors(t)
	data := map[int]string{}
	for _, a := range v.WireSession.Arrays {
		data[int(a[0].(float64))] = a[1].(string)
	}
	// The session puts arrays 5 and 6 into one chunk, every other one into its own.
	var got []byte
	for _, ids := range [][]int{{2}, {3}, {4}, {5, 6}, {7}} {
		var arrays []array
		for _, id := range ids {
			require.Contains(t, data, id)
			arrays = append(arrays, array{id, data[id]})
		}
		got = append(got, frame(chunkPayload(arrays...), true)...)
	}
	require.Equal(t, unhex(t, v.WireSession.Writes...), string(got))
}

func TestWrapperBytes(t *testing.T) {
	v := loadVectors(t)
	const update = `[[1,null,"-42",null,1577836805200000],null,[[["UgyFacts4AaABAQ"],["1002","1002"],1577836805123456,` +
		`[["1001","1001"]],null,0,[null,[],[[[0,"é😀!"]],[]]],null,null,null,null,"8xEvt1"]]]`
	got := string(frame(chunkPayload(array{2, noopArray}), true)) +
		string(frame(chunkPayload(array{3, wrap(1, 1577836800812, clientIDMember("lcsw_hangouts_0A1B2C3D"))}), true)) +
		string(frame(chunkPayload(array{4, wrap(2, 1577836805201, babelMember(batch(update)))}), true))
	require.Equal(t, unhex(t, v.Compact.Reads...), got)
}

func TestFrameLengths(t *testing.T) {
	for _, c := range []struct{ text, raw, escaped string }{
		{"abc", "3\nabc", "3\nabc"},
		{"aéb", "3\naéb", "8\na\\u00e9b"},
		{"€€", "2\n€€", "12\n\\u20ac\\u20ac"},
		{"a😀", "3\na😀", "13\na\\ud83d\\ude00"},
		{"👨‍👩‍👧", "8\n👨‍👩‍👧", "48\n\\ud83d\\udc68\\u200d\\ud83d\\udc69\\u200d\\ud83d\\udc67"},
	} {
		require.Equal(t, c.raw, string(frame(c.text, true)))
		require.Equal(t, c.escaped, string(frame(c.text, false)))
	}
}

func TestAuthorizationVectors(t *testing.T) {
	v := loadVectors(t)
	require.NotEmpty(t, v.SAPISIDHash)
	for _, c := range v.SAPISIDHash {
		header, sapisid, origin := c.Headers["authorization"], c.SAPISID, c.Origin
		require.True(t, validHash(header, sapisid, origin), "%v", c)
		require.False(t, validHash(header, sapisid+"x", origin))
		require.False(t, validHash(header, sapisid, origin+"x"))
		require.False(t, validHash(strings.Replace(header, "SAPISIDHASH ", "SAPISIDHASH 1", 1), sapisid, origin))
	}
	for _, bad := range []string{"", "SAPISIDHASH", "SAPISIDHASH _", "Bearer x_y", "SAPISIDHASH 1_"} {
		require.False(t, validHash(bad, "a", "b"), bad)
	}
	// Milliseconds are as good as seconds (protocol §3.4).
	sum := sha1.Sum([]byte("1577836800123 a b"))
	require.True(t, validHash("SAPISIDHASH 1577836800123_"+hex.EncodeToString(sum[:]), "a", "b"))
}
