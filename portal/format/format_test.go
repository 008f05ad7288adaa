package format

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func text(s string) chat.Segment { return chat.Segment{Kind: chat.SegmentText, Text: s} }

var lineBreak = chat.Segment{Kind: chat.SegmentBreak}

func TestHTML(t *testing.T) {
	for _, c := range []struct {
		name string
		in   chat.Text
		out  string
	}{
		{"escaped", chat.Text{text(`<b>&"x"`)}, "&lt;b&gt;&amp;&#34;x&#34;"},
		{"breaks", chat.Text{text("a"), lineBreak, lineBreak, text("b")}, "a<br><br>b"},
		{"styles", chat.Text{{Kind: chat.SegmentText, Text: "x", Bold: true, Italic: true, Strike: true, Under: true}}, "<strong><em><del><u>x</u></del></em></strong>"},
		{"link", chat.Text{{Kind: chat.SegmentLink, Text: "<here>", Target: "https://a.b/?x=1&y=\"2\""}}, `<a href="https://a.b/?x=1&amp;y=&#34;2&#34;">&lt;here&gt;</a>`},
		{"link without text", chat.Text{{Kind: chat.SegmentLink, Target: "https://a.b/"}}, `<a href="https://a.b/">https://a.b/</a>`},
		{"dangerous link", chat.Text{{Kind: chat.SegmentLink, Text: "x", Target: "javascript:alert(1)"}}, "x &lt;javascript:alert(1)&gt;"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.out, HTML(c.in)) })
	}
}

func TestFromHTML(t *testing.T) {
	bold := chat.Segment{Kind: chat.SegmentText, Text: "b", Bold: true}
	for _, c := range []struct {
		name, in string
		out      chat.Text
	}{
		{"plain", "a b", chat.Text{text("a b")}},
		{"white space is one space", "a \n\t b", chat.Text{text("a b")}},
		{"entities", "&lt;b&gt; &amp;", chat.Text{text("<b> &")}},
		{"no-break space stays", "a&nbsp;b", chat.Text{text("a\u00a0b")}},
		{"break", "a<br>b<br/>c", chat.Text{text("a"), lineBreak, text("b"), lineBreak, text("c")}},
		{"paragraphs", "<p>a</p><p>b</p>", chat.Text{text("a"), lineBreak, text("b")}},
		{"bold in words", "a <b>b</b> c", chat.Text{text("a"), {Kind: chat.SegmentText, Text: " b", Bold: true}, text(" c")}},
		{"strong", "<strong>b</strong>", chat.Text{bold}},
		{"nested", "<em><u><del>x</del></u></em>", chat.Text{{Kind: chat.SegmentText, Text: "x", Italic: true, Under: true, Strike: true}}},
		{"link", `see <a href="https://a.b/">here</a>.`, chat.Text{text("see "), {Kind: chat.SegmentLink, Text: "here", Target: "https://a.b/"}, text(".")}},
		{"pill is a name", `<a href="https://matrix.to/#/@x:y">Xaver</a>: hi`, chat.Text{text("Xaver: hi")}},
		{"dangerous link", `<a href="javascript:x">y</a>`, chat.Text{text("y")}},
		{"reply is dropped", "<mx-reply><blockquote>old</blockquote></mx-reply>new", chat.Text{text("new")}},
		{"list", "<ul><li>a</li><li>b</li></ul>", chat.Text{text("• a"), lineBreak, text("• b")}},
		{"numbered list", "x<ol><li>a</li><li>b</li></ol>y", chat.Text{text("x"), lineBreak, text("1. a"), lineBreak, text("2. b"), lineBreak, text("y")}},
		{"code keeps lines", "<pre><code>a\n  b\n</code></pre>", chat.Text{text("a"), lineBreak, text("  b")}},
		{"quote", "<blockquote>a</blockquote>b", chat.Text{text("> a"), lineBreak, text("b")}},
		{"script", "<script>x</script>y", chat.Text{text("y")}},
		{"nothing", "<p> </p>", nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.out, fromHTML(c.in, nil)) })
	}
}

// What Hangouts has no form for becomes text that can be read; <b> marks bold.
func TestFromHTMLDegrades(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"table", "<table><caption>Cats</caption><thead>\n<tr>\n<th>Name</th>\n<th>Age</th>\n</tr></thead>\n<tbody><tr><td>Tom</td><td>3</td></tr><tr><td>Kit</td><td><p>1</p><p>or 2</p></td></tr></tbody></table>after",
			"Cats\n<b>Name</b> | <b>Age</b>\nTom | 3\nKit | 1 or 2\nafter"},
		{"empty cells", "<table><tr><td>a</td><td></td><td>c</td></tr></table>", "a |  | c"},
		{"list", "Buy<ul>\n<li>milk</li>\n<li><p>two loaves</p>\n<p>of bread</p></li>\n</ul>\n<p>today</p>", "Buy\n• milk\n• two loaves\n  of bread\ntoday"},
		{"numbered", `<ol start="9"><li>a</li><li>b<br>c</li></ol>`, "9. a\n10. b\n    c"},
		{"nested lists", "<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>", "• a\n  1. b\n  2. c\n• d"},
		{"quote", "<blockquote>\n<p>one</p>\n<p>two<br>three</p>\n</blockquote>\n<p>mine</p>", "> one\n> two\n> three\nmine"},
		{"empty line in a quote", "<blockquote>one<br><br>two</blockquote>", "> one\n>\n> two"},
		{"quote in a quote", "<blockquote><blockquote>one</blockquote>two</blockquote>", "> > one\n> two"},
		{"list in a quote", "<blockquote>so:<ul><li>a</li><li>b</li></ul></blockquote>", "> so:\n> • a\n> • b"},
		{"headings", "<h1>Title</h1>text<h3>Part</h3><p>more</p>", "<b>Title</b>\ntext\n<b>Part</b>\nmore"},
		{"inline code", "run <code>a  b</code> now", "run a b now"},
		{"code", "see<pre><code class=\"language-go\">if x {\n\n\treturn\n}\n</code></pre>done", "see\n```go\nif x {\n\n\treturn\n}\n```\ndone"},
		{"coloured code", "<pre><span>a\n</span><span>  b\n</span></pre>c", "a\n  b\nc"},
		{"code in a quote", "<blockquote><pre>a\n\n b</pre></blockquote>", "> a\n>\n>  b"},
		{"details", "<details><summary>More</summary>hidden<p>part</p></details>after", "<b>More</b>\nhidden\npart\nafter"},
		{"definitions", "<dl><dt>cat</dt><dd>an animal<br>that purrs</dd></dl>", "<b>cat</b>\n  an animal\n  that purrs"},
		{"ruler", "a<hr>b", "a\n———\nb"},
		{"picture", `<img src="mxc://a/b" alt=":cat:"> hi`, ":cat: hi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shown strings.Builder
			for _, segment := range fromHTML(c.in, nil) {
				if segment.Bold {
					shown.WriteString("<b>" + segment.Text + "</b>")
				} else {
					shown.WriteString(chat.Text{segment}.String())
				}
			}
			require.Equal(t, c.out, shown.String())
		})
	}
}

func TestBareURLsBecomeLinks(t *testing.T) {
	link := chat.Segment{Kind: chat.SegmentLink, Text: "https://a.b/c", Target: "https://a.b/c"}
	for name, content := range map[string]*event.MessageEventContent{
		"body": {Body: "see https://a.b/c."},
		"HTML": {Body: "x", Format: event.FormatHTML, FormattedBody: "<p>see https://a.b/c.</p>"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, chat.Text{text("see "), link, text(".")}, FromContent(content, nil))
		})
	}
}

func TestFromContentPrefersWhatShowsSomething(t *testing.T) {
	require.Equal(t, chat.Plain("*a*\nb"), FromContent(&event.MessageEventContent{Body: "*a*\nb"}, nil), "a body is not Markdown")
	require.Equal(t, chat.Plain("body"), FromContent(&event.MessageEventContent{Body: "body", Format: event.FormatHTML, FormattedBody: "<p></p>"}, nil))
}

func TestDeepHTMLEnds(t *testing.T) {
	require.NotPanics(t, func() { fromHTML(strings.Repeat("<b>", 5000)+"x", nil) })
}

func FuzzFromHTML(f *testing.F) {
	f.Add("<p>a<br><b>b</b></p><ul><li>x")
	f.Fuzz(func(t *testing.T, in string) {
		for _, segment := range fromHTML(in, nil) {
			require.NotContains(t, segment.Text, "\n", "breaks are segments of their own")
		}
	})
}

func TestSplitText(t *testing.T) {
	bytes := func(s string) int { return len(s) }
	long := strings.Repeat("wörter und mehr ", 500)
	for _, c := range []struct {
		name  string
		in    chat.Text
		limit int
	}{
		{"fits", chat.Plain("short"), 100},
		{"one long line", chat.Plain(long), 100},
		{"no spaces", chat.Plain(strings.Repeat("ä", 1000)), 33},
		{"lines", chat.Plain(strings.Repeat("line\n", 200)), 64},
		{"long link", chat.Text{text("see "), {Kind: chat.SegmentLink, Text: strings.Repeat("x", 300), Target: "https://a.b"}}, 50},
		{"limit smaller than a character", chat.Plain("äöü"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			pieces := Split(c.in, c.limit, bytes)
			var all strings.Builder
			for _, piece := range pieces {
				s := piece.String()
				require.True(t, utf8.ValidString(s))
				require.True(t, len(s) <= c.limit || utf8.RuneCountInString(s) == 1, "%d bytes", len(s))
				all.WriteString(s)
			}
			squeeze := func(s string) string { return strings.ReplaceAll(s, "\n", "") }
			require.Equal(t, squeeze(c.in.String()), squeeze(all.String()), "nothing is lost")
		})
	}
	require.Len(t, Split(chat.Plain(long), 0, bytes), 1, "no limit")
}

func TestLine(t *testing.T) {
	require.Empty(t, Line("no <b>code</b> here").FormattedBody)
	content := Line("<b>Eve</b>: send `!x accept` or `!x decline`, not ` alone")
	require.Equal(t, "&lt;b&gt;Eve&lt;/b&gt;: send <code>!x accept</code> or <code>!x decline</code>, not ` alone", content.FormattedBody)
	require.Equal(t, event.FormatHTML, content.Format)
	require.Equal(t, event.MsgNotice, content.MsgType)
}
