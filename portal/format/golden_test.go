package format

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

var update = flag.Bool("update", false, "write the results into the golden tables")

// row is one row of a golden table: a name, what goes in, and what comes out.
type row struct{ name, in, out string }

// readTable reads a table: blocks of "# name", the input, "=>" and the result.
func readTable(t *testing.T, file string) (rows []row) {
	t.Helper()
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, block := range strings.Split("\n"+string(source), "\n# ")[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		in, out, _ := strings.Cut(rest, "\n=>\n")
		rows = append(rows, row{name, strings.TrimSuffix(in, "\n=>"), strings.TrimRight(out, "\n")})
	}
	return rows
}

func writeTable(t *testing.T, file string, rows []row) {
	t.Helper()
	var out strings.Builder
	for _, r := range rows {
		out.WriteString("# " + r.name + "\n" + r.in + "\n=>\n" + r.out + "\n\n")
	}
	require.NoError(t, os.WriteFile(file, []byte(out.String()), 0o600))
}

// runTable compares each row with what convert makes of it, or writes that.
func runTable(t *testing.T, file string, atLeast int, convert func(t *testing.T, in string) string) {
	rows := readTable(t, file)
	require.GreaterOrEqual(t, len(rows), atLeast)
	seen := map[string]bool{}
	for i, r := range rows {
		require.False(t, seen[r.name], "two rows %q", r.name)
		seen[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			got := convert(t, r.in)
			if *update {
				rows[i].out = got
				return
			}
			require.Equal(t, r.out, got)
		})
	}
	if *update {
		writeTable(t, file, rows)
	}
}

// testNames are those of a conversation with Carl, who is a ghost, and Anna, who is @alice.
var testNames = &Names{
	Shown:  map[string]string{"Carl Capek (Hangouts)": "Carl Capek", "Carl (Hangouts)": "Carl"},
	Domain: "example.org",
	Of: func(user id.UserID) string {
		return map[id.UserID]string{"@hangouts_103:example.org": "Carl Capek", "@alice:example.org": "Anna Adams"}[user]
	},
}

// notation shows segments: {bi:text} is bold and italic, {=target|text} a link.
func notation(text chat.Text) string {
	var out strings.Builder
	for _, s := range text {
		flags := ""
		for _, f := range []struct {
			on   bool
			name string
		}{{s.Bold, "b"}, {s.Italic, "i"}, {s.Strike, "s"}, {s.Under, "u"}} {
			if f.on {
				flags += f.name
			}
		}
		switch {
		case s.Kind == chat.SegmentBreak:
			out.WriteString("\n")
		case s.Kind == chat.SegmentLink:
			out.WriteString("{" + flags + "=" + s.Target + "|" + s.Text + "}")
		case flags != "":
			out.WriteString("{" + flags + ":" + s.Text + "}")
		default:
			out.WriteString(s.Text)
		}
	}
	return out.String()
}

// TestOutwards asserts what becomes of each HTML or, as JSON, content of a message from Matrix.
func TestOutwards(t *testing.T) {
	runTable(t, "testdata/outwards.golden", 100, func(t *testing.T, in string) string {
		content := &event.MessageEventContent{MsgType: event.MsgText, Body: "body", Format: event.FormatHTML, FormattedBody: in}
		if strings.HasPrefix(in, "{") {
			content = &event.MessageEventContent{}
			require.NoError(t, json.Unmarshal([]byte(in), content))
		}
		return notation(FromContent(content, testNames))
	})
}

// TestInwards asserts the body and HTML of each text of the network.
func TestInwards(t *testing.T) {
	runTable(t, "testdata/inwards.golden", 25, func(t *testing.T, in string) string {
		var text chat.Text
		require.NoError(t, json.Unmarshal([]byte(in), &text))
		content := Content(event.MsgText, text.Clean())
		return "body: " + content.Body + "\nhtml: " + content.FormattedBody
	})
}

// Hostile HTML costs time and memory in proportion to its size: counted in segments and bytes of
// what comes out, never by the clock.
func TestHostileHTMLIsBounded(t *testing.T) {
	const megabyte = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, megabyte/len(s)) }
	for name, in := range map[string]string{
		"3000 deep":               strings.Repeat("<div><b>", 1500) + "x" + strings.Repeat("</b></div>", 1500),
		"3000 quotes":             strings.Repeat("<blockquote>", 3000) + "x<br>y",
		"3000 lists":              strings.Repeat("<ul><li>", 1500) + "x",
		"only starts":             fill("<i>"),
		"styles and paragraphs":   strings.Repeat("<b><i><u><s>", 300) + fill("<p>x"),
		"styles across":           fill("<p><b><i><u>x</p>"),
		"small pieces":            fill("a<i></i>"),
		"deep quotes, many lines": strings.Repeat("<blockquote>", 90) + fill("x<br>"),
		"links in list":           fill("<a href=https://matrix.to/#/@x:y.z><li>"),
		"links without end":       fill(`<a href="https://a.b/">`),
		"entities":                fill("&amp;"),
		"brackets":                fill("<"),
		"one attribute":           `<a href="` + fill("x") + `">y</a>`,
		"mentions":                fill("@x:y.z "),
		"raised":                  strings.Repeat("<sup>", 3000) + "2",
	} {
		t.Run(name, func(t *testing.T) {
			text := FromContent(&event.MessageEventContent{Body: "b", Format: event.FormatHTML, FormattedBody: in}, testNames)
			require.Less(t, len(text.String()), 20*megabyte)
			require.Less(t, len(text), 2*megabyte/3)
		})
	}
}

// What is nested too deep still shows its text.
func TestDeepTextIsNotLost(t *testing.T) {
	require.Equal(t, "a\nx\nb", fromHTML("a"+strings.Repeat("<div>", 3000)+"x"+strings.Repeat("</div>", 3000)+"b", nil).String())
}

// Open styles are repeated neither in each paragraph nor behind each end around them.
func TestParseIsBounded(t *testing.T) {
	for name, in := range map[string]string{
		"paragraphs": strings.Repeat("<b><i><u><s>", 300) + strings.Repeat("<p>x", 10_000),
		"ends":       strings.Repeat(strings.Repeat("<div>", 50)+strings.Repeat("<b>", 49)+strings.Repeat("</div>", 50)+strings.Repeat("</b>", 99), 100),
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for range parse(in).Descendants() {
				n++
			}
			require.Less(t, n, len(in))
		})
	}
}

func TestQuote(t *testing.T) {
	long := strings.Repeat("word ", 100)
	for _, c := range []struct {
		name string
		in   chat.Message
		out  string
	}{
		{"text", chat.Message{Text: chat.Plain("where?")}, "> Carl: where?"},
		{"lines", chat.Message{Text: chat.Plain("a\n\nb")}, "> Carl: a b"},
		{"long", chat.Message{Text: chat.Plain(long)}, "> Carl: " + strings.TrimSpace(long[:100]) + "…"},
		{"emote", chat.Message{Text: chat.Plain("waves"), Emote: true}, "> Carl waves"},
		{"answer", chat.Message{Text: chat.Plain("> Anna: where?\nhere")}, "> Carl: here"},
		{"only a quote", chat.Message{Text: chat.Plain("> wisdom")}, "> Carl: > wisdom"},
		{"photo", chat.Message{Attachments: []chat.Attachment{{Kind: chat.AttachPhoto}}}, "> Carl: (photo)"},
		{"file", chat.Message{Attachments: []chat.Attachment{{Kind: "odd"}}}, "> Carl: (attachment)"},
		{"nothing", chat.Message{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.out, Quote("Carl", &c.in).String()) })
	}
}

func TestCalls(t *testing.T) {
	anna := chat.Person{ID: "1", FullName: "Anna Ádams", FirstName: "Anna"}
	for said, want := range map[string]bool{
		"Anna": true, "hey ANNA!": true, "anna's": true, "(anna)": true, "anna ádams": true, "ANNA  ÁDAMS": true, "Anna A\u0301dams?": true,
		"Annabel": false, "Hanna": false, "Joanna, Anna": true, "Anna\u0301": false, "_anna_": false, "anna1": false, "Ädams": false, "éanna": false, "": false,
	} {
		require.Equal(t, want, Calls(chat.Plain(said), anna), "%q", said)
	}
	require.True(t, Calls(chat.Text{{Kind: chat.SegmentText, Text: "An"}, {Kind: chat.SegmentText, Text: "na", Bold: true}}, anna), "styles do not cut words")
	require.True(t, Calls(chat.Plain("田中さん"), chat.Person{ID: "1", FullName: "田中 一郎", FirstName: "田中"}))
	require.True(t, Calls(chat.Plain("STRAUSS"), chat.Person{ID: "1", FullName: "Strauß"}))
	for _, nameless := range []chat.Person{{ID: "1"}, {ID: "1", FullName: "Unknown"}, {ID: "1", FullName: "+1 555"}, {ID: "1", FullName: "A"}} {
		require.False(t, Calls(chat.Plain("a unknown +1 555 1"), nameless), "%+v", nameless)
	}
}
