package hangouts_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func TestParseTextVectors(t *testing.T) {
	type vector struct {
		ID, Text, Why string
		WireHex       string `json:"message_content_wire_hex"`
		Segments      []struct {
			Type, Text                             string
			Bold, Italic, Strikethrough, Underline bool
			LinkTarget                             string `json:"link_target"`
		}
	}
	for _, v := range vectors[vector](t, "message_parser", 98) {
		t.Run(v.ID, func(t *testing.T) {
			var want []string
			for _, s := range v.Segments {
				want = append(want, fmt.Sprintf("%s %q %v %q", s.Type, s.Text, hangouts.Format{
					Bold: s.Bold, Italic: s.Italic, Strikethrough: s.Strikethrough, Underline: s.Underline,
				}, s.LinkTarget))
			}
			segments := hangouts.ParseText(v.Text)
			require.Equal(t, want, show(segments), "%q: %s", v.Text, v.Why)
			wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pb.MessageContent{Segment: segments})
			require.NoError(t, err)
			require.Equal(t, v.WireHex, hex.EncodeToString(wire))
		})
	}
}

// TestUpperCaseScheme: a scheme is matched in any letter case (the vectors have no such link).
func TestUpperCaseScheme(t *testing.T) {
	for _, text := range []string{"HTTP://EXAMPLE.COM/x", "HTTPS://1.2.3.4", "Http://example.com", "hTTps://EXAMPLE.org/A?b#c"} {
		require.Equal(t, []string{
			`TEXT "see " {false false false false} ""`, fmt.Sprintf(`LINK %q {false false false false} %q`, text, text),
		}, show(hangouts.ParseText("see "+text)))
	}
}

// TestLettersOfTheGrammar holds what the vectors lack: an end tag at the start of the text, and the letters and digits that
// count as ASCII ones.
func TestLettersOfTheGrammar(t *testing.T) {
	const plain = " {false false false false} \"\""
	for text, want := range map[string][]string{
		"**(note)* later":   {`TEXT "**(note)* later"` + plain},
		"``!a`":             {"TEXT \"``!a`\"" + plain},
		"__!_":              {`TEXT "__!_"` + plain},
		"httpſ://x.org/a":   {`LINK "httpſ://x.org/a" {false false false false} "httpſ://x.org/a"`},
		"<İ>a</ı>":          {`TEXT "a" {false true false false} ""`},
		"a.b.co\u212a":      {"LINK \"a.b.co\u212a\" {false false false false} \"http://a.b.co\u212a\""},
		"[a](äb:/c)":        {`LINK "a" {false false false false} "http://äb:/c"`},
		"[a](aä٣_-:///c)":   {`LINK "a" {false false false false} "aä٣_-:///c"`},
		"[a](ſb:/c)":        {`LINK "a" {false false false false} "ſb:/c"`},
		"https://1.2.3.4:٣": {`LINK "https://1.2.3.4:٣" {false false false false} "https://1.2.3.4:٣"`},
	} {
		require.Equal(t, want, show(hangouts.ParseText(text)), text)
	}
}

func show(segments []*pb.Segment) []string {
	var list []string
	for _, s := range segments {
		kind := strings.TrimPrefix(s.GetType().String(), "SEGMENT_TYPE_")
		list = append(list, fmt.Sprintf("%s %q %v %q", kind, s.GetText(), hangouts.SegmentFormat(s), s.GetLinkData().GetLinkTarget()))
	}
	return list
}

func TestEventTextVectors(t *testing.T) {
	type vector struct {
		ID, Why   string
		EventJSON json.RawMessage `json:"event_json"`
		WireHex   string          `json:"event_wire_hex"`
		Expected  struct {
			Kind        string
			Text        *string
			Attachments []string
		}
	}
	for _, v := range vectors[vector](t, "event_text", 13) {
		t.Run(v.ID, func(t *testing.T) {
			var event, fromWire pb.Event
			require.NoError(t, protojson.Unmarshal(v.EventJSON, &event))
			raw, err := hex.DecodeString(v.WireHex)
			require.NoError(t, err)
			require.NoError(t, proto.Unmarshal(raw, &fromWire))
			require.True(t, proto.Equal(&event, &fromWire), "the vector contradicts itself")
			require.Equal(t, v.Expected.Kind, hangouts.KindOf(&event).String())
			if v.Expected.Text != nil {
				require.Equal(t, *v.Expected.Text, hangouts.MessageText(event.GetChatMessage()), v.Why)
				require.ElementsMatch(t, v.Expected.Attachments, hangouts.PhotoURLs(event.GetChatMessage()))
			}
		})
	}
	require.Equal(t, hangouts.GenericEvent, hangouts.KindOf(&pb.Event{}))
	require.Equal(t, "ConversationEvent", hangouts.GenericEvent.String())
}

func TestParsePlainText(t *testing.T) {
	plain := "**no** <b>markup</b> `x`  \\* [a](b) "
	require.Equal(t, []string{
		fmt.Sprintf(`TEXT %q {false false false false} ""`, plain),
		`LINK "www.example.com" {false false false false} "http://www.example.com"`,
		`LINE_BREAK "\n" {false false false false} ""`,
		`TEXT "😀" {false false false false} ""`,
	}, show(hangouts.ParsePlainText(plain+"www.example.com\r\n😀")))
	require.Empty(t, hangouts.ParsePlainText(""))
	require.Equal(t, "a\ufffdb", hangouts.SegmentsText(hangouts.ParseText("a\xffb")))
}

func TestAction(t *testing.T) {
	require.True(t, hangouts.IsAction(&pb.ChatMessage{Annotation: []*pb.EventAnnotation{{Type: proto.Int32(1025)}, hangouts.ActionAnnotation()}}))
	require.False(t, hangouts.IsAction(&pb.ChatMessage{Annotation: []*pb.EventAnnotation{{Type: proto.Int32(1025)}}}))
	require.False(t, hangouts.IsAction(nil))
}

// FuzzParseText checks that no text is lost or invented in plain mode, and that markup never
// panics and gives valid, non-empty segments.
func FuzzParseText(f *testing.F) {
	type vector struct{ Text string }
	for _, v := range vectors[vector](f, "message_parser", 98) {
		f.Add(v.Text)
	}
	f.Add("<a href='x'>y</a><img  src=\"z\" /><br\n/>[a](b)\\[c](d)")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range hangouts.ParseText(text) {
			require.NoError(t, proto.CheckInitialized(s))
			require.NotEmpty(t, s.GetText())
		}
		want := strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\r\n", "\n")
		require.Equal(t, want, hangouts.SegmentsText(hangouts.ParsePlainText(text)))
	})
}

// TestParseTextIsFast: artificial texts that would make a backtracking engine hang; the test
// would time out.
func TestParseTextIsFast(t *testing.T) {
	for _, unit := range []string{"*a ", "a.", "[", "[a](", "<b>", "<a href='x", "<img src='", "1.", "http://a.", "(", "a/", "`", "\\", "a-", "**", "x@"} {
		hangouts.ParseText(strings.Repeat(unit, 5_000))
	}
}
