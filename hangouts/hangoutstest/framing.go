package hangoutstest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// array is one entry of a back channel chunk: its id and the JSON text of its data.
type array struct {
	id   int
	data string
}

// noopArray is the keep-alive (protocol §5.6).
const noopArray = `["noop"]`

// chunkPayload writes arrays the way the service did, with a line feed after each entry
// and at the end (protocol §5.10).
func chunkPayload(arrays ...array) string {
	var sb strings.Builder
	sb.WriteByte('[')
	for i, a := range arrays {
		if i > 0 {
			sb.WriteByte(',')
		}
		sb.WriteByte('[')
		sb.WriteString(strconv.Itoa(a.id))
		sb.WriteByte(',')
		sb.WriteString(a.data)
		sb.WriteString("]\n")
	}
	sb.WriteString("]\n")
	return sb.String()
}

// frame puts the length in UTF-16 code units in front of a payload (protocol §5.5).
// Without rawUTF8 every non-ASCII character becomes a JSON escape, so that clients which
// count bytes work too (protocol §15.1).
func frame(payload string, rawUTF8 bool) []byte {
	if !rawUTF8 {
		payload = escapeNonASCII(payload)
	}
	return []byte(strconv.Itoa(utf16Length(payload)) + "\n" + payload)
}

func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x10000 {
			n++
		}
	}
	return n
}

func escapeNonASCII(s string) string {
	var sb strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			sb.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&sb, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&sb, `\u%04x\u%04x`, hi, lo)
		}
	}
	return sb.String()
}

// quoteJSON encodes a string without the HTML escapes of encoding/json.
func quoteJSON(s string) string {
	var sb strings.Builder
	enc := json.NewEncoder(&sb)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(sb.String(), "\n")
}

// createAnswer is the body that answers the creating POST (protocol §5.4).
func createAnswer(sid, gsessionID string) string {
	return chunkPayload(
		array{0, fmt.Sprintf("[\"c\",%s,\"\",8]\n", quoteJSON(sid))},
		array{1, fmt.Sprintf(`[{"gsid":%s}]`, quoteJSON(gsessionID))},
	)
}

// wrap makes the data array of a wrapper (protocol §5.9). n counts wrappers of a session
// from 1, ms is the time, members are its other keys in JSON.
func wrap(n int, ms uint64, members string) string {
	head := fmt.Sprintf(`{"1":{"1":{"1":{"1":1,"2":1}},"4":"%d","5":"S%d"},`, ms, n)
	return `[{"p":` + quoteJSON(head+members+"}") + `}]`
}

func clientIDMember(clientID string) string {
	return `"3":{"1":{"1":1},"2":` + quoteJSON(clientID) + `}`
}

func babelMember(payload string) string {
	return `"2":{"1":{"1":"babel","2":"conserver.google.com"},"2":` + quoteJSON(payload) + `}`
}

func serviceErrorMember(service string) string {
	return `"4":{"1":{"1":` + quoteJSON(service) + `,"2":"conserver.google.com"},"4":{"1":3,"2":` +
		quoteJSON("channel not ready: "+service) + `}}`
}
