package channel_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
)

type session struct {
	CreateHex   string   `json:"create_channel_response_hex"`
	WritesHex   []string `json:"long_poll_writes_hex"`
	ReadsHex    []string `json:"long_poll_reads_hex"`
	Submissions []string `json:"expected_submissions"`
}

type vectors struct {
	ChunkParser []struct {
		ID, Why   string
		ChunksHex []string `json:"chunks_hex"`
		Expected  struct {
			Steps  [][]string
			Error  string
			AtStep int `json:"at_step"`
		}
	} `json:"chunk_parser"`
	SIDResponse []struct {
		ID, Why  string
		BodyHex  string `json:"body_hex"`
		Expected struct{ SID, Gsessionid, Error string }
	} `json:"sid_response"`
	WireSession        session `json:"wire_session"`
	WireSessionCompact session `json:"wire_session_compact"`
}

func loadVectors(t testing.TB) vectors {
	raw, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v vectors
	require.NoError(t, json.Unmarshal(raw, &v))
	require.Len(t, v.ChunkParser, 36)
	require.Len(t, v.SIDResponse, 6)
	return v
}

func unhex(t testing.TB, s string) []byte {
	raw, err := hex.DecodeString(s)
	require.NoError(t, err)
	return raw
}

// feed gives the chunks that one read completes.
func feed(s *channel.Splitter, data []byte) (chunks []string, err error) {
	err = s.Feed(data, func(chunk []byte) error {
		chunks = append(chunks, string(chunk))
		return nil
	})
	return chunks, err
}

func TestSplitterVectors(t *testing.T) {
	// Where the reference waits for ever behind junk, the splitter says so.
	junk := map[string]int{
		"junk-first": 0, "junk-stays": 0, "junk-after": 1, "space-before-length": 0, "crlf-after-length": 0,
		"negative": 0, "non-ascii-digits": 0, "malformed-then": 0, "too-short-length": 0,
	}
	for _, c := range loadVectors(t).ChunkParser {
		t.Run(c.ID, func(t *testing.T) {
			var s channel.Splitter
			for i, want := range c.Expected.Steps {
				got, err := feed(&s, unhex(t, c.ChunksHex[i]))
				if c.ID == "bom-quirk" {
					require.NoError(t, err)
					require.Equal(t, []string{"\ufeffa"}, got)
					return
				}
				require.Equal(t, strings.Join(want, "|"), strings.Join(got, "|"), c.Why)
				require.Len(t, got, len(want))
				at, isJunk := junk[c.ID]
				if isJunk && at == i || c.Expected.Error != "" && c.Expected.AtStep == i {
					require.ErrorIs(t, err, channel.ErrFraming)
					return
				}
				require.NoError(t, err)
			}
		})
	}
}

func TestSplitterSessions(t *testing.T) {
	v := loadVectors(t)
	for name, reads := range map[string][]string{"full": v.WireSession.WritesHex, "compact": v.WireSessionCompact.ReadsHex} {
		require.NotEmpty(t, reads)
		whole := unhex(t, strings.Join(reads, ""))
		var one channel.Splitter
		want, err := feed(&one, whole)
		require.NoError(t, err)
		require.False(t, one.Partial())
		if name == "full" {
			require.Equal(t, v.WireSession.Submissions, want)
		}
		for size := 1; size <= 8; size++ {
			var s channel.Splitter
			var got []string
			for rest := whole; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				chunks, err := feed(&s, rest[:min(size, len(rest))])
				require.NoError(t, err)
				got = append(got, chunks...)
			}
			require.Equal(t, want, got, "reads of %d bytes", size)
		}
	}
}

func TestSplitterLimits(t *testing.T) {
	s := channel.Splitter{MaxChunk: 10}
	got, err := feed(&s, []byte("10\n0123456789"))
	require.NoError(t, err)
	require.Len(t, got, 1)
	_, err = feed(&s, []byte("11\n"))
	require.ErrorIs(t, err, channel.ErrChunkTooLarge)

	for _, header := range []string{"99999999999999999999", "16777217", "18446744073709551617"} {
		_, err = feed(&channel.Splitter{}, []byte(header))
		require.ErrorIs(t, err, channel.ErrChunkTooLarge, header)
	}
	_, err = feed(&channel.Splitter{}, []byte(strings.Repeat("0", 100)))
	require.ErrorIs(t, err, channel.ErrFraming, "endless leading zeros")

	stop := errors.New("stop")
	err = (&channel.Splitter{}).Feed([]byte("1\na1\nb"), func([]byte) error { return stop })
	require.ErrorIs(t, err, stop)
}

// TestSplitterCharacters: one character of each length, whole and cut at each byte, and what is
// none.
func TestSplitterCharacters(t *testing.T) {
	for _, text := range []string{"a", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff", "12345678\u00e9", "1234567\U0001f60089"} {
		whole := fmt.Sprintf("%d\n%s", len(utf16.Encode([]rune(text))), text)
		for cut := range len(whole) {
			var s channel.Splitter
			first, err := feed(&s, []byte(whole[:cut]))
			require.NoError(t, err)
			require.Empty(t, first)
			second, err := feed(&s, []byte(whole[cut:]+whole))
			require.NoError(t, err)
			require.Equal(t, []string{text, text}, second, "cut at %d", cut)
		}
	}
	for _, bad := range []string{"\x80", "\xc0\x80", "\xc1\xbf", "\xc3a", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff"} {
		for _, before := range []string{"", "x", "12345678"} {
			_, err := feed(&channel.Splitter{}, []byte("20\n"+before+bad+"aaaaaaaaaaaaaaaaaaa"))
			require.ErrorIs(t, err, channel.ErrFraming, "%q", bad)
		}
	}
}

func TestSplitterAllocations(t *testing.T) {
	one := []byte("5\nh\u00e9\U0001f600!")
	many := []byte(strings.Repeat(string(one), 1000))
	var s channel.Splitter
	count := 0
	emit := func([]byte) error { count++; return nil }
	require.NoError(t, s.Feed(one, emit))
	allocs := testing.AllocsPerRun(10, func() { _ = s.Feed(many, emit) })
	require.Zero(t, allocs, "chunks must reuse one buffer")
	require.Equal(t, 1+11*1000, count)
}

// FuzzSplitter compares a split feed with a plain implementation on the whole input.
func FuzzSplitter(f *testing.F) {
	v := loadVectors(f)
	for _, c := range v.ChunkParser {
		f.Add(unhex(f, strings.Join(c.ChunksHex, "")), uint8(1), uint8(3))
	}
	f.Add(unhex(f, strings.Join(v.WireSession.WritesHex, "")), uint8(7), uint8(200))
	f.Fuzz(func(t *testing.T, data []byte, a, b uint8) {
		want := plainSplit(data)
		s := channel.Splitter{MaxChunk: 4096}
		var got []string
		for i, rest := 0, data; len(rest) > 0; i++ {
			n := min(len(rest), 1+int([]uint8{a, b}[i%2]))
			chunks, err := feed(&s, rest[:n])
			got = append(got, chunks...)
			if err != nil {
				break
			}
			rest = rest[n:]
		}
		require.Equal(t, want, got)
	})
}

// plainSplit is the format written down plainly: decode all, count units, cut.
func plainSplit(data []byte) (chunks []string) {
	for {
		head, rest, ok := strings.Cut(string(data), "\n")
		if !ok || head == "" || len(head) > 20 || strings.Trim(head, "0123456789") != "" {
			return chunks
		}
		var length int
		if _, err := fmt.Sscanf(strings.TrimLeft(head, "0")+" ", "%d", &length); err != nil {
			length = 0
		}
		if length > 4096 || len(strings.TrimLeft(head, "0")) > 6 {
			return chunks
		}
		end, units := 0, 0
		for units < length {
			r, size := utf8.DecodeRuneInString(rest[end:])
			if r == utf8.RuneError && size <= 1 {
				return chunks
			}
			units += utf16.RuneLen(r)
			end += size
		}
		if units != length {
			return chunks
		}
		chunks = append(chunks, rest[:end])
		data = []byte(rest[end:])
	}
}
