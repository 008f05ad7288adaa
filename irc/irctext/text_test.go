package irctext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func text(s string) chat.Segment { return chat.Segment{Kind: chat.SegmentText, Text: s} }

func link(text, target string) chat.Segment {
	return chat.Segment{Kind: chat.SegmentLink, Text: text, Target: target}
}

func TestParse(t *testing.T) {
	styled := func(s string, f func(*chat.Segment)) chat.Segment {
		seg := text(s)
		f(&seg)
		return seg
	}
	tests := []struct {
		name, in string
		want     chat.Text
	}{
		{"plain", "hello", chat.Text{text("hello")}},
		{"toggles", "a\x02b\x02c", chat.Text{text("a"), styled("b", func(s *chat.Segment) { s.Bold = true }), text("c")}},
		{"all and reset", "\x02\x1d\x1f\x1eall\x0fnone", chat.Text{
			styled("all", func(s *chat.Segment) { s.Bold, s.Italic, s.Under, s.Strike = true, true, true, true }), text("none")}},
		{"colour dropped", "\x0304red\x03 plain", chat.Text{text("red plain")}},
		{"colour digits", "\x03045 apples", chat.Text{text("5 apples")}},
		{"colour comma is text", "\x0304,x", chat.Text{text(",x")}},
		{"colour pair", "\x033,12x", chat.Text{text("x")}},
		{"hex colour", "\x04ff00ff,001122x", chat.Text{text("x")}},
		{"hex colour too short", "\x04ff0x", chat.Text{text("ff0x")}},
		{"monospace, reverse, bell", "\x11a\x16b\x07c", chat.Text{text("abc")}},
		{"asterisks stay", "*x* _y_ ~z~", chat.Text{text("*x* _y_ ~z~")}},
		{"link", "see https://example.org/a?b=c.", chat.Text{text("see "), link("https://example.org/a?b=c", "https://example.org/a?b=c"), text(".")}},
		{"link in brackets", "(https://example.org/a_(b))", chat.Text{text("("), link("https://example.org/a_(b)", "https://example.org/a_(b)"), text(")")}},
		{"only codes", "\x02\x0f", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, Parse(tt.in)) })
	}
}

func TestLines(t *testing.T) {
	bolded := chat.Segment{Kind: chat.SegmentText, Text: "bold", Bold: true}
	struck := chat.Segment{Kind: chat.SegmentText, Text: "gone", Strike: true}
	tests := []struct {
		name string
		in   chat.Text
		f    Formatting
		want []string
	}{
		{"breaks", chat.Plain("a\nb\n\n \nc"), Full, []string{"a", "b", "c"}},
		{"bold", chat.Text{text("a "), bolded, text(" b")}, Full, []string{"a \x02bold\x02 b"}},
		{"strike basic", chat.Text{text("a "), struck}, Basic, []string{"a ~~gone~~"}},
		{"none", chat.Text{bolded, struck}, None, []string{"boldgone"}},
		{"link", chat.Text{link("here", "https://example.org/")}, Full, []string{"here <https://example.org/>"}},
		{"link is its text", chat.Text{link("example.org", "https://example.org/")}, Full, []string{"example.org"}},
		{"strange scheme", chat.Text{link("here", "javascript:alert(1)")}, Full, []string{"here"}},
		{"codes injected", chat.Text{text("a\x02b\x03" + "4c\x01d\x00e\rf\ng")}, Full, []string{"ab4cde f g"}},
		{"CTCP injected", chat.Text{text("\x01ACTION lies\x01")}, Full, []string{"ACTION lies"}},
		{"leading space kept", chat.Text{text("  x ")}, Full, []string{"  x "}},
		{"blank", chat.Text{text("  ")}, Full, nil},
		{"empty", nil, Full, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, Lines(tt.in, tt.f, 400)) })
	}
}

func TestSplit(t *testing.T) {
	family := "👨\u200d👩\u200d👧\u200d👦"
	url := "https://example.org/" + strings.Repeat("p", 60)
	tests := []struct {
		name   string
		in     string
		budget int
		check  func(t *testing.T, lines []string)
	}{
		{"600 é", strings.Repeat("é", 600), 451, nil},
		{"100 families", strings.Repeat(family, 100), 450, func(t *testing.T, lines []string) {
			for _, l := range lines {
				require.Zero(t, len(l)%len(family), "a family is broken")
			}
		}},
		{"at spaces", strings.Repeat("word ", 40), 32, func(t *testing.T, lines []string) {
			for _, l := range lines {
				require.True(t, strings.HasSuffix(l, "word "), l)
			}
		}},
		{"URL stays whole", strings.Repeat("word ", 15) + url + " tail", 100, func(t *testing.T, lines []string) {
			require.Contains(t, strings.Join(lines, "\n"), url)
		}},
		{"URL stays whole where no space is near", strings.Repeat("x", 60) + "(" + url + ")", 100, func(t *testing.T, lines []string) {
			require.Equal(t, []string{strings.Repeat("x", 60) + "(", url + ")"}, lines)
		}},
		{"URL that just fits a line", strings.Repeat("é", 40) + "," + url, len(url) + 8, func(t *testing.T, lines []string) {
			require.Contains(t, lines, url)
		}},
		{"URL longer than a line", "https://example.org/" + strings.Repeat("p", 600), 100, nil},
		{"zalgo", "e" + strings.Repeat("\u0301", 500), 100, nil},
		{"flags", strings.Repeat("🇩🇪", 60), 100, func(t *testing.T, lines []string) {
			for _, l := range lines {
				require.Zero(t, len(l)%8, "a flag is broken")
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := Lines(chat.Text{text(tt.in)}, Full, tt.budget)
			require.Equal(t, tt.in, strings.Join(lines, ""))
			for _, l := range lines {
				require.LessOrEqual(t, len(l), tt.budget)
				require.True(t, utf8.ValidString(l))
			}
			if tt.check != nil {
				tt.check(t, lines)
			}
		})
	}
}

func TestSplitKeepsBlankLines(t *testing.T) {
	in := chat.Plain("one\n\n" + strings.Repeat("x", 50) + "\n ")
	want := []Line{{"one", false}, {"", false}, {strings.Repeat("x", 40), false}, {strings.Repeat("x", 10), true}, {"", false}}
	require.Equal(t, want, Split(in, Full, 40))
}

func TestStyleIsCarriedOverTheSplit(t *testing.T) {
	in := chat.Text{{Kind: chat.SegmentText, Text: strings.Repeat("bold ", 100), Bold: true}}
	for _, l := range Lines(in, Full, 100) {
		require.True(t, strings.HasPrefix(l, "\x02"), l)
	}
	in[0].Bold, in[0].Strike = false, true
	for _, l := range Lines(in, Basic, 100) {
		require.True(t, strings.HasPrefix(l, "~~") && strings.HasSuffix(l, "~~"), l)
		require.LessOrEqual(t, len(l), 100)
	}
}

func TestCutGraphemes(t *testing.T) {
	require.Equal(t, "ab", CutGraphemes("abc", 2))
	require.Equal(t, "a", CutGraphemes("aéb", 2))
	require.Equal(t, "x", CutGraphemes("xe\u0301", 2), "the accent stays with its letter")
	require.Equal(t, "", CutGraphemes("👨\u200d👩", 5))
}

func FuzzLines(f *testing.F) {
	f.Add("hello world", uint8(0), uint16(100))
	f.Add("a\x02b\x03"+"4,5c\x01\r\nQUIT https://example.org/x", uint8(15), uint16(20))
	f.Add(strings.Repeat("👨\u200d👩\u200d👧", 30), uint8(8), uint16(40))
	f.Fuzz(func(t *testing.T, s string, st uint8, budget uint16) {
		b := max(int(budget%1000), 16)
		in := chat.Text{style(st & 15).apply(text(s))}
		var joined strings.Builder
		for _, l := range Lines(in, Full, b) {
			if len(l) > b {
				t.Fatalf("%d bytes over a budget of %d", len(l), b)
			}
			if strings.ContainsAny(l, "\x00\x01\x03\x04\x0f\x11\x16\r\n\x7f\x1b") || !utf8.ValidString(l) {
				t.Fatalf("not clean: %q", l)
			}
			for _, seg := range Parse(l) {
				if styleOf(seg) != style(st&15) {
					t.Fatalf("style lost in %q", l)
				}
				joined.WriteString(seg.Text)
			}
		}
		want := Clean(s)
		if strings.TrimSpace(want) == "" {
			want = ""
		}
		if joined.String() != want {
			t.Fatalf("%q became %q", want, joined.String())
		}
	})
}
