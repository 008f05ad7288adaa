package chat_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// unharmed are names and texts of real people, which stay as they are.
var unharmed = map[string]string{
	"accents": "Čapek, Zoë", "combined": "Zoe\u0308 Nguye\u0302\u0303n", "family": "👨‍👩‍👧‍👦", "pride": "🏳️‍🌈", "England": "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
	"skin": "👍🏽", "keycap": "1️⃣", "flags": "🇨🇿🇩🇪", "Arabic": "مُحَمَّد", "Hebrew with points": "שָׁלוֹם", "right-to-left mark": "שלום\u200f (Dan)",
	"Persian": "می\u200cخواهم", "Devanagari": "क्\u200dष", "Thai": "ที่นี่", "Korean": "한국어 \u1112\u1161\u11ab", "Japanese": "が", "private use": "\ue000", "inner spaces": "Ann  Lee",
}

func TestCleanName(t *testing.T) {
	for name, s := range unharmed {
		require.Equal(t, s, chat.CleanName(s), name)
	}
	for name, c := range map[string]struct{ in, out string }{
		"C0":                    {"A\x00\x01\x02\x03\x1b[31mnn\x7f", "A[31mnn"},
		"C1":                    {"A\u0080\u009bnn", "Ann"},
		"CR LF":                 {"Ann\r\nQUIT\rx\ny", "Ann QUIT x y"},
		"other line ends":       {"a\u0085b\u2028c\u2029d\ve\ff\tg", "a b c d e f g"},
		"ends":                  {" \n Ann\t\u2028", "Ann"},
		"override":              {"\u202eeel nnA\u202c", "eel nnA"},
		"isolates":              {"\u2066A\u2067n\u2068n\u2069", "Ann"},
		"invisible":             {"A\u200bn\u2060n\ufeff \u00adLee\u180e", "Ann Lee"},
		"invalid UTF-8":         {"A\xffnn\xc3", "A\uFFFDnn\uFFFD"},
		"half a surrogate":      {"A\xed\xa0\x80", "A\uFFFD"},
		"no character":          {"A\ufffe\uffff\U0001ffff\ufdd0nn", "Ann"},
		"annotation":            {"A\ufff9n\ufffan\ufffb", "Ann"},
		"nothing to see":        {"\u200b\u200d\ufe0f \u3164\u115f\u2800", ""},
		"stacked marks":         {"A" + strings.Repeat("\u0300", 500), "A" + strings.Repeat("\u0300", 30)},
		"joiners":               {"A" + strings.Repeat("\u200d", 500) + "B", "A" + strings.Repeat("\u200d", 30) + "B"},
		"long":                  {strings.Repeat("x", 10_000), strings.Repeat("x", chat.MaxName)},
		"long, mark at the end": {strings.Repeat("x", chat.MaxName-1) + "e\u0301", strings.Repeat("x", chat.MaxName-1)},
		"long, emoji":           {strings.Repeat("x", chat.MaxName-3) + "👨‍👩‍👧‍👦", strings.Repeat("x", chat.MaxName-3)},
		"long, flags":           {strings.Repeat("x", chat.MaxName-1) + "🇨🇿🇩🇪", strings.Repeat("x", chat.MaxName-1)},
		"long, two flags":       {strings.Repeat("x", chat.MaxName-2) + "🇨🇿🇩🇪", strings.Repeat("x", chat.MaxName-2) + "🇨🇿"},
	} {
		require.Equal(t, c.out, chat.CleanName(c.in), name)
		require.Equal(t, c.out, chat.CleanName(c.out), name)
	}
}

func TestCleanFileName(t *testing.T) {
	for name, want := range map[string]string{
		"cat.png": "cat.png", ".profile": ".profile", "../../etc/passwd": "passwd", `C:\temp\cat.png`: "cat.png", "a/..": "", "..": "", "a/": "", "": "",
		"x/\u202egpj.exe\n": "gpj.exe", "a/\u200b": "",
	} {
		require.Equal(t, want, chat.CleanFileName(name), name)
	}
}

func TestCleanText(t *testing.T) {
	for name, s := range unharmed {
		require.Equal(t, chat.Plain(s), chat.Plain(s).Clean(), name)
	}
	text := func(s string) chat.Segment { return chat.Segment{Kind: chat.SegmentText, Text: s} }
	br := chat.Segment{Kind: chat.SegmentBreak}
	link := func(text, target string) chat.Segment {
		return chat.Segment{Kind: chat.SegmentLink, Text: text, Target: target}
	}
	for name, c := range map[string]struct{ in, out chat.Text }{
		"controls":                 {chat.Plain("a\x00\x01\x02b\tc\x7f\u009b"), chat.Plain("ab\tc")},
		"line ends":                {chat.Text{text("a\r\nb\rc\nd\u2028e\u2029f\u0085g\vh\fi")}, chat.Plain("a\nb\nc\nd\ne\nf\ng\nh\ni")},
		"empty lines":              {chat.Plain("a\n\nb"), chat.Plain("a\n\nb")},
		"style stays":              {chat.Text{{Kind: chat.SegmentText, Text: "a\u2028b", Bold: true}}, chat.Text{{Kind: chat.SegmentText, Text: "a", Bold: true}, br, {Kind: chat.SegmentText, Text: "b", Bold: true}}},
		"closed at the end":        {chat.Plain("a \u202egpj.exe"), chat.Plain("a \u202egpj.exe\u202c")},
		"closed at each line":      {chat.Plain("\u2067a\nb\u2069"), chat.Text{text("\u2067a\u2069"), br, text("b")}},
		"nested":                   {chat.Plain("\u2067\u202aa"), chat.Plain("\u2067\u202aa\u202c\u2069")},
		"isolate closes embedding": {chat.Plain("\u2067\u202aa\u2069b"), chat.Plain("\u2067\u202aa\u2069b")},
		"closers alone":            {chat.Plain("a\u202c\u2069b"), chat.Plain("ab")},
		"balanced stays":           {chat.Plain("a \u2068שלום\u2069 b"), chat.Plain("a \u2068שלום\u2069 b")},
		"too deep":                 {chat.Plain(strings.Repeat("\u202e", 100) + "a"), chat.Plain(strings.Repeat("\u202e", 16) + "a" + strings.Repeat("\u202c", 16))},
		"closed behind a link":     {chat.Text{text("\u202ea"), link("b", "http://b")}, chat.Text{text("\u202ea"), link("b", "http://b"), text("\u202c")}},
		"bare link":                {chat.Text{link("http://a\u202e\x01/b", "http://a\u202e\x01/b")}, chat.Text{link("http://a/b", "http://a/b")}},
		"link with line end":       {chat.Text{link("a\nb", "http://a/\r\nb")}, chat.Text{link("a b", "http://a/b")}},
		"link to nowhere":          {chat.Text{link("a", "\x01")}, chat.Text{text("a")}},
		"nothing left":             {chat.Text{text("\x01\x00")}, nil},
		"invalid UTF-8":            {chat.Text{text("a\xff\xfeb")}, chat.Plain("a\uFFFDb")},
		"stacked marks":            {chat.Plain("a" + strings.Repeat("\u0336", 999)), chat.Plain("a" + strings.Repeat("\u0336", 30))},
	} {
		require.Equal(t, c.out, c.in.Clean(), name)
		require.Equal(t, c.out, c.out.Clean(), name)
	}
	require.True(t, chat.Plain("\x01\u200b \n").Empty())
	require.False(t, chat.Plain("\u200d👍").Empty())
}

// FuzzClean: what is clean holds nothing that is not, and stays as it is.
func FuzzClean(f *testing.F) {
	for _, s := range unharmed {
		f.Add(s, s)
	}
	f.Add("a\u202e\u2067\u202c\u2069\r\n\u2028\x01\xff", "\u2066b"+strings.Repeat("\u200d", 40))
	f.Fuzz(cleanHolds)
}

// TestCleanOfRandomTexts does what FuzzClean does, with a fixed choice of the worst characters.
func TestCleanOfRandomTexts(t *testing.T) {
	worst := []rune("a \t\n\r\x00\x01\x7f\u0085\u009b\u00ad\u0300\u200b\u200d\u200f\u2028\u202a\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufe0f\ufeff\ufffe👍🇨")
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		runes := make([]rune, random.IntN(90))
		for i := range runes {
			runes[i] = worst[random.IntN(len(worst))]
			if i > 0 && random.IntN(3) > 0 {
				runes[i] = runes[i-1]
			}
		}
		return string(runes) + []string{"", "\xff", "\xed\xa0\x80"}[random.IntN(3)]
	}
	for range 3000 {
		cleanHolds(t, text(), text())
	}
}

func cleanHolds(t *testing.T, one, two string) {
	bad := func(r rune) bool {
		return r != '\t' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe'
	}
	for _, s := range []string{one, two} {
		name := chat.CleanName(s)
		require.Equal(t, name, chat.CleanName(name))
		require.True(t, utf8.ValidString(name) && !strings.ContainsFunc(name, bad) && !strings.ContainsAny(name, "\t\u202e\u2066"))
		require.LessOrEqual(t, utf8.RuneCountInString(name), chat.MaxName)
	}
	text := chat.Text{{Kind: chat.SegmentText, Text: one}, {Kind: chat.SegmentLink, Text: two, Target: one}, {Kind: chat.SegmentText, Text: two, Bold: true}}
	clean := text.Clean()
	require.Equal(t, clean, clean.Clean())
	depth := 0
	for _, segment := range clean {
		require.True(t, utf8.ValidString(segment.Text) && !strings.ContainsFunc(segment.Text, bad), "%q", segment.Text)
		depth += strings.Count(segment.Text, "\u202e") + strings.Count(segment.Text, "\u202d") + strings.Count(segment.Text, "\u202a") + strings.Count(segment.Text, "\u202b") - strings.Count(segment.Text, "\u202c")
		if segment.Kind == chat.SegmentBreak {
			require.GreaterOrEqual(t, depth, 0)
			depth = 0
		}
	}
}

func TestTitleOfManyMembersIsBounded(t *testing.T) {
	c := chat.Conversation{Kind: chat.Group, Members: []chat.Member{{ID: "1"}}}
	for i := range 150 {
		c.Members = append(c.Members, chat.Member{ID: chat.PersonID(strconv.Itoa(100 + i)), Name: "Bartholomew"})
	}
	title := c.Title("1", nil)
	require.Equal(t, chat.MaxName, len(title))
	require.True(t, strings.HasPrefix(title, "Bartholomew, Bartholomew"))
}
